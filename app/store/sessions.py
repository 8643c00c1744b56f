"""Logging in and out: the check of a password, the wait after wrong ones, and the browsers that are logged in.

Workers share nothing but these rows: what ends a session deletes its row, and the next request finds nothing.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

from app.core import people as rules
from app.core.access import Actor, Caller, Role
from app.core.audit import Action
from app.errors import TooManyAttempts, WrongLogin
from app.extensions import db, writing
from app.models import LoginFailures, User, UserSession
from app.store import audit, people

log = logging.getLogger(__name__)
WRONG = "Name and password do not fit together."
SEEN_EVERY_S = 60.0  # a session's last sign of life is written at most this often
KEY_LENGTH = 43


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """After how long without a request, and after how long in any case, a session ends."""

    idle: timedelta
    longest: timedelta


def log_in(name: str, password: str, actor: Actor, now: datetime, limits: SessionLimits) -> str:
    """Check name and password and return the key of a new session, for the browser alone.

    The attempt is counted before the password is looked at, so that many at once do not slip through.

    Raises:
        TooManyAttempts: it has to wait; nothing was looked at.
        WrongLogin: wrong name, wrong password, or the user is disabled.
    """
    user = _attempt(name, password, actor, now)
    key = secrets.token_urlsafe(32)
    with writing() as session:
        session.execute(delete(UserSession).where(UserSession.created_at < now - limits.longest))
        session.add(_row(key, user.id, actor, now))
        session.execute(
            update(User).where(User.id == user.id).values(last_login_at=now, last_login_address=actor.address[:45])
        )
        who = Actor(user.name, actor.via, actor.address)
        audit.note(session, who, Action.LOGGED_IN, user.name, now)
    return key


def change_own_password(user_id: int, old: str, new: str, actor: Actor, now: datetime) -> str:
    """Give a user the password it chose, having shown the old one; return the key of the only session left.

    Raises:
        TooManyAttempts, WrongLogin: as `log_in`, for the old password.
        SettingError: the new one is not allowed.
    """
    rules.check_password(new, actor.name)
    _attempt(actor.name, old, actor, now)
    people.set_password(actor.name, new, actor, now)
    key = secrets.token_urlsafe(32)
    with writing() as session:
        session.add(_row(key, user_id, actor, now))
    return key


def caller(key: str, now: datetime, limits: SessionLimits) -> Caller | None:
    """Return whose session this key opens, None where it opens none (any more)."""
    if len(key) != KEY_LENGTH or not key.isascii():
        return None
    found = db.session.execute(
        select(UserSession.created_at, UserSession.seen_at, User.id, User.name, User.role)
        .join(User)
        .where(UserSession.key_hash == hashed(key), User.disabled.is_(False))
    ).first()
    if found is None or now - found.created_at > limits.longest or now - found.seen_at > limits.idle:
        return None
    if now - found.seen_at > timedelta(seconds=SEEN_EVERY_S):
        _seen(hashed(key), now)
    return Caller(role=Role(found.role), user_id=found.id, name=found.name, session=hashed(key))


def of_user(user_id: int) -> list[UserSession]:
    """Return a user's sessions, the one last seen first."""
    query = select(UserSession).where(UserSession.user_id == user_id).order_by(UserSession.seen_at.desc())
    return list(db.session.scalars(query))


def end(key_hash: str, actor: Actor, now: datetime) -> None:
    """End one session."""
    with writing() as session:
        session.execute(delete(UserSession).where(UserSession.key_hash == key_hash))
        audit.note(session, actor, Action.LOGGED_OUT, actor.name, now)


def end_all(user_id: int, actor: Actor, now: datetime) -> int:
    """End all of a user's sessions, this one included, and revoke its tokens; return how many sessions it were."""
    with writing() as session:
        people.revoke_tokens(session, user_id, now)
        result = session.execute(delete(UserSession).where(UserSession.user_id == user_id))
        ended = int(getattr(result, "rowcount", 0))
        audit.note(session, actor, Action.LOGGED_OUT, actor.name, now, old={"sessions": ended}, new={"sessions": 0})
    return ended


