"""Logging in and out: bad input first, the wait after wrong passwords, and what ends a session."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from app import clock
from app.extensions import db
from app.models import AuditEntry, LoginFailures, User, UserSession
from app.store import people as people_store
from app.store import sessions, tokens
from tests import people
from tests.people import PASSWORD

LONG = "x" * 60_000


@pytest.fixture(autouse=True)
def ana(app: Flask) -> None:
    with app.app_context():
        people.user("ana", "operator")


def form_token(client: FlaskClient, path: str = "/login") -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def log_in(client: FlaskClient, name: str = "ana", password: str = PASSWORD, **more: Any) -> TestResponse:
    wanted = more.pop("next", "/miners")
    data = {"name": name, "password": password, "next": wanted, "csrf_token": form_token(client)}
    return client.post("/login", data=data, **more)


def failures(app: Flask) -> dict[str, int]:
    with app.app_context():
        return {row.key.split(":")[0]: row.count for row in db.session.query(LoginFailures)}


@pytest.mark.parametrize(
    "name, password",
    [
        ("", ""), ("ana", ""), ("", PASSWORD), ("ana", "wrong password"), ("bob", PASSWORD), ("ana", PASSWORD + " "),
        ("ana", PASSWORD.upper()), ("ana\x00", PASSWORD), ("ana", PASSWORD + "\x00"), ("ana' or 1=1 --", PASSWORD),
        ("ana", LONG), (LONG, PASSWORD), ("<script>", "<script>"), ("😀", "é"),
    ],
)  # fmt: skip
def test_what_is_not_a_log_in_is_refused_in_one_sentence(client: FlaskClient, name: str, password: str) -> None:
    answer = log_in(client, name, password)
    assert answer.status_code == 422
    assert "Name and password do not fit together." in answer.text
    assert "<script>" not in answer.text.split("<main")[1]
    assert client.get("/miners").status_code == 303


def test_a_form_of_a_megabyte_is_refused_unread(client: FlaskClient) -> None:
    answer = log_in(client, "ana", "x" * 1_000_000)
    assert answer.status_code == 413


def test_a_log_in_without_its_form_token_is_refused(client: FlaskClient) -> None:
    assert client.post("/login", data={"name": "ana", "password": PASSWORD}).status_code == 400


def test_a_log_in_leads_to_the_wanted_page_with_a_session_of_its_own(app: Flask, client: FlaskClient) -> None:
    before = client.get("/miners")
    assert (before.status_code, before.location) == (303, "/login?next=/miners")
    client.get("/login")
    with client.session_transaction() as cookie:
        old_form = cookie["csrf_token"]
    answer = log_in(client, " Ana ")
    assert (answer.status_code, answer.location) == (303, "/miners")
    cookie_text = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie_text
    assert "SameSite=Strict" in cookie_text
    assert "Secure" not in cookie_text
    page = client.get("/miners")
    assert page.status_code == 200
    assert ">ana</a>" in page.text
    assert "No user yet: this machine only" not in page.text
    with client.session_transaction() as cookie:
        assert cookie["csrf_token"] != old_form
        assert client.get("/login").location == "/"
        with app.app_context():
            kept = db.session.query(UserSession).one()
            assert cookie["key"] not in (kept.key_hash, "")  # only its hash is kept


def test_the_cookie_is_secure_where_the_request_came_by_tls(client: FlaskClient) -> None:
    with client.get("/login", base_url="https://localhost") as answer:
        assert "Secure" in answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    with client.get("/login") as answer:
        assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    "wanted",
    ["http://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil", "https:evil", "javascript:alert(1)",
     "/a\r\nSet-Cookie: x=y", "", LONG[:100], "///evil.example", "/\x00", " /miners"],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(client: FlaskClient, wanted: str) -> None:
    assert log_in(client, next=wanted).location == "/"


@pytest.mark.parametrize("wanted", ["http://evil.example/", "//evil.example/x", "/\\evil"])
def test_the_form_itself_holds_no_foreign_address(client: FlaskClient, wanted: str) -> None:
    page = client.get("/login", query_string={"next": wanted}).text
    assert 'name="next" value="/"' in page


def test_a_garbled_query_leads_to_the_log_in_too(client: FlaskClient) -> None:
    for garbled in (b"q=\xed", b"next=\xed\xa0", b"%ED%A0%80", b"\xff" * 100):
        answer = client.get("/miners", environ_overrides={"QUERY_STRING": garbled.decode("latin-1")})
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login?next=/")
        page = client.get("/login", environ_overrides={"QUERY_STRING": garbled.decode("latin-1")})
        assert page.status_code in (200, 400)


def test_a_part_of_a_page_sends_the_whole_page_to_the_log_in(client: FlaskClient) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/miners?q=a"}
    answer = client.get("/dashboard/live", headers=headers)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login?next=/miners?q%3Da")
    fetched = client.get("/dashboard/live", headers={"Sec-Fetch-Dest": "empty"})
    assert fetched.status_code == 401
    posted = client.post("/settings/mode", headers={"Referer": "http://localhost/#x"})
    assert (posted.status_code, posted.location) == (303, "/login?next=/")


@pytest.mark.parametrize("url", ["http://[", "//evil.example/x", "http://evil.example//evil.example/x", "", "\x7f"])
def test_a_forged_page_address_leads_nowhere_else(client: FlaskClient, url: str) -> None:
    answer = client.get("/dashboard/live", headers={"HX-Request": "true", "HX-Current-URL": url})
    assert answer.headers["HX-Redirect"] in ("/login?next=/", "/login?next=/x")


# --- the wait ---------------------------------------------------------------------------------------------------------


def test_after_five_wrong_passwords_a_name_waits_with_a_sentence(app: Flask, client: FlaskClient) -> None:
    for _ in range(5):
        assert log_in(client, password="guess number n").status_code == 422
    answer = log_in(client)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 3
    assert "Too many wrong passwords" in answer.text
    assert failures(app) == {"name": 5, "address": 5}  # what had to wait was not counted: nobody can prolong it


def test_an_unknown_name_waits_just_as_a_known_one(client: FlaskClient) -> None:
    """So that the wait does not tell who exists."""
    for _ in range(5):
        log_in(client, "nobody", "guess number n")
    assert log_in(client, "nobody", "guess number n").status_code == 429


def test_the_wait_ends_and_the_right_password_ends_the_counting(app: Flask, client: FlaskClient) -> None:
    for _ in range(5):
        log_in(client, password="guess number n")
    later(app, timedelta(seconds=3))
    assert log_in(client).status_code == 303
    assert failures(app) == {"address": 5}


def test_an_address_that_tries_many_names_waits_and_others_do_not(app: Flask, client: FlaskClient) -> None:
    for number in range(20):
        log_in(client, f"name{number}", "guess number n")
    assert log_in(client).status_code == 429
    elsewhere = {"REMOTE_ADDR": "10.0.0.7"}
    assert log_in(app.test_client(), environ_overrides=elsewhere).status_code == 303


def test_where_a_user_logged_in_last_nobody_elses_guesses_lock_it_out(app: Flask, client: FlaskClient) -> None:
    home, away = {"REMOTE_ADDR": "10.0.0.7"}, {"REMOTE_ADDR": "10.0.0.66"}
    assert log_in(client, environ_overrides=home).status_code == 303
    for _ in range(8):
        log_in(app.test_client(), password="guess number n", environ_overrides=away)
    assert log_in(app.test_client(), environ_overrides=away).status_code == 429
    assert log_in(app.test_client(), environ_overrides=home).status_code == 303


def test_wrong_passwords_are_forgotten_after_an_hour(app: Flask, client: FlaskClient) -> None:
    for _ in range(5):
        log_in(client, password="guess number n")
    later(app, timedelta(hours=1, seconds=1))
    log_in(client, password="guess number n")
    assert failures(app) == {"name": 1, "address": 1}


def test_a_new_password_lets_one_try_again_at_once(app: Flask, client: FlaskClient) -> None:
    for _ in range(5):
        log_in(client, password="guess number n")
    with app.app_context():
        people_store.set_password("ana", "another long password", "test", clock.utcnow())
        sessions.forget_failures("ana")
    assert log_in(client, password="another long password").status_code == 303


def later(app: Flask, span: timedelta) -> None:
    """Let time pass for the wrong passwords."""
    with app.app_context():
        for row in db.session.query(LoginFailures):
            row.last_at -= span
        db.session.commit()


def test_an_unknown_name_takes_a_password_hash_as_well(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    check = people_store.check_password_hash

    def counting(password_hash: str, password: str) -> bool:
        looked.append(password_hash.split("$", maxsplit=1)[0].split(":", maxsplit=1)[0])
        return bool(check(password_hash, password))

    monkeypatch.setattr(people_store, "check_password_hash", counting)
    for name in ("ana", "nobody", "", "\x00"):
        assert log_in(app.test_client(), name, "guess number n").status_code == 422
    assert looked == ["scrypt"] * 4


def test_what_was_typed_is_kept_nowhere(app: Flask, client: FlaskClient) -> None:
    log_in(client, "my secret password", "guess number n")
    log_in(client, "ana", "guess number n")
    with app.app_context():
        entries = [(e.action, e.who, e.subject, e.address) for e in db.session.query(AuditEntry)]
        assert entries == [("log-in refused", "", "", "127.0.0.1"), ("log-in refused", "", "ana", "127.0.0.1")]
        assert all("secret" not in row.key for row in db.session.query(LoginFailures))


# --- the end of a session ---------------------------------------------------------------------------------------------

END: dict[str, Callable[[], None]] = {
    "disabled": lambda: people_store.set_disabled("ana", True, "test", clock.utcnow()),
    "a new password": lambda: people_store.set_password("ana", "another long password", "test", clock.utcnow()),
    "idle": lambda: age("seen_at", timedelta(hours=12, minutes=1)),
    "too old": lambda: age("created_at", timedelta(hours=168, minutes=1)),
    "its row is gone": lambda: age("key_hash", None),
}


def age(column: str, span: timedelta | None) -> None:
    for row in db.session.query(UserSession):
        setattr(row, column, "0" * 64 if span is None else clock.utcnow() - span)
    db.session.commit()


@pytest.mark.parametrize("why", END)
def test_a_session_ends_at_once(app: Flask, client: FlaskClient, why: str) -> None:
    with app.app_context():
        people.user("boss")
    people.log_in(app, client, "ana")
    assert client.get("/miners").status_code == 200
    with app.app_context():
        END[why]()
    assert client.get("/miners").status_code == 303
    assert client.get("/api/miners").status_code == 401


def test_a_session_that_is_used_stays(app: Flask, client: FlaskClient) -> None:
    people.log_in(app, client, "ana", seen_at=clock.utcnow() - timedelta(hours=11))
    assert client.get("/miners").status_code == 200
    with app.app_context():
        assert clock.utcnow() - db.session.query(UserSession).one().seen_at < timedelta(minutes=1)


def test_a_full_disk_keeps_nobody_from_looking(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    people.log_in(app, client, "ana", seen_at=clock.utcnow() - timedelta(hours=1))
    with app.app_context():
        key = people.token("ana")

    def full() -> None:
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    monkeypatch.setattr(sessions, "writing", full)
    monkeypatch.setattr(tokens, "writing", full)
    assert client.get("/miners").status_code == 200
    assert app.test_client().get("/api/miners", headers=people.bearer(key)).status_code == 200
    assert caplog.text.count("could not be noted") == 2


def test_another_role_counts_from_the_next_request_on(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        people.user("boss")
    csrf = {"X-CSRFToken": people.log_in(app, client, "ana")}
    assert client.post("/settings/mode", data={"mode": "off"}, headers=csrf).status_code == 303
    with app.app_context():
        people_store.set_role("ana", "viewer", "test", clock.utcnow())
    assert client.post("/settings/mode", data={"mode": "armed"}, headers=csrf).status_code == 403


def test_logging_out_ends_the_session_even_for_who_kept_the_cookie(app: Flask, client: FlaskClient) -> None:
    csrf = people.log_in(app, client, "ana")
    with client.session_transaction() as cookie:
        kept = dict(cookie)
    answer = client.post("/account/log-out", headers={"X-CSRFToken": csrf})
    assert (answer.status_code, answer.location) == (303, "/login")
    thief = app.test_client()
    with thief.session_transaction() as cookie:
        cookie.update(kept)
    assert thief.get("/miners").status_code == 303


def test_logging_out_everywhere_ends_all_browsers_but_nobody_elses(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        people.user("boss")
    phone, boss = app.test_client(), app.test_client()
    csrf = people.log_in(app, client, "ana")
    people.log_in(app, phone, "ana")
    people.log_in(app, boss, "boss")
    client.post("/account/log-out-everywhere", headers={"X-CSRFToken": csrf})
    assert [browser.get("/miners").status_code for browser in (client, phone, boss)] == [303, 303, 200]


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "x",
        "..",
        "eyJrZXkiOiJ4In0.aaaa.bbbb",
        "." * 4000,
        "eyJ" + "A" * 3900,
        '"',
        "\x7f",
        "é",
        "null",
        "e30.e30.e30",
    ],
)
def test_a_forged_cookie_opens_nothing(app: Flask, client: FlaskClient, cookie: str) -> None:
    client.set_cookie("powerhive", cookie)
    assert client.get("/miners").status_code == 303
    assert client.get("/login").status_code == 200


@pytest.mark.parametrize("key", [None, 7, True, [], {}, "", "x", "x" * 43, "é" * 43, "\x00" * 43, "x" * 3000])
def test_a_signed_cookie_with_a_key_that_is_none_opens_nothing(app: Flask, client: FlaskClient, key: Any) -> None:
    with client.session_transaction() as cookie:
        cookie["key"] = key
    assert client.get("/miners").status_code == 303


def test_a_truncated_cookie_opens_nothing(app: Flask, client: FlaskClient) -> None:
    people.log_in(app, client, "ana")
    whole = client.get_cookie("powerhive")
    assert whole is not None
    for length in range(0, len(whole.value) - 1, 7):
        client.set_cookie("powerhive", whole.value[:length])
        assert client.get("/miners").status_code == 303


# --- while there is no user -------------------------------------------------------------------------------------------


def no_users(app: Flask) -> None:
    with app.app_context():
        db.session.query(User).delete()
        db.session.commit()


def test_without_any_user_this_machine_alone_is_served_and_a_banner_says_so(app: Flask, client: FlaskClient) -> None:
    no_users(app)
    page = client.get("/")
    assert page.status_code == 200
    assert "No user yet: this machine only" in page.text
    assert "flask --app wsgi user add" in client.get("/login").text
    for overrides in (
        {"REMOTE_ADDR": "10.0.0.7"},
        {"HTTP_X_FORWARDED_FOR": "1.2.3.4"},
        {"HTTP_FORWARDED": "for=1.2.3.4"},
    ):
        refused = client.get("/", environ_overrides=overrides)
        assert refused.status_code == 403
        assert "flask user add" in refused.text
        assert client.get("/api/settings", environ_overrides=overrides).status_code == 403
        assert client.get("/healthz", environ_overrides=overrides).status_code == 200


def test_the_first_user_locks_the_door_of_a_running_worker_at_once(app: Flask, client: FlaskClient) -> None:
    no_users(app)
    assert client.get("/miners").status_code == 200
    with app.app_context():
        people_store.add("boss", "admin", "a long enough password", "test", clock.utcnow())
    assert client.get("/miners").status_code == 303
    assert client.get("/api/miners").status_code == 401


def test_without_any_user_nobody_makes_one_on_a_page(app: Flask, client: FlaskClient) -> None:
    no_users(app)
    csrf = {"X-CSRFToken": form_token(client, "/")}
    for path in ("/people", "/account/password", "/account/tokens", "/account/log-out", "/account/log-out-everywhere"):
        data = {"name": "eve", "role": "admin", "password": "a long enough password"}
        answer = client.post(path, data=data, headers=csrf)
        assert answer.status_code == 409, path
        assert "flask user add" in answer.text
    with app.app_context():
        assert not people_store.anybody()


def test_passwords_are_hashed_by_scrypt_at_its_usual_cost(app: Flask) -> None:
    with app.app_context():
        made = people_store.add("bob", "viewer", "a long enough password", "test", clock.utcnow())
        assert made.password_hash.startswith("scrypt:32768:8:1$")
