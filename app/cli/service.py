"""What every command needs: the database in words, the lease, a runner of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from app.clock import stamp
from app.config import Config
from app.jobs import scheduler
from app.jobs.gate import Lease
from app.jobs.runner import JobRunner
from app.store import job_runs, terms


def config() -> Config:
    """Return the deployment settings of this process."""
    found: Config = current_app.extensions["powerhive_config"]
    return found


@contextmanager
def database() -> Iterator[None]:
    """Say in one sentence that the database is missing, old, locked or full."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise click.ClickException(
            f"The database does not do what is asked ({reason}). Is it there, up to date (flask db upgrade), and is "
            "there room on the disk?"
        ) from error


@contextmanager
def lease() -> Iterator[None]:
    """Hold the lease, so that nobody else acts meanwhile.

    Raises:
        click.ClickException: a service acts on this database.
    """
    key = Lease(config().lease_path)
    if not key.held():
        raise click.ClickException(
            "A service acts on this database and runs its jobs by itself; nothing was done. See `flask status`."
        )
    try:
        yield
    finally:
        key.release()


def acts() -> bool:
    """Whether another process holds the lease; it is given back at once."""
    key = Lease(config().lease_path)
    try:
        return not key.held()
    finally:
        key.release()


def run_job(runner: JobRunner, name: str) -> None:
    """Run one job and print its note.

    Raises:
        click.ClickException: it failed.
    """
    succeeded = runner.run(scheduler.job(name, runner.config))
    row = job_runs.of(name)
    if not succeeded:
        raise click.ClickException(f"{name} failed: {row.last_error if row is not None else 'see the log'}")
    click.echo(f"{name}: {row.note if row is not None and row.note else 'done'}")


def new_runner() -> JobRunner:
    """Return a runner under a term of its own, in which nothing has been seen yet: it raises no miner."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return JobRunner(app, config(), term_id=terms.begin(os.getpid(), stamp()))
