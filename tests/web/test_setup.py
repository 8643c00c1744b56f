"""The setup assistant: every step by the rows alone, its cure, and the forms that do it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.config import Config
from app.extensions import db
from app.models import Command, PlantSource
from app.store import miner_models, records, settings
from app.store import setup as store
from app.web import setup_steps
from tests import factories

Token = Callable[[], str]


def states(app: Flask, **config: Any) -> dict[str, str]:
    with app.test_request_context():
        found = setup_steps.steps(
            store.facts(clock.stamp()), replace(app.extensions["powerhive_config"], **config), clock.utcnow()
        )
        return {step.key: step.state for step in found}


def text_of(client: FlaskClient, path: str = "/setup") -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", client.get(path).text)))


def record(app: Flask, topic: str, answer: str) -> None:
    with app.app_context():
        records.state(topic, answer, "ann", clock.utcnow())


# --- the steps -------------------------------------------------------------------------------------------------------


def test_an_empty_installation_begins_with_the_plant(app: Flask, client: FlaskClient) -> None:
    assert states(app) == {"plant": "open", "unit": "waits", "connection": "open", "miners": "open", "roles": "waits",
                           "presets": "waits", "managed": "waits", "observe": "waits", "arm": "waits"}  # fmt: skip
    assert 'href="/setup"' in client.get("/").text
    assert "Searched: 127.0.9.0/30, port 80." in text_of(client)


def test_a_farm_shows_what_is_missing(app: Flask, client: FlaskClient, farm: None) -> None:
    assert states(app) == {"plant": "done", "unit": "open", "connection": "open", "miners": "done", "roles": "open",
                           "presets": "open", "managed": "done", "observe": "open", "arm": "open"}  # fmt: skip
    text = text_of(client)
    assert "3,200.0 kW = 3.200 MW" in text
    assert "Missing: Antminer S21XP." in text
    assert "8 of 12 miners." in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [("unauthorized", "plant_api_key"), ("timeout", "does this machine reach it"), ("not_json", "not the plant's API"),
     ("above_rated", "plant_power_unit"), ("source_failed", "role retired"), ("future", "clocks"),
     ("confidence", "doubts"), ("unheard_of", "The log")],
)  # fmt: skip
def test_a_refused_answer_shows_its_reason_and_its_cure(
    app: Flask, client: FlaskClient, farm: None, kind: str, words: str
) -> None:
    with app.app_context():
        factories.refusal(kind=kind, reason="the plant said no")
    assert states(app)["plant"] == "wrong"
    text = text_of(client)
    assert "The plant said no" in text
    assert words in text


def test_an_old_reading_is_no_reachable_plant_and_a_new_one_heals_it(app: Flask) -> None:
    with app.app_context():
        factories.refusal(age_s=300)
        factories.reading(age_s=200)
    assert states(app)["plant"] == "wrong"
    with app.app_context():
        factories.reading(age_s=2)
    assert states(app)["plant"] == "done"


def test_a_rated_power_makes_the_unit_plausible_and_a_changed_unit_is_asked_again(app: Flask, farm: None) -> None:
    assert states(app, plant_rated_kw=3000.0)["unit"] == "done"
    record(app, "plant_unit", "MW")
    assert states(app)["unit"] == "done"
    assert states(app, plant_power_unit="kW")["unit"] == "open"


@pytest.mark.parametrize(
    ("answer", "state"), [("grid", "done"), ("dump_load", "done"), ("islanded", "wrong"), ("", "open"), ("?", "open")]
)
def test_an_islanded_plant_is_not_supported(app: Flask, client: FlaskClient, answer: str, state: str) -> None:
    record(app, "connection", answer)
    assert states(app)["connection"] == state
    assert ("Do not arm PowerHive on this plant" in text_of(client)) == (state == "wrong")


def test_roles_are_done_when_somebody_said_them_and_no_meter_objects(app: Flask) -> None:
    with app.app_context():
        factories.reading()
    assert states(app)["roles"] == "done"  # no meters
    with app.app_context():
        factories.source("C1")
    assert states(app)["roles"] == "open"
    with app.app_context():
        factories.source("C2", role="miners", role_changed_at=clock.utcnow(), role_changed_by="ann")
    assert states(app)["roles"] == "open"
    with app.app_context():
        factories.contradicted("C3")
    assert states(app)["roles"] == "wrong"


def test_roles_by_which_more_is_drawn_than_generated_are_asked_about(app: Flask, client: FlaskClient) -> None:
    question = "474.0 kW are drawn of 252.0 kW. If the rest is not from the grid: does a meter contain the miners?"
    with app.app_context():
        factories.reading(generation_kw=252.0)
        factories.source("C1", last_value_kw=248.0)
        factories.cycle(2.0, current_w=100_000.0, unmanaged_w=126_000.0)
    assert states(app)["roles"] == "wrong"
    assert question in text_of(client)
    with app.app_context():
        db.session.query(PlantSource).update({"role_changed_at": clock.utcnow(), "role_changed_by": "ann"})
        db.session.commit()
    assert states(app)["roles"] == "done"  # said is said
    assert question in text_of(client)
    with app.app_context():
        factories.cycle(1.0, current_w=3_000.0, unmanaged_w=0.0)
    assert question not in text_of(client)


@pytest.mark.parametrize(("reading_age_s", "cycle_age_s"), [(100.0, 1.0), (1.0, 100.0)])
def test_what_was_drawn_a_while_ago_is_no_question(app: Flask, reading_age_s: float, cycle_age_s: float) -> None:
    with app.app_context():
        factories.reading(reading_age_s, generation_kw=252.0)
        factories.source("C1", last_value_kw=248.0)
        factories.cycle(cycle_age_s, current_w=226_000.0, unmanaged_w=0.0)
    assert states(app)["roles"] == "open"


def test_observing_takes_ten_minutes_in_the_mode_observe(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.cycle(age_s=300, changes_count=2)
    assert states(app)["observe"] == "open"
    with app.app_context():
        factories.cycle(age_s=660)
    assert states(app)["observe"] == "done"
    assert "It would have changed something in 1 cycle." in text_of(client)
    with app.app_context():
        settings.change("mode", "off", "ann", None, factories.ago(60))
        settings.change("mode", "observe", "ann", None, factories.ago(30))
        factories.cycle(age_s=1)
    assert states(app)["observe"] == "open"  # it begins anew


def test_miners_that_need_care_are_named(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.miner(1, factories.model(), adoption_error="unlock refused")
        factories.miner(2)
        factories.other_host()
    text = text_of(client)
    assert "1 miner does not accept the unlock password" in text
    assert "1 miner of an unknown model" in text
    assert "1 miner runs another firmware" in text


def test_other_firmware_shows_even_without_a_miner(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.other_host()
    assert "1 miner runs another firmware" in text_of(client)


def test_the_live_list_says_when_the_forms_below_are_old(app: Flask, client: FlaskClient, farm: None) -> None:
    found = re.search(r"steps\?shown=(\w+)", client.get("/setup").text)
    assert found
    assert "There is news" not in client.get(f"/setup/steps?shown={found[1]}").text
    with app.app_context():
        miner_models.set_max_preset("s21xp", "2600", who="test", now=clock.utcnow())
    assert "There is news" in client.get(f"/setup/steps?shown={found[1]}").text
    assert "There is news" in client.get("/setup/steps").text


# --- the forms -------------------------------------------------------------------------------------------------------


def post(client: FlaskClient, token: Token, path: str, **data: str) -> Any:
    return client.post(f"/setup/{path}", data={"csrf_token": token(), **data})


@pytest.mark.parametrize(
    "path", ["scan", "unit", "connection", "models/s21xp/max-preset", "models/s21xp/manage", "arm"]
)
def test_a_form_without_its_token_changes_nothing(app: Flask, client: FlaskClient, farm: None, path: str) -> None:
    before = states(app)
    data = {"connection": "grid", "max_preset": "2600", "version": "1", "mode": "armed"}
    assert client.post(f"/setup/{path}", data=data).status_code == 400
    assert states(app) == before


def test_a_scan_is_ordered(app: Flask, client: FlaskClient, token: Token) -> None:
    answer = post(client, token, "scan")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/setup#miners")
    with app.app_context():
        [command] = db.session.query(Command).all()
        assert (command.kind, command.created_by) == ("scan", "page from 127.0.0.1")


def test_the_unit_is_confirmed(app: Flask, client: FlaskClient, token: Token, farm: None, config: Config) -> None:
    assert post(client, token, "unit").status_code == 303
    with app.app_context():
        assert records.newest()["plant_unit"].answer == config.plant_power_unit
    assert states(app)["unit"] == "done"


@pytest.mark.parametrize("answer", ["", "moon"])
def test_a_connection_must_be_one_of_three(app: Flask, client: FlaskClient, token: Token, answer: str) -> None:
    refused = post(client, token, "connection", connection=answer)
    assert refused.status_code == 422
    assert 'id="connection-error"' in refused.text
    assert states(app)["connection"] == "open"


def test_the_connection_is_the_questionnaires_answer_too(app: Flask, client: FlaskClient, token: Token) -> None:
    answer = post(client, token, "connection", connection="dump_load")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/setup#miners")
    assert '<option selected value="dump_load">' in client.get("/settings/questionnaire").text


def test_a_max_preset_is_chosen_with_its_consequence(app: Flask, client: FlaskClient, token: Token, farm: None) -> None:
    assert "2600: 2,600 W each, at most 7.8 kW" in text_of(client)
    answer = post(client, token, "models/s21xp/max-preset", max_preset="2600", version="1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/setup#presets")
    assert states(app)["presets"] == "done"
    assert "3 miners may go up to 2,600 W: at most 7.8 kW" in text_of(client)


@pytest.mark.parametrize(
    ("preset", "version", "status"),
    [("disabled", "1", 422), ("9999", "1", 422), ("4200", "1", 422), ("2600", "7", 409), ("2600", "", 409),
     ("2600", "x", 409)],
)  # fmt: skip
def test_a_max_preset_that_may_not_be_is_refused(
    app: Flask, client: FlaskClient, token: Token, farm: None, preset: str, version: str, status: int
) -> None:
    answer = post(client, token, "models/s21xp/max-preset", max_preset=preset, version=version)
    assert answer.status_code == status
    assert "field-error" in answer.text
    with app.app_context():
        assert miner_models.get("s21xp").max_preset is None


def test_a_max_preset_that_was_not_sent_is_not_cleared(
    app: Flask, client: FlaskClient, token: Token, farm: None
) -> None:
    answer = post(client, token, "models/s19jpro/max-preset", version="1")
    assert answer.status_code == 422
    assert "Choose a preset, or none." in answer.text
    assert re.search(r'<option selected value="2800">', answer.text)  # a second try does not clear it, either
    with app.app_context():
        assert miner_models.get("s19jpro").max_preset == "2800"
    assert post(client, token, "models/s19jpro/max-preset", version="1", max_preset="").status_code == 303
    with app.app_context():
        assert miner_models.get("s19jpro").max_preset is None


def test_a_model_that_is_none_is_not_found(client: FlaskClient, token: Token) -> None:
    assert post(client, token, "models/none/manage").status_code == 404
    assert post(client, token, "models/none/max-preset", max_preset="1").status_code == 404


def test_all_of_a_model_are_managed(app: Flask, client: FlaskClient, token: Token, farm: None) -> None:
    assert post(client, token, "models/s19jpro/manage").status_code == 303
    assert "3 more miners are managed now." in text_of(client)


def test_a_step_is_folded_away_only_when_nothing_is_left_of_it(
    app: Flask, client: FlaskClient, token: Token, farm: None
) -> None:
    def folded() -> bool:
        return "Look at it again : Managed miners" in text_of(client)

    assert not folded()  # 8 of 12: done, but some may have been meant, too
    for alias in ("s19jpro", "s21xp"):
        post(client, token, f"models/{alias}/manage")
    assert folded()


def test_arming_says_what_will_happen_and_goes_to_the_dashboard(
    app: Flask, client: FlaskClient, token: Token, farm: None
) -> None:
    with app.app_context():
        factories.decided_cycle()
    text = text_of(client)
    assert "They count with 2,531.0 kW" in text
    assert "PowerHive would send 1 change within 15 s" in text
    assert "Not done yet: Unit plausible, Plant supported" in text
    answer = post(client, token, "arm", mode="armed", reason="all is set")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    with app.app_context():
        [change] = settings.history()
        assert (change.name, change.new_value, change.reason) == ("mode", "armed", "all is set")
    assert (states(app)["arm"], states(app)["observe"]) == ("done", "done")
    assert "Go on with the setup" not in client.get("/").text


@pytest.mark.parametrize("data", [{"mode": "off"}, {"mode": ""}, {}, {"mode": "armed", "reason": "x" * 301}])
def test_arming_takes_nothing_else(app: Flask, client: FlaskClient, token: Token, data: dict[str, str]) -> None:
    assert post(client, token, "arm", **data).status_code == 422
    with app.app_context():
        assert settings.load().mode == "observe"
