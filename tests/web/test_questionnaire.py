"""The plant owner's questionnaire: settings act, the rest is a record; all or none; on paper."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.core.settings import SPECS
from app.store import records, settings
from app.web import questionnaire

Token = Callable[[], str]
FORM, PAPER = "/settings/questionnaire", "/settings/questionnaire/print"


def sent(token: Token, **answers: str) -> dict[str, str]:
    """The form as loaded on a new installation, with these answers."""
    loaded = {f"seen_{name}": json.dumps(SPECS[name].default) for name in answers if name in SPECS}
    loaded |= {f"record_{name}": "0" for name in answers if name not in SPECS}
    return {"csrf_token": token(), **answers, **loaded}


def state(app: Flask) -> tuple[dict[str, object], dict[str, str]]:
    with app.app_context():
        changed = {name: value for name, value in settings.as_values().items() if value != SPECS[name].default}
        return changed, {topic: row.answer for topic, row in records.newest().items()}


def test_every_question_says_whether_it_acts(app: Flask, client: FlaskClient) -> None:
    text = client.get(FORM).text
    with app.test_request_context():
        questions = [question for section in questionnaire.sections() for question in section.questions]
    acting = [question.name for question in questions if question.acts]
    assert len({question.name for question in questions}) == len(questions)
    assert {"safety_margin_percent", "cooldown_s", "ramp_up_kw_per_min", "ramp_down_kw_per_s", "farm_limit_kw",
            "last_resort", "plant_lost_action"} <= set(acting)  # fmt: skip
    assert text.count("Acts now: setting") == len(acting)
    assert text.count("Kept as a record: PowerHive does not act on it.") == len(questions) - len(acting)


def test_answers_are_settings_or_records(app: Flask, client: FlaskClient, token: Token) -> None:
    answers = {"safety_margin_percent": "15", "plant_lost_action": "stop", "connection": "grid", "frequency": ""}
    data = sent(token, **answers, phase_balance="within 10 %\r\nof each other")
    assert client.post(FORM, data=data).status_code == 303
    assert state(app) == (
        {"safety_margin_percent": 15, "plant_lost_action": "stop"},
        {"phase_balance": "within 10 %\nof each other", "connection": "grid"},
    )
    with app.app_context():
        assert {change.reason for change in settings.history()} == {"the plant owner's questionnaire"}
    page = client.get(FORM).text
    assert "2 settings act from the next cycle on. 2 answers are kept as a record." in page
    assert "within 10 %\nof each other</textarea>" in page


def test_the_same_answers_again_change_nothing(app: Flask, client: FlaskClient, token: Token) -> None:
    client.post(FORM, data=sent(token, owner="Ann"))
    answer = client.post(FORM, data=sent(token, owner="Ann", safety_margin_percent="10"), follow_redirects=True)
    assert "nothing was changed" in answer.text
    with app.app_context():
        assert records.newest()["owner"].id == 1


def test_an_answer_can_be_withdrawn(app: Flask, client: FlaskClient, token: Token) -> None:
    client.post(FORM, data=sent(token, owner="Ann"))
    assert client.post(FORM, data={**sent(token, owner=""), "record_owner": "1"}).status_code == 303
    assert state(app)[1] == {"owner": ""}


@pytest.mark.parametrize(
    ("name", "text"),
    [("safety_margin_percent", "51"), ("cooldown_s", "29"), ("ramp_up_kw_per_min", "x"), ("plant_lost_action", "run"),
     ("owner", "x" * 2001), ("phase_balance", "a\x07"), ("connection", "moon")],
)  # fmt: skip
def test_one_bad_answer_keeps_all_and_saves_none(
    app: Flask, client: FlaskClient, token: Token, name: str, text: str
) -> None:
    data = sent(token, **{"farm_limit_kw": "2500", "frequency": "60 Hz", name: text})
    answer = client.post(FORM, data=data)
    assert answer.status_code == 422
    assert f'id="{name}-error"' in answer.text
    assert 'value="2500"' in answer.text
    assert "60 Hz</textarea>" in answer.text
    assert state(app) == ({}, {})


def test_a_form_without_its_token_changes_nothing(app: Flask, client: FlaskClient) -> None:
    assert client.post(FORM, data={"owner": "Ann", "record_owner": "0"}).status_code == 400
    assert state(app) == ({}, {})


@pytest.mark.parametrize("seen", ["0", "", "x", "-1", "99999999999"])
def test_an_answer_given_meanwhile_is_a_conflict_that_keeps_what_was_written(
    app: Flask, client: FlaskClient, token: Token, seen: str
) -> None:
    with app.app_context():
        records.state("frequency", "59 to 61 Hz", "bob", clock.utcnow())
    data = {**sent(token, frequency="60 Hz", safety_margin_percent="15"), "record_frequency": seen}
    answer = client.post(FORM, data=data)
    assert answer.status_code == 409
    assert "60 Hz</textarea>" in answer.text
    assert "Newest answer: 59 to 61 Hz" in answer.text
    assert 'name="record_frequency" type="hidden" value="1"' in answer.text
    assert state(app) == ({}, {"frequency": "59 to 61 Hz"})


def test_a_setting_changed_meanwhile_is_a_conflict_too(app: Flask, client: FlaskClient, token: Token) -> None:
    with app.app_context():
        settings.change("safety_margin_percent", 20, "bob", None, clock.utcnow())
    answer = client.post(FORM, data=sent(token, safety_margin_percent="15", owner="Ann"))
    assert answer.status_code == 409
    assert "Newest answer: 20\xa0%" in unescape(answer.text)
    assert state(app)[1] == {}


def test_the_paper_shows_answers_who_when_and_what_acts(app: Flask, client: FlaskClient, token: Token) -> None:
    client.post(FORM, data=sent(token, safety_margin_percent="15", owner="<b>Ann</b>", connection="dump_load"))
    text = unescape(client.get(PAPER).text).replace("\xa0", " ")
    assert "15 %" in text
    assert "&lt;b&gt;Ann" in client.get(PAPER).text
    assert "islanded, with a dump load" in text
    assert "Acts now: setting Safety margin." in text
    assert "by page from 127.0.0.1" in text
    assert "For the plant" in text
