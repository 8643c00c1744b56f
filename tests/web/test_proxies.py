"""A proxy is believed only where the settings name it; forged headers of anybody else change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from app.config import Config
from app.extensions import db
from app.models import UserSession
from tests import people
from tests.web.test_login import log_in

FORGED = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
          "X-Forwarded-Prefix": "/evil", "X-Real-IP": "1.2.3.4"}  # fmt: skip


@pytest.fixture
def behind(app: Flask, config: Config) -> Iterator[Flask]:
    """The same program on the same database behind a trusted proxy at 10.0.0.1."""
    made = create_app(replace(config, trusted_proxies=("10.0.0.1",)))
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


def address_of_the_session(app: Flask) -> str:
    with app.app_context():
        return db.session.query(UserSession).one().address


def test_without_the_setting_forged_headers_are_ignored(app: Flask) -> None:
    with app.app_context():
        people.user("ana")
    answer = log_in(app.test_client(), headers=FORGED, environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
    assert answer.status_code == 303
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in answer.headers
    assert address_of_the_session(app) == "10.0.0.9"


@pytest.mark.parametrize(
    "peer, address, secure",
    [("10.0.0.1", "1.2.3.4", True), ("10.0.0.2", "10.0.0.2", False), ("127.0.0.1", "127.0.0.1", False)],
)
def test_only_the_named_proxy_is_believed(app: Flask, behind: Flask, peer: str, address: str, secure: bool) -> None:
    with app.app_context():
        people.user("ana")
    headers = FORGED | {"Referer": "https://localhost/login"}  # as browsers send it; without, a form by TLS is refused
    answer = log_in(behind.test_client(), headers=headers, environ_overrides={"REMOTE_ADDR": peer})
    assert answer.status_code == 303
    assert ("Secure" in answer.headers["Set-Cookie"]) is secure
    assert ("Strict-Transport-Security" in answer.headers) is secure
    assert address_of_the_session(app) == address


def test_of_several_addresses_the_proxys_own_word_counts(app: Flask, behind: Flask) -> None:
    with app.app_context():
        people.user("ana")
    headers = {"X-Forwarded-For": "127.0.0.1, 6.6.6.6"}
    log_in(behind.test_client(), headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.1"})
    assert address_of_the_session(app) == "6.6.6.6"


@pytest.mark.parametrize("word", ["127.0.0.1", "::1", "", "garbage", "127.0.0.1, 127.0.0.1"])
def test_without_users_nobody_comes_through_a_proxy(behind: Flask, word: str) -> None:
    headers = {"X-Forwarded-For": word}
    for peer in ("10.0.0.1", "127.0.0.1"):
        answer = behind.test_client().get("/", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
        assert answer.status_code == 403


def test_a_published_container_serves_its_host_without_users_but_no_proxy(app: Flask, config: Config) -> None:
    made = create_app(replace(config, published_to_loopback=True))
    bridge = {"REMOTE_ADDR": "172.17.0.1"}
    assert made.test_client().get("/", environ_overrides=bridge).status_code == 200
    refused = made.test_client().get("/", environ_overrides=bridge, headers={"X-Forwarded-For": "1.2.3.4"})
    assert refused.status_code == 403
    with made.app_context():
        db.session.remove()
        db.engine.dispose()
