"""What an operator decides about one miner: hold, label, password, retire. Bad input and other people first."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.redaction import Secret
from tests import factories
from tests.notice import notice
from tests.one_miner import PAGE, change, mark_in, seen, stored

Token = Callable[[], str]


@pytest.mark.parametrize("data", [{"hold_minutes": "1"}, {"hold_minutes": ""}, {"reason": "x" * 201}])
def test_a_bad_hold_is_refused(app: Flask, client: FlaskClient, farm: None, token: Token, data: dict[str, str]) -> None:
    good = {"hold_minutes": "60", "reason": "", "seen": seen(client, "hold"), "csrf_token": token()}
    answer = client.post(f"{PAGE}/hold", data={**good, **data})
    assert answer.status_code == 422
    assert notice(answer.text)[1] in ("hold-minutes", "hold-reason")
    assert "field-error" in answer.text
    assert not stored(app).hold


def test_a_hold_has_end_and_reason_and_is_released(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    data = {"hold_minutes": "240", "reason": " fan ", "seen": seen(client, "hold"), "csrf_token": token()}
    assert client.post(f"{PAGE}/hold", data=data).status_code == 303
    held = stored(app)
    assert held.hold_until is not None
    assert (held.hold, held.hold_reason) == (True, "fan")
    assert held.hold_until - clock.utcnow() > timedelta(minutes=239)
    assert client.post(f"{PAGE}/release", data={"csrf_token": token()}).status_code == 303
    assert (stored(app).hold, stored(app).hold_until, stored(app).hold_reason) == (False, None, None)


def test_another_reason_for_a_timed_hold_keeps_its_end(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    until = clock.utcnow() + timedelta(minutes=100)
    change(app, hold=True, hold_until=until, hold_reason="fna")
    page = client.get(PAGE).text
    chosen = re.search(r'<option selected value="([^"]*)">(as it is \(until [^<]+\))</option>', page)
    assert chosen
    data = {"hold_minutes": chosen[1], "reason": "fan", "seen": seen(client, "hold"), "csrf_token": token()}
    assert client.post(f"{PAGE}/hold", data=data).status_code == 303
    held = stored(app)
    assert (held.hold, held.hold_until, held.hold_reason) == (True, until, "fan")


@pytest.mark.parametrize(
    "hold",
    [
        {"hold": False},
        {"hold": True, "hold_until": None},
        {"hold": True, "hold_until": factories.ago(60)},
    ],
)
def test_without_a_timed_hold_there_is_none_to_keep(
    app: Flask, client: FlaskClient, farm: None, token: Token, hold: dict[str, object]
) -> None:
    change(app, **hold)
    assert "as it is" not in client.get(PAGE).text
    before = stored(app).hold_until
    data = {"hold_minutes": "as-it-is", "reason": "fan", "seen": seen(client, "hold"), "csrf_token": token()}
    answer = client.post(f"{PAGE}/hold", data=data)
    assert answer.status_code == 422
    assert notice(answer.text) == ("Choose one of the list.", "hold-minutes")
    select = re.search(r'id="hold-minutes"[^>]*>(.*?)</select>', answer.text, re.DOTALL)
    assert select
    assert select[1].startswith('<option value="">choose</option>')  # and not "until it is released" in its place
    assert "selected" not in select[1]
    assert stored(app).hold_until == before


def test_a_hold_that_ended_meanwhile_is_not_made_endless_unasked(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    change(app, hold=True, hold_until=clock.utcnow() + timedelta(minutes=100))
    mine = {"hold_minutes": "as-it-is", "reason": "fan", "seen": seen(client, "hold"), "csrf_token": token()}
    change(app, hold=False, hold_until=None)
    assert client.post(f"{PAGE}/hold", data=mine).status_code == 422
    change(app, hold=True, hold_until=clock.utcnow() + timedelta(minutes=300), hold_reason="theirs")
    answer = client.post(f"{PAGE}/hold", data=mine)
    assert answer.status_code == 409
    assert re.search(r"Now: Held until .*: theirs", answer.text)
    assert re.search(r'<option selected value="as-it-is">', answer.text)


@pytest.mark.parametrize("form", ["hold", "label"])
def test_of_two_people_the_second_sees_what_the_first_wrote(
    app: Flask, client: FlaskClient, farm: None, token: Token, form: str
) -> None:
    mine = {"hold_minutes": "60", "reason": "mine", "label": "mine", "seen": seen(client, form), "csrf_token": token()}
    change(app, label="theirs", hold=True, hold_reason="theirs")
    answer = client.post(f"{PAGE}/{form}", data=mine)
    assert answer.status_code == 409
    sentence, field_id = notice(answer.text)
    assert sentence.startswith("Somebody else changed this meanwhile. What you wrote is kept and nothing was saved")
    assert field_id == {"hold": "hold-minutes", "label": "label"}[form]
    assert 'value="mine"' in answer.text
    assert re.search(r"Now: (Held until it is released: )?theirs</p>", answer.text)
    assert form == "label" or '<option selected value="60">' in answer.text
    assert (stored(app).label, stored(app).hold_reason) == ("theirs", "theirs")
    again = {**mine, "seen": mark_in(answer.text, form)}
    assert client.post(f"{PAGE}/{form}", data=again).status_code == 303
    assert "mine" in (stored(app).label, stored(app).hold_reason)


def test_a_hold_without_its_mark_is_a_conflict(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    assert client.post(f"{PAGE}/hold", data={"hold_minutes": "60", "csrf_token": token()}).status_code == 409
    assert not stored(app).hold


@pytest.mark.parametrize("label", ["x" * 81, "a\x00b", "a\nb"])
def test_a_bad_label_is_refused_and_kept_in_the_field(
    app: Flask, client: FlaskClient, farm: None, token: Token, label: str
) -> None:
    data = {"label": label, "seen": seen(client, "label"), "csrf_token": token()}
    answer = client.post(f"{PAGE}/label", data=data)
    assert answer.status_code == 422
    assert 'aria-describedby="label-error"' in answer.text
    assert notice(answer.text)[1] == "label"
    assert stored(app).label == "C1-01"


def test_a_label_is_saved_without_its_blanks(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    data = {"label": " Rack 7 ", "seen": seen(client, "label"), "csrf_token": token()}
    assert client.post(f"{PAGE}/label", data=data).status_code == 303
    assert stored(app).label == "Rack 7"


@pytest.mark.parametrize("password", ["", "x" * 121, "a\x00b"])
def test_a_bad_password_is_refused_and_not_shown(
    app: Flask, client: FlaskClient, farm: None, token: Token, password: str
) -> None:
    answer = client.post(f"{PAGE}/unlock-password", data={"unlock_password": password, "csrf_token": token()})
    assert answer.status_code == 422
    assert 'aria-describedby="unlock_password-error"' in answer.text
    assert notice(answer.text)[1] == "unlock_password"
    assert "x" * 121 not in answer.text
    assert stored(app).unlock_password is None


def test_a_password_goes_in_and_never_comes_out(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    data = {"unlock_password": " canary word ", "csrf_token": token()}
    assert client.post(f"{PAGE}/unlock-password", data=data).status_code == 303
    assert stored(app).unlock_password == Secret(" canary word ")
    assert "canary" not in client.get(PAGE).text
    assert client.post(f"{PAGE}/unlock-password", data={"default": "1", "csrf_token": token()}).status_code == 303
    assert stored(app).unlock_password is None


def test_to_retire_a_miner_one_must_be_sure(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    refused = client.post(f"{PAGE}/retire", data={"csrf_token": token()})
    assert refused.status_code == 422
    assert "draws no power any more" in refused.text
    assert notice(refused.text) == ("Say that it draws no power any more.", "sure")
    assert not stored(app).retired
    assert client.post(f"{PAGE}/retire", data={"sure": "y", "csrf_token": token()}).status_code == 303
    assert stored(app).retired
    assert notice(client.post(f"{PAGE}/retire", data={"csrf_token": token()}).text)[1] == "sure"  # from an old page
    order = {"preset": "1500", "hold_minutes": "60", "csrf_token": token()}
    assert client.post(f"{PAGE}/preset", data=order).status_code == 409
    assert client.post(f"{PAGE}/retire", data={"back": "1", "csrf_token": token()}).status_code == 303
    assert not stored(app).retired


def test_its_switch_leads_back_to_its_page(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    answer = client.post(f"{PAGE}/managed?back=one&q=C1", data={"managed": "0", "csrf_token": token()})
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?q=C1")
    assert not stored(app).managed
