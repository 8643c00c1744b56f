"""How each periodic part is doing: one row per job, updated in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app.core.readings import Stamp
from app.extensions import db, writing
from app.models import JobRun


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended. `runs` and `failures` count since the row was last written, this run included."""

    ok: bool
    note: str | None
    error: str | None
    failures_in_a_row: int
    runs: int = 1
    failures: int = 0


def record(name: str, interval_s: float, started: Stamp, finished: Stamp, outcome: RunOutcome) -> None:
    """Store the latest run of job `name`. An old error stays readable after the job works again.

    Raises:
        SQLAlchemyError: the database does not take the row.
    """
    with writing() as session:
        row = session.get(JobRun, name)
        if row is None:
            row = JobRun(name=name, runs=0, failures=0)
            session.add(row)
        row.interval_s = interval_s
        row.started_at = started.utc
        row.started_monotonic_s = started.monotonic_s
        row.started_boot_id = started.boot_id
        row.finished_at = finished.utc
        row.finished_monotonic_s = finished.monotonic_s
        row.finished_boot_id = finished.boot_id
        row.duration_s = started.elapsed_s(finished)
        row.ok = outcome.ok
        row.note = outcome.note
        row.last_error = outcome.error or row.last_error
        row.failures_in_a_row = outcome.failures_in_a_row
        row.runs += outcome.runs
        row.failures += outcome.failures


def all_jobs() -> Sequence[JobRun]:
    """Return the rows of all jobs that ever ran, by name."""
    return db.session.scalars(select(JobRun).order_by(JobRun.name)).all()


def of(name: str) -> JobRun | None:
    """Return the row of job `name`; None while it has never run."""
    return db.session.get(JobRun, name)
