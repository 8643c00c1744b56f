"""A database of its own for tests of store and jobs, without pages: small and quick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask

from app import sealing
from app.config import Config, load
from app.core.readings import Stamp
from app.extensions import db, prepare_engine
from app.instance_folder import new_data_key
from app.jobs.runner import Deadline, JobContext
from app.redaction import Secret
from app.store import terms

T0 = datetime(2026, 11, 20, 14, 30, 15, tzinfo=UTC)


def at(seconds: float = 0.0, *, boot: str = "boot-1", wall: timedelta = timedelta(0)) -> Stamp:
    """`seconds` after T0; `wall`: how wrong the local wall clock is."""
    return Stamp(T0 + timedelta(seconds=seconds) + wall, 1000.0 + seconds, boot)


@dataclass
class Clock:
    """Stands in for `app.clock.stamp`; tests turn it."""

    now: Stamp = field(default_factory=at)

    def __call__(self) -> Stamp:
        return self.now


@contextmanager
def own_database(folder: Path) -> Iterator[Flask]:
    """A fresh SQLite file with all tables, inside an application context."""
    app = Flask("own_app")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / 'own.db'}"
    db.init_app(app)
    sealing.use(app, [Secret(new_data_key())])
    with app.app_context():
        for engine in db.engines.values():
            prepare_engine(engine)
        db.create_all()
        yield app
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


def config(folder: Path, **environ: str) -> Config:
    """Deployment settings; `environ` without the prefix."""
    given = {"PLANT_API_KEY": "k" * 20, "SUBNETS": "10.9.0.0/24", **environ}
    return load({f"POWERHIVE_{name}": value for name, value in given.items()}, folder)


def context(of: Config, *, left_s: float = 12.0, started: Stamp | None = None, new_term: bool = True) -> JobContext:
    """What a job is given, under a term of its own unless told otherwise."""
    started = started or at()
    return JobContext(of, Deadline(left_s), started, terms.begin(1, started) if new_term else None)
