"""The sealed columns as a whole: can they be read, seal them anew, give up what cannot be read (app/sealing.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, select, text, type_coerce, update
from sqlalchemy.orm import InstrumentedAttribute, Session, scoped_session

from app.extensions import db, writing
from app.models import Miner
from app.redaction import Secret

BATCH = 200  # miners per transaction: the write lock is never held long
_COLUMNS: tuple[InstrumentedAttribute[Secret | None], ...] = (Miner.api_key, Miner.unlock_password)

AnySession = Session | scoped_session[Any]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many secrets there are, and how many of them the data key does not open."""

    readable: int = 0
    lost_api_keys: int = 0
    lost_passwords: int = 0

    @property
    def lost(self) -> int:
        return self.lost_api_keys + self.lost_passwords


def tally() -> Tally:
    """Count the secrets by whether they can be read."""
    readable, lost = 0, {column.key: 0 for column in _COLUMNS}
    for column in _COLUMNS:
        for (secret,) in db.session.execute(select(column).where(type_coerce(column, Text).is_not(None))):
            readable += secret is not None
            lost[column.key] += secret is None
    return Tally(readable, lost[Miner.api_key.key], lost[Miner.unlock_password.key])


def seal_anew() -> int:
    """Seal every readable secret with the newest key; return how many. May stop anywhere and be done once more."""
    sealed, last_id = 0, 0
    while True:
        with writing() as session:
            _leave_no_trace(session)
            rows = session.execute(_batch(last_id)).all()
            for miner_id, *secrets in rows:
                values = {c.key: s for c, s in zip(_COLUMNS, secrets, strict=True) if s is not None}
                sealed += len(values)
                if values:
                    session.execute(update(Miner).where(Miner.id == miner_id).values(**values))
        if not rows:
            return sealed
        last_id = rows[-1][0]


def _batch(after_id: int) -> Any:
    return select(Miner.id, *_COLUMNS).where(Miner.id > after_id).order_by(Miner.id).limit(BATCH)


def forget_lost() -> Tally:
    """Remove the secrets that cannot be read, for good; return what was counted before."""
    before = tally()
    with writing() as session:
        for column in _COLUMNS:
            rows = session.execute(select(Miner.id, column).where(type_coerce(column, Text).is_not(None)))
            for miner_id in [row[0] for row in rows if row[1] is None]:
                session.execute(update(Miner).where(Miner.id == miner_id).values({column.key: None}))
    return before


def _leave_no_trace(session: AnySession) -> None:
    """Let SQLite overwrite what it frees: old tokens are not to be found in the file."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA secure_delete=ON"))
