"""The balance events: every change on every miner, newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.interfaces import ORMOption

from app.core.readings import Stamp
from app.errors import NotFound
from app.extensions import db
from app.models import BalanceCycle, Command, Miner, PresetChangeRow
from app.store import keyset
from app.store.keyset import Page, Place

BATCH = 1000
FEW_MINERS = 30
COUNTED = 5000  # how many of the newest that match are counted: a year of a large farm would take half a second


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which changes. `miner` is looked for in MAC, address and label, `reason` in the reason; times from..before."""

    miner: str = ""
    outcome: str = ""
    reason: str = ""
    kind: str = ""
    origin: str = ""
    cycle_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One change with all that is known around it. `earlier`, `later`: the changes next to it on the same miner."""

    event: PresetChangeRow
    cycle: BalanceCycle | None
    command: Command | None
    earlier: PresetChangeRow | None
    later: PresetChangeRow | None


def recent(
    limit: int = 100,
    *,
    miner_id: int | None = None,
    outcome: str | None = None,
    before_id: int | None = None,
) -> list[PresetChangeRow]:
    """Return the latest changes with their miners; `before_id` continues an earlier list."""
    query = select(PresetChangeRow).options(_with_miner())
    if miner_id is not None:
        query = query.where(PresetChangeRow.miner_id == miner_id)
    if outcome:
        query = query.where(PresetChangeRow.outcome == outcome)
    if before_id is not None:
        query = query.where(PresetChangeRow.id < before_id)
    return list(db.session.scalars(query.order_by(PresetChangeRow.id.desc()).limit(limit)))


def listed(wanted: EventFilter, place: Place, size: int) -> tuple[Page[PresetChangeRow], dict[str, int]]:
    """Return one page of the changes that match, with their miners, and how many there are of each outcome.

    Counted are the newest `COUNTED` that match when the outcome is left aside.
    """
    table = PresetChangeRow
    conditions = _matching(wanted)
    newest = select(table.outcome).where(*conditions).order_by(table.id.desc()).limit(COUNTED).subquery()
    counts = select(newest.c.outcome, func.count()).group_by(newest.c.outcome)
    found = keyset.page(_rows(conditions, wanted.outcome), table, place, size)
    if not (wanted.outcome or found.newer or found.older):
        return found, dict(Counter(row.outcome for row in found.rows))  # all are at hand
    return found, {row[0]: row[1] for row in db.session.execute(counts)}


def all_of(wanted: EventFilter, most: int) -> Iterator[PresetChangeRow]:
    """Yield the newest `most` changes that match with their miners, read in batches: no long read transaction."""
    query = _rows(_matching(wanted), wanted.outcome)
    before: int | None = None
    while most > 0:
        rows = keyset.page(query, PresetChangeRow, Place(before=before), min(BATCH, most)).rows
        yield from rows
        if len(rows) < BATCH:
            return
        most, before = most - len(rows), rows[-1].id
        db.session.rollback()


def get(event_id: int) -> Story:
    """Return one change with all that is known around it.

    Raises:
        NotFound: no such change.
    """
    table = PresetChangeRow
    query = select(table).options(_with_miner()).where(table.id == event_id)
    event = db.session.scalars(query).one_or_none() if 0 < event_id < 2**63 else None
    if event is None:
        raise NotFound(f"There is no event {event_id}.")
    same = select(table).where(table.miner_id == event.miner_id)
    return Story(
        event,
        cycle=None if event.cycle_id is None else db.session.get(BalanceCycle, event.cycle_id),
        command=None if event.command_id is None else db.session.get(Command, event.command_id),
        earlier=db.session.scalars(same.where(table.id < event_id).order_by(table.id.desc()).limit(1)).first(),
        later=db.session.scalars(same.where(table.id > event_id).order_by(table.id).limit(1)).first(),
    )


def of_cycle(cycle_id: int) -> dict[int, PresetChangeRow]:
    """Return what was sent for a cycle, by miner id: the latest of each miner."""
    query = select(PresetChangeRow).where(PresetChangeRow.cycle_id == cycle_id).order_by(PresetChangeRow.id)
    return {row.miner_id: row for row in db.session.scalars(query)}


def took_s(event: PresetChangeRow) -> float | None:
    """Return the seconds from sending a change to its end, by the monotonic clock within one boot; None: not ended."""
    if event.finished_at is None or event.finished_monotonic_s is None or event.finished_boot_id is None:
        return None
    return event.recorded.elapsed_s(Stamp(event.finished_at, event.finished_monotonic_s, event.finished_boot_id))


def _with_miner() -> ORMOption:
    return joinedload(PresetChangeRow.miner).lazyload(Miner.model)


def _rows(conditions: list[ColumnElement[bool]], outcome: str) -> Select[PresetChangeRow]:
    query = select(PresetChangeRow).options(_with_miner()).where(*conditions)
    return query.where(PresetChangeRow.outcome == outcome) if outcome else query


def _matching(wanted: EventFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of all but the outcome."""
    table = PresetChangeRow
    conditions = keyset.recorded(table, wanted.since, wanted.until)
    if wanted.miner:
        conditions.append(_of_miners(wanted.miner))
    if wanted.reason:  # LIKE knows no upper case on SQLite; `lower` of every reason would take twice as long
        conditions.append(table.reason.contains(wanted.reason, autoescape=True))
    if wanted.kind:
        conditions.append(table.kind == wanted.kind)
    if wanted.origin:
        conditions.append(table.origin == wanted.origin)
    if wanted.cycle_id is not None:
        conditions.append(table.cycle_id == wanted.cycle_id)
    return conditions


def _of_miners(text: str) -> ColumnElement[bool]:
    """Return the condition for miners with this text in MAC, address or label: by the index for a few of them only.

    For many it would collect and sort all their changes (90 ms of 100,000) where the newest are found at once.
    """
    named = or_(
        Miner.mac.icontains(text.replace("-", ":"), autoescape=True),
        Miner.ip.icontains(text, autoescape=True),
        Miner.label.icontains(text, autoescape=True),
    )
    few = list(db.session.scalars(select(Miner.id).where(named).limit(FEW_MINERS + 1)))
    if len(few) <= FEW_MINERS:
        return PresetChangeRow.miner_id.in_(few)
    return func.coalesce(PresetChangeRow.miner_id, 0).in_(select(Miner.id).where(named))
