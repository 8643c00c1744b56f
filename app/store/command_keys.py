"""Orders that are given once, however often they are sent: the keys that callers give them (Idempotency-Key)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, scoped_session

from app.errors import SettingError
from app.models import Command

LASTS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Once:
    """The caller's key for one order, and a digest of what was asked for: the same key never means two things."""

    key: str
    digest: str


def repeated(session: scoped_session[Any] | Session, once: Once | None, by: str, now: datetime) -> int | None:
    """Return the id of the order that this caller already gave with this key, None where there is none.

    Inside the caller's write transaction, before anything is checked: a repetition gets the first one's answer even
    where a rule would refuse it by now. A key older than `LASTS` is free again.

    Raises:
        SettingError: the key was given with another request.
    """
    if once is None:
        return None
    same = (Command.created_by == by, Command.idempotency_key == once.key)
    found = session.execute(select(Command.id, Command.request_digest, Command.created_at).where(*same)).one_or_none()
    if found is None:
        return None
    if now - found.created_at >= LASTS:
        session.execute(update(Command).where(Command.id == found.id).values(idempotency_key=None))
        return None
    if found.request_digest != once.digest:
        raise SettingError(
            "Idempotency-Key",
            f"The Idempotency-Key {once.key[:60]!r} was used for another request (command {found.id}); "
            "use a new key for a new order.",
        )
    return int(found.id)
