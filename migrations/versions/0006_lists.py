"""Lists of cycles and events: by status, with changes only, by cycle

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

CHANGED = sa.text('changes_count > 0')


def upgrade():
    with op.batch_alter_table('balance_cycles', schema=None) as batch_op:
        batch_op.create_index('ix_balance_cycles_status', ['status', 'id'], unique=False)
        batch_op.create_index(
            'ix_balance_cycles_changed', ['id'], unique=False, sqlite_where=CHANGED, postgresql_where=CHANGED
        )
    with op.batch_alter_table('preset_changes', schema=None) as batch_op:
        batch_op.create_index('ix_preset_changes_cycle_id', ['cycle_id'], unique=False)


def downgrade():
    with op.batch_alter_table('preset_changes', schema=None) as batch_op:
        batch_op.drop_index('ix_preset_changes_cycle_id')
    with op.batch_alter_table('balance_cycles', schema=None) as batch_op:
        batch_op.drop_index('ix_balance_cycles_changed')
        batch_op.drop_index('ix_balance_cycles_status')
