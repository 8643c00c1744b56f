"""The models pages: what an operator may say of a ladder, what is asked before saving, and what others changed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import MinerModel, ModelPreset
from app.store import miner_models
from tests import factories

Token = Callable[[], str]
Save = Callable[..., Any]
PATH = "/models/s19jpro"
BY: dict[str, Any] = {"who": "test", "now": clock.utcnow()}
CONFIRMING = re.compile(r'name="confirmed" value="([^"]+)"')


@pytest.fixture
def save(client: FlaskClient, token: Token) -> Save:
    """Return a function that posts the form as it is stored, with changes; `alias`: of which model."""

    def post(alias: str = "s19jpro", **changes: str) -> Any:
        with client.application.app_context():
            model = miner_models.get(alias)
            data = {"version": str(model.version), "untuned_use": model.untuned_use, "csrf_token": token()}
            data["max_preset"] = model.max_preset or ""
        return client.post(f"/models/{alias}", data=data | changes)

    return post


def model_of(app: Flask, alias: str = "s19jpro") -> MinerModel:
    with app.app_context():
        return miner_models.get(alias)


def own(app: Flask, preset: str = "2300") -> tuple[int | None, float | None]:
    rung = next(rung for rung in model_of(app).presets if rung.name == preset)
    return rung.expected_power_w, rung.expected_hashrate_ths


def plain(page: str) -> str:
    return html.unescape(re.sub(r"(<[^>]+>|\s)+", " ", page))


# --- bad input -------------------------------------------------------------------------------------------------------

TEXTS = ["abc", "-1", "NaN", "inf", "1e3", "5_0", "１２", "0x10", "1,2,3", "9" * 13, "100001", "12;drop", "<b>"]


@pytest.mark.parametrize("text", [*TEXTS, "2300.5", "2,350"])
def test_a_bad_power_is_refused_beside_its_field(app: Flask, farm: None, save: Save, text: str) -> None:
    answer = save(**{"power_w:2300": text})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "field-error" in answer.text
    assert f'value="{html.escape(text)}"' in answer.text.replace("&#34;", "&quot;"), "what was typed stays"
    assert own(app) == (None, None)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("field", ["hashrate_ths:2300", "settle_s", "switch_loss_s"])
def test_a_bad_number_is_refused_beside_its_field(app: Flask, farm: None, save: Save, field: str, text: str) -> None:
    answer = save(**{field: text})
    assert answer.status_code == 422
    assert "field-error" in answer.text
    model = model_of(app)
    assert (model.settle_s, model.switch_loss_s, own(app)) == (None, None, (None, None))


@pytest.mark.parametrize("text", ["14", "1801"])
def test_a_settle_time_outside_its_bounds_names_them(farm: None, save: Save, text: str) -> None:
    assert "Write a number from 15 to 1,800, or nothing." in plain(save(settle_s=text).text)


@pytest.mark.parametrize("wanted", ["9999", "disabled", "4200", "<b>", "x" * 500])
def test_a_preset_that_may_not_be_chosen_is_refused(app: Flask, farm: None, save: Save, wanted: str) -> None:
    answer = save("s21xp", max_preset=wanted)
    assert answer.status_code == 422
    assert "field-error" in answer.text
    assert model_of(app, "s21xp").max_preset is None


@pytest.mark.parametrize("use", ["perhaps", ""])
def test_an_unknown_use_of_untuned_presets_is_refused(app: Flask, farm: None, save: Save, use: str) -> None:
    answer = save(untuned_use=use)
    assert answer.status_code == 422
    assert "Choose one of these." in answer.text
    assert model_of(app).untuned_use == "when_needed"


def test_a_number_for_a_preset_that_has_gone_says_so_and_saves_nothing(app: Flask, farm: None, save: Save) -> None:
    answer = save(**{"power_w:2444": "2400", "power_w:2300": "2350"})
    assert answer.status_code == 422
    assert "'2444' is not a preset of Antminer S19JPRO; its ladder: 1500, 2300, 2800, 3420." in plain(answer.text)
    assert 'value="2350"' in answer.text
    assert own(app) == (None, None)


@pytest.mark.parametrize("path", ["/models/nope", "/models/nope/ladder", "/models/nope/consequence", "/models/%00"])
def test_a_model_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


# --- two people ------------------------------------------------------------------------------------------------------


def test_a_model_changed_meanwhile_is_a_conflict_that_keeps_what_was_typed(app: Flask, farm: None, save: Save) -> None:
    with app.app_context():
        miner_models.change("s19jpro", {"expected": {"2300": {"expected_power_w": 2360}}}, **BY)
    answer = save(version="1", **{"power_w:2300": "2350"})
    assert answer.status_code == 409
    page = plain(answer.text)
    assert "was changed by somebody else meanwhile" in page
    assert "saved now: 2,360" in page
    assert 'value="2350"' in answer.text
    assert own(app) == (2360, None)
    newest = re.search(r'name="version"[^>]* value="(\d+)"', answer.text)
    assert newest
    assert save(version=newest[1], **{"power_w:2300": "2350"}).status_code == 303
    assert own(app) == (2350, None)


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "0"])
def test_a_form_that_names_no_version_is_a_conflict(app: Flask, farm: None, save: Save, version: str) -> None:
    assert save(version=version, settle_s="60").status_code == 409
    assert model_of(app).settle_s is None


def test_what_was_not_changed_is_not_written(app: Flask, client: FlaskClient, farm: None, save: Save) -> None:
    answer = save()
    assert (answer.status_code, answer.location) == (303, PATH)
    assert "nothing was changed" in client.get(PATH).text
    assert model_of(app).version == 1


# --- saving ----------------------------------------------------------------------------------------------------------


def test_own_numbers_are_saved_with_point_or_comma_and_cleared_by_an_empty_field(
    app: Flask, farm: None, save: Save
) -> None:
    assert save(**{"power_w:2300": "2350", "hashrate_ths:2300": "86,5", "settle_s": "45"}).status_code == 303
    assert own(app) == (2350, 86.5)
    assert model_of(app).settle_s == 45
    assert save(**{"power_w:2300": "", "hashrate_ths:2300": "0", "settle_s": ""}).status_code == 303
    assert own(app) == (None, None)
    assert model_of(app).settle_s is None


def test_a_number_is_shown_with_all_its_digits_so_that_saving_again_changes_nothing(
    app: Flask, client: FlaskClient, farm: None, save: Save
) -> None:
    save(**{"hashrate_ths:2300": "85.12345"})
    assert 'value="85.12345"' in client.get(PATH).text
    save(**{"hashrate_ths:2300": "85.12345"})
    assert model_of(app).version == 2


def test_a_lower_max_preset_is_saved_at_once_and_none_too(app: Flask, farm: None, save: Save) -> None:
    for wanted, stored in (("1500", "1500"), ("", None)):
        assert save(max_preset=wanted).status_code == 303
        assert model_of(app).max_preset == stored


def test_the_use_of_untuned_presets_is_saved(app: Flask, farm: None, save: Save) -> None:
    assert save(untuned_use="never").status_code == 303
    assert model_of(app).untuned_use == "never"


# --- what is asked first ---------------------------------------------------------------------------------------------


def test_more_power_is_asked_for_first_and_saved_once_confirmed(app: Flask, farm: None, save: Save) -> None:
    asked = save(max_preset="3420")
    assert asked.status_code == 422
    assert "9 miners may go up to 3,420 W: at most 30.8 kW, 5.6 kW more than now (2,800 W each, 25.2 kW)." in plain(
        asked.text
    )
    assert model_of(app).max_preset == "2800"
    confirming = CONFIRMING.search(asked.text)
    assert confirming
    assert save(max_preset="3420", confirmed=html.unescape(confirming[1])).status_code == 303
    assert model_of(app).max_preset == "3420"


@pytest.mark.parametrize("confirmed", ["", "yes", "1"])
def test_only_what_was_read_is_confirmed(app: Flask, farm: None, save: Save, confirmed: str) -> None:
    assert save("s21xp", max_preset="3500", confirmed=confirmed).status_code == 422
    assert model_of(app, "s21xp").max_preset is None


def test_a_first_max_preset_says_that_its_miners_were_not_touched(farm: None, save: Save) -> None:
    page = plain(save("s21xp", max_preset="2600").text)
    assert "3 miners may go up to 2,600 W: at most 7.8 kW. Up to now they are not touched." in page


def test_a_number_far_from_the_firmwares_is_asked_again(app: Flask, farm: None, save: Save) -> None:
    asked = save(**{"power_w:2300": "230"})
    assert "Preset 2300: 230 W is far from the firmware's 2,300 W." in plain(asked.text)
    assert own(app) == (None, None)
    confirming = CONFIRMING.search(asked.text)
    assert confirming
    save(**{"power_w:2300": "230", "confirmed": html.unescape(confirming[1])})
    assert own(app) == (230, None)


def test_modified_supplies_are_confirmed_and_open_their_presets(app: Flask, farm: None, save: Save) -> None:
    asked = save("s21xp", allow_modded_psu="y")
    assert "All 3 miners of this model have modified power supplies." in plain(asked.text)
    confirming = CONFIRMING.search(asked.text)
    assert confirming
    assert save("s21xp", allow_modded_psu="y", confirmed=html.unescape(confirming[1])).status_code == 303
    with app.app_context():
        assert miner_models.set_max_preset("s21xp", "4200", **BY).max_preset == "4200"


def test_supplies_are_not_unmarked_under_a_max_preset_that_needs_them(app: Flask, farm: None, save: Save) -> None:
    with app.app_context():
        miner_models.change("s21xp", {"allow_modded_psu": True, "max_preset": "4200"}, **BY)
    answer = save("s21xp")
    assert answer.status_code == 422
    assert "'4200': it needs a modified power supply" in plain(answer.text)
    assert save("s21xp", max_preset="3500").status_code == 303
    model = model_of(app, "s21xp")
    assert (model.allow_modded_psu, model.max_preset) == (False, "3500")


def test_the_consequence_is_shown_before_saving(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        model = factories.model()
        for number in range(47):
            factories.miner(number, model)
    shown = client.get("/models/s19jpro/consequence?max_preset=3420").text
    assert shown == "47 miners may go up to 3,420 W: at most 160.7 kW"
    assert "not touched" in client.get("/models/s19jpro/consequence?max_preset=").text
    assert "not a preset" in client.get("/models/s19jpro/consequence?max_preset=<b>").text


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_the_list_leads_to_every_model_and_says_what_each_may_take(client: FlaskClient, farm: None) -> None:
    page = client.get("/models").text
    assert 'href="/models/s19jpro"' in page
    assert "Antminer S19JPRO s19jpro 9 " in plain(page)
    assert "2,800 25.2" in plain(page)
    assert "none: not touched" in page


def test_without_models_the_list_says_where_they_come_from(client: FlaskClient) -> None:
    assert "Discovery adds models" in client.get("/models").text


def test_a_max_preset_that_has_gone_is_named_and_kept_until_another_is_chosen(
    app: Flask, client: FlaskClient, farm: None, save: Save
) -> None:
    with app.app_context():
        db.session.delete(db.session.get(ModelPreset, (miner_models.get("s19jpro").id, "2800")))
        db.session.commit()
    assert "2800 is gone" in client.get("/models").text
    assert "2800 no longer in the ladder" in plain(client.get(PATH).text)
    assert save(settle_s="60").status_code == 303
    assert model_of(app).max_preset == "2800"


def test_a_model_without_a_ladder_has_its_page(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.model(ladder=())
    assert "Its presets have not been read yet." in client.get(PATH).text
    assert client.get(f"{PATH}/ladder", headers={"Accept": "application/json"}).json["x"] == []


def test_the_page_shows_what_was_learned_beside_what_is_configured(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        model = factories.model(switches=[{"with_restart": True, "settle_s": 104.0, "loss_s": 68.0}] * 3)
        model.presets[1].expected_power_w, model.presets[1].expected_hashrate_ths = 2350, 86.0
        factories.miner(1, model, status={"power_factor": 0.96, "hashrate_factor": 0.94})
        factories.miner(2, model)
    page = client.get(PATH).text
    assert 'value="2350"' in page
    assert "firmware 2,300 learned 2,208" in plain(page)
    assert "firmware 85.0 learned 79.9" in plain(page)
    assert "A preset change costs 68 s of hashrate learned" in plain(page)
    assert "With restart, measured 68 s of hashrate settled after 104 s; median of 3" in plain(page)
    assert "Without restart, measured \N{EN DASH} 0 of 3 changes seen" in plain(page)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "70 s of hashrate assumed until 3 changes have been measured"),
        ({"switch_loss_s": 0.0}, "0 s of hashrate set by the operator"),
    ],
)
def test_the_page_says_where_the_cost_of_a_change_is_from(
    app: Flask, client: FlaskClient, columns: dict[str, float], words: str
) -> None:
    with app.app_context():
        factories.model(**columns)
    assert words in plain(client.get(PATH).text)


def test_the_ladder_is_a_chart_up_to_the_max_preset(client: FlaskClient, farm: None) -> None:
    found = client.get(f"{PATH}/ladder", headers={"Accept": "application/json"}).json
    assert found["x"] == [1500, 2300, 2800]
    assert (found["time"], found["marks"][0]["x"]) == (False, 2800)
    assert found["series"][0]["values"] == [60.0, 85.0, 98.0]
    assert [round(value, 1) for value in found["series"][2]["values"][1:]] == [31.2, 26.0]


def test_a_preset_off_the_hull_is_marked(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.model(ladder=(("1500", 1500, 60.0), ("2000", 2000, 61.0), ("2300", 2300, 85.0)))
    assert client.get(PATH).text.count("off the hull") == 1
