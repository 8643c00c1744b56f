"""Meter roles: what the meters say of their roles, and what the miners report to draw

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('plant_sources') as batch_op:
        batch_op.add_column(sa.Column('judged_after_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('verdict', sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column('slope', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('effect_kw', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('judged_role', sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column('judged_together', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('judged_reading_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('check_note', sa.String(length=200), nullable=True))

    with op.batch_alter_table('balance_cycles') as batch_op:
        batch_op.add_column(sa.Column('reported_w', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('known_miners', sa.Integer(), nullable=True))


def downgrade():
    with op.batch_alter_table('balance_cycles') as batch_op:
        batch_op.drop_column('known_miners')
        batch_op.drop_column('reported_w')

    with op.batch_alter_table('plant_sources') as batch_op:
        batch_op.drop_column('check_note')
        batch_op.drop_column('checked_at')
        batch_op.drop_column('decided_at')
        batch_op.drop_column('judged_reading_id')
        batch_op.drop_column('judged_together')
        batch_op.drop_column('judged_role')
        batch_op.drop_column('effect_kw')
        batch_op.drop_column('slope')
        batch_op.drop_column('verdict')
        batch_op.drop_column('judged_after_id')
