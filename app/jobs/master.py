"""The scheduler in gunicorn's master: `start(app)` once it serves, `stop(timeout_s)` when it ends.

Everything that runs in its threads is inside the fork gate; every pass asks for the lease, so that of any number of
masters on one database exactly one acts. State lives here and not in gunicorn.conf.py, which HUP executes again.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any

from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask
from sqlalchemy.pool import QueuePool

from app import garbage
from app.clock import monotonic_s, stamp, utcnow
from app.config import Config
from app.extensions import db
from app.jobs import runner, scheduler
from app.jobs.gate import PATIENCE_S, ForkGate, Lease, end_process
from app.jobs.runner import Deadline, Job, JobContext, JobRunner
from app.store import terms

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 1.0  # between two passes: the lease is asked for, and a stepped clock noticed, each second
_PASSES_STOPPED_S = 30.0  # a scheduler thread that is dead, not merely waiting for a fork
_TERM_TRIES = 10
_PASSES_BETWEEN_LATE_TRIES = 30


class GatedExecutor(BasePoolExecutor):  # type: ignore[misc]
    """One thread per job; each run inside the gate, with APScheduler's own bookkeeping of it."""

    def __init__(self, gate: ForkGate, is_retiring: Callable[[], bool], threads: int) -> None:
        super().__init__(_GatedPool(gate, is_retiring, threads))

    def is_busy(self, job_id: str) -> bool:
        """Tell whether a run of that job is under way."""
        with self._lock:
            return bool(self._instances[job_id] > 0) if job_id in self._instances else False

    def _run_job_success(self, job_id: str, events: list[Any]) -> None:
        super()._run_job_success(job_id, events)
        self._scheduler.wakeup()  # somebody may have asked for one more run meanwhile


class _GatedPool(concurrent.futures.ThreadPoolExecutor):
    def __init__(self, gate: ForkGate, is_retiring: Callable[[], bool], threads: int) -> None:
        super().__init__(threads, thread_name_prefix="job")
        self._gate = gate
        self._is_retiring = is_retiring

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        def inside() -> Any:
            with self._gate:
                # A run that waited at the gate while the process began to end must not start any more.
                return [] if self._is_retiring() else fn(*args, **kwargs)

        return super().submit(inside)


