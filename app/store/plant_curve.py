"""Plant and farm over time, for charts: means of time steps, at a cost that does not grow with the span.

A month of readings is 170,000 rows, so no step looks at all of its rows: each is cut into a few slots, and the first
row of each slot counts. On short spans that is every row; on long ones a mean of rows spread evenly over the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, func, select

from app.extensions import db
from app.models import BalanceCycle, Miner, PlantReadingRow, PlantRefusal, PresetChangeRow
from app.store import slots


@dataclass(frozen=True, slots=True)
class Grid:
    """`steps` steps of `step_s` from the epoch `first_s` on, each with `slots` slots in which one row is looked for."""

    first_s: int
    step_s: int
    steps: int
    slots: int = 1

    @property
    def values(self) -> dict[str, Any]:
        slot_s = self.step_s / self.slots
        return {"first_s": self.first_s, "slot_s": slot_s, "last": self.steps * self.slots - 1, "slots": self.slots}

    def at_s(self, step: int) -> int:
        """Return the epoch at which a step begins."""
        return self.first_s + step * self.step_s


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, and what."""

    at: datetime
    what: str


def readings(grid: Grid) -> dict[int, tuple[float, float]]:
    """Return the mean generation and container consumption (kW) by step; a step without a reading is not there."""
    rows = db.session.execute(_means("readings", db.engine.dialect.name), grid.values)
    return {int(row[0]): (float(row[1]), float(row[2])) for row in rows}


def cycles(grid: Grid) -> dict[int, tuple[float, float, float]]:
    """Return the mean available power, target and consumption of the managed miners (kW) by step."""
    rows = db.session.execute(_means("cycles", db.engine.dialect.name), grid.values)
    return {int(row[0]): (float(row[1]), float(row[2]) / 1000.0, float(row[3]) / 1000.0) for row in rows}


def changes(grid: Grid) -> list[Moment]:
    """Return the first change on a miner of each slot: thinned, so that a busy day stays readable."""
    rows = db.session.execute(_first_changes(db.engine.dialect.name), grid.values)
    return [Moment(row[0], f"{row.label or row.ip} {row.old_preset or '?'} → {_to(row)}") for row in rows]


def refusals(grid: Grid) -> list[Moment]:
    """Return the first refused answer of the plant of each slot, with its reason."""
    return [Moment(*row) for row in db.session.execute(_first_refusals(db.engine.dialect.name), grid.values)]


# --- inside ----------------------------------------------------------------------------------------------------------


def _to(row: Any) -> str:
    return "stop" if row.kind == "stop" else row.new_preset or "?"


@cache
def _means(what: str, dialect: str) -> Select[*tuple[Any, ...]]:
    numbers = slots.numbers()
    table: Any = PlantReadingRow if what == "readings" else BalanceCycle
    columns = (
        (table.generation_kw, table.container_kw)
        if what == "readings"
        else (table.available_kw, table.target_w, table.current_w)
    )
    step = slots.step_of(numbers)
    found = numbers.join(table, table.id == slots.first_of(numbers, table.id, table.recorded_at, dialect))
    return select(step.label("step"), *map(func.avg, columns)).select_from(found).group_by("step")


@cache
def _first_changes(dialect: str) -> Select[*tuple[Any, ...]]:
    numbers, change = slots.numbers(), PresetChangeRow
    found = numbers.join(change, change.id == slots.first_of(numbers, change.id, change.recorded_at, dialect))
    found = found.join(Miner, Miner.id == change.miner_id)
    named = select(
        change.recorded_at, change.kind, change.old_preset, change.new_preset, Miner.label, Miner.ip
    )
    return named.select_from(found).order_by(change.recorded_at)


@cache
def _first_refusals(dialect: str) -> Select[*tuple[Any, ...]]:
    numbers, refusal = slots.numbers(), PlantRefusal
    found = numbers.join(refusal, refusal.id == slots.first_of(numbers, refusal.id, refusal.refused_at, dialect))
    told = select(refusal.refused_at, refusal.reason)
    return told.select_from(found).order_by(refusal.refused_at)
