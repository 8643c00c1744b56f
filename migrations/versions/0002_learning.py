"""Learning: factors per miner, what changes cost per model, and the operator's own numbers for it

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('miner_models', schema=None) as batch_op:
        batch_op.add_column(sa.Column('settle_s', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('switch_loss_s', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('switches', sa.JSON(), server_default='[]', nullable=False))

    with op.batch_alter_table('miner_status', schema=None) as batch_op:
        batch_op.add_column(sa.Column('power_factor', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('hashrate_factor', sa.Double(), nullable=True))
        batch_op.add_column(sa.Column('learned_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('measured_change_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('measured_ths_s', sa.Double(), nullable=True))


def downgrade():
    with op.batch_alter_table('miner_status', schema=None) as batch_op:
        batch_op.drop_column('measured_ths_s')
        batch_op.drop_column('measured_change_id')
        batch_op.drop_column('learned_at')
        batch_op.drop_column('hashrate_factor')
        batch_op.drop_column('power_factor')

    with op.batch_alter_table('miner_models', schema=None) as batch_op:
        batch_op.drop_column('switches')
        batch_op.drop_column('switch_loss_s')
        batch_op.drop_column('settle_s')
