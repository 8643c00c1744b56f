"""The forms, as a browser without JavaScript posts them and as htmx does."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import Miner, SettingChange
from app.store import settings
from app.web import forms
from tests.notice import notice

Token = Callable[[], str]
BAD_MARGINS = [
    "",
    " ",
    "-1",
    "-0.1",
    "51",
    "50.01",
    "abc",
    "NaN",
    "sNaN",
    "nan",
    "inf",
    "-inf",
    "1e1",
    "5_0",
    "１２",
    "0x10",
    "1,2,3",
    "1 2",
    "9" * 400,
    "12;drop",
]


def margin(app: Flask) -> float:
    with app.app_context():
        return settings.load().safety_margin_percent


@pytest.mark.parametrize(
    "text, value", [("12.5", 12.5), ("12,5", 12.5), ("0", 0.0), ("50", 50.0), (" 7 ", 7.0), ("-0", 0.0)]
)
def test_a_good_margin_is_in_force(app: Flask, client: FlaskClient, token: Token, text: str, value: float) -> None:
    answer = client.post("/settings/safety-margin", data={"safety_margin_percent": text, "csrf_token": token()})
    assert (answer.status_code, answer.location) == (303, "/")
    assert margin(app) == value
    assert "Saved" in client.get("/").text


@pytest.mark.parametrize("text", BAD_MARGINS)
def test_a_bad_margin_is_refused_beside_its_field(app: Flask, client: FlaskClient, token: Token, text: str) -> None:
    answer = client.post("/settings/safety-margin", data={"safety_margin_percent": text, "csrf_token": token()})
    assert answer.status_code == 422
    assert 'id="safety_margin_percent-error"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert notice(answer.text)[1] == "safety_margin_percent"
    assert margin(app) == 10.0


def test_what_was_typed_stays_in_the_refused_form(client: FlaskClient, token: Token) -> None:
    answer = client.post("/settings/safety-margin", data={"safety_margin_percent": "abc", "csrf_token": token()})
    assert 'value="abc"' in answer.text


def test_htmx_gets_only_the_form(client: FlaskClient, token: Token) -> None:
    headers = {"HX-Request": "true", "X-CSRFToken": token()}
    good = client.post("/settings/safety-margin", data={"safety_margin_percent": "15"}, headers=headers)
    assert (good.status_code, good.headers["HX-Trigger"]) == (200, "refresh")
    assert good.text.lstrip().startswith("<form")
    bad = client.post("/settings/safety-margin", data={"safety_margin_percent": "x"}, headers=headers)
    assert bad.status_code == 422
    assert bad.text.lstrip().startswith("<form")


def test_the_margins_change_has_a_history(app: Flask, client: FlaskClient, token: Token) -> None:
    client.post("/settings/safety-margin", data={"safety_margin_percent": "15", "csrf_token": token()})
    client.post("/settings/safety-margin", data={"safety_margin_percent": "15", "csrf_token": token()})
    with app.app_context():
        row = db.session.query(SettingChange).one()
    assert (row.name, row.old_value, row.new_value) == ("safety_margin_percent", 10.0, 15.0)
    assert row.changed_by.startswith("page from")


@pytest.mark.parametrize(
    "path",
    [
        "/settings/safety-margin",
        "/settings/mode",
        "/orders/stop_all",
        "/models/s19jpro",
        "/miners/02:00:00:00:00:01/managed",
        "/miners/bulk",
        "/miners/02:00:00:00:00:01/preset",
        "/miners/02:00:00:00:00:01/retire",
        "/miners/02:00:00:00:00:01/inspection",
    ],
)
def test_a_form_without_its_token_changes_nothing(client: FlaskClient, farm: None, path: str) -> None:
    answer = client.post(path, data={"safety_margin_percent": "1", "mode": "armed", "managed": "1"})
    assert answer.status_code == 400
    assert "Load it again" in answer.text


def test_the_mode_changes_with_its_reason(app: Flask, client: FlaskClient, token: Token) -> None:
    data = {"mode": "armed", "sure": "y", "reason": "first night", "csrf_token": token()}
    assert client.post("/settings/mode", data=data).status_code == 303
    with app.app_context():
        assert settings.load().mode == "armed"
        assert db.session.query(SettingChange).one().reason == "first night"
    assert "Observing:" not in client.get("/").text


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"mode": "on"},
        {"mode": "armed"},  # not ticked
        {"mode": "armed", "sure": ""},
        {"mode": "armed", "sure": "y", "reason": "x" * 301},
        {"mode": "armed", "sure": "y", "reason": "a\x00b"},
    ],
)
def test_a_bad_mode_is_refused(app: Flask, client: FlaskClient, token: Token, data: dict[str, str]) -> None:
    answer = client.post("/settings/mode", data={**data, "csrf_token": token()})
    assert answer.status_code == 422
    assert notice(answer.text)[1] in ("mode-0", "sure", "reason")
    with app.app_context():
        assert settings.load().mode == "observe"


def test_arming_needs_a_tick_and_says_so(client: FlaskClient, farm: None, token: Token) -> None:
    answer = client.post("/settings/mode", data={"mode": "armed", "reason": "first night", "csrf_token": token()})
    assert answer.status_code == 422
    assert "Tick this to arm; the mode was not changed." in answer.text
    assert 'value="first night"' in answer.text
    assert re.search(r'<details class="card modes" open>', answer.text)
    assert notice(answer.text) == ("Tick this to arm; the mode was not changed.", "sure")
    assert re.findall(r'<a href="([^"]+)" aria-current="page">', answer.text) == ["/"]


def test_an_armed_farm_needs_no_tick_to_stay_armed(client: FlaskClient, token: Token) -> None:
    armed = {"mode": "armed", "sure": "y", "csrf_token": token()}
    assert client.post("/settings/mode", data=armed).status_code == 303
    assert client.post("/settings/mode", data={"mode": "armed", "csrf_token": token()}).status_code == 303


# --- two people at once ----------------------------------------------------------------------------------------------


def seen(page: str, form: str) -> str:
    """What the form of the dashboard says it was loaded with."""
    found = re.search(rf'id="{form}-form".*?name="seen" value="([^"]*)"', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def by_bob(app: Flask, name: str, value: object) -> None:
    with app.app_context():
        settings.change(name, value, "bob", "dry season", clock.utcnow())


@pytest.mark.parametrize("htmx", [False, True])
def test_of_two_people_who_change_the_margin_the_second_sees_the_firsts(
    app: Flask, client: FlaskClient, farm: None, token: Token, htmx: bool
) -> None:
    headers = {"X-CSRFToken": token()} | ({"HX-Request": "true"} if htmx else {})
    mine = {"safety_margin_percent": "15", "seen": seen(client.get("/").text, "margin")}
    by_bob(app, "safety_margin_percent", 20.0)
    answer = client.post("/settings/safety-margin", data=mine, headers=headers)
    assert answer.status_code == 409
    assert "Somebody else changed the same setting meanwhile." in answer.text
    assert 'id="safety_margin_percent-error"' in answer.text
    assert 'value="15"' in answer.text
    assert re.search(r"Now 20\s%:.*by bob, was 10\s%.*dry season", answer.text)
    assert margin(app) == 20.0
    assert htmx == answer.text.lstrip().startswith("<form")
    assert htmx or notice(answer.text)[1] == "safety_margin_percent"
    again = {**mine, "seen": seen(answer.text, "margin")}
    assert client.post("/settings/safety-margin", data=again, headers=headers).status_code == (200 if htmx else 303)
    assert margin(app) == 15.0


def test_a_margin_saved_in_place_is_what_the_next_one_starts_from(client: FlaskClient, token: Token) -> None:
    headers = {"HX-Request": "true", "X-CSRFToken": token()}
    first = {"safety_margin_percent": "12,5", "seen": seen(client.get("/").text, "margin")}
    saved = client.post("/settings/safety-margin", data=first, headers=headers)
    second = {"safety_margin_percent": "13", "seen": seen(saved.text, "margin")}
    assert client.post("/settings/safety-margin", data=second, headers=headers).status_code == 200


def test_two_who_want_the_same_margin_do_not_collide(app: Flask, client: FlaskClient, token: Token) -> None:
    mine = {"safety_margin_percent": "15", "seen": seen(client.get("/").text, "margin"), "csrf_token": token()}
    by_bob(app, "safety_margin_percent", 15.0)
    assert client.post("/settings/safety-margin", data=mine).status_code == 303


@pytest.mark.parametrize("damaged", ["", "x", "NaN", "51", "null", '"observe"', "[" * 5_000])
def test_a_damaged_mark_of_what_was_seen_is_a_conflict(
    app: Flask, client: FlaskClient, token: Token, damaged: str
) -> None:
    data = {"safety_margin_percent": "15", "seen": damaged, "csrf_token": token()}
    answer = client.post("/settings/safety-margin", data=data)
    assert answer.status_code == 409
    assert seen(answer.text, "margin") == "10.0"
    assert margin(app) == 10.0


def test_of_two_people_who_change_the_mode_the_second_sees_the_firsts(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    mine = {"mode": "armed", "sure": "y", "reason": "first night", "csrf_token": token()}
    mine["seen"] = seen(client.get("/").text, "mode")
    by_bob(app, "mode", "off")
    answer = client.post("/settings/mode", data=mine)
    assert answer.status_code == 409
    assert notice(answer.text)[0].startswith("Somebody else changed the same setting meanwhile.")
    assert re.search(r'<details class="card modes" open>', answer.text)
    assert re.search(r'<input[^>]* checked[^>]* value="armed"', answer.text)
    assert 'value="first night"' in answer.text
    assert re.search(r"Now off:.*by bob, was observe.*dry season", answer.text)
    with app.app_context():
        assert settings.load().mode == "off"
    again = {**mine, "seen": seen(answer.text, "mode")}
    assert client.post("/settings/mode", data=again).status_code == 303
    with app.app_context():
        assert settings.load().mode == "armed"


@pytest.mark.parametrize("wanted", ["observe", "off"])
def test_who_wants_no_commands_sent_gets_it_whatever_others_did_meanwhile(
    app: Flask, client: FlaskClient, farm: None, token: Token, wanted: str
) -> None:
    mine = {"mode": wanted, "reason": "smoke", "seen": seen(client.get("/").text, "mode"), "csrf_token": token()}
    by_bob(app, "mode", "armed")
    assert client.post("/settings/mode", data=mine).status_code == 303
    with app.app_context():
        assert settings.load().mode == wanted


def test_a_form_that_does_not_say_what_it_has_seen_counts_as_before(
    app: Flask, client: FlaskClient, token: Token
) -> None:
    by_bob(app, "safety_margin_percent", 20.0)
    refused = client.post("/settings/safety-margin", data={"safety_margin_percent": "x", "csrf_token": token()})
    assert 'name="seen" value=""' not in refused.text
    data = {"safety_margin_percent": "15", "csrf_token": token()}
    assert client.post("/settings/safety-margin", data=data).status_code == 303
    assert margin(app) == 15.0


def test_the_mode_form_says_what_arming_will_do(client: FlaskClient, farm: None) -> None:
    page = re.sub(r"\s+", " ", client.get("/").text)
    assert "commands 8 managed miners from the next cycle on" in page
    assert "they draw 2,531.0 kW, the target is 2,844.0 kW; up to 800.0 kW can be cut and 400.0 kW raised" in page
    assert "Antminer S21XP has no max preset: not touched" in page


def test_one_miner_is_managed_and_back_to_the_same_view(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    path = "/miners/02:00:00:00:00:00/managed?q=C1&sort=power"
    answer = client.post(path, data={"managed": "1", "csrf_token": token()})
    assert answer.status_code == 303
    assert answer.location == "/miners?q=C1&sort=power#miner-020000000000"
    with app.app_context():
        assert db.session.query(Miner).filter_by(mac="02:00:00:00:00:00").one().managed is True


def test_htmx_gets_the_miners_row(client: FlaskClient, farm: None, token: Token) -> None:
    headers = {"HX-Request": "true", "X-CSRFToken": token()}
    answer = client.post("/miners/02:00:00:00:00:00/managed", data={"managed": "1"}, headers=headers)
    assert answer.text.strip().startswith("<tr")
    assert 'aria-checked="true"' in answer.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "Escreva um número, como 12,5."),
        ("51", "A margem precisa ficar de 0 a 50 %."),
        ("", "Escreva um número de 0 a 50."),
    ],
)
def test_a_bad_margin_is_refused_in_the_readers_language(
    client: FlaskClient, token: Token, text: str, message: str
) -> None:
    data = {"safety_margin_percent": text, "csrf_token": token()}
    answer = client.post("/settings/safety-margin", data=data, headers={"Accept-Language": "pt-BR"})
    assert answer.status_code == 422
    assert message in answer.text


def test_labels_choices_and_built_in_messages_are_in_the_readers_language(app: Flask) -> None:
    with app.test_request_context("/", method="POST", data={"mode": "x"}, headers={"Cookie": "language=pt_BR"}):
        form = forms.ModeForm(meta={"csrf": False})
        assert not form.validate()
        assert str(form.mode.label.text) == "Modo"
        assert "Armado – controla as máquinas" in form.mode()
        assert "Motivo (opcional)" in form.reason.label()
        assert form.mode.errors == ["Escolha inválida."]
    with app.test_request_context("/", method="POST", data={"mode": "x"}):
        form = forms.ModeForm(meta={"csrf": False})
        assert not form.validate()
        assert form.mode.errors == ["Not a valid choice."]
