"""Which change is its miner's latest: the dashboard counts the failed ones without a look at every miner

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

LATEST = sa.column('is_latest', sa.Boolean) == sa.true()


def upgrade():
    with op.batch_alter_table('preset_changes', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_latest', sa.Boolean(), server_default=sa.false(), nullable=False))
    changes = sa.table('preset_changes', sa.column('id'), sa.column('miner_id'), sa.column('is_latest', sa.Boolean))
    newest = sa.select(sa.func.max(changes.c.id)).group_by(changes.c.miner_id)
    op.execute(sa.update(changes).where(changes.c.id.in_(newest)).values(is_latest=sa.true()))
    with op.batch_alter_table('preset_changes', schema=None) as batch_op:
        batch_op.create_index(
            'uq_preset_changes_latest', ['miner_id'], unique=True, sqlite_where=LATEST, postgresql_where=LATEST
        )
        batch_op.create_index(
            'ix_preset_changes_latest_outcome', ['outcome'], unique=False, sqlite_where=LATEST, postgresql_where=LATEST
        )


def downgrade():
    with op.batch_alter_table('preset_changes', schema=None) as batch_op:
        batch_op.drop_index('ix_preset_changes_latest_outcome')
        batch_op.drop_index('uq_preset_changes_latest')
        batch_op.drop_column('is_latest')
