"""The balance cycles as people look through them: by status, by time, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import defer

from app.extensions import db
from app.models import BalanceCycle, Miner, PlantReadingRow
from app.store import keyset
from app.store.keyset import Page, Place

NAMED_AT_ONCE = 500  # bound parameters per query


@dataclass(frozen=True, slots=True)
class CycleFilter:
    """Which cycles; times from..before. `changes`: only those that decided some change."""

    status: str = ""
    changes: bool = False
    since: datetime | None = None
    until: datetime | None = None


def page(wanted: CycleFilter, place: Place, size: int) -> Page[BalanceCycle]:
    """Return one page of the cycles that match; their plans and skipped miners are read only when asked for."""
    query = select(BalanceCycle).options(defer(BalanceCycle.planned), defer(BalanceCycle.skipped))
    query = query.where(*keyset.recorded(BalanceCycle, wanted.since, wanted.until))
    if wanted.status:
        query = query.where(BalanceCycle.status == wanted.status)
    if wanted.changes:
        query = query.where(text("balance_cycles.changes_count > 0"))  # as the partial index has it: no parameter
    return keyset.page(query, BalanceCycle, place, size)


def neighbours(cycle_id: int) -> tuple[int | None, int | None]:
    """Return the ids of the cycle before and the cycle after this one."""
    before = select(func.max(BalanceCycle.id)).where(BalanceCycle.id < cycle_id).scalar_subquery()
    after = select(func.min(BalanceCycle.id)).where(BalanceCycle.id > cycle_id).scalar_subquery()
    row = db.session.execute(select(before, after)).one()
    return row[0], row[1]


def reading(cycle: BalanceCycle) -> PlantReadingRow | None:
    """Return the plant's reading that a cycle was decided on, None where there was none or it is no longer kept."""
    return None if cycle.reading_id is None else db.session.get(PlantReadingRow, cycle.reading_id)


def names(macs: list[str]) -> dict[str, str]:
    """Return what people call these miners, by MAC: its label, else its address. Of many, all miners' are read."""
    query = select(Miner.mac, Miner.label, Miner.ip)
    if len(macs) <= NAMED_AT_ONCE:
        query = query.where(Miner.mac.in_(macs))
    return {row.mac: row.label or row.ip for row in db.session.execute(query)}
