"""`flask user` and `flask token`: bad input first; a password is never an argument."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.models import AuditEntry
from app.store import people as people_store
from app.store import tokens
from tests import people

PASSWORD = "a river runs down here"


def run(app: Flask, *args: str, **more: Any) -> Result:
    return app.test_cli_runner().invoke(args=list(args), **more)


def add(app: Flask, name: str = "boss", role: str = "admin", password: str = PASSWORD) -> Result:
    return run(app, "user", "add", name, "--role", role, "--password-stdin", input=password + "\n")


@pytest.mark.parametrize(
    "name, role, password, says",
    [
        ("", "admin", PASSWORD, "name must be"),
        ("Boss Man", "admin", PASSWORD, "name must be"),
        ("b" * 10_000, "admin", PASSWORD, "name must be"),
        ("boss", "root", PASSWORD, "is not one of"),
        ("boss", "viewer", PASSWORD, "The first user must be an admin"),
        ("boss", "operator", PASSWORD, "The first user must be an admin"),
        ("boss", "admin", "", "password must be"),
        ("boss", "admin", "short", "password must be"),
        ("boss", "admin", "x" * 1_000_000, "password must be"),
        ("boss", "admin", "nul \x00 in the middle", "password must be"),
        ("boss", "admin", "boss12345678", "user's name"),
    ],
)
def test_a_bad_user_is_refused_in_one_sentence(app: Flask, name: str, role: str, password: str, says: str) -> None:
    result = add(app, name, role, password)
    assert result.exit_code in (1, 2)
    assert says in result.output
    assert "Traceback" not in result.output
    assert not password or len(password) < 6 or password not in result.output
    with app.app_context():
        assert not people_store.anybody()


def test_a_password_is_not_taken_from_the_command_line(app: Flask) -> None:
    assert run(app, "user", "add", "boss", "--role", "admin", "--password", PASSWORD).exit_code == 2


def test_a_password_is_asked_for_twice_and_not_shown(app: Flask) -> None:
    differ = run(app, "user", "add", "boss", "--role", "admin", input=f"{PASSWORD}\nanother one entirely\n\n\n")
    assert differ.exit_code == 1
    result = run(app, "user", "add", "boss", "--role", "admin", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    with app.app_context():
        assert people_store.is_password(people_store.get("boss").password_hash, PASSWORD)


def test_a_user_from_the_first_day_to_the_last(app: Flask, client: FlaskClient) -> None:
    assert "no user yet" in run(app, "user", "list").output
    assert add(app).exit_code == 0
    assert add(app).exit_code == 1  # taken
    assert add(app, "ana", "viewer").exit_code == 0
    assert run(app, "user", "role", "ana", "operator").exit_code == 0
    people.log_in(app, client, "ana")
    assert client.get("/").status_code == 200
    new = run(app, "user", "password", "ana", "--password-stdin", input="another river entirely\n")
    assert new.exit_code == 0
    assert client.get("/").status_code == 303
    assert run(app, "user", "disable", "ana").exit_code == 0
    listed = run(app, "user", "list").output
    assert "boss" in listed
    assert "disabled" in listed
    assert run(app, "user", "enable", "ana").exit_code == 0
    with app.app_context():
        trail = [(e.via, e.action, e.subject) for e in db.session.query(AuditEntry).order_by(AuditEntry.id)]
    assert {via for via, _, _ in trail} == {"command line"}
    assert [(action, subject) for _, action, subject in trail] == [
        ("user", "boss"), ("user", "ana"), ("user", "ana"), ("password", "ana"), ("user", "ana"), ("user", "ana"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "args",
    [("user", "role", "nobody", "admin"), ("user", "disable", "nobody"), ("user", "enable", ""),
     ("user", "password", "nobody"), ("token", "add", "nobody", "ci"), ("token", "revoke", "7"),
     ("token", "revoke", "99999999999999999999999"), ("user", "disable", "boss"), ("user", "role", "boss", "viewer"),
     ("token", "add", "boss", "ci", "--days", "0"), ("token", "add", "boss", "x" * 25)],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_sentence(app: Flask, args: tuple[str, ...]) -> None:
    add(app)
    result = run(app, *args)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_a_token_is_printed_alone_on_standard_output(app: Flask, client: FlaskClient) -> None:
    add(app)
    made = run(app, "token", "add", "boss", "ci", "--scope", "write", "--days", "7")
    key = made.stdout.strip()
    assert client.get("/api/miners", headers=people.bearer(key)).status_code == 200
    listed = run(app, "token", "list").output
    assert "ci" in listed
    assert key not in listed
    with app.app_context():
        token_id = tokens.everyones()[0].id
    assert run(app, "token", "revoke", str(token_id)).exit_code == 0
    assert client.get("/api/miners", headers=people.bearer(key)).status_code == 401
