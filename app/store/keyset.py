"""Long lists in pages, newest first, by the id of the last row shown: as fast at the end as at the beginning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, select, true

from app.extensions import db

Row = TypeVar("Row")
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list, newest first: at its beginning, `before` an id (older rows) or `after` one (newer rows)."""

    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, newest first. `newer`, `older`: whether the list goes on before and after them."""

    rows: list[Row]
    newer: bool
    older: bool


def page(query: Select[Any], table: Any, place: Place, size: int) -> Page[Any]:
    """Return one page of `query` (rows of `table`, no order yet). Newer rows that fill no page: the first page."""
    if place.after is not None:
        newer = query.where(table.id > place.after).order_by(table.id.asc()).limit(size + 1)
        found = list(db.session.scalars(newer))
        if len(found) > size:
            return Page(found[:size][::-1], newer=True, older=True)
        place = Place()
    if place.before is not None:
        query = query.where(table.id < place.before)
    found = list(db.session.scalars(query.order_by(table.id.desc()).limit(size + 1)))
    return Page(found[:size], newer=place.before is not None, older=len(found) > size)


def recorded(table: Any, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """Return the conditions for rows of `table` recorded from `since` to before `until`, quick in the order of ids.

    Ids are no times: a wall clock may have been stepped. Left alone, the database would find the rows by the index on
    the times and sort them all (200 ms of 100,000); the least and largest id among them it reads off that index.
    """
    inside: list[ColumnElement[bool]] = []
    if since is not None:
        inside.append(table.recorded_at >= since)
    if until is not None:
        inside.append(table.recorded_at < until)
    if not inside:
        return []
    least, largest = db.session.execute(select(func.min(table.id), func.max(table.id)).where(*inside)).one()
    at = func.coalesce(table.recorded_at, table.recorded_at)  # an expression, so that no index on the times is taken
    exactly = [at >= since if since is not None else true(), at < until if until is not None else true()]
    return [table.id.between(least or 0, largest or 0), *exactly]
