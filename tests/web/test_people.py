"""The people page: who may log in, as what; nobody locks the last admin out."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.models import AuditEntry, User
from app.store import people as people_store
from app.store import tokens
from tests import people

NEW = {"name": "rui", "role": "operator", "password": "a river runs down here"}


@pytest.fixture
def csrf(app: Flask, client: FlaskClient) -> dict[str, str]:
    with app.app_context():
        people.user("boss")
        people.user("ana", "operator")
    return {"X-CSRFToken": people.log_in(app, client, "boss")}


@pytest.mark.parametrize(
    "fields, status, says",
    [
        ({"name": ""}, 422, "name must be"),
        ({"name": "Rui Silva"}, 422, "name must be"),
        ({"name": "<b>rui</b>"}, 422, "name must be"),
        ({"name": "r" * 25}, 422, "name must be"),
        ({"name": "rui\x00"}, 422, "name must be"),
        ({"name": "x" * 500_000}, 413, "64 kB"),
        ({"name": "ana"}, 409, "There is a user ana already"),
        ({"name": "ANA"}, 409, "There is a user ana already"),
        ({"role": "root"}, 422, "role must be one of"),
        ({"role": ""}, 422, "role must be one of"),
        ({"password": ""}, 422, "password must be"),
        ({"password": "rui123456789"}, 422, "name"),
        ({"password": "x" * 1000}, 422, "password must be"),
    ],
)
def test_a_bad_user_is_refused_beside_its_field(
    app: Flask, client: FlaskClient, csrf: dict[str, str], fields: dict[str, str], status: int, says: str
) -> None:
    answer = client.post("/people", data=NEW | fields, headers=csrf)
    assert answer.status_code == status
    assert says.lower() in answer.text.lower()
    assert "<b>rui" not in answer.text
    assert NEW["password"] not in answer.text
    with app.app_context():
        assert len(people_store.everybody()) == 2


def test_an_admin_adds_a_user_that_can_log_in(app: Flask, client: FlaskClient, csrf: dict[str, str]) -> None:
    assert client.post("/people", data=NEW, headers=csrf).status_code == 303
    assert "rui may log in now" in client.get("/people").text
    with app.app_context():
        made = people_store.get("rui")
        assert people_store.is_password(made.password_hash, NEW["password"])
        entry = db.session.query(AuditEntry).one()
        assert (entry.who, entry.action, entry.subject) == ("boss", "user", "rui")
        assert NEW["password"] not in str(entry.new_value)


@pytest.mark.parametrize("path", ["role", "disable"])
def test_the_last_admin_cannot_be_lost(app: Flask, client: FlaskClient, csrf: dict[str, str], path: str) -> None:
    answer = client.post(f"/people/boss/{path}", data={"role": "viewer"}, headers=csrf)
    assert answer.status_code == 409
    assert "the only admin" in answer.text
    with app.app_context():
        people.user("chief")
    assert client.post(f"/people/boss/{path}", data={"role": "viewer"}, headers=csrf).status_code == 303
    with app.app_context():
        assert people_store.get("boss").disabled is (path == "disable")


def test_a_disabled_admin_does_not_count_as_one(app: Flask, client: FlaskClient, csrf: dict[str, str]) -> None:
    with app.app_context():
        people.user("chief", disabled=True)
    assert client.post("/people/boss/role", data={"role": "viewer"}, headers=csrf).status_code == 409


@pytest.mark.parametrize("path", ["role", "password", "disable", "enable"])
@pytest.mark.parametrize("name", ["nobody", "%00", "a" * 300, "rui%20silva"])
def test_a_user_that_is_not_there_is_not_found(client: FlaskClient, csrf: dict[str, str], name: str, path: str) -> None:
    assert client.post(f"/people/{name}/{path}", data={"role": "viewer"}, headers=csrf).status_code == 404


@pytest.mark.parametrize("role", ["", "root", "x" * 1000, "admin\x00"])
def test_a_bad_role_is_refused(app: Flask, client: FlaskClient, csrf: dict[str, str], role: str) -> None:
    answer = client.post("/people/ana/role", data={"role": role}, headers=csrf)
    assert answer.status_code == 422
    assert "role must be one of viewer, operator, admin" in answer.text


@pytest.mark.parametrize("password", ["", "short", "x" * 300, "ana" * 4, "with a \n line break"])
def test_a_bad_new_password_is_refused(client: FlaskClient, csrf: dict[str, str], password: str) -> None:
    answer = client.post("/people/ana/password", data={"password": password}, headers=csrf)
    assert answer.status_code == 422
    assert "ana: password must" in answer.text


def test_disabling_ends_sessions_and_revokes_tokens_enabling_brings_back_neither(
    app: Flask, client: FlaskClient, csrf: dict[str, str]
) -> None:
    phone = app.test_client()
    people.log_in(app, phone, "ana")
    with app.app_context():
        people.token("ana")
    client.post("/people/ana/disable", headers=csrf)
    client.post("/people/ana/enable", headers=csrf)
    assert phone.get("/").status_code == 303
    with app.app_context():
        assert tokens.everyones() == []
        assert not people_store.get("ana").disabled
        entries = [(e.old_value, e.new_value) for e in db.session.query(AuditEntry).order_by(AuditEntry.id)]
        assert entries == [({"disabled": False}, {"disabled": True}), ({"disabled": True}, {"disabled": False})]


def test_an_admin_revokes_anybodys_token(app: Flask, client: FlaskClient, csrf: dict[str, str]) -> None:
    with app.app_context():
        key = people.token("ana")
        token_id = tokens.everyones()[0].id
    assert client.post(f"/people/tokens/{token_id}/revoke", headers=csrf).status_code == 303
    assert app.test_client().get("/api/miners", headers=people.bearer(key)).status_code == 401


def test_no_page_holds_a_hash(app: Flask, client: FlaskClient, csrf: dict[str, str]) -> None:
    with app.app_context():
        people.token("ana")
        hashes = [user.password_hash for user in db.session.query(User)] + [t.key_hash for t in tokens.everyones()]
    for path in ("/people", "/account", "/audit", "/audit/csv"):
        page = client.get(path).text
        assert not [one for one in hashes if one in page], path
