"""Why a miner without a reason of its own stays

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('balance_cycles', schema=None) as batch_op:
        batch_op.add_column(sa.Column('stays', sa.Text(), server_default='', nullable=False))


def downgrade():
    with op.batch_alter_table('balance_cycles', schema=None) as batch_op:
        batch_op.drop_column('stays')
