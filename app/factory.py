"""Wiring, in this order: settings, log, extensions, blueprints, commands. No decisions."""

from __future__ import annotations

import logging.config
import sys
from typing import Any, NoReturn

from flask import Flask

from app import config as deployment
from app.config import Config
from app.errors import ConfigError
from app.extensions import csrf, db, migrate, prepare_engine
from app.redaction import RedactingFormatter, Redactor
from app.sealing import use as seal_with

CONFIG_EXIT_STATUS = 2
_LARGEST_REQUEST_BYTES = 64 * 1024


def create_app(config: Config | None = None) -> Flask:
    """Build the application; `config` None: the settings of this process, or exit with 2 and what is wrong with them.

    It serves requests only: jobs are started by gunicorn's master (`app.jobs.master`).
    """
    if config is None:
        config = config_or_exit()
    app = Flask("app", instance_path=str(config.instance), instance_relative_config=True)
    app.config.update(_flask_settings(config))
    app.extensions["powerhive_config"] = config
    _set_up_log(config)
    seal_with(app, config.data_keys)
    _bind_extensions(app)
    _register_parts(app)
    app.jinja_env.globals["simulated"] = config.simulated
    return app


def config_or_exit() -> Config:
    """Return the settings of this process; where they are wrong, say all of it and exit with 2."""
    try:
        return deployment.of_this_process()
    except ConfigError as error:
        exit_with(error)


def exit_with(error: ConfigError) -> NoReturn:
    """Print each problem as a line of its own and exit with 2."""
    print("PowerHive cannot start:", *(f"  - {problem}" for problem in error.problems), sep="\n", file=sys.stderr)
    raise SystemExit(CONFIG_EXIT_STATUS) from None


def _flask_settings(config: Config) -> dict[str, Any]:
    return {
        "SECRET_KEY": config.secret_key.reveal(),
        "SQLALCHEMY_DATABASE_URI": config.database_url.reveal(),
        # No values of rows in errors and logs; and the connection used last is used again, as it knows most pages.
        "SQLALCHEMY_ENGINE_OPTIONS": {"hide_parameters": True, "pool_use_lifo": True},
        "MAX_CONTENT_LENGTH": _LARGEST_REQUEST_BYTES,
        "MAX_FORM_MEMORY_SIZE": _LARGEST_REQUEST_BYTES,
        "SESSION_COOKIE_NAME": "powerhive_simulated" if config.simulated else "powerhive",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "WTF_CSRF_TIME_LIMIT": None,  # a dashboard stays open for days
        "SIMULATED": config.simulated,
    }


def _set_up_log(config: Config) -> None:
    """Log to stderr only: a file handler in the forking master hung children (STACK notes 1.1)."""
    redactor = Redactor(config.secrets)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "plain": {
                    "()": RedactingFormatter,
                    "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
                    "redactor": redactor,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "root": {"level": config.log_level, "handlers": ["stderr"]},
            "loggers": {
                # A skipped run ("maximum number of running instances") is the usual case for a job of each second.
                "apscheduler": {"level": "ERROR"},
                "urllib3": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
            },
        }
    )


def _bind_extensions(app: Flask) -> None:
    db.init_app(app)
    with app.app_context():
        for engine in db.engines.values():
            prepare_engine(engine)
    migrate.init_app(app, db, directory=f"{app.root_path}/../migrations", render_as_batch=True, compare_type=True)
    csrf.init_app(app)


def _register_parts(app: Flask) -> None:
    """Register pages, JSON and commands. Imported late: they import the models, which import the extensions."""
    from app import api, cli, web

    web.register(app)
    api.register(app)
    cli.register(app)
