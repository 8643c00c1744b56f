"""Transactions of several processes at once (STACK notes section 6, test 8)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.clock import utcnow
from app.config import Config
from app.extensions import db, writing
from app.models import JobRun, PlantRefusal
from tests.conftest import BASE_ENVIRONMENT, ROOT

COUNT = """
from app import create_app
from app.extensions import writing
from app.models import JobRun
import sys
app = create_app()
with app.app_context():
    for _ in range(int(sys.argv[1])):
        with writing() as session:
            row = session.get(JobRun, "counter")
            row.runs = row.runs + 1
"""


def test_concurrent_read_modify_write_loses_nothing(app: Flask, config: Config) -> None:
    with app.app_context():
        with writing() as session:
            session.add(JobRun(name="counter", interval_s=1.0, runs=0, failures=0))
        db.session.remove()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("POWERHIVE_")}
        environment |= BASE_ENVIRONMENT | {"POWERHIVE_INSTANCE": str(config.instance)}
        processes = [
            subprocess.Popen([sys.executable, "-c", COUNT, "100"], cwd=ROOT, env=environment) for _ in range(3)
        ]
        assert [process.wait(60) for process in processes] == [0, 0, 0]
        row = db.session.get(JobRun, "counter")
        assert row is not None
        assert row.runs == 300


def test_an_error_inside_writing_leaves_nothing(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(ValueError, match="halfway"):
            _fail_halfway()
        assert db.session.scalars(select(PlantRefusal)).all() == []


def _fail_halfway() -> None:
    with writing() as session:
        session.add(PlantRefusal(refused_at=utcnow(), kind="x", reason="x"))
        session.flush()
        raise ValueError("halfway")


def test_sqlite_keeps_what_is_acknowledged_and_knows_its_foreign_keys(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas]
    assert values == ["wal", 2, 1, 5000]


def test_a_write_transaction_takes_the_lock_at_its_beginning(app: Flask) -> None:
    with app.app_context(), writing(), db.engine.connect() as other:
        other.exec_driver_sql("PRAGMA busy_timeout=0")
        other.rollback()
        with pytest.raises(Exception, match="locked"):
            other.execution_options(writes=True).execute(text("SELECT 1"))
