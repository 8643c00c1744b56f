"""Users, log-ins and tokens for tests, without the cost of hashing a password each time."""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.security import generate_password_hash

from app import clock
from app.core.access import Role
from app.extensions import db
from app.models import ApiToken, User, UserSession
from app.store import sessions
from tests import factories

PASSWORD = "correct horse battery"


@cache
def _password_hash() -> str:
    return generate_password_hash(PASSWORD, method="scrypt:1024:8:1")  # cheap


def user(name: str = "ana", role: str = Role.ADMIN, **values: Any) -> User:
    """Add a user whose password is PASSWORD. Needs an application context."""
    now = clock.utcnow()
    defaults = {"password_hash": _password_hash(), "created_at": now, "password_changed_at": now}
    return factories.add(User(name=name, role=role, **(defaults | values)))


def one_of_each() -> None:
    """Add the users "viewer", "operator" and "admin"."""
    for role in Role:
        user(role.value, role)


def session_key(name: str, **values: Any) -> str:
    """Add a log-in of this user and return what its cookie holds."""
    key, now = secrets.token_urlsafe(32), clock.utcnow()
    its_user = db.session.query(User).filter_by(name=name).one()
    defaults = {"created_at": now, "seen_at": now, "address": "127.0.0.1"}
    factories.add(UserSession(key_hash=sessions.hashed(key), user_id=its_user.id, **(defaults | values)))
    return key


def token(user_name: str, scope: str = "write", **values: Any) -> str:
    """Add a token of this user and return its key."""
    key, now = "ph_" + secrets.token_urlsafe(32), clock.utcnow()
    its_user = db.session.query(User).filter_by(name=user_name).one()
    defaults: dict[str, Any] = {"name": f"t{secrets.token_hex(4)}", "beginning": key[:8], "created_at": now}
    defaults["expires_at"] = now + timedelta(days=1)
    factories.add(ApiToken(user_id=its_user.id, key_hash=sessions.hashed(key), scope=scope, **(defaults | values)))
    return key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def log_in(app: Flask, client: FlaskClient, name: str, **values: Any) -> str:
    """Log this client in as `name` and return the CSRF token of its forms."""
    with app.app_context():
        key = session_key(name, **values)
    raw = secrets.token_hex(20)
    with client.session_transaction() as cookie:
        cookie.clear()
        cookie["key"], cookie["csrf_token"] = key, raw
    return str(URLSafeTimedSerializer(app.secret_key or "", salt="wtf-csrf-token").dumps(raw))
