"""The changes of settings over time: who, when, from what to what, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select

from app.extensions import db
from app.models import SettingChange

PAGE_SIZE = 50
CSV_ROWS = 10_000  # the newest ones: a file that a spreadsheet opens


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of changes, newest first. `page` counts from 1 and never lies beyond `pages`."""

    changes: list[SettingChange]
    total: int
    page: int
    pages: int


def page(name: str = "", text: str = "", number: int = 1) -> HistoryPage:
    """Return a page of the changes of setting `name` (empty: of all) with `text` in who or why."""
    total = db.session.scalar(_matching(select(func.count(SettingChange.id)), name, text)) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, number), pages)
    query = _matching(select(SettingChange), name, text).order_by(SettingChange.id.desc())
    rows = db.session.scalars(query.limit(PAGE_SIZE).offset((number - 1) * PAGE_SIZE))
    return HistoryPage(list(rows), total, number, pages)


def everything(name: str = "", text: str = "") -> Iterator[SettingChange]:
    """Return the newest matching changes, one after the other, for a file."""
    query = _matching(select(SettingChange), name, text).order_by(SettingChange.id.desc()).limit(CSV_ROWS)
    yield from db.session.scalars(query.execution_options(yield_per=500))


def _matching(query: Select[Any], name: str, text: str) -> Select[Any]:
    if name:
        query = query.where(SettingChange.name == name)
    if text:
        columns = (SettingChange.changed_by, SettingChange.reason)
        query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    return query
