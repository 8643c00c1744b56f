"""The reigns of schedulers: who acts since when, and what has been seen since then (SPEC 5.5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from app.core.readings import Stamp
from app.extensions import db, writing
from app.models import SchedulerTerm

_KEPT_TERMS = 500  # a crash loop must not fill the database


def begin(pid: int, started: Stamp) -> int:
    """Store that the scheduler of process `pid` acts from now on; return the id of its term."""
    with writing() as session:
        term = SchedulerTerm(
            pid=pid,
            started_at=started.utc,
            started_monotonic_s=started.monotonic_s,
            started_boot_id=started.boot_id,
        )
        session.add(term)
        session.flush()
        session.execute(delete(SchedulerTerm).where(SchedulerTerm.id <= term.id - _KEPT_TERMS))
        return term.id


def acting() -> SchedulerTerm | None:
    """Return the newest term: the acting scheduler's, or that of the last one that acted."""
    return db.session.scalars(select(SchedulerTerm).order_by(SchedulerTerm.id.desc()).limit(1)).first()


def of(term_id: int | None) -> SchedulerTerm | None:
    """Return the term of that id; None for None."""
    return None if term_id is None else db.session.get(SchedulerTerm, term_id)


def note_fresh_reading(term_id: int | None, at: datetime) -> None:
    """Store that a fresh trusted reading has come in under this term; only the first one counts."""
    _note_first(term_id, "first_fresh_reading_at", at)


def note_full_poll(term_id: int | None, at: datetime) -> None:
    """Store that a full status poll has been made under this term; only the first one counts."""
    _note_first(term_id, "first_full_poll_at", at)


def _note_first(term_id: int | None, column: str, at: datetime) -> None:
    term = of(term_id)
    if term is None or getattr(term, column) is not None:  # the usual case costs no write
        return
    with writing() as session:
        session.execute(
            update(SchedulerTerm)
            .where(SchedulerTerm.id == term_id, getattr(SchedulerTerm, column).is_(None))
            .values({column: at})
        )
