"""Failures are designed: a page for people, a sentence for programs, the right status for both."""

from __future__ import annotations

import sqlite3

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from app.extensions import db
from app.web.errors import database_sentence
from tests import factories


def test_an_unknown_address_is_a_page_with_a_way_on(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Go to the dashboard" in answer.text


def test_under_api_404_and_405_are_json(client: FlaskClient) -> None:
    assert client.get("/api/nowhere").json == {"error": "There is nothing at this address."}
    wrong = client.delete("/api/settings", json={})
    assert wrong.status_code == 405
    assert set(wrong.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PATCH"}
    assert list(wrong.get_json()) == ["error"]


def test_a_page_that_takes_only_posts_says_405(client: FlaskClient) -> None:
    answer = client.get("/settings/mode")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "cause, word",
    [
        ("database is locked", "busy"),
        ("database or disk is full", "full"),
        ("attempt to write a readonly database", "read-only"),
        ("xyz", "log"),
    ],
)
def test_each_trouble_of_the_database_has_its_sentence(cause: str, word: str) -> None:
    assert word in database_sentence(cause)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/dashboard/live",
        "/miners",
        "/models",
        "/events",
        "/readyz",
        "/api/settings",
        "/api/balance/status",
        "/api/plant/latest",
    ],
)
def test_a_database_that_does_not_answer_is_503(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr("sqlalchemy.orm.Session.execute", locked)
    monkeypatch.setattr("sqlalchemy.orm.Session.scalars", locked)
    monkeypatch.setattr("sqlalchemy.orm.Session.connection", locked)
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "busy" in answer.text
    assert answer.is_json == path.startswith(("/api/", "/readyz"))


def test_a_read_only_database_refuses_a_write_with_a_sentence(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        db.session.remove()
        engine = db.engine
    from sqlalchemy import event

    @event.listens_for(engine, "checkout")
    def read_only(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    answer = client.patch("/api/settings/safety-margin", json={"safety_margin_percent": 12})
    assert answer.status_code == 503
    assert "read-only" in answer.get_json()["error"]


def test_a_mistake_of_ours_tells_no_details(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("app.store.status_board.load", broken)
    app.testing = False
    for path in ("/", "/api/balance/status"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert "secret detail" not in answer.text


def test_it_lives(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_it_is_ready_only_while_its_jobs_run(app: Flask, client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 503
    with app.app_context():
        factories.all_jobs()
    assert client.get("/readyz").status_code == 200
    with app.app_context():
        factories.job("discovery", 300.0, age_s=2000.0)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "discovery" in answer.get_json()["error"]


PORTUGUESE = {"Accept-Language": "pt-BR"}


@pytest.mark.parametrize(
    ("path", "method", "status", "words"),
    [
        ("/nowhere", "GET", 404, ["Não encontrado", "Não há nada neste endereço.", "Ir para o painel"]),
        ("/settings/mode", "GET", 405, ["Este endereço não aceita esse tipo de pedido."]),
        ("/settings/mode", "POST", 400, ["Não entendido", "seu formulário não vale mais. Carregue-a de novo."]),
        ("/cycles/4711", "GET", 404, ["Não há ciclo 4711."]),
    ],
)
def test_error_pages_speak_the_readers_language(
    client: FlaskClient, path: str, method: str, status: int, words: list[str]
) -> None:
    answer = client.open(path, method=method, headers=PORTUGUESE)
    assert answer.status_code == status
    for word in words:
        assert word in answer.text


def test_a_stranger_is_turned_away_in_the_readers_language(client: FlaskClient) -> None:
    answer = client.get("/", headers=PORTUGUESE | {"Host": "evil.example"})
    assert answer.status_code == 403
    assert "não é um dos deste PowerHive" in answer.text
    assert "evil.example" in answer.text


def test_programs_get_english_whatever_language_they_ask_for(client: FlaskClient) -> None:
    answer = client.get("/api/nowhere", headers=PORTUGUESE)
    assert answer.json == {"error": "There is nothing at this address."}
    bad = client.patch("/api/settings", json={"cooldown_s": 5}, headers=PORTUGUESE)
    assert bad.json == {"error": "cooldown_s must be a whole number from 30 to 3600 s; got 5."}


NO_NAME = "a" * 70  # longer than a name's part can be: for such a host no addresses can be made


@pytest.mark.parametrize("host", ["", "a b", "<script>", "localhost:x", "[::1", "\x00", "ä", "/", "%zz", NO_NAME])
def test_a_host_header_that_is_no_name_is_403_on_pages_too(client: FlaskClient, host: str) -> None:
    answer = client.get("/", environ_overrides={"HTTP_HOST": host})
    assert (answer.status_code, answer.mimetype) == (403, "text/plain" if host == NO_NAME else "text/html")
    assert "add it to POWERHIVE_ALLOWED_HOSTS" in answer.text


def test_a_query_that_is_no_utf_8_is_400(client: FlaskClient) -> None:
    for path in ("/", "/nowhere", "/api/miners", "/healthz"):
        answer = client.get(path, environ_overrides={"QUERY_STRING": "x=\xed\xa0\x80"})
        assert answer.status_code == 400
        assert "is not UTF-8" in answer.text
