"""The access matrix: every route and method there is, asked by everybody there can be, with the status it must give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import clock
from app.core.access import NEEDS, SAFE_METHODS, Need
from app.web import errors
from tests import factories, people
from tests.web.test_guard import path_of

ALLOWED = "allowed"
RANK = {Need.OPEN: 0, Need.VIEWER: 1, Need.OPERATOR: 2, Need.ADMIN: 3}
EVIL = {"Origin": "http://evil.example"}
Route = tuple[str, str, str]  # endpoint, method, path


def routes(app: Flask) -> list[Route]:
    return [
        (rule.endpoint, method, path_of(rule))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def test_every_route_has_a_decision_and_every_decision_a_route(app: Flask) -> None:
    there = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert there - set(NEEDS) == set(), "say in app/core/access.py what these need"
    assert set(NEEDS) - there == set(), "these are gone"


def test_nothing_that_changes_anything_is_for_viewers_but_their_own_account(app: Flask) -> None:
    changing = {endpoint for endpoint, method, _ in routes(app) if method not in SAFE_METHODS}
    for_all = {endpoint for endpoint in changing if NEEDS[endpoint] in (Need.OPEN, Need.VIEWER)}
    assert for_all == {
        "language.choose", "login.enter", "account.change_password", "account.add_token", "account.revoke_token",
        "account.leave", "account.leave_everywhere",
    }  # fmt: skip


def nobody(need: Need, _method: str, api: bool) -> Any:
    return ALLOWED if need is Need.OPEN else 401 if api else "log in"


def with_session(role: Need) -> Callable[[Need, str, bool], Any]:
    return lambda need, _method, _api: ALLOWED if RANK[role] >= RANK[need] else 403


def with_token(scope: str, role: Need) -> Callable[[Need, str, bool], Any]:
    def expected(need: Need, method: str, api: bool) -> Any:
        if need is Need.OPEN:
            return ALLOWED
        fits = RANK[role] >= RANK[need] and (scope == "write" or method in SAFE_METHODS)
        return ALLOWED if api and fits else 403

    return expected


def without_csrf(need: Need, method: str, api: bool) -> Any:
    """An admin's browser that another page made post: the cookie is there, the form's token is not."""
    if method in SAFE_METHODS or (api and need is Need.OPEN):
        return ALLOWED
    return 400


def stranger(_need: Need, _method: str, _api: bool) -> Any:
    return 403


CALLERS: dict[str, tuple[str, dict[str, str], Callable[[Need, str, bool], Any]]] = {
    # caller: (session of, headers, what it must get)
    "nobody": ("", {}, nobody),
    "viewer": ("viewer", {}, with_session(Need.VIEWER)),
    "operator": ("operator", {}, with_session(Need.OPERATOR)),
    "admin": ("admin", {}, with_session(Need.ADMIN)),
    "admin without CSRF": ("admin", {"X-CSRFToken": ""}, without_csrf),
    "read token": ("", {"Authorization": "read"}, with_token("read", Need.ADMIN)),
    "write token": ("", {"Authorization": "write"}, with_token("write", Need.ADMIN)),
    "viewer's write token": ("", {"Authorization": "small"}, with_token("write", Need.VIEWER)),
    "expired token": ("", {"Authorization": "expired"}, nobody),
    "foreign origin": ("admin", EVIL, stranger),
    "foreign origin with a token": ("", {"Authorization": "write"} | EVIL, stranger),
}


@pytest.fixture
def keys(app: Flask) -> dict[str, str]:
    with app.app_context():
        factories.full_farm()
        factories.decided_cycle()
        people.one_of_each()
        yesterday = clock.utcnow() - timedelta(days=1)
        return {
            "read": people.token("admin", "read"),
            "write": people.token("admin", "write"),
            "small": people.token("viewer", "write"),
            "expired": people.token("admin", "write", expires_at=yesterday),
        }


@pytest.mark.parametrize("name", CALLERS)
def test_the_access_matrix(app: Flask, keys: dict[str, str], name: str) -> None:
    user, headers, expected = CALLERS[name]
    headers = {**headers}
    if "Authorization" in headers:
        headers |= people.bearer(keys[headers["Authorization"]])
    wrong = []
    for endpoint, method, path in routes(app):
        client, its_headers = app.test_client(), {**headers}
        if user:
            its_headers = {"X-CSRFToken": people.log_in(app, client, user)} | headers
        elif NEEDS[endpoint] is Need.OPEN and method == "POST":
            its_headers["X-CSRFToken"] = _anonymous_form(client)
        wanted = expected(NEEDS[endpoint], method, errors.is_for_programs(path))
        json = {} if path.startswith("/api/") and method not in SAFE_METHODS else None
        answer = client.open(path, method=method, headers=its_headers, json=json)
        got = seen(answer, path)
        answer.close()
        if got != wanted:
            wrong.append((method, path, wanted, got, answer.status_code))
    assert wrong == []


def _anonymous_form(client: Any) -> str:
    page = client.get("/login").text
    return str(page.split('name="csrf_token" value="', 1)[1].split('"', 1)[0])


def seen(answer: TestResponse, path: str) -> Any:
    """The answer as the matrix counts it: what the door said, or that the door let it through."""
    if answer.status_code == 303 and (answer.location or "").startswith("/login?"):
        return "log in"
    if answer.status_code == 400 and (errors.STALE_FORM in answer.text or errors.COOKIE_ALONE in answer.text):
        return 400
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), path
    assert answer.status_code < 500 or path == "/readyz", path
    return answer.status_code if answer.status_code in (401, 403) else ALLOWED
