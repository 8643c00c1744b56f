"""`flask ...`: one look, one run of a part by hand. No command starts the schedule.

Whoever acts holds the lease, so a command that would act beside a running service is refused with a sentence. Exit
status: 0 done, 1 it did not work (with one sentence), 2 wrong usage or settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from app.clock import stamp, utcnow
from app.config import Config
from app.core import plan as planning
from app.core.types import ChangeKind, Plan, PresetChange
from app.jobs import scheduler
from app.jobs.balancer import sendable
from app.jobs.gate import Lease
from app.jobs.runner import JobRunner
from app.store import commands, job_runs, snapshot, status_board, terms

Function = TypeVar("Function", bound=Callable[..., Any])

jobs = AppGroup("jobs", help="Run a periodic part once, or see how they are doing.")


def register(app: Flask) -> None:
    """Add the commands to `app`."""
    for command in (jobs, scan, poll, balance, status):
        app.cli.add_command(command)


# --- what every command needs ----------------------------------------------------------------------------------------


def _config() -> Config:
    config: Config = current_app.extensions["powerhive_config"]
    return config


@contextmanager
def _database() -> Iterator[None]:
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
def _lease() -> Iterator[None]:
    """Hold the lease, so that nobody else acts meanwhile.

    Raises:
        click.ClickException: a service acts on this database.
    """
    lease = Lease(_config().lease_path)
    if not lease.held():
        raise click.ClickException(
            "A service acts on this database and runs its jobs by itself; nothing was done. See `flask status`."
        )
    try:
        yield
    finally:
        lease.release()


def _service_acts() -> bool:
    """Whether another process holds the lease; it is given back at once."""
    lease = Lease(_config().lease_path)
    try:
        return not lease.held()
    finally:
        lease.release()


def _run_job(runner: JobRunner, name: str) -> None:
    """Run one job and print its note.

    Raises:
        click.ClickException: it failed.
    """
    succeeded = runner.run(scheduler.job(name, runner.config))
    row = job_runs.of(name)
    if not succeeded:
        raise click.ClickException(f"{name} failed: {row.last_error if row is not None else 'see the log'}")
    click.echo(f"{name}: {row.note if row is not None and row.note else 'done'}")


def _new_runner() -> JobRunner:
    """Return a runner under a term of its own, in which nothing has been seen yet: it raises no miner."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return JobRunner(app, _config(), term_id=terms.begin(os.getpid(), stamp()))


# --- jobs ------------------------------------------------------------------------------------------------------------


@jobs.command("list")
def list_jobs() -> None:
    """Show the table of jobs and how each one did."""
    with _database():
        for entry in scheduler.TABLE:
            row = job_runs.of(entry.name)
            state = "never ran" if row is None else (row.note or "") if row.ok else f"failed: {row.last_error}"
            click.echo(f"{entry.name:18} every {entry.interval_s(_config()):g} s  {state}")


@jobs.command("run")
@click.argument("name", type=click.Choice([entry.name for entry in scheduler.TABLE]))
def run_job(name: str) -> None:
    """Run the job NAME once, now. Refused while a service acts on this database: it does so by itself."""
    with _database(), _lease():
        _run_job(_new_runner(), name)


@click.command("scan")
@with_appcontext
def scan() -> None:
    """Look for miners in the configured subnets, once. While a service runs, it is asked to do so."""
    with _database():
        if _service_acts():
            commands.enqueue(commands.SCAN, by="the command line", now=utcnow())
            click.echo("A service is running: it begins the scan now. New miners appear on the miners page.")
            return
        with _lease():
            _run_job(_new_runner(), "discovery")


@click.command("poll")
@with_appcontext
def poll() -> None:
    """Read the plant and every miner's status, once."""
    with _database(), _lease():
        runner = _new_runner()
        _run_job(runner, "plant_poller")
        _run_job(runner, "status_poller")


# --- balance ---------------------------------------------------------------------------------------------------------


@click.command("balance")
@click.option("--dry-run", is_flag=True, help="Show what the next cycle would do; send nothing, store nothing.")
@click.option("--yes", is_flag=True, help="Really run one cycle: it may send changes to miners.")
@with_appcontext
def balance(dry_run: bool, yes: bool) -> None:
    """Run one balance cycle by hand, or show what it would do."""
    if dry_run == yes:
        raise click.UsageError("Say --dry-run to see the plan, or --yes to carry one cycle out.")
    with _database():
        if dry_run:
            _show_plan()
            return
        with _lease():
            _run_job(_new_runner(), "balancer")


