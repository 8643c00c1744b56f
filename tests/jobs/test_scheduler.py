"""The schedule by itself: a stepped clock, requests, the table of jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from app.clock import utcnow
from app.config import Config
from app.jobs import scheduler
from app.jobs.gate import ForkGate, Lease
from app.jobs.master import MasterScheduler
from app.jobs.scheduler import TABLE, Entry, deadline_for


class Schedule:
    """A MasterScheduler in this process; its gate is not hooked into fork."""

    def __init__(self, folder: Path, begin_term: Callable[[], bool] = lambda: True) -> None:
        self.gate = ForkGate()
        self.lease = Lease(folder / "scheduler.lock")
        self.scheduler = MasterScheduler(self.gate, self.lease, begin_term, threads=4)
        self.runs: list[float] = []
        self.scheduler.start()

    def add(self, work: Callable[[], object] | None = None, *, every_s: float, name: str = "job") -> None:
        self.scheduler.add_job(
            work or self.note, IntervalTrigger(seconds=every_s, timezone=UTC), id=name, next_run_time=utcnow()
        )

    def note(self) -> None:
        self.runs.append(time.monotonic())

    def has_run(self, times: int, within_s: float = 3.0) -> bool:
        ends = time.monotonic() + within_s
        while len(self.runs) < times and time.monotonic() < ends:
            time.sleep(0.02)
        return len(self.runs) >= times


@pytest.fixture
def schedule(tmp_path: Path) -> Iterator[Schedule]:
    schedule = Schedule(tmp_path)
    yield schedule
    schedule.scheduler.shutdown(wait=False)
    schedule.lease.release()


def test_jobs_go_on_after_the_clock_was_set_back_an_hour(schedule: Schedule) -> None:
    schedule.add(every_s=0.2)
    assert schedule.has_run(2)
    # What a clock set back by an hour looks like to the schedule: every next run lies an hour ahead.
    schedule.scheduler.get_job("job").modify(next_run_time=utcnow() + timedelta(hours=1))
    runs = len(schedule.runs)
    assert schedule.has_run(runs + 4)


def test_a_request_does_not_wait_for_the_interval(schedule: Schedule) -> None:
    schedule.add(every_s=600)
    assert schedule.has_run(1)
    for times in range(2, 6):
        schedule.scheduler.request("job")
        assert schedule.has_run(times, within_s=1.0)


def test_requests_during_a_run_are_one_run_right_after_it(schedule: Schedule) -> None:
    begun, leave = threading.Event(), threading.Event()

    def work() -> None:
        schedule.note()
        begun.set()
        leave.wait(2)

    schedule.add(work, every_s=600)
    assert begun.wait(2)
    for _ in range(5):
        schedule.scheduler.request("job")
    time.sleep(0.2)
    assert len(schedule.runs) == 1
    leave.set()
    assert schedule.has_run(2, within_s=0.8)
    time.sleep(0.3)
    assert len(schedule.runs) == 2


def test_steady_requests_do_not_starve_the_interval(schedule: Schedule) -> None:
    schedule.add(every_s=0.3)
    for _ in range(10):
        schedule.scheduler.request("job")
        time.sleep(0.1)
    requested = len(schedule.runs)
    assert requested >= 8
    assert schedule.has_run(requested + 3)


def test_a_request_for_a_job_that_does_not_exist_is_nothing(schedule: Schedule) -> None:
    schedule.add(every_s=0.2)
    schedule.scheduler.request("nobody")
    assert schedule.has_run(3)


def test_nothing_runs_on_a_closed_gate_or_when_retiring(schedule: Schedule) -> None:
    schedule.add(every_s=0.1)
    assert schedule.has_run(2)
    schedule.scheduler.retiring = True
    time.sleep(0.2)
    runs = len(schedule.runs)
    time.sleep(1.2)
    assert len(schedule.runs) == runs


def test_no_job_runs_before_the_term_has_begun(tmp_path: Path) -> None:
    tries: list[float] = []

    def begin() -> bool:
        tries.append(time.monotonic())
        return len(tries) == 3

    schedule = Schedule(tmp_path, begin)
    schedule.add(every_s=0.2)
    assert schedule.has_run(2, within_s=6)
    assert len(tries) == 3
    assert schedule.runs[0] >= tries[2]
    schedule.scheduler.shutdown(wait=False)
    schedule.lease.release()


def test_a_plant_does_not_wait_for_a_database_that_takes_no_term(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.master._TERM_TRIES", 2)
    schedule = Schedule(tmp_path, lambda: False)
    schedule.add(every_s=0.2)
    assert schedule.has_run(3, within_s=6)
    schedule.scheduler.shutdown(wait=False)
    schedule.lease.release()


def test_every_job_of_the_table_exists(config: Config) -> None:
    jobs = scheduler.jobs(config)
    assert [job.name for job in jobs] == [entry.name for entry in TABLE]
    assert callable(scheduler.recovery())


def test_a_missing_job_is_named(config: Config) -> None:
    with pytest.raises(ImportError, match="nobody"):
        Entry("x", "app.jobs.nobody:run", lambda c: 15).job(config)
    with pytest.raises(ImportError, match=r"app\.clock has no function nothing"):
        Entry("x", "app.clock:nothing", lambda c: 15).job(config)


@pytest.mark.parametrize(
    ("interval_s", "deadline_s"), [(2, 3.0), (5, 4.0), (15, 12.0), (300, 12.0), (600, 12.0)]
)
def test_a_deadline_is_below_the_interval(interval_s: float, deadline_s: float) -> None:
    assert deadline_for(interval_s) == deadline_s
