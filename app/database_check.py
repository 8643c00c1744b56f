"""Whether the database is fit to start on: there, of this program's version, and writable."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.errors import ConfigError
from app.extensions import WRITES, db

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_UPGRADE = "Bring it up to date with: flask --app wsgi db upgrade (`make run` does it by itself)."


def exit_unless_ready(app: Flask | None = None) -> None:
    """Check the database; exit with 2 and one sentence where PowerHive cannot start on it."""
    from app.factory import create_app, exit_with

    app = create_app() if app is None else app
    with app.app_context():
        try:
            check()
        except ConfigError as error:
            exit_with(error)
        finally:
            # The next thing that happens is a fork: nothing may be open.
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def upgrade_or_exit() -> None:
    """Bring the database of this process's settings up to date; exit with 2 and one sentence where that fails."""
    from flask_migrate import upgrade

    from app.factory import create_app, exit_with

    with create_app().app_context():
        try:
            upgrade(str(_MIGRATIONS))
        except SQLAlchemyError as error:
            exit_with(ConfigError([f"The database {_name()} cannot be brought up to date: {_reason(error)}."]))
        finally:
            db.engine.dispose()


def check() -> None:
    """Check the database of the current application.

    Raises:
        ConfigError: it cannot be reached or written, is of another version, or is full; one sentence.
    """
    wanted = wanted_version()
    try:
        with db.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise ConfigError([f"The database {_name()} cannot be opened: {_reason(error)}."]) from error
    if found is None:
        raise ConfigError([f"The database {_name()} has no tables yet. {_UPGRADE}"])
    if found != wanted:
        raise ConfigError([f"The database {_name()} is of version {found}, this program needs {wanted}. {_UPGRADE}"])
    try:
        _write_and_take_back()
    except SQLAlchemyError as error:
        way_out = "Make it writable, or free some space on its disk."
        raise ConfigError([f"The database {_name()} cannot be written: {_reason(error)}. {way_out}"]) from error


def wanted_version() -> str | None:
    """Return the version of the tables that this program works on."""
    return ScriptDirectory(str(_MIGRATIONS)).get_current_head()


def _write_and_take_back() -> None:
    """Make the database write something to its disk, without a trace."""
    with db.engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
        else:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE powerhive_probe (id integer) ON COMMIT DROP")


def _name() -> str:
    return db.engine.url.render_as_string(hide_password=True)


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().rstrip(".")
