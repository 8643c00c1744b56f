"""What became of sent changes, by what the miners were read back to do. Part of the status poller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, scoped_session

from app.core import following
from app.core.readings import MinerStatus, Stamp
from app.core.types import ChangeKind, ChangeView, Outcome
from app.models import Miner, PresetChangeRow
from app.store.snapshot import change_view

OPEN = (Outcome.SENDING, Outcome.SENT, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What one sweep of polls settled."""

    confirmed: int
    not_applied: int


def confirm_by_polls(
    session: Session | scoped_session[Any], polls: Mapping[int, MinerStatus], now: Stamp
) -> Confirmation:
    """Compare open changes with what the miners answered, inside the poller's transaction.

    `polls`: miner id -> the answer of this sweep; `now`: its beginning, so that no answer is taken for younger than it
    is. A 200 proved nothing; what is read back does. A change that is still open 5 min after its intent becomes
    `not_applied`, also on a miner that is silent (`expire`).
    """
    confirmed: list[int] = []
    unchanged: list[int] = []
    stopping: set[int] = set()
    started: set[int] = set()
    for row in _open_rows(session):
        if row.kind == ChangeKind.STOP:
            stopping.add(row.miner_id)
        status = polls.get(row.miner_id)
        if status is None or row.outcome == Outcome.SENDING:
            continue
        if row.kind == ChangeKind.START and row.accepted and status.state.booting:
            started.add(row.miner_id)
        change = change_view(row, now)
        if following.is_done(change, status):
            confirmed.append(row.id)
        elif following.is_unchanged(change, status):
            earlier = _earlier(session, row, now) if following.may_count_earlier(change) else []
            if following.had_its_time(change, earlier, status.running_preset):
                unchanged.append(row.id)
    _set(session, confirmed, outcome=Outcome.CONFIRMED, **finished(now))
    _set(session, unchanged, polled_unchanged=True)
    expired = expire(session, now)
    _forget_undone_stops(session, polls, stopping, started)
    return Confirmation(confirmed=len(confirmed), not_applied=expired)


def expire(session: Session | scoped_session[Any], now: Stamp) -> int:
    """Mark what is still open 5 min after its intent as `not_applied`; return how many."""
    late = [row.id for row in _open_rows(session) if row.recorded.elapsed_s(now) >= following.NOT_APPLIED_AFTER_S]
    _set(session, late, outcome=Outcome.NOT_APPLIED, **finished(now))
    return len(late)


def _open_rows(session: Session | scoped_session[Any]) -> Sequence[PresetChangeRow]:
    return session.scalars(
        select(PresetChangeRow)
        .where(PresetChangeRow.outcome.in_(OPEN))
        .order_by(PresetChangeRow.id)
        .execution_options(populate_existing=True)
    ).all()


def _set(session: Session | scoped_session[Any], change_ids: Sequence[int], **values: Any) -> None:
    if change_ids:
        session.execute(
            update(PresetChangeRow)
            .where(PresetChangeRow.id.in_(change_ids))
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _earlier(session: Session | scoped_session[Any], row: PresetChangeRow, now: Stamp) -> list[ChangeView]:
    """Return the changes on the same miner before this one, newest first."""
    rows = session.scalars(
        select(PresetChangeRow)
        .where(PresetChangeRow.miner_id == row.miner_id, PresetChangeRow.id < row.id)
        .order_by(PresetChangeRow.id.desc())
        .limit(following.CUTS_LOOKED_AT)
    )
    return [change_view(earlier, now) for earlier in rows]


def _forget_undone_stops(
    session: Session | scoped_session[Any], polls: Mapping[int, MinerStatus], stopping: set[int], started: set[int]
) -> None:
    """A miner that hashes has been started, by us or by a person: a later stop by a technician is not ours to undo.

    One that comes up on our start (`started`) counts too: what stops it before it hashes is not us (SPEC 5.7).
    """
    stopped = session.scalars(select(Miner.id).where(Miner.stopped_by_us_at.is_not(None))).all()
    undone = [
        miner_id
        for miner_id in stopped
        if miner_id not in stopping
        and (status := polls.get(miner_id)) is not None
        and (status.state.hashing or miner_id in started)
    ]
    if undone:
        session.execute(
            update(Miner)
            .where(Miner.id.in_(undone))
            .values(stopped_by_us_at=None)
            .execution_options(synchronize_session=False)
        )


def finished(now: Stamp) -> dict[str, Any]:
    """Return the columns that say when a change came to its end."""
    return {"finished_at": now.utc, "finished_monotonic_s": now.monotonic_s, "finished_boot_id": now.boot_id}
