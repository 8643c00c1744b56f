"""One run of one job: what is stored, what is logged, what it may not break."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.config import Config
from app.extensions import db
from app.jobs import runner
from app.jobs.runner import Deadline, Job, JobContext, JobRunner
from app.store import job_runs


class FakeJob:
    """Does what it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.note = "98 of 100 miners answered"
        self.contexts: list[JobContext] = []

    def __call__(self, context: JobContext) -> str:
        self.contexts.append(context)
        if self.error is not None:
            raise self.error
        return self.note


@pytest.fixture
def work() -> FakeJob:
    return FakeJob()


@pytest.fixture
def job(work: FakeJob) -> Job:
    return Job("status_poller", work, interval_s=15.0, deadline_s=12.0)


@pytest.fixture
def jobs(app: Flask, config: Config) -> JobRunner:
    return JobRunner(app, config, term_id=7)


def test_a_run_leaves_its_note_and_its_times(app: Flask, jobs: JobRunner, job: Job, work: FakeJob) -> None:
    assert jobs.run(job)
    with app.app_context():
        row = job_runs.of("status_poller")
        assert row is not None
        assert (row.ok, row.note, row.runs, row.failures) == (True, "98 of 100 miners answered", 1, 0)
        assert row.interval_s == 15.0
        assert row.started_at is not None
        assert row.finished_at is not None
        assert row.started_at <= row.finished_at
        db.session.remove()
    context = work.contexts[0]
    assert context.term_id == 7
    assert 11 < context.deadline.left_s() <= 12


def test_a_failure_is_counted_until_it_works_again(app: Flask, jobs: JobRunner, job: Job, work: FakeJob) -> None:
    work.error = RuntimeError("the plant is silent")
    assert not jobs.run(job)
    assert not jobs.run(job)
    with app.app_context():
        row = job_runs.of(job.name)
        assert row is not None
        assert (row.ok, row.failures_in_a_row, row.last_error) == (False, 2, "the plant is silent")
        db.session.remove()
    work.error = None
    assert jobs.run(job)
    with app.app_context():
        row = job_runs.of(job.name)
        assert row is not None
        assert (row.ok, row.failures_in_a_row, row.failures, row.runs) == (True, 0, 2, 3)
        assert row.last_error == "the plant is silent"
        db.session.remove()


def test_it_logs_the_first_failure_and_the_return(
    jobs: JobRunner, job: Job, work: FakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    work.error = RuntimeError("no")
    for _ in range(3):
        jobs.run(job)
    work.error = None
    for _ in range(3):
        jobs.run(job)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "after 3 failed runs" in caplog.text


def test_an_error_text_holds_no_secret(app: Flask, jobs: JobRunner, job: Job, work: FakeJob) -> None:
    work.error = RuntimeError("plant-key-for-tests, unlock-for-tests; Authorization: Bearer abc.def, x-api-key: 0123")
    jobs.run(job)
    with app.app_context():
        row = job_runs.of(job.name)
        assert row is not None
        assert row.last_error == "***, ***; Authorization: Bearer ***, x-api-key: ***"
        db.session.remove()


def test_a_database_that_takes_no_row_does_not_stop_the_job(
    jobs: JobRunner, job: Job, work: FakeJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = True
    original = job_runs.record

    def record(*args: object) -> None:
        if full:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(job_runs, "record", record)
    assert jobs.run(job)
    assert jobs.run(job)
    assert len(work.contexts) == 2
    assert caplog.text.count("disk is full") == 1
    full = False
    assert jobs.run(job)
    assert "takes rows again" in caplog.text
    with jobs.app.app_context():
        row = job_runs.of(job.name)
        assert row is not None
        assert row.runs == 3  # none forgotten
        db.session.remove()


def test_a_job_of_each_second_with_no_news_is_stored_now_and_then(
    app: Flask, jobs: JobRunner, work: FakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    original = job_runs.record
    monkeypatch.setattr(job_runs, "record", lambda *a: (stored.append(a[0]), original(*a)))
    commands = Job("commands", work, interval_s=1.0, deadline_s=12.0)
    for _ in range(5):
        jobs.run(commands)
    assert stored == ["commands"]
    work.note = "1 command carried out"
    jobs.run(commands)
    assert len(stored) == 2
    with app.app_context():
        row = job_runs.of("commands")
        assert row is not None
        assert row.runs == 6
        db.session.remove()


def test_a_run_gives_its_connection_back(app: Flask, jobs: JobRunner) -> None:
    def careless(_context: JobContext) -> str:
        job_runs.all_jobs()
        raise RuntimeError("left in the middle")

    jobs.run(Job("careless", careless, 15.0, 12.0))
    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_request_without_a_scheduler_is_nothing() -> None:
    runner.request("balancer")


def test_a_deadline_passes() -> None:
    deadline = Deadline(0.0)
    assert deadline.passed()
    assert deadline.left_s() == 0.0
    assert not Deadline(5.0).passed()
