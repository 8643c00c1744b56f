"""The door without users: open to this machine's own browsers, not to what stands behind a proxy."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.core.access import Actor
from app.store import people as people_store
from app.store import sessions, tokens
from tests import people
from tests.people import PASSWORD

OLD = {"SERVER_PROTOCOL": "HTTP/1.0"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_this_machine_needs_no_log_in(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "environ"),
    [
        ({"X-Forwarded-For": "203.0.113.7"}, {}),
        ({"Via": "1.1 proxy"}, {}),
        ({"Host": "farm.example"}, {}),  # a proxy that passes the name on and leaves no mark
        ({}, OLD),  # one that does not even do that
        ({}, {"REMOTE_ADDR": "203.0.113.7"}),
    ],
)
def test_whoever_comes_through_something_else_is_refused(
    app: Flask, client: FlaskClient, headers: dict[str, str], environ: dict[str, str]
) -> None:
    config = app.extensions["powerhive_config"]
    object.__setattr__(config, "allowed_hosts", (*config.allowed_hosts, "farm.example"))
    for path in ("/", "/api/balance/status"):
        assert client.get(path, headers=headers, environ_overrides=environ).status_code == 403


def test_with_a_trusted_proxy_there_must_be_users_first(app: Flask, client: FlaskClient) -> None:
    object.__setattr__(app.extensions["powerhive_config"], "trusted_proxies", ("127.0.0.1",))
    assert client.get("/").status_code == 403


@pytest.mark.parametrize("path", ["/login?next=//[", "/login?next=/%2F[", "/login?next=/\\["])
def test_a_garbled_way_back_is_no_error_of_ours(app: Flask, client: FlaskClient, path: str) -> None:
    with app.app_context():
        people.user()
    assert client.get(path).status_code == 200
    assert client.get("/", headers={"HX-Request": "true", "HX-Current-URL": "http://h//["}).status_code == 401


def test_a_new_password_and_a_log_out_everywhere_end_the_tokens(app: Flask) -> None:
    now = clock.utcnow()
    with app.app_context():
        user_id = people.user().id
        keys = []
        for name, end in (
            ("one", lambda: people_store.set_password("ana", PASSWORD + " and more", "test", now)),
            ("two", lambda: sessions.end_all(user_id, Actor("ana", "page"), now)),
        ):
            key = tokens.add("ana", name, "write", days=30, who="test", now=now).key
            assert tokens.caller(key, now) is not None
            end()
            keys.append(key)
        assert [tokens.caller(key, now) for key in keys] == [None, None]
