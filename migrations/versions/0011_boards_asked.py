"""When a miner was last asked for its boards, whatever it answered

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('miner_status', schema=None) as batch_op:
        batch_op.add_column(sa.Column('boards_asked_at', sa.DateTime(timezone=True), nullable=True))


def downgrade():
    with op.batch_alter_table('miner_status', schema=None) as batch_op:
        batch_op.drop_column('boards_asked_at')
