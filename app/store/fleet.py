"""One miner, and what the operator decides about miners. Lists of them: `fleet_list`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session, scoped_session

from app.core.audit import Action
from app.errors import Conflict, NotFound
from app.extensions import db, writing
from app.models import BoardSample, Miner, MinerModel, MinerSample
from app.redaction import Secret
from app.store import audit

OPERATORS_COLUMNS = frozenset(
    {"managed", "hold", "hold_until", "hold_reason", "retired", "label", "unlock_password"}
)  # one writer per column: the rest belongs to jobs


def get(mac: str) -> Miner:
    """Return one miner by its MAC (any case).

    Raises:
        NotFound: no such miner.
    """
    return by_mac(db.session, mac)


def names() -> dict[str, str]:
    """Return what people call each miner, by MAC: its label, else its address."""
    rows = db.session.execute(select(Miner.mac, Miner.label, Miner.ip))
    return {row.mac: row.label or row.ip for row in rows}


def by_mac_or_ip(text: str) -> Miner:
    """Return one miner by its MAC or its present address: people read addresses.

    Raises:
        NotFound: no such miner.
    """
    miner = db.session.scalars(select(Miner).where(Miner.ip == text.strip()).limit(1)).first() if text.strip() else None
    return get(text.strip()) if miner is None else miner


def by_mac(session: scoped_session[Any] | Session, mac: str) -> Miner:
    """As `get`, inside the caller's own transaction."""
    miner = session.scalars(select(Miner).where(Miner.mac == mac.lower())).one_or_none()
    if miner is None:
        raise NotFound(f"There is no miner {mac[:40]}.")
    return miner


class MayBeHeld(Protocol):
    """A miner, or what a list shows of it."""

    @property
    def hold(self) -> bool: ...
    @property
    def hold_until(self) -> datetime | None: ...


def is_held(miner: MayBeHeld, now: datetime) -> bool:
    """Whether an operator's hold is in force: set, and not past its end."""
    return miner.hold and (miner.hold_until is None or miner.hold_until > now)


def edition(miner: Miner, columns: Iterable[str]) -> str:
    """Return a mark of what these columns hold: the same as long as nobody has changed them (optimistic locking)."""
    held = "\n".join(f"{column}={getattr(miner, column)!r}" for column in sorted(columns))
    return hashlib.sha256(held.encode()).hexdigest()[:16]


def edit(mac: str, changes: dict[str, Any], now: datetime, seen: str | None = None, *, who: str) -> Miner:
    """Write several of the operator's columns of one miner in one transaction and return the miner.

    `seen`: the `edition` of these very columns that the operator looked at; None skips that check.

    Raises:
        NotFound: no such miner.
        Conflict: somebody has changed one of these columns since.
    """
    if unknown := set(changes) - OPERATORS_COLUMNS:
        raise ValueError(f"not the operator's to write: {', '.join(sorted(unknown))}")
    with writing() as session:
        miner = by_mac(session, mac)
        if seen is not None and seen != edition(miner, changes):
            raise Conflict("Somebody else changed this meanwhile: what is shown now is the newest. Look at it again.")
        before = _shown(miner, changes)
        for column, value in changes.items():
            setattr(miner, column, value)
        if "unlock_password" in changes:
            before["unlock_password"] = None  # to set the same one again is a change, too: nobody sees which it was
        audit.note_changes(session, who, Action.MINER, miner.mac, now, old=before, new=_shown(miner, changes))
        miner.updated_at = now
    return miner


def set_managed(
    managed: bool,
    now: datetime,
    *,
    macs: Sequence[str] | None = None,
    model: str | None = None,
    everyone: bool = False,
    who: str,
) -> int:
    """Let PowerHive change these miners' presets, or not any more; return how many were changed by this.

    Name exactly one of `macs`, `model` (alias) or `everyone`. Retired miners are left out.

    Raises:
        NotFound: no such model.
    """
    if sum((macs is not None, model is not None, everyone)) != 1:
        raise ValueError("name macs, a model or everyone")
    others = (Miner.managed.is_not(managed), Miner.retired.is_(False))
    change = update(Miner).where(*others)
    with writing() as session:
        subjects = ["all miners" if model is None else f"all of {model}"]
        if macs is not None:
            wanted = Miner.mac.in_([mac.lower() for mac in macs])
            change = change.where(wanted)
            subjects = list(session.scalars(select(Miner.mac).where(wanted, *others)))
        elif model is not None:
            model_id = session.scalar(select(MinerModel.id).where(MinerModel.alias == model))
            if model_id is None:
                raise NotFound(f"There is no miner model {model[:60]}.")
            change = change.where(Miner.model_id == model_id)
        result = session.execute(change.values(managed=managed, updated_at=now))
        changed = int(getattr(result, "rowcount", 0))
        new = {"managed": managed} if macs is not None else {"managed": managed, "miners": changed}
        for subject in subjects if changed else ():
            audit.note(session, who, Action.MINER, subject, now, old={"managed": not managed}, new=new)
        return changed


def set_hold(
    mac: str, hold: bool, now: datetime, *, until: datetime | None = None, reason: str | None = None, who: str
) -> Miner:
    """Lock a miner against automatic changes (until then, or for good), or release it."""
    until, reason = (until, reason) if hold else (None, None)
    return edit(mac, {"hold": hold, "hold_until": until, "hold_reason": reason}, now, who=who)


def set_label(mac: str, label: str, now: datetime, *, who: str) -> Miner:
    """Give a miner a name for people."""
    return edit(mac, {"label": label}, now, who=who)


def set_unlock_password(mac: str, password: str | None, now: datetime, *, who: str) -> Miner:
    """Store the miner's own unlock password (None: the deployment's default). It is never shown again."""
    return edit(mac, {"unlock_password": None if password is None else Secret(password)}, now, who=who)


def samples(
    miner_id: int, limit: int, since: datetime | None = None, until: datetime | None = None
) -> list[MinerSample]:
    """Return a miner's status history, newest first."""
    query = select(MinerSample).where(MinerSample.miner_id == miner_id)
    if since is not None:
        query = query.where(MinerSample.recorded_at >= since)
    if until is not None:
        query = query.where(MinerSample.recorded_at < until)
    return list(db.session.scalars(query.order_by(MinerSample.recorded_at.desc()).limit(limit)))


def board_samples(
    miner_id: int, limit: int, since: datetime | None = None, until: datetime | None = None
) -> list[BoardSample]:
    """Return a miner's hash-board history, newest first, boards in order within one time."""
    query = select(BoardSample).where(BoardSample.miner_id == miner_id)
    if since is not None:
        query = query.where(BoardSample.recorded_at >= since)
    if until is not None:
        query = query.where(BoardSample.recorded_at < until)
    return list(db.session.scalars(query.order_by(BoardSample.recorded_at.desc(), BoardSample.board).limit(limit)))


def _shown(miner: Miner, columns: Iterable[str]) -> dict[str, Any]:
    """What the audit trail may say of these columns: of the password only that it was changed."""
    return {column: audit.CHANGED if column == "unlock_password" else getattr(miner, column) for column in columns}
