"""What miners told when an operator asked them for everything

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'miner_inspections',
        sa.Column('miner_id', sa.Integer(), nullable=False),
        sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('chips', sa.JSON(), nullable=False),
        sa.Column('answers', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['miner_id'], ['miners.id'], name=op.f('fk_miner_inspections_miner_id_miners'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('miner_id', name=op.f('pk_miner_inspections')),
    )


def downgrade():
    op.drop_table('miner_inspections')
