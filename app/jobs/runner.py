"""Start, finish and deadline of one run of one job, and the one broad `except` of the program.

A job is a function `run(context: JobContext) -> str`: the note for the dashboard ("98 of 100 miners answered"), or an
exception. It is logged when it first fails and when it is back, shown on the dashboard, and tried again; it never
stops another job. `request("balancer")` makes a job run at once (again, where it is just running).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.clock import monotonic_s, stamp
from app.config import Config
from app.core.readings import Stamp
from app.extensions import db
from app.redaction import Redactor
from app.store import job_runs
from app.store.job_runs import RunOutcome

log = logging.getLogger(__name__)

_QUICK_S = 2.0  # a job that runs so often need not wear out the disk when it has nothing new to tell:
_STORE_QUICK_EVERY_S = 10.0


class Deadline:
    """The moment by which a run has to be over, on the monotonic clock."""

    __slots__ = ("_ends_s",)

    def __init__(self, span_s: float) -> None:
        self._ends_s = monotonic_s() + span_s

    def left_s(self) -> float:
        """Return the seconds that are left; 0 once it has passed, never negative (fit for a time-out)."""
        return max(0.0, self._ends_s - monotonic_s())

    def passed(self) -> bool:
        """Tell whether the time is up."""
        return monotonic_s() >= self._ends_s


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job is given: the deployment settings, its time, and under whose reign it acts.

    `term_id`: the `scheduler_terms` row of the acting scheduler; None where a job is run once by hand, or where the
    database could not take the row (then nothing counts as seen since the start: no increases).
    """

    config: Config
    deadline: Deadline
    started: Stamp
    term_id: int | None = None


JobFunction = Callable[[JobContext], str]


@dataclass(frozen=True, slots=True)
class Job:
    """One periodic part, ready to run. `deadline_s` is how long one run may take, shorter than the interval."""

    name: str
    function: JobFunction
    interval_s: float
    deadline_s: float
    first_after_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Run:
    """One run that is over."""

    started: Stamp
    finished: Stamp
    note: str | None
    error: Exception | None


@dataclass(slots=True)
class _Memory:
    """What the runner keeps of one job between two rows (touched by that job's one thread only)."""

    failures_in_a_row: int = 0
    runs: int = 0  # not yet stored
    failures: int = 0  # not yet stored
    stored_s: float | None = None
    stored_note: str | None = None


@dataclass(slots=True)
class JobRunner:
    """Runs jobs one at a time per name, in an application context, and keeps their `job_runs` rows."""

    app: Flask
    config: Config
    term_id: int | None = None
    _memories: dict[str, _Memory] = field(default_factory=dict)
    _store_failed: bool = False

    def run(self, job: Job) -> bool:
        """Run `job` once; return whether it succeeded. Never raises (except to end the process)."""
        memory = self._memories.setdefault(job.name, _Memory())
        started = stamp()
        note, error = None, None
        with self.app.app_context():
            try:
                note = job.function(JobContext(self.config, Deadline(job.deadline_s), started, self.term_id))
            except Exception as problem:  # noqa: BLE001 - the one place where everything ends
                error = problem
            finally:
                _release_session()
            run = _Run(started, stamp(), note, error)
            self._log_turn(job, memory, error)
            memory.failures_in_a_row = memory.failures_in_a_row + 1 if error else 0
            memory.runs += 1
            memory.failures += 1 if error else 0
            self._store(job, memory, run)
        return error is None

    def _log_turn(self, job: Job, memory: _Memory, error: Exception | None) -> None:
        """Say once that a job fails, and once that it works again."""
        if error is not None and memory.failures_in_a_row == 0:
            log.error("%s failed and will be tried again in %g s: %s", job.name, job.interval_s, error, exc_info=error)
        elif error is None and memory.failures_in_a_row > 0:
            log.warning("%s works again after %d failed runs", job.name, memory.failures_in_a_row)

    def _store(self, job: Job, memory: _Memory, run: _Run) -> None:
        """Store the run; a database that cannot take it costs the row, not the control of the farm."""
        rested_s = None if memory.stored_s is None else run.finished.monotonic_s - memory.stored_s
        news = run.error is not None or memory.failures or run.note != memory.stored_note
        if job.interval_s < _QUICK_S and not news and rested_s is not None and rested_s < _STORE_QUICK_EVERY_S:
            return
        outcome = RunOutcome(
            ok=run.error is None,
            note=run.note[:300] if run.note else None,
            error=None if run.error is None else self._shown(run.error),
            failures_in_a_row=memory.failures_in_a_row,
            runs=memory.runs,
            failures=memory.failures,
        )
        try:
            job_runs.record(job.name, job.interval_s, run.started, run.finished, outcome)
        except SQLAlchemyError as problem:
            if not self._store_failed:
                log.critical("the database takes no rows; jobs go on without it: %s", _short(problem))
            self._store_failed = True
            return
        finally:
            _release_session()
        if self._store_failed:
            log.warning("the database takes rows again")
        self._store_failed = False
        memory.runs = memory.failures = 0
        memory.stored_s, memory.stored_note = run.finished.monotonic_s, run.note

    def _shown(self, error: Exception) -> str:
        sentence = str(error) or type(error).__name__
        return Redactor(self.config.secrets).clean(sentence)[:500]


def _release_session() -> None:
    """Give the connection back. Nothing may stay open when the master forks (STACK notes 1.1)."""
    with suppress(SQLAlchemyError):
        db.session.remove()


def _short(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)


# --- requests: one job asks for another ---------------------------------------------------------------------------

_requester_lock = threading.Lock()
_requester: Callable[[str], None] | None = None


def request(name: str) -> None:
    """Ask for a run of job `name` as soon as possible; where it is running now, for one more right after.

    Thread-safe, returns at once. Without a scheduler in this process (tests, `flask` commands) nothing happens: the
    acting one comes round at the latest after the job's interval.
    """
    with _requester_lock:
        requester = _requester
    if requester is not None:
        requester(name)


def answer_requests(requester: Callable[[str], None] | None) -> None:
    """Say who carries out `request`; the scheduler does, from its start to its stop."""
    global _requester  # noqa: PLW0603 - one scheduler per process
    with _requester_lock:
        _requester = requester
