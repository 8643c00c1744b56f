"""Whether the database is fit to start on: there, of this program's version, and writable."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.errors import ConfigError
from app.extensions import WRITES, db

log = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_UPGRADE = "Bring it up to date with: flask --app wsgi db upgrade (`make run` does it by itself)."


def exit_unless_ready(app: Flask | None = None) -> None:
    """Check the database; exit with 2 and one sentence where PowerHive cannot start on it."""
    from app.factory import create_app, exit_with

    app = create_app() if app is None else app
    with app.app_context():
        try:
            check()
            lost = sentence_of_lost_secrets()
            if lost:
                log.error(lost)
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


def sentence_of_lost_secrets() -> str:
    """Return what to do where secrets of the database are sealed with a key that is not there; "" where none are.

    No reason not to start: a farm without PowerHive is worse off, and the miners' keys are made anew.
    """
    from app.store import sealed

    tally = sealed.tally()
    if not tally.lost:
        return ""
    return (
        f"{tally.lost_api_keys} API keys of miners and {tally.lost_passwords} unlock passwords in the database cannot "
        "be read: the data key (the file data_key in the instance folder, or POWERHIVE_DATA_KEY) is not the one that "
        "sealed them. PowerHive starts all the same and adopts these miners anew; until then it cannot command them, "
        "not even in an emergency. To get everything back, stop it, put "
        "the right key in place and start it; where that key is lost, enter the miners' own unlock passwords again, "
        "then run flask secrets forget."
    )


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
