"""One's own account: the password, and the tokens as they are made, used, revoked and refused."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import clock
from app.extensions import db
from app.models import ApiToken, AuditEntry
from app.store import people as people_store
from app.store import settings, tokens
from tests import people
from tests.people import PASSWORD, bearer

NEW = "a river runs down here"


@pytest.fixture
def csrf(app: Flask, client: FlaskClient) -> dict[str, str]:
    with app.app_context():
        people.user("ana", "operator")
        people.user("boss")
    return {"X-CSRFToken": people.log_in(app, client, "ana")}


def change(client: FlaskClient, csrf: dict[str, str], **fields: str) -> TestResponse:
    return client.post("/account/password", data={"old": PASSWORD, "new": NEW, "again": NEW} | fields, headers=csrf)


@pytest.mark.parametrize(
    "fields, status, says",
    [
        ({"old": "not it at all"}, 422, "This is not your password."),
        ({"old": ""}, 422, "This is not your password."),
        ({"new": "short", "again": "short"}, 422, "12 to 256 characters"),
        ({"new": "x" * 257, "again": "x" * 257}, 422, "12 to 256 characters"),
        ({"new": "nul \x00 in the middle", "again": "nul \x00 in the middle"}, 422, "control characters"),
        ({"again": "another river here"}, 422, "differ"),
        ({"new": ""}, 422, "differ"),
        ({"new": "", "again": ""}, 422, "12 to 256 characters"),
        ({"new": "x" * 500_000}, 413, "larger than 64 kB"),
    ],
)
def test_a_bad_change_of_password_is_refused_beside_its_field(
    client: FlaskClient, csrf: dict[str, str], fields: dict[str, str], status: int, says: str
) -> None:
    answer = change(client, csrf, **fields)
    assert answer.status_code == status
    assert says in answer.text
    assert PASSWORD not in answer.text
    assert client.get("/account").status_code == 200


def test_a_changed_password_ends_every_other_session_and_keeps_this_one(
    app: Flask, client: FlaskClient, csrf: dict[str, str]
) -> None:
    phone = app.test_client()
    people.log_in(app, phone, "ana")
    assert change(client, csrf).status_code == 303
    assert client.get("/account").status_code == 200
    assert phone.get("/account").status_code == 303
    with app.app_context():
        assert people_store.is_password(people_store.get("ana").password_hash, NEW)
        assert [e.action for e in db.session.query(AuditEntry)] == ["password"]


def test_guessing_the_present_password_makes_one_wait(client: FlaskClient, csrf: dict[str, str]) -> None:
    for _ in range(5):
        change(client, csrf, old="guess number n")
    answer = change(client, csrf)
    assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)


# --- tokens -----------------------------------------------------------------------------------------------------------


def make(client: FlaskClient, csrf: dict[str, str], **fields: Any) -> TestResponse:
    data = {"name": "ci", "scope": "write", "days": "30"} | fields
    return client.post("/account/tokens", data=data, headers=csrf)


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": " "}, {"name": "x" * 25}, {"name": "a\nb"}, {"name": "a\x00"}, {"scope": "admin"},
     {"scope": ""}, {"days": "0"}, {"days": "367"}, {"days": "-1"}, {"days": "ten"}, {"days": ""}, {"days": "9" * 40},
     {"days": "1.5"}],
)  # fmt: skip
def test_a_bad_token_is_refused_beside_its_field(
    app: Flask, client: FlaskClient, csrf: dict[str, str], fields: dict[str, str]
) -> None:
    answer = make(client, csrf, **fields)
    assert answer.status_code == 422
    field = next(iter(fields))
    assert f'id="{field}-error"' in answer.text
    with app.app_context():
        assert db.session.query(ApiToken).count() == 0


def test_a_token_is_shown_once_and_kept_as_a_hash(app: Flask, client: FlaskClient, csrf: dict[str, str]) -> None:
    answer = make(client, csrf)
    found = re.search(r"ph_[A-Za-z0-9_-]{43}", answer.text)
    assert answer.status_code == 201
    assert found
    assert found[0] not in client.get("/account").text
    with app.app_context():
        row = db.session.query(ApiToken).one()
        assert found[0] not in str(vars(row))
        assert found[0] not in str([(e.new_value, e.old_value) for e in db.session.query(AuditEntry)])
    program = app.test_client()
    assert program.get("/api/miners", headers=bearer(found[0])).status_code == 200
    wanted = {"safety_margin_percent": 12.5, "reason": "dry season"}
    assert program.patch("/api/settings/safety-margin", json=wanted, headers=bearer(found[0])).status_code == 200
    with app.app_context():
        change = settings.history()[0]
        assert change.changed_by == "ana, token ci, API from 127.0.0.1"
        entry = db.session.query(AuditEntry).filter_by(action="setting").one()
        assert (entry.who, entry.token, entry.via, entry.address) == ("ana", "ci", "API", "127.0.0.1")
        assert (entry.old_value, entry.new_value, entry.reason) == (10.0, 12.5, "dry season")
        assert db.session.query(ApiToken).one().last_used_at is not None


def test_two_live_tokens_of_one_name_and_more_than_twenty_are_refused(
    app: Flask, client: FlaskClient, csrf: dict[str, str]
) -> None:
    assert make(client, csrf).status_code == 201
    assert make(client, csrf).status_code == 409
    with app.app_context():
        for _ in range(tokens.MOST_TOKENS - 1):
            people.token("ana")
    assert "20 live tokens" in make(client, csrf, name="one more").text


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Bearer ", "Bearer x", "Bearer ph_", "Bearer ph_" + "a" * 43, "Basic YW5hOmFuYQ==",
        "ph_" + "a" * 43, "Bearer " + "x" * 6000, "Bearer ph_\xff", "Bearer null",
        "Bearer ph_" + "a" * 43 + ", Bearer x", "Digest username=ana",
    ],
)  # fmt: skip
def test_what_is_no_token_opens_nothing_even_beside_a_good_session(
    client: FlaskClient, csrf: dict[str, str], header: str
) -> None:
    answer = client.get("/api/miners", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="PowerHive"'
    assert list(answer.get_json()) == ["error"]


@pytest.mark.parametrize("why", ["expired", "revoked", "disabled"])
def test_a_dead_token_opens_nothing(app: Flask, client: FlaskClient, why: str) -> None:
    with app.app_context():
        people.user("boss")
        people.user("ana", "operator")
        key = people.token("ana")
    assert client.get("/api/miners", headers=bearer(key)).status_code == 200
    with app.app_context():
        row = db.session.query(ApiToken).one()
        if why == "expired":
            row.expires_at = clock.utcnow() - timedelta(seconds=1)
            db.session.commit()
        elif why == "revoked":
            tokens.revoke(row.id, "test", clock.utcnow())
        else:
            people_store.set_disabled("ana", True, "test", clock.utcnow())
            people_store.set_disabled("ana", False, "test", clock.utcnow())  # it stays dead
    answer = client.get("/api/miners", headers=bearer(key))
    assert answer.status_code == 401
    assert "expired or revoked" in answer.get_json()["error"]


def test_a_token_shrinks_with_its_users_role(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        people.user("boss")
        people.user("ana", "operator")
        key = people.token("ana")
    assert client.post("/api/balance/mode", json={"mode": "off"}, headers=bearer(key)).status_code == 202
    with app.app_context():
        people_store.set_role("ana", "viewer", "test", clock.utcnow())
    refused = client.post("/api/balance/mode", json={"mode": "armed"}, headers=bearer(key))
    assert refused.status_code == 403
    assert "operator or admin" in refused.get_json()["error"]


def test_one_revokes_ones_own_token_but_nobody_elses(app: Flask, client: FlaskClient, csrf: dict[str, str]) -> None:
    with app.app_context():
        mine, theirs = people.token("ana"), people.token("boss")
        ids = {row.user.name: row.id for row in tokens.everyones()}
    assert client.post(f"/account/tokens/{ids['boss']}/revoke", headers=csrf).status_code == 404
    assert client.post(f"/account/tokens/{ids['ana']}/revoke", headers=csrf).status_code == 303
    assert client.post(f"/account/tokens/{ids['ana']}/revoke", headers=csrf).status_code == 404
    assert client.post("/account/tokens/99999999999999999999999/revoke", headers=csrf).status_code == 404
    program = app.test_client()
    assert program.get("/api/miners", headers=bearer(mine)).status_code == 401
    assert program.get("/api/miners", headers=bearer(theirs)).status_code == 200


def test_the_api_called_with_a_log_ins_cookie_needs_the_pages_token(client: FlaskClient, csrf: dict[str, str]) -> None:
    assert client.get("/api/settings").status_code == 200
    refused = client.post("/api/balance/mode", json={"mode": "off"})
    assert refused.status_code == 400
    assert "X-CSRFToken" in refused.get_json()["error"]
    assert client.post("/api/balance/mode", json={"mode": "off"}, headers=csrf).status_code == 202


def test_an_operator_changes_the_settings_of_the_day_but_not_the_sites(
    client: FlaskClient, csrf: dict[str, str]
) -> None:
    assert client.patch("/api/settings", json={"ramp_up_kw_per_min": 900}, headers=csrf).status_code == 200
    refused = client.patch("/api/settings", json={"ramp_up_kw_per_min": 800, "farm_limit_kw": 800}, headers=csrf)
    assert refused.status_code == 403
    assert "farm_limit_kw needs the role admin" in refused.get_json()["error"]
    assert client.get("/api/settings").get_json()["ramp_up_kw_per_min"] == 900  # all or none


def test_a_token_opens_no_page(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        people.user("boss")
        key = people.token("boss")
    for path in ("/", "/people", "/account", "/audit/csv"):
        answer = client.get(path, headers=bearer(key))
        assert answer.status_code == 403
        assert "JSON API" in answer.text
