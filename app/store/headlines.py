"""A few short rows each of what a dashboard names: events, silent miners, the newest order. Columns, not entities:
the dashboard asks every five seconds, and a row of `miners` is the larger part of what it would cost.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from app.extensions import db
from app.models import Command, Miner, MinerStatusRow, PresetChangeRow
from app.store.commands import OVERRIDES


class EventHeadline(NamedTuple):
    """One change on one miner, W."""

    id: int
    recorded_at: datetime
    kind: str
    old_preset: str | None
    new_preset: str | None
    old_power_w: float
    new_power_w: float
    reason: str
    outcome: str
    error_message: str | None
    cycle_id: int | None
    mac: str
    label: str
    ip: str


class SilentMiner(NamedTuple):
    """A miner that does not answer."""

    mac: str
    ip: str
    label: str
    managed: bool
    last_seen_at: datetime | None


class OrderHeadline(NamedTuple):
    """The newest order for the whole farm, and what became of it."""

    id: int
    kind: str
    status: str
    result: str | None
    reason: str | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None


_change = PresetChangeRow
_EVENTS = (
    select(
        _change.id, _change.recorded_at, _change.kind, _change.old_preset, _change.new_preset, _change.old_power_w,
        _change.new_power_w, _change.reason, _change.outcome, _change.error_message, _change.cycle_id, Miner.mac,
        Miner.label, Miner.ip,
    )
    .join(Miner, Miner.id == _change.miner_id)
    .order_by(_change.id.desc())
)  # fmt: skip
_SILENT = (
    select(Miner.mac, Miner.ip, Miner.label, Miner.managed, Miner.last_seen_at)
    .outerjoin(MinerStatusRow, MinerStatusRow.miner_id == Miner.id)
    .where(Miner.retired.is_(False), func.coalesce(MinerStatusRow.online, False).is_(False))
    .order_by(Miner.managed.desc(), Miner.last_seen_at, Miner.id)
)
_ORDER = (
    select(
        Command.id, Command.kind, Command.status, Command.result, Command.reason, Command.created_at,
        Command.created_by, Command.finished_at,
    )
    .where(Command.kind.in_(OVERRIDES))
    .order_by(Command.id.desc())
    .limit(1)
)  # fmt: skip


def newest_events(limit: int) -> list[EventHeadline]:
    """Return the latest changes, newest first."""
    return [EventHeadline(*tuple(row)) for row in db.session.execute(_EVENTS.limit(limit))]


def silent_miners(limit: int) -> list[SilentMiner]:
    """Return miners that do not answer, managed ones first, the longest silent first."""
    return [SilentMiner(*row) for row in db.session.execute(_SILENT.limit(limit))]


def newest_order() -> OrderHeadline | None:
    """Return the newest order for the whole farm (all to minimum, stop all, resume), or None."""
    row = db.session.execute(_ORDER).first()
    return None if row is None else OrderHeadline(*row)
