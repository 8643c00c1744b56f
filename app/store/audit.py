"""The audit trail: written in the same transaction as the change it tells of, read by the page and its CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, scoped_session

from app.core.access import Actor
from app.core.audit import Action
from app.extensions import db
from app.models import AuditEntry

CHANGED = "changed"  # in the place of a secret's value
_BATCH = 500


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: by whose name, of what kind, of what subject (exactly), in [since, until)."""

    who: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


def note(
    session: scoped_session[Any] | Session,
    who: str,
    action: Action,
    subject: str,
    now: datetime,
    *,
    old: Any = None,
    new: Any = None,
    reason: str | None = None,
) -> None:
    """Add an entry to the caller's own write transaction. `old` and `new` as JSON; never a secret."""
    actor = who if isinstance(who, Actor) else Actor(who)
    session.add(
        AuditEntry(
            at=now,
            who=actor.name[:80],
            via=actor.via[:16],
            token=actor.token[:24],
            address=actor.address[:45],
            action=action,
            subject=subject[:120],
            old_value=old,
            new_value=new,
            reason=reason[:300] if reason else None,
        )
    )


def note_changes(
    session: scoped_session[Any] | Session,
    who: str,
    action: Action,
    subject: str,
    now: datetime,
    *,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
) -> None:
    """Add one entry with what differs between two descriptions of one thing; none where nothing does."""
    names = [name for name in new if old.get(name) != new[name]]
    if names:
        before, after = ({name: _plain(values.get(name)) for name in names} for values in (old, new))
        note(session, who, action, subject, now, old=before, new=after)


def recent(wanted: AuditFilter, limit: int, before_id: int | None = None) -> list[AuditEntry]:
    """Return entries, newest first; `before_id` continues an earlier list."""
    query = _matching(wanted)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def each(wanted: AuditFilter) -> Iterator[AuditEntry]:
    """Yield all matching entries, newest first, a batch at a time."""
    before_id: int | None = None
    while rows := recent(wanted, _BATCH, before_id):
        yield from rows
        before_id = rows[-1].id


def names() -> list[str]:
    """Return every name in the trail, in order."""
    return list(db.session.scalars(select(AuditEntry.who).distinct().order_by(AuditEntry.who).limit(200)))


def _matching(wanted: AuditFilter) -> Select[Any]:
    query = select(AuditEntry)
    for column, value in ((AuditEntry.who, wanted.who), (AuditEntry.action, wanted.action)):
        if value:
            query = query.where(column == value)
    if wanted.subject:
        query = query.where(AuditEntry.subject == wanted.subject)
    if wanted.since is not None:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEntry.at < wanted.until)
    return query


def _plain(value: Any) -> Any:
    """As JSON: a time as text."""
    return value.isoformat() if isinstance(value, datetime) else value