class MasterScheduler(BackgroundScheduler):  # type: ignore[misc]
    """A BackgroundScheduler that works inside the gate, only under the lease, and survives a stepped clock.

    `_process_jobs` is private to APScheduler 3.11; `tests/jobs/test_master.py` watches over it.
    """

    def __init__(self, gate: ForkGate, lease: Lease, begin_term: Callable[[], bool], threads: int) -> None:
        self.retiring = False
        self._gated = GatedExecutor(gate, lambda: self.retiring, threads)
        super().__init__(
            timezone=UTC,
            executors={"default": self._gated},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._gate = gate
        self._lease = lease
        self._begin_term = begin_term
        self._term_begun = False
        self._term_failures = 0
        self._requested: set[str] = set()
        self._requested_lock = threading.Lock()
        self.last_pass_s = monotonic_s()

    def request(self, name: str) -> None:
        """Run job `name` as soon as it is not running; several requests before that are one."""
        with self._requested_lock:
            self._requested.add(name)
        self.wakeup()

    def _process_jobs(self) -> float:
        self.last_pass_s = monotonic_s()
        with self._gate:
            self.last_pass_s = monotonic_s()
            if self.retiring:
                return _LONGEST_PAUSE_S
            if not self._lease.held():
                self._term_begun, self._term_failures = False, 0  # a standby
                return _LONGEST_PAUSE_S
            if not self._term_begun and not self._try_to_begin():
                return _LONGEST_PAUSE_S
            self._bring_forward()
            wait_s = super()._process_jobs()
        return _LONGEST_PAUSE_S if wait_s is None else float(min(wait_s, _LONGEST_PAUSE_S))

    def _try_to_begin(self) -> bool:
        """Begin the term; return whether jobs may run.

        A plant does not wait for a broken database: after ten tries jobs run all the same, and further tries are made
        now and then, when none of them runs (settling must not meet a change that is just being made).
        """
        late = self._term_failures >= _TERM_TRIES
        if late and (self._term_failures % _PASSES_BETWEEN_LATE_TRIES or self._is_any_busy()):
            self._term_failures += 1
            return True
        self._term_begun = self._begin_term()
        self._term_failures = 0 if self._term_begun else self._term_failures + 1
        if self._term_failures == _TERM_TRIES:
            log.critical("jobs run without a term of their own from now on; nothing will be raised")
        return self._term_begun or self._term_failures >= _TERM_TRIES

    def _is_any_busy(self) -> bool:
        return any(self._gated.is_busy(job.id) for job in self.get_jobs())

    def _bring_forward(self) -> None:
        """Make jobs due that were asked for, or that a clock set back has pushed into the future."""
        now = utcnow()
        with self._requested_lock:
            asked = {name for name in self._requested if not self._gated.is_busy(name)}
            self._requested -= asked
        for job in self.get_jobs():
            interval = job.trigger.interval
            if job.id in asked or job.next_run_time - now > interval + timedelta(seconds=1):
                job.modify(next_run_time=now)


class Master:
    """All that runs jobs in one process: gate, lease, scheduler, runner and the watch over them."""

    def __init__(self, app: Flask, config: Config, jobs: Iterable[Job]) -> None:
        self._app = app
        self._config = config
        self._jobs = tuple(jobs)
        self._recover = scheduler.recovery()
        self._term_failed = False
        self._stopped = threading.Event()
        self.gate = ForkGate(on_quiet=self._close_connections)
        self.lease = Lease(config.lease_path)
        self.runner = JobRunner(app, config)
        self.scheduler = MasterScheduler(self.gate, self.lease, self._begin_term, len(self._jobs))

    def start(self) -> None:
        """Install the gate and start the schedule."""
        self.gate.install()
        now = utcnow()
        for job in self._jobs:
            self.scheduler.add_job(
                self.runner.run,
                IntervalTrigger(seconds=job.interval_s, timezone=UTC),
                args=(job,),
                id=job.name,
                next_run_time=now + timedelta(seconds=job.first_after_s),
            )
        self.scheduler.start()
        runner.answer_requests(self.scheduler.request)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def retire(self) -> None:
        """Start nothing new; what runs may end. Safe to call from a signal handler."""
        self.scheduler.retiring = True

    def stop(self, timeout_s: float) -> bool:
        """Start nothing new and wait for the work in hand; return whether all of it ended in time."""
        self.retire()
        self._stopped.set()
        runner.answer_requests(None)
        ended = self.gate.quiet(timeout_s)
        if ended:
            self.gate.open()
            with suppress(SchedulerNotRunningError):
                self.scheduler.shutdown(wait=False)
            self.lease.release()
        return ended

    def _begin_term(self) -> bool:
        """Take office: a row for this term, and what the predecessor left half done is settled. True: both are done."""
        started = stamp()
        with self._app.app_context():
            try:
                self.runner.term_id = None
                term_id = terms.begin(os.getpid(), started)
                deadline = Deadline(scheduler.LONGEST_RUN_S)
                self._recover(JobContext(self._config, deadline, started, term_id))
            except Exception as error:  # the runner's rule: what fails is said once and tried again
                if not self._term_failed:
                    log.critical("the term of this scheduler cannot begin: %s", error, exc_info=error)
                self._term_failed = True
                return False
            finally:
                db.session.remove()
        self._term_failed = False
        self.runner.term_id = term_id
        log.info("this scheduler acts from now on (term %d)", term_id)
        return True

    def _close_connections(self) -> None:
        """Close every database connection of this process; one still in use now would be shared with the child."""
        with self._app.app_context():
            for engine in db.engines.values():
                if isinstance(engine.pool, QueuePool) and engine.pool.checkedout():
                    end_process("a database connection was left in use outside of a job")
                engine.dispose()

    def _watch(self) -> None:
        """End the process when a job outlives its patience or the schedule stands still: the supervisor starts anew."""
        while not self._stopped.wait(1.0):
            if self.gate.longest_inside_s() > PATIENCE_S:
                end_process(f"a job has not ended within {PATIENCE_S:g} s")
            if monotonic_s() - self.scheduler.last_pass_s > _PASSES_STOPPED_S:
                end_process("the scheduler stands still")


_master: Master | None = None


def start(app: Flask) -> None:
    """Start the jobs of `app` in this process; called once, by gunicorn's master when it is ready to serve.

    Raises:
        ImportError: a job of the table does not exist.
    """
    global _master  # noqa: PLW0603 - one scheduler per process
    if _master is not None:
        return
    garbage.collect_rarely()
    config: Config = app.extensions["powerhive_config"]
    _master = Master(app, config, scheduler.jobs(config))
    _master.start()


def retire() -> None:
    """Start no further job; for the signal handlers that end the process."""
    if _master is not None:
        _master.retire()


def stop(timeout_s: float) -> None:
    """End the schedule; work in hand gets `timeout_s`, then the process ends without it (status 0)."""
    global _master  # noqa: PLW0603 - one scheduler per process
    if _master is None:
        return
    ended = _master.stop(timeout_s)
    _master = None
    if not ended:
        # Python would wait for the pool's threads at exit, for ever if need be.
        log.warning("a job did not end within %g s and is left behind; the next start settles what it began", timeout_s)
        logging.shutdown()
        os._exit(0)
