"""What operators stated that no setting can act on: the newest answer of a topic counts, the others are history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session

from app.core.audit import Action
from app.errors import ChangedMeanwhile
from app.extensions import db, writing
from app.models import OperatorRecord
from app.store import audit, settings


def newest(session: Session | scoped_session[Any] | None = None) -> dict[str, OperatorRecord]:
    """Return the newest answer by topic."""
    latest = select(func.max(OperatorRecord.id)).group_by(OperatorRecord.topic)
    rows = (session or db.session).scalars(select(OperatorRecord).where(OperatorRecord.id.in_(latest)))
    return {row.topic: row for row in rows}


def state(topic: str, answer: str, who: str, now: datetime) -> None:
    """Keep one answer; nothing is written where it is the newest one already."""
    with writing() as session:
        _put(session, {topic: answer}, {}, who, now)


def answer_all(
    chosen: Mapping[str, Any],
    chosen_seen: Mapping[str, Any],
    stated: Mapping[str, str],
    stated_seen: Mapping[str, int],
    *,
    who: str,
    reason: str,
    now: datetime,
) -> None:
    """Put checked settings into force and keep answers, all or none.

    `chosen_seen`, `stated_seen`: the values, and the ids of the records (0: none), that were looked at.

    Raises:
        ChangedMeanwhile: a setting or an answer is neither as it was seen nor as it is wanted.
    """
    with writing() as session:
        theirs: list[str] = []
        try:
            settings.put_seen(session, chosen, chosen_seen, who=who, reason=reason, now=now)
        except ChangedMeanwhile as error:
            theirs = list(error.names)
        known = newest(session)
        theirs += [
            topic for topic, answer in stated.items()
            if topic in known and known[topic].id != stated_seen.get(topic) and known[topic].answer != answer
        ]  # fmt: skip
        if theirs:
            raise ChangedMeanwhile(theirs, f"Answered by somebody else meanwhile: {', '.join(theirs)}.")
        _put(session, stated, known, who, now)


def _put(
    session: Session | scoped_session[Any],
    stated: Mapping[str, str],
    known: Mapping[str, OperatorRecord],
    who: str,
    now: datetime,
) -> None:
    before = known or newest(session)
    for topic, answer in stated.items():
        if topic in before and before[topic].answer == answer:
            continue
        session.add(OperatorRecord(topic=topic, answer=answer, stated_at=now, stated_by=who))
        old = before[topic].answer if topic in before else None
        audit.note(session, who, Action.ANSWER, topic, now, old=old, new=answer)
