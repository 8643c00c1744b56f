"""`flask ...`: one look, one run of a part by hand. No command starts the schedule.

Whoever acts holds the lease, so a command that would act beside a running service is refused with a sentence. Exit
status: 0 done, 1 it did not work (with one sentence), 2 wrong usage or settings.
"""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app.cli import balance, people, replay, secrets, service
from app.clock import stamp, utcnow
from app.jobs import scheduler
from app.store import commands, job_runs, status_board

jobs = AppGroup("jobs", help="Run a periodic part once, or see how they are doing.")


def register(app: Flask) -> None:
    """Add the commands to `app`."""
    commands = (balance.balance, replay.replay, secrets.secrets, people.user, people.token)
    for command in (jobs, scan, poll, status, *commands):
        app.cli.add_command(command)


# --- jobs ------------------------------------------------------------------------------------------------------------


@jobs.command("list")
def list_jobs() -> None:
    """Show the table of jobs and how each one did."""
    with service.database():
        for entry in scheduler.TABLE:
            row = job_runs.of(entry.name)
            state = "never ran" if row is None else (row.note or "") if row.ok else f"failed: {row.last_error}"
            click.echo(f"{entry.name:18} every {entry.interval_s(service.config()):g} s  {state}")


@jobs.command("run")
@click.argument("name", type=click.Choice([entry.name for entry in scheduler.TABLE]))
def run_job(name: str) -> None:
    """Run the job NAME once, now. Refused while a service acts on this database: it does so by itself."""
    with service.database(), service.lease():
        service.run_job(service.new_runner(), name)


@click.command("scan")
@with_appcontext
def scan() -> None:
    """Look for miners in the configured subnets, once. While a service runs, it is asked to do so."""
    with service.database():
        if service.acts():
            commands.enqueue(commands.SCAN, by="the command line", now=utcnow())
            click.echo("A service is running: it begins the scan now. New miners appear on the miners page.")
            return
        with service.lease():
            service.run_job(service.new_runner(), "discovery")


@click.command("poll")
@with_appcontext
def poll() -> None:
    """Read the plant and every miner's status, once."""
    with service.database(), service.lease():
        runner = service.new_runner()
        service.run_job(runner, "plant_poller")
        service.run_job(runner, "status_poller")


# --- status ----------------------------------------------------------------------------------------------------------


@click.command("status")
@with_appcontext
def status() -> None:
    """Show on one screen how the farm is: status, reason, key numbers, and what is broken."""
    with service.database():
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
