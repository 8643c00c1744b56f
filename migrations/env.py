"""How a migration runs: on the application's database, with SQLite's foreign keys off until it is done.

With them on, changing a parent table (SQLite copies and drops it) deletes the rows that cascade from it, silently.
"""

from alembic import context
from flask import current_app
from sqlalchemy import text

from app import models  # noqa: F401 - fills the metadata
from app.extensions import Base, UtcDateTime

_migrate = current_app.extensions["migrate"]


def _engine():
    return _migrate.db.engine


def _render_item(kind, thing, autogen_context):
    """Write our UTC column type as the plain type it is in the database."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _skip_empty(_context, _revision, directives):
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


def _foreign_keys(connection, state):
    # Below SQLAlchemy: inside a transaction the pragma does nothing, and `execute` would begin one.
    connection.connection.dbapi_connection.execute(f"PRAGMA foreign_keys={state}")


def run():
    """Run the migrations on one connection, then prove that no row points nowhere."""
    with _engine().connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            _foreign_keys(connection, "OFF")
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=_render_item,
            process_revision_directives=_skip_empty,
            transactional_ddl=True,  # ours is, also on SQLite: see app.extensions
            **_migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
            if sqlite:
                orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
                if orphans:
                    raise RuntimeError(f"the migration would leave rows that point nowhere: {orphans[:5]}")
    _engine().dispose()  # the connection without foreign keys must not be used again


if context.is_offline_mode():
    raise SystemExit("PowerHive migrates a database it is connected to; there is no offline mode.")
run()
