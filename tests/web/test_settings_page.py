"""The settings page: groups, bad input beside its field, two people at once, defaults, consequences, history."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock, create_app
from app.config import SETTINGS, load
from app.core.settings import SPECS
from app.store import settings
from app.web import deployment, setting_words
from app.web.questionnaire import BY_QUESTIONNAIRE
from app.web.settings_page import BY_DEFAULT
from tests.conftest import BASE_ENVIRONMENT

Token = Callable[[], str]
DEFAULTS = {name: spec.default for name, spec in SPECS.items()}


def group_of(app: Flask, name: str) -> str:
    with app.test_request_context():
        return next(group.key for group in setting_words.groups() if name in group.names)


def put(app: Flask, name: str, value: object, who: str = "ann", reason: str | None = None) -> None:
    with app.app_context():
        settings.change(name, value, who, reason, clock.utcnow())


def in_force(app: Flask, name: str) -> object:
    with app.app_context():
        return settings.as_values()[name]


def sent(token: Token, values: dict[str, str], seen: dict[str, object] | None = None, **more: str) -> dict[str, str]:
    """A form as a browser sends it; `seen`: what it was loaded with, where that is not the default."""
    loaded = {f"seen_{name}": json.dumps((seen or {}).get(name, DEFAULTS[name])) for name in values if name in DEFAULTS}
    return {**values, **loaded, "csrf_token": token(), **more}


# --- words -----------------------------------------------------------------------------------------------------------


def test_every_setting_has_words_and_one_place(app: Flask) -> None:
    with app.test_request_context():
        groups = setting_words.groups()
        names = [name for group in groups for name in group.names]
        assert sorted([*names, *setting_words.ELSEWHERE]) == sorted(SPECS)
        assert "other" not in {group.key for group in groups}
        for name, spec in SPECS.items():
            words = setting_words.words(name)
            assert words.label != name, f"{name} has no words"
            assert set(words.choices) == set(spec.choices), name


def test_the_page_shows_every_setting_with_unit_bounds_default_and_last_change(app: Flask, client: FlaskClient) -> None:
    put(app, "cooldown_s", 90, "ann", "new relays")
    text = unescape(client.get("/settings").text).replace("\xa0", " ")
    for name in SPECS:
        if name not in setting_words.ELSEWHERE:
            assert f'id="{name}"' in text, name
    assert "30 to 3,600 s" in text
    assert "default 30 s" in text
    assert "by ann, was 30 s: new relays" in text


def test_only_limits_may_be_empty(app: Flask) -> None:
    """Or the words "no limit" for an empty value are wrong."""
    assert {name for name, spec in SPECS.items() if spec.optional} == {
        "farm_limit_kw", "ramp_up_kw_per_min", "ramp_down_kw_per_s",
    }  # fmt: skip
    with app.test_request_context():
        assert setting_words.value("farm_limit_kw", None) == "no limit"


def test_a_setting_without_words_yet_still_has_a_place(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting_words, "_words", dict)
    with app.test_request_context():
        assert setting_words.words("tolerance_w").meaning == "Distance from the target that is left alone."


# --- bad input -------------------------------------------------------------------------------------------------------


BAD_NUMBERS = ["abc", "-1", "1e9", "999999999", "nan", "1 0", "\u0663", "1,2,3", "\x00"]
BAD_CHOICES = ["", "perhaps", "TRUE!", "STOP"]


@pytest.mark.parametrize("group", ["limits", "silence", "policy", "ramps", "waits", "counting", "economic"])
def test_a_bad_value_is_refused_beside_its_field(app: Flask, client: FlaskClient, token: Token, group: str) -> None:
    with app.test_request_context():
        names = next(one.names for one in setting_words.groups() if one.key == group)
    of_form = token()
    for name in names:
        for text in BAD_NUMBERS if SPECS[name].kind in ("number", "integer") else BAD_CHOICES:
            answer = client.post(f"/settings/group/{group}", data=sent(lambda: of_form, {name: text}))
            assert (answer.status_code, f'id="{name}-error"' in answer.text) == (422, True), (name, text)
    with app.app_context():
        assert settings.as_values() == DEFAULTS


def test_an_empty_number_is_refused_where_there_must_be_one(app: Flask, client: FlaskClient, token: Token) -> None:
    assert client.post("/settings/group/limits", data=sent(token, {"tolerance_w": ""})).status_code == 422
    assert client.post("/settings/group/limits", data=sent(token, {"tolerance_w": "500.5"})).status_code == 422


def test_the_cooldown_never_goes_below_thirty_seconds(app: Flask, client: FlaskClient, token: Token) -> None:
    answer = client.post("/settings/group/waits", data=sent(token, {"cooldown_s": "29"}))
    assert answer.status_code == 422
    assert "write a whole number from 30 to 3,600" in unescape(answer.text)


def test_one_bad_field_keeps_all_that_was_typed_and_saves_nothing(
    app: Flask, client: FlaskClient, token: Token
) -> None:
    answer = client.post(
        "/settings/group/limits", data=sent(token, {"safety_margin_percent": "15", "tolerance_w": "x"})
    )
    assert answer.status_code == 422
    assert 'value="15"' in answer.text
    assert 'value="x"' in answer.text
    assert in_force(app, "safety_margin_percent") == 10


def test_a_refused_form_shows_the_consequence_of_what_was_typed(client: FlaskClient, farm: None, token: Token) -> None:
    data = sent(token, {"safety_margin_percent": "20", "farm_limit_kw": "x"})
    answer = client.post("/settings/group/limits", data=data)
    assert answer.status_code == 422
    assert "so the target is 2,528.0 kW" in answer.text


@pytest.mark.parametrize("reason", ["x" * 301, "a\nb", "a\x07"])
def test_a_bad_reason_is_refused(app: Flask, client: FlaskClient, token: Token, reason: str) -> None:
    answer = client.post("/settings/group/limits", data=sent(token, {"tolerance_w": "600"}, reason=reason))
    assert answer.status_code == 422
    assert 'id="reason-limits-error"' in answer.text
    assert in_force(app, "tolerance_w") == 500


@pytest.mark.parametrize("path", ["/settings/group/limits", "/settings/default"])
def test_a_form_without_its_token_changes_nothing(app: Flask, client: FlaskClient, path: str) -> None:
    data = {"tolerance_w": "600", "seen_tolerance_w": "500", "name": "tolerance_w"}
    assert client.post(path, data=data).status_code == 400
    assert in_force(app, "tolerance_w") == 500


@pytest.mark.parametrize("path", ["/settings/group/nothing", "/settings/group/mode"])
def test_there_is_no_form_of_a_group_that_is_none(client: FlaskClient, token: Token, path: str) -> None:
    assert client.post(path, data={"csrf_token": token(), "mode": "armed"}).status_code == 404


@pytest.mark.parametrize("name", ["", "nothing", "mode", "override"])
def test_no_other_setting_goes_back_to_a_default(client: FlaskClient, token: Token, name: str) -> None:
    assert client.post("/settings/default", data={"csrf_token": token(), "name": name}).status_code == 404


# --- saving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("safety_margin_percent", "12,5", 12.5), ("safety_margin_percent", " 7 ", 7.0), ("farm_limit_kw", "2500", 2500.0),
     ("stops_for_value", "false", False), ("plant_lost_action", "stop", "stop"), ("cooldown_s", "45.0", 45),
     ("ramp_up_kw_per_min", "0.1", 0.1)],
)  # fmt: skip
def test_a_good_value_is_in_force(
    app: Flask, client: FlaskClient, token: Token, name: str, text: str, value: object
) -> None:
    group = group_of(app, name)
    answer = client.post(f"/settings/group/{group}", data=sent(token, {name: text}, reason="as agreed"))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/settings#{group}")
    assert in_force(app, name) == value
    with app.app_context():
        [change] = settings.history()
        assert (change.name, change.reason, change.changed_by) == (name, "as agreed", "page from 127.0.0.1")


def test_only_what_was_changed_is_written(app: Flask, client: FlaskClient, token: Token) -> None:
    data = sent(
        token, {"safety_margin_percent": "15", "tolerance_w": "500", "farm_limit_kw": "", "last_resort": "stop"}
    )
    assert client.post("/settings/group/limits", data=data).status_code == 303
    with app.app_context():
        assert [change.name for change in settings.history()] == ["safety_margin_percent"]


def test_an_empty_limit_is_no_limit(app: Flask, client: FlaskClient, token: Token) -> None:
    put(app, "farm_limit_kw", 2500)
    data = sent(token, {"farm_limit_kw": ""}, {"farm_limit_kw": 2500.0})
    assert client.post("/settings/group/limits", data=data).status_code == 303
    assert in_force(app, "farm_limit_kw") is None


def test_a_setting_that_was_not_sent_is_left_alone(app: Flask, client: FlaskClient, token: Token) -> None:
    put(app, "farm_limit_kw", 2500)
    answer = client.post("/settings/group/limits", data={"csrf_token": token()}, follow_redirects=True)
    assert "nothing was changed" in answer.text
    assert in_force(app, "farm_limit_kw") == 2500


def test_a_value_with_many_digits_is_no_change(app: Flask, client: FlaskClient, token: Token) -> None:
    put(app, "farm_limit_kw", 12345.678)
    assert 'value="12345.678"' in client.get("/settings").text


# --- two people ------------------------------------------------------------------------------------------------------


def test_two_people_at_once_is_a_conflict_that_keeps_what_was_typed(
    app: Flask, client: FlaskClient, token: Token
) -> None:
    put(app, "safety_margin_percent", 20, "bob", "drought")
    answer = client.post("/settings/group/limits", data=sent(token, {"safety_margin_percent": "15"}))
    text = unescape(answer.text).replace("\xa0", " ")
    assert answer.status_code == 409
    assert 'value="15"' in text  # typed
    assert "Now 20 %:" in text  # newest
    assert "by bob, was 10 %: drought" in text
    assert 'value="20.0"' in text  # seen now: saving once more is knowing
    assert in_force(app, "safety_margin_percent") == 20
    again = sent(token, {"safety_margin_percent": "15"}, {"safety_margin_percent": 20.0})
    assert client.post("/settings/group/limits", data=again).status_code == 303
    assert in_force(app, "safety_margin_percent") == 15


def test_another_setting_changed_meanwhile_is_no_conflict(app: Flask, client: FlaskClient, token: Token) -> None:
    put(app, "tolerance_w", 900, "bob")
    data = sent(token, {"safety_margin_percent": "15", "tolerance_w": "500"})
    assert client.post("/settings/group/limits", data=data).status_code == 303
    assert (in_force(app, "safety_margin_percent"), in_force(app, "tolerance_w")) == (15, 900)


@pytest.mark.parametrize("seen", ["", "{", "null", "99", '"a"'])
def test_a_form_that_was_loaded_with_nonsense_is_a_conflict(
    app: Flask, client: FlaskClient, token: Token, seen: str
) -> None:
    data = {"csrf_token": token(), "safety_margin_percent": "15", "seen_safety_margin_percent": seen}
    assert client.post("/settings/group/limits", data=data).status_code == 409
    assert in_force(app, "safety_margin_percent") == 10


def test_a_setting_goes_back_to_its_default(app: Flask, client: FlaskClient, token: Token) -> None:
    put(app, "cooldown_s", 90)
    data = {"csrf_token": token(), "name": "cooldown_s", "seen_cooldown_s": "90"}
    answer = client.post("/settings/default", data=data, follow_redirects=True)
    assert "Cooldown is back at its default: 30\xa0s." in unescape(answer.text)
    assert in_force(app, "cooldown_s") == 30


def test_a_default_does_not_overrule_what_nobody_saw(app: Flask, client: FlaskClient, token: Token) -> None:
    put(app, "cooldown_s", 90)
    put(app, "cooldown_s", 120)
    data = {"csrf_token": token(), "name": "cooldown_s", "seen_cooldown_s": "90"}
    assert client.post("/settings/default", data=data).status_code == 409
    assert in_force(app, "cooldown_s") == 120


# --- consequences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("", "so the target is 2,844.0 kW"), ("safety_margin_percent=20", "so the target is 2,528.0 kW"),
     ("safety_margin_percent=20,5&farm_limit_kw=", "so the target is 2,512.2 kW"),
     ("farm_limit_kw=2000", "the farm limit holds the target at 2,000.0 kW"),
     ("safety_margin_percent=51", "Safety margin: write a number from 0 to 50\xa0%."),
     ("safety_margin_percent=", "Safety margin: write a number"), ("farm_limit_kw=x", "Farm limit: write a number"),
     ("tolerance_w=x", "so the target is 2,844.0 kW")],
)  # fmt: skip
def test_the_consequence_is_told_before_saving(client: FlaskClient, farm: None, query: str, sentence: str) -> None:
    answer = client.get(f"/settings/consequence?{query}")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert sentence in answer.text


def test_without_a_cycle_the_consequence_says_so(client: FlaskClient) -> None:
    assert "once the plant has been read" in client.get("/settings/consequence").text
    assert client.get("/settings").status_code == 200


# --- deployment ------------------------------------------------------------------------------------------------------


def test_the_deployment_is_shown_without_secrets_and_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "powerhive.toml").write_text('log_level = "ERROR"\nplant_interval_s = 20\n')
    config = load({**BASE_ENVIRONMENT, "POWERHIVE_LOG_LEVEL": "WARNING"}, tmp_path)
    app = create_app(config)
    with app.test_request_context():
        shown = {line.key: line for line in deployment.lines(config)}
    assert set(shown) == {setting.key for setting in SETTINGS}
    assert (shown["log_level"].value, shown["log_level"].origin) == ("WARNING", "environment")
    assert (shown["plant_interval_s"].value, shown["plant_interval_s"].origin) == ("20", "file")
    assert (shown["workers"].value, shown["workers"].origin) == ("2", "default")
    assert shown["bind"].value == "127.0.0.1:8080"
    assert shown["plant_rated_kw"].value == "not set"
    for key in ("plant_api_key", "unlock_password", "database_url"):
        assert shown[key].value == "set"
    everything = " ".join(line.value for line in shown.values())
    assert not [secret for secret in config.secrets if secret in everything]


# --- history ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["", "page=2", "page=x", "page=-1", "page=99999999", "name=nothing", "q=%00", "q=" + "x" * 500, "format=xml"],
)
def test_the_history_takes_any_query(app: Flask, client: FlaskClient, query: str) -> None:
    put(app, "tolerance_w", 600, "ann", "less nervous")
    assert client.get(f"/settings/history?{query}").status_code == 200


def test_the_history_says_who_what_and_why(app: Flask, client: FlaskClient) -> None:
    put(app, "tolerance_w", 600, "ann", "less nervous")
    put(app, "plant_lost_action", "stop", "bob")
    text = unescape(client.get("/settings/history").text).replace("\xa0", " ")
    assert all(words in text for words in ("2 changes", "ann", "less nervous", "500 W", "600 W", "stop mining"))
    filtered = unescape(client.get("/settings/history?name=tolerance_w&q=nerv").text)
    assert "1 change " in filtered
    assert "bob" not in filtered
    assert "No change matches." in client.get("/settings/history?q=nobody").text


@pytest.mark.parametrize("path", ["/settings", "/settings/history"])
def test_reasons_of_our_own_are_told_in_the_readers_language(app: Flask, client: FlaskClient, path: str) -> None:
    put(app, "safety_margin_percent", 12, reason=BY_DEFAULT)
    put(app, "horizon_s", 1800, reason=BY_QUESTIONNAIRE)
    put(app, "cooldown_s", 60, reason="it was too lively")
    english, portuguese = (
        unescape(client.get(path, headers={"Accept-Language": language}).text) for language in ("en", "pt-BR")
    )
    assert all(reason in english for reason in (BY_DEFAULT, BY_QUESTIONNAIRE, "it was too lively"))
    assert not any(reason in portuguese for reason in (BY_DEFAULT, BY_QUESTIONNAIRE))
    assert "it was too lively" in portuguese  # a person's words stay


def test_the_history_is_a_file_without_formulas(app: Flask, client: FlaskClient) -> None:
    put(app, "tolerance_w", 600, "ann", "=1+1")
    put(app, "farm_limit_kw", 2500, "bob")
    answer = client.get("/settings/history?format=csv")
    header, first, second = csv.reader(io.StringIO(answer.text.lstrip("\ufeff")))
    assert header == ["changed_at", "setting", "old_value", "new_value", "changed_by", "reason"]
    assert first[1:] == ["farm_limit_kw", "", "2500", "bob", ""]
    assert second[1:] == ["tolerance_w", "500", "600", "ann", "'=1+1"]


def test_the_page_takes_few_queries(app: Flask, client: FlaskClient, queries: list[str], farm: None) -> None:
    queries.clear()
    client.get("/settings")
    assert len(queries) <= 6
