"""Orders given once: the caller's key and a digest of the request

Revision: 0008_keys, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008_keys'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('commands', schema=None) as batch_op:
        batch_op.add_column(sa.Column('idempotency_key', sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column('request_digest', sa.String(length=64), nullable=True))
        batch_op.create_index('ix_commands_idempotency_key', ['created_by', 'idempotency_key'], unique=True)


def downgrade():
    with op.batch_alter_table('commands', schema=None) as batch_op:
        batch_op.drop_index('ix_commands_idempotency_key')
        batch_op.drop_column('request_digest')
        batch_op.drop_column('idempotency_key')
