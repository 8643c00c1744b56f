"""What the plant's owner answered that no setting acts on

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('operator_records',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('topic', sa.String(length=40), nullable=False),
    sa.Column('answer', sa.Text(), nullable=False),
    sa.Column('stated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('stated_by', sa.String(length=80), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_operator_records'))
    )
    with op.batch_alter_table('operator_records', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_operator_records_topic'), ['topic'], unique=False)


def downgrade():
    with op.batch_alter_table('operator_records', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_operator_records_topic'))
    op.drop_table('operator_records')