def _show_plan() -> None:
    """Print the plan of this moment. Beside a running service it is the plan of that service's next cycle."""
    term = terms.acting() if _service_acts() else None
    picture = snapshot.load(stamp(), interval_s=_config().balance_interval_s, term_id=None if term is None else term.id)
    plan = planning.plan(picture)
    click.echo(f"{plan.status}: {plan.reason}")
    click.echo(
        f"target {plan.target_w / 1000:.1f} kW, current {plan.current_w / 1000:.1f} kW, after it "
        f"{plan.planned_w / 1000:.1f} kW, available {plan.available_kw:.1f} kW"
    )
    if plan.changes:
        click.echo(f"\n{'MAC':17}  {'change':22}  {'watts':>15}  {'sent':4}  reason")
    out = set(sendable(plan))
    for change in plan.changes:
        click.echo(_change_line(change, sent=change in out))
    if plan.skipped:
        click.echo(f"\n{'MAC':17}  passed over because")
    for skip in plan.skipped:
        click.echo(f"{skip.mac:17}  {skip.reason}")
    click.echo(f"\n{_conclusion(plan, len(out))}")


def _change_line(change: PresetChange, *, sent: bool) -> str:
    what = f"{change.old_preset or '?'} -> {change.new_preset}"
    if change.kind is not ChangeKind.PRESET:
        what = change.kind.value if change.new_preset is None else f"{change.kind} at {change.new_preset}"
    watts = f"{change.old_power_w:.0f} -> {change.new_power_w:.0f}"
    return f"{change.mac:17}  {what:22}  {watts:>15}  {'yes' if sent else 'no':4}  {change.reason}"


def _conclusion(plan: Plan, sendable_count: int) -> str:
    if not plan.changes:
        return "A cycle now would change nothing."
    if sendable_count < len(plan.changes):
        return f"A cycle now would send {sendable_count} of {len(plan.changes)} changes: the mode is not armed."
    return f"A cycle now would send {sendable_count} changes. Nothing was sent."


# --- status ----------------------------------------------------------------------------------------------------------


@click.command("status")
@with_appcontext
def status() -> None:
    """Show on one screen how the farm is: status, reason, key numbers, and what is broken."""
    with _database():
        board = status_board.load(stamp())
    cycle, counts = board.cycle, board.counts
    click.echo(f"{board.status}: {board.reason}")
    click.echo(f"mode        {board.settings.mode}, policy {board.settings.policy}, override {board.settings.override}")
    click.echo(f"reading     {_ago(board.reading_age_s)}")
    click.echo(f"decision    {_ago(board.cycle_age_s)}")
    if cycle is not None:
        click.echo(f"generation  {cycle.generation_kw:10.1f} kW   foreign load {cycle.foreign_kw:10.1f} kW")
        click.echo(f"available   {cycle.available_kw:10.1f} kW   target       {cycle.target_w / 1000:10.1f} kW")
        expected_kw = board.expected_consumption_w / 1000
        click.echo(f"accounted   {cycle.current_w / 1000:10.1f} kW   expected     {expected_kw:10.1f} kW")
    click.echo(f"hashrate    {counts.hashrate_ths:10.1f} TH/s of miners that answer")
    click.echo(
        f"miners      {counts.total}: {counts.online} online, {counts.offline} offline, {counts.managed} managed, "
        f"{counts.held} held, {counts.failing} failing"
    )
    for contradiction in board.contradictions:
        click.echo(f"role        {contradiction.sentence}. {contradiction.advice}")
    if board.last_refusal is not None:
        click.echo(f"plant       refused: {board.last_refusal.reason}")
    for job in board.jobs:
        if job.ok is False:
            click.echo(f"job         {job.name} failed {job.failures_in_a_row} times in a row: {job.last_error}")
        elif job.late:
            click.echo(f"job         {job.name} is late: it last ran {_ago(job.age_s)}")


def _ago(age_s: float | None) -> str:
    if age_s is None:
        return "none yet"
    return f"{age_s:.0f} s ago" if age_s < 120 else f"{age_s / 60:.0f} min ago"