def hashed(key: str) -> str:
    """Return what is kept of a session's or token's key: 32 random bytes need no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


def forget_failures(name: str) -> None:
    """Let a user try again at once: its password was just set."""
    with writing() as session:
        session.execute(delete(LoginFailures).where(LoginFailures.key == _name_key(name)))


# --- inside ----------------------------------------------------------------------------------------------------------


def _attempt(name: str, password: str, actor: Actor, now: datetime) -> User:
    """Return the user whose name and password these are, after counting the attempt."""
    cleaned = rules.name_form(name)
    with writing() as session:
        user = session.scalars(select(User).where(User.name == cleaned)).one_or_none()
        at_home = user is not None and user.last_login_address == actor.address[:45]
        # Where a user logged in last, its own name is not held against it: nobody else's guesses lock it out there.
        _count(session, None if at_home else _name_key(cleaned), actor.address, now)
        known_hash = user.password_hash if user is not None else None
        user_id = user.id if user is not None else None
    right = people.is_password(known_hash, password)
    with writing() as session:
        found = session.get(User, user_id) if user_id is not None else None
        if right and found is not None and not found.disabled and found.password_hash == known_hash:
            session.execute(delete(LoginFailures).where(LoginFailures.key == _name_key(cleaned)))
            session.execute(
                update(LoginFailures)
                .where(LoginFailures.key == _address_key(actor.address), LoginFailures.count > 0)
                .values(count=LoginFailures.count - 1)
            )
            session.expunge(found)
            return found
        # A name that is nobody's may be a password in the wrong field: it is kept nowhere.
        subject = found.name if found is not None else ""
        audit.note(session, Actor("", actor.via, actor.address), Action.REFUSED, subject, now)
    raise WrongLogin(WRONG)


def _count(session: scoped_session[Any] | Session, name_key: str | None, address: str, now: datetime) -> None:
    forgotten = now - timedelta(seconds=rules.FORGET_FAILURES_AFTER_S)
    session.execute(delete(LoginFailures).where(LoginFailures.last_at < forgotten))
    counted = [(_address_key(address), rules.FREE_FAILURES_OF_AN_ADDRESS)]
    if name_key is not None:
        counted.append((name_key, rules.FREE_FAILURES_OF_A_NAME))
    rows = [(session.get(LoginFailures, key, with_for_update=True), key, free) for key, free in counted]
    wait_s = max(_waits(rows, now))
    if wait_s > 0:
        raise TooManyAttempts(int(wait_s) + 1)
    for row, key, _free in rows:
        if row is None:
            session.add(LoginFailures(key=key, count=1, last_at=now))
        else:
            row.count, row.last_at = row.count + 1, now


def _waits(rows: Iterable[tuple[LoginFailures | None, str, int]], now: datetime) -> list[float]:
    return [
        0.0 if row is None else rules.wait_s(row.count, free, (now - row.last_at).total_seconds())
        for row, _key, free in rows
    ]


def _row(key: str, user_id: int, actor: Actor, now: datetime) -> UserSession:
    return UserSession(key_hash=hashed(key), user_id=user_id, created_at=now, seen_at=now, address=actor.address[:45])


def _seen(key_hash: str, now: datetime) -> None:
    """Note a sign of life. A full or busy disk must not keep anybody from looking: then it is noted later."""
    try:
        with writing() as session:
            session.execute(update(UserSession).where(UserSession.key_hash == key_hash).values(seen_at=now))
    except SQLAlchemyError as error:
        log.warning("a session's last use could not be noted: %s", error)


def _name_key(name: str) -> str:
    """As a hash: what is typed into the field of the name may be a password."""
    return f"name:{hashed(name)[:40]}"


def _address_key(address: str) -> str:
    return f"address:{rules.counted_address(address)[:54]}"
