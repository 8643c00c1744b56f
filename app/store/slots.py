"""Means over time at a cost that does not grow with the span: no step looks at all of its rows.

A month of readings is 170,000 rows. Each step of time is cut into slots, and the first row of each slot counts: on
short spans that is every row, on long ones rows spread evenly over the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, Integer, bindparam, cast, func, literal, select

MOST_SLOTS = 4000  # rows looked at in one answer
SHORTEST_SLOT_S = 5


@dataclass(frozen=True, slots=True)
class Grid:
    """`steps` steps of `step_s`, the first of which begins at the epoch `first_s`; at most `MOST_SLOTS` of them."""

    first_s: int
    step_s: int
    steps: int

    @property
    def slots(self) -> int:
        """How many rows of each step count."""
        return max(1, min(MOST_SLOTS // self.steps, self.step_s // SHORTEST_SLOT_S))

    @property
    def values(self) -> dict[str, Any]:
        """The values of the parameters that the expressions below leave open."""
        last = self.steps * self.slots - 1
        return {"first_s": self.first_s, "slot_s": self.step_s / self.slots, "last": last, "slots": self.slots}


def numbers() -> CTE:
    """Return the numbers of all slots, as `n`."""
    number = select(literal(0, Integer).label("n")).cte("slots", recursive=True)
    return number.union_all(select(number.c.n + 1).where(number.c.n < bindparam("last", type_=Integer)))


def step_of(slots: CTE) -> ColumnElement[int]:
    """Return the number of the step that a slot lies in."""
    return cast(slots.c.n, Integer) // bindparam("slots", type_=Integer)


def first_of(slots: CTE, id_: Any, at: Any, dialect: str, *conditions: ColumnElement[bool]) -> Any:
    """Return the id of the first row of each slot that meets the conditions; `at` must be indexed."""
    return (
        select(id_)
        .where(at >= _begins(slots.c.n, dialect), at < _begins(slots.c.n + 1, dialect), *conditions)
        .order_by(at)
        .limit(1)
        .correlate(slots)
        .scalar_subquery()
    )


def _begins(number: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """When a slot begins, as the database keeps times."""
    epoch_s = bindparam("first_s", type_=Float) + number * bindparam("slot_s", type_=Float)
    if dialect == "sqlite":
        return func.strftime("%Y-%m-%d %H:%M:%f", epoch_s, "unixepoch")
    return func.to_timestamp(epoch_s)
