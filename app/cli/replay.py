"""`flask replay`: a recorded span of this site once more, with other settings, beside what really happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import click
from flask.cli import with_appcontext

from app.cli import service
from app.cli.balance import tried_settings, words
from app.clock import stamp, utcnow
from app.core import instants
from app.core import replay as model
from app.core.replay import Outcome, Recording
from app.errors import Conflict
from app.store import recorded

CELL, DELTA = 15, 21  # characters
ROWS: tuple[tuple[str, int, Callable[[Outcome], float | None]], ...] = (
    ("hours", 2, lambda o: o.hours),
    ("energy accounted, kWh", 1, lambda o: o.accounted_kwh),
    ("  of it above the target", 2, lambda o: o.accounted_above_target_kwh),
    ("  of it above the available", 2, lambda o: o.accounted_above_available_kwh),
    ("energy drawn, kWh", 1, lambda o: o.drawn_kwh),
    ("  of it above the target", 2, lambda o: o.drawn_above_target_kwh),
    ("  of it above the available", 2, lambda o: o.drawn_above_available_kwh),
    ("TH-hours", 0, lambda o: o.th_hours),
    ("switches", 0, lambda o: o.switches),
    ("switches per miner-day", 2, lambda o: o.switches_per_miner_day),
)
LEGEND = """\
Accounted: the accounted power as each cycle found it, held until the next one; no measurement.
Drawn, TH-hours: really by the miners' own samples, one in five minutes, too few to tell what was above target or
available; in a replay what the model draws and hashes in each second.
A replay takes generation, foreign meters, overhead, unmanaged miners and settings as recorded. Who is managed or held,
ladders, max presets, what each meter measures and how often the plant is read are today's. Commands never fail, miners
never break, and restarts of PowerHive are not replayed."""


@click.command("replay")
@click.option("--from", "since_text", required=True, metavar="TIME", help="Begin, like 2026-11-23T18:00 (UTC).")
@click.option(
    "--to", "until_text", required=True, metavar="TIME", help=f"End, {recorded.LONGEST_DAYS} days later at most."
)
@click.option("--policy", metavar="POLICY", help="As if this policy had been in force.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="As if that had been set all the time.")
@with_appcontext
def replay(since_text: str, until_text: str, policy: str | None, assignments: tuple[str, ...]) -> None:
    """Run recorded readings through the planner and a model of the farm; print what that gives beside what really was.

    Changes nothing. Without --set and --policy it shows how near the model comes to what really happened.
    """
    changed = tried_settings(policy, assignments)
    since, until = _span(since_text, until_text)
    config = service.config()
    with service.database():
        try:
            recording = recorded.load(
                since,
                until,
                stamp(),
                interval_s=config.balance_interval_s,
                reading_interval_s=config.plant_interval_s,
            )
        except Conflict as nothing:
            raise click.ClickException(str(nothing)) from nothing
    columns = [("really", model.really(recording)), ("as it was set", model.replay(recording))]
    if changed:
        columns.append(("as tried", model.replay(recording, changed)))
    _print(recording, since, until, columns, changed)


def _span(since_text: str, until_text: str) -> tuple[datetime, datetime]:
    """Return the times of --from and --to.

    Raises:
        click.UsageError: no times, in the wrong order, too far apart, or still to come.
    """
    since, until = _time("--from", since_text), _time("--to", until_text)
    if since >= until:
        raise click.UsageError(f"--from must be before --to; got {since_text} and {until_text}.")
    if until - since > timedelta(days=recorded.LONGEST_DAYS):
        raise click.UsageError(f"From --from to --to may be at most {recorded.LONGEST_DAYS} days.")
    now = utcnow()
    if since >= now:
        raise click.UsageError(f"--from must lie in the past; got {since_text}.")
    return since, min(until, now)


def _time(option: str, text: str) -> datetime:
    found = instants.read(text.strip())
    if found is None:
        raise click.UsageError(f"{option} must be a time like 2026-11-23T18:00:00Z (RFC 3339); got {text[:40]!r}.")
    return found


def _print(
    recording: Recording,
    since: datetime,
    until: datetime,
    columns: Sequence[tuple[str, Outcome]],
    changed: Mapping[str, Any],
) -> None:
    click.echo(
        f"{since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC: {len(recording.readings):,} readings, "
        f"{len(recording.cycles):,} cycles, {len(recording.miners):,} managed miners"
    )
    if changed:
        click.echo(f"tried: {words(changed)}")
    heads = [name for name, _ in columns]
    differences = ["differs"] * (len(columns) - 1)
    click.echo(f"\n{'':28}{_line(heads, differences)}")
    for name, digits, number in ROWS:
        values = [number(outcome) for _, outcome in columns]
        cells = [_number(value, digits) for value in values]
        deltas = [_difference(before, after, digits) for before, after in pairwise(values)]
        click.echo(f"{name:28}{_line(cells, deltas)}")
    second = "; the second one is what was tried" if changed else ""
    click.echo(f"\nThe replay as it was set differs from what really was by the model's error{second}.")
    click.echo(LEGEND)
    for note in model.notes(recording, changed):
        click.echo(note)


def _line(cells: Sequence[str], deltas: Sequence[str]) -> str:
    """Return the cells with each difference behind the cell it belongs to."""
    row = [f"{cells[0]:>{CELL}}"]
    for cell, delta in zip(cells[1:], deltas, strict=True):
        row += [f"{cell:>{CELL}}", f"{delta:>{DELTA}}"]
    return "".join(row)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _difference(before: float | None, after: float | None, digits: int) -> str:
    if before is None or after is None:
        return "-"
    share = f" ({100.0 * (after - before) / before:+.1f} %)" if round(before, digits) else ""
    return f"{after - before:+,.{digits}f}{share}"
