"""Miners' API keys and unlock passwords are sealed with the data key (app/sealing.py)

Revision: 0009, after 0008_keys
"""

import sqlalchemy as sa
from alembic import op

from app.sealing import keyring

revision = '0009'
down_revision = '0008_keys'
branch_labels = None
depends_on = None

_MINERS = sa.table('miners', sa.column('id'), sa.column('api_key', sa.Text), sa.column('unlock_password', sa.Text))


def upgrade():
    _leave_no_trace()
    with op.batch_alter_table('miners', schema=None) as batch_op:
        batch_op.alter_column('api_key', existing_type=sa.String(64), type_=sa.Text(), existing_nullable=True)
        batch_op.alter_column('unlock_password', existing_type=sa.String(120), type_=sa.Text(), existing_nullable=True)
    _convert(keyring().seal)


def downgrade():
    _convert(_unsealed)
    with op.batch_alter_table('miners', schema=None) as batch_op:
        batch_op.alter_column('unlock_password', existing_type=sa.Text(), type_=sa.String(120), existing_nullable=True)
        batch_op.alter_column('api_key', existing_type=sa.Text(), type_=sa.String(64), existing_nullable=True)


def _convert(change):
    """Change every secret, in the one transaction of the migration: all of them, or none."""
    connection = op.get_bind()
    for miner_id, *secrets in connection.execute(sa.select(*_MINERS.c)).all():
        api_key, unlock_password = (None if secret is None else change(secret) for secret in secrets)
        changed = {'api_key': api_key, 'unlock_password': unlock_password}
        connection.execute(sa.update(_MINERS).where(_MINERS.c.id == miner_id).values(changed))


def _unsealed(token):
    secret = keyring().unseal(token)
    return None if secret is None else secret.reveal()


def _leave_no_trace():
    """Let SQLite overwrite what it frees: a plain key must not stay behind in the file."""
    if op.get_bind().dialect.name == 'sqlite':
        op.get_bind().exec_driver_sql('PRAGMA secure_delete=ON')
