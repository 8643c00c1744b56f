"""The API tokens: made once and shown once, kept as a hash, dead with their user."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import joinedload

from app.core import people as rules
from app.core.access import Caller, Role
from app.core.audit import Action
from app.errors import Conflict, NotFound
from app.extensions import db, writing
from app.models import ApiToken, User
from app.store import audit, people
from app.store.sessions import SEEN_EVERY_S, hashed

log = logging.getLogger(__name__)
MOST_TOKENS = 20


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it was made: `key` is shown this once."""

    row: ApiToken
    key: str


def add(user_name: str, name: str, scope: str, *, days: int, who: str, now: datetime) -> NewToken:
    """Make a token for a user.

    Raises:
        SettingError: a name, scope or span that is not allowed.
        NotFound: no such user.
        Conflict: the user is disabled, has a live token of this name, or has too many.
    """
    called, its_scope = rules.check_token_name(name), rules.check_scope(scope)
    expires_at = (now + timedelta(days=rules.check_token_days(days))).replace(microsecond=0)
    key = rules.TOKEN_PREFIX + secrets.token_urlsafe(32)
    with writing() as session:
        user = people.by_name(session, user_name)
        if user.disabled:
            raise Conflict(f"{user.name} is disabled.")
        live = set(
            session.scalars(
                select(ApiToken.name).where(
                    ApiToken.user_id == user.id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now
                )
            )
        )
        if called in live:
            raise Conflict(f"{user.name} has a token {called!r} already: revoke it, or call the new one otherwise.")
        if len(live) >= MOST_TOKENS:
            raise Conflict(f"{user.name} has {MOST_TOKENS} live tokens: revoke one first.")
        row = ApiToken(
            user_id=user.id, name=called, key_hash=hashed(key), beginning=key[:8], scope=its_scope, created_at=now,
            expires_at=expires_at,
        )  # fmt: skip
        session.add(row)
        new = {"token": called, "scope": its_scope, "expires_at": expires_at.isoformat()}
        audit.note(session, who, Action.TOKEN, user.name, now, new=new)
    return NewToken(row, key)


def caller(key: str, now: datetime) -> Caller | None:
    """Return whom this token speaks for, None where it is no token, expired, revoked, or its user disabled."""
    if not rules.looks_like_a_token(key):
        return None
    found = db.session.execute(
        select(ApiToken.id, ApiToken.name, ApiToken.scope, ApiToken.last_used_at, User.id.label("user_id"),
               User.name.label("user_name"), User.role)
        .join(User)
        .where(ApiToken.key_hash == hashed(key), ApiToken.revoked_at.is_(None), ApiToken.expires_at > now,
               User.disabled.is_(False))
    ).first()  # fmt: skip
    if found is None:
        return None
    if found.last_used_at is None or now - found.last_used_at > timedelta(seconds=SEEN_EVERY_S):
        _used(found.id, now)
    return Caller(
        role=Role(found.role), user_id=found.user_id, name=found.user_name, token=found.name,
        scope=rules.check_scope(found.scope),
    )  # fmt: skip


def of_user(user_id: int) -> list[ApiToken]:
    """Return a user's tokens that are not revoked, newest first."""
    query = select(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    return list(db.session.scalars(query.order_by(ApiToken.id.desc())))


def everyones() -> list[ApiToken]:
    """Return all tokens that are not revoked, with their users, newest first."""
    query = select(ApiToken).where(ApiToken.revoked_at.is_(None)).options(joinedload(ApiToken.user))
    return list(db.session.scalars(query.order_by(ApiToken.id.desc())))


def revoke(token_id: int, who: str, now: datetime, *, user_id: int | None = None) -> ApiToken:
    """End a token at once and for good. `user_id`: only if it is that user's.

    Raises:
        NotFound: no such token, or it is revoked already.
    """
    with writing() as session:
        row = session.get(ApiToken, token_id) if 0 < token_id < 2**63 else None
        if row is None or row.revoked_at is not None or user_id not in (None, row.user_id):
            raise NotFound("There is no such token, or it is revoked already.")
        row.revoked_at = now
        audit.note(session, who, Action.TOKEN, row.user.name, now, old={"token": row.name}, new={"revoked": True})
    return row


def counts() -> dict[int, int]:
    """Return how many tokens that are not revoked each user has, by user id."""
    query = select(ApiToken.user_id, func.count()).where(ApiToken.revoked_at.is_(None)).group_by(ApiToken.user_id)
    return {row[0]: row[1] for row in db.session.execute(query)}


def _used(token_id: int, now: datetime) -> None:
    """Note the last use; where the disk does not take it, the token works all the same."""
    try:
        with writing() as session:
            session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))
    except SQLAlchemyError as error:
        log.warning("a token's last use could not be noted: %s", error)
