"""The users: who there is, in which role, with which password. Every change is in the audit trail."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, scoped_session
from werkzeug.security import check_password_hash, generate_password_hash

from app.core import people as rules
from app.core.access import Role
from app.core.audit import Action
from app.errors import Conflict, NotFound
from app.extensions import db, writing
from app.models import ApiToken, User, UserSession
from app.store import audit

_ANYBODY = select(User.id).limit(1)  # asked with each request


def anybody() -> bool:
    """Whether there is any user: then the door is locked."""
    return db.session.scalar(_ANYBODY) is not None


def everybody() -> list[User]:
    """Return all users by name."""
    return list(db.session.scalars(select(User).order_by(User.name)))


def get(name: str) -> User:
    """Return one user by name (any case).

    Raises:
        NotFound: no such user.
    """
    return by_name(db.session, name)


def by_name(session: scoped_session[Any] | Session, name: str) -> User:
    """As `get`, inside the caller's own transaction."""
    user = session.scalars(select(User).where(User.name == rules.name_form(name))).one_or_none()
    if user is None:
        raise NotFound(f"There is no user {name[:40]}.")
    return user


def add(name: str, role: str, password: str, who: str, now: datetime) -> User:
    """Add a user. The first one locks the door, at once and in every worker, so it must be an admin.

    Raises:
        SettingError: a name, role or password that is not allowed.
        Conflict: the name is taken, or the first user would be no admin.
    """
    checked, its_role = rules.check_name(name), rules.check_role(role)
    hashed = _hashed(rules.check_password(password, checked))
    with writing() as session:
        taken = set(session.scalars(select(User.name)))
        if checked in taken:
            raise Conflict(f"There is a user {checked} already.")
        if not taken and its_role is not Role.ADMIN:
            raise Conflict("The first user must be an admin: nobody else could add the others.")
        user = User(name=checked, role=its_role, password_hash=hashed, created_at=now, password_changed_at=now)
        session.add(user)
        audit.note(session, who, Action.USER, checked, now, new={"role": its_role, "disabled": False})
    return user


def set_role(name: str, role: str, who: str, now: datetime) -> None:
    """Give a user another role; it counts from the next request on.

    Raises:
        SettingError: no such role.
        NotFound: no such user.
        Conflict: it would leave no admin.
    """
    wanted = rules.check_role(role)
    with writing() as session:
        user = by_name(session, name)
        _keep_an_admin(session, user, stays=wanted is Role.ADMIN and not user.disabled)
        audit.note_changes(session, who, Action.USER, user.name, now, old={"role": user.role}, new={"role": wanted})
        user.role = wanted


def set_disabled(name: str, disabled: bool, who: str, now: datetime) -> None:
    """Shut a user out: its sessions end at once and its tokens are revoked for good; or let it log in again.

    Raises:
        NotFound: no such user.
        Conflict: it would leave no admin.
    """
    with writing() as session:
        user = by_name(session, name)
        if disabled:
            _keep_an_admin(session, user, stays=False)
            session.execute(delete(UserSession).where(UserSession.user_id == user.id))
            revoke_tokens(session, user.id, now)
        old, new = {"disabled": user.disabled}, {"disabled": disabled}
        audit.note_changes(session, who, Action.USER, user.name, now, old=old, new=new)
        user.disabled = disabled


def set_password(name: str, password: str, who: str, now: datetime) -> None:
    """Give a user a new password; all its sessions end at once, and its tokens are revoked.

    Whoever knew the old one, or sat at an open page, may have made a token that nobody else knows of.

    Raises:
        SettingError: a password that is not allowed.
        NotFound: no such user.
    """
    hashed = _hashed(rules.check_password(password, get(name).name))
    with writing() as session:
        user = by_name(session, name)
        user.password_hash, user.password_changed_at = hashed, now
        session.execute(delete(UserSession).where(UserSession.user_id == user.id))
        revoke_tokens(session, user.id, now)
        audit.note(session, who, Action.PASSWORD, user.name, now, new=audit.CHANGED)


def revoke_tokens(session: scoped_session[Any] | Session, user_id: int, now: datetime) -> None:
    """Revoke a user's live tokens, inside the caller's own transaction."""
    live = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    session.execute(live.values(revoked_at=now))


def is_password(password_hash: str | None, password: str) -> bool:
    """Whether this is the password. Without a user (None) it takes as long to say no."""
    # No password has control characters, and to scrypt one with NULs at its end is the same as without.
    fits = len(password) <= rules.PASSWORD_LONGEST * 4 and password.isprintable()
    given = rules.normal_password(password) if fits else ""
    matches = check_password_hash(password_hash or _nobodys_hash(), given)
    return matches and fits and password_hash is not None


def _hashed(password: str) -> str:
    return generate_password_hash(password, method="scrypt")


@cache
def _nobodys_hash() -> str:
    return _hashed("the password of nobody")


def _keep_an_admin(session: scoped_session[Any] | Session, user: User, *, stays: bool) -> None:
    others = select(User.id).where(User.role == Role.ADMIN, User.disabled.is_(False), User.id != user.id)
    if stays or user.role != Role.ADMIN or user.disabled:
        return
    if session.scalars(others.with_for_update()).first() is None:
        raise Conflict(f"{user.name} is the only admin: make another user an admin first.")


def check_is_person(user_id: int | None) -> int:
    """Return the id of a caller that has an account.

    Raises:
        Conflict: there is no user yet.
    """
    if user_id is None:
        raise Conflict("There is no user yet. Add the first one on the machine itself with flask user add.")
    return user_id
