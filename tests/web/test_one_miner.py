"""One miner's page: what it says, its charts, and each form with its bad input first."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.core.inspection import ChipReading, Inspection
from app.extensions import db
from app.models import Command, Miner, MinerModel, MinerSample
from app.store import commands, inspections, settings
from tests import factories
from tests.notice import notice
from tests.one_miner import MAC, PAGE, change, stored

Token = Callable[[], str]
UNMANAGED, NO_CEILING = "/miners/02:00:00:00:00:00", "/miners/02:00:00:00:00:07"
NOBODY = "/miners/02:00:00:00:ff:ff"


@pytest.mark.parametrize("part", ["", "/live", "/chart", "/consequence", "/inspection"])
@pytest.mark.parametrize("mac", ["02:00:00:00:ff:ff", "x", "%00", "a" * 500, "02-00-00-00-00-01"])
def test_a_miner_that_is_not_there_is_not_found(client: FlaskClient, farm: None, mac: str, part: str) -> None:
    assert client.get(f"/miners/{mac}{part}").status_code == 404


@pytest.mark.parametrize(
    "form", ["managed", "preset", "hold", "release", "label", "unlock-password", "retire", "inspection"]
)
def test_a_form_for_nobody_is_not_found(client: FlaskClient, farm: None, token: Token, form: str) -> None:
    assert client.post(f"{NOBODY}/{form}", data={"csrf_token": token()}).status_code == 404


# --- what it says -----------------------------------------------------------------------------------------------------


def test_it_says_who_it_is_what_it_does_and_why(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        factories.decided_cycle()
    change(app, state_time_s=7300, power_factor=0.975, learned_at=clock.utcnow(), saved_preset="1500")
    page = client.get(PAGE.upper().replace("/MINERS", "/miners")).text
    for words in ("C1-01", MAC, "10.0.0.2", "Antminer S19JPRO", "VNish 1.2.6", "2,310", "85.5", "27.0"):
        assert words in page, words
    assert re.search(r"<strong>Mining</strong>\s+on preset 2300, for 2 h", page)
    assert "2300 -&gt; 2800: takes 500 W" in page
    assert '<a href="/cycles/2">' in page
    assert "× 0.975" in page


def test_the_ladder_marks_what_runs_what_is_saved_and_the_ceiling(app: Flask, client: FlaskClient, farm: None) -> None:
    change(app, saved_preset="1500")
    page = client.get(PAGE).text
    rows = {name: row for row, name in re.findall(r'(<tr[^>]*>\s*<th scope="row">(\d{4})\b.*?</tr>)', page, re.DOTALL)}
    assert [*rows] == ["3420", "2800", "2300", "1500"]
    assert "runs now" in rows["2300"]
    assert "saved: runs after a restart" in rows["1500"]
    assert "max preset" in rows["2800"]
    assert "on its way" in rows["2800"]  # the change of the farm is `sent`
    assert "Preset 3420 is above the max preset 2800" in rows["3420"]
    assert "+500" in rows["2800"]


def test_a_model_without_a_ceiling_allows_nothing(client: FlaskClient, farm: None) -> None:
    page = client.get(NO_CEILING).text
    assert page.count("No max preset is set for s21xp") == 4
    assert page.count('<option value="2600" disabled>') == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"online": False, "last_error": "it did not answer within 3 s"}, "It did not answer within 3 s"),
        ({"state": "failure", "description": "Chain 2 not found", "failure_code": 1002}, "failure code 1002"),
        ({"state": "stopped", "stopped_by_us_at": factories.ago(60)}, "stopped by PowerHive"),
        ({"throttled_percent": 30}, "throttled to 30 %"),
        ({"retired": True}, "Take it in again"),
        ({"hold": True, "hold_reason": "fan"}, "until it is released: fan"),
        ({"api_key": None, "adoption_error": "wrong password"}, "Wrong password"),
        ({"fans": [{"fan": 2, "rpm": 0, "ok": False}]}, "fault"),
        ({"model": None}, "unknown model"),
        ({"label": "", "ip": ""}, "another miner has its last one"),
        ({"running_preset": None, "power_w": None, "hashrate_ths": None, "chip_temp_c": None}, "–"),
        ({"boards": []}, "Hash boards"),
        ({"state": "something-new"}, "Something-new"),
    ],
)  # fmt: skip
def test_every_state_has_its_words(
    app: Flask, client: FlaskClient, farm: None, values: dict[str, object], words: str
) -> None:
    change(app, **values)
    answer = client.get(PAGE)
    assert answer.status_code == 200
    assert words in answer.text
    assert client.get(f"{PAGE}/live").status_code == 200


def test_neighbours_are_those_of_the_filtered_list(client: FlaskClient, farm: None) -> None:
    page = client.get(f"{PAGE}?managed=1&sort=-name").text
    assert re.search(r'rel="next" href="/miners/02:00:00:00:00:04\?managed=1&amp;sort=-name"', page) is None
    assert re.search(r'rel="prev" href="/miners/02:00:00:00:00:02\?managed=1&amp;sort=-name"', page)
    assert "8 of 8" in page
    assert 'rel="next"' not in page
    assert "of 12" not in client.get(f"{PAGE}?managed=0").text  # it is not in that list


def test_a_miners_live_part_holds_no_input(client: FlaskClient, farm: None) -> None:
    live = client.get(f"{PAGE}/live").text
    assert "<input" not in live
    assert "<details" not in live
    assert live.strip() in client.get(PAGE).text or "data-age-s" in live


def test_the_refresh_says_what_others_decided_meanwhile(app: Flask, client: FlaskClient, farm: None) -> None:
    page = client.get(PAGE).text
    names = ("hold-state", "mode-chip", "in-force", "times")
    assert {name: page.count(f' id="{name}"') for name in names} == dict.fromkeys(names, 1)
    assert '<p id="hold-state" hx-ext="morph">Not held.</p>' in page
    change(app, hold=True, hold_reason="theirs")
    with app.app_context():
        settings.change("mode", "armed", "bob", None, clock.utcnow())
        settings.change("override", "stop", "bob", None, clock.utcnow())
    client.set_cookie("timezone", "America/Sao_Paulo")
    live = client.get(f"{PAGE}/live").text
    swap = 'hx-ext="morph" hx-swap-oob="morph">'
    assert f'<p id="hold-state" {swap}Held until it is released: theirs</p>' in live
    assert re.search(rf'<a id="mode-chip" class="mode mode-armed"[^>]*{swap}', live)
    assert f'<div id="in-force" {swap}<p class="banner warn">Stop all was ordered' in live
    assert f'<span id="times" {swap}Times: America/Sao_Paulo; ' in live
    assert "<form" not in live


# --- the charts -------------------------------------------------------------------------------------------------------


def test_history_is_in_steps_with_gaps(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner(1)
        for age_s, power_w in ((3000, 2000), (2700, 2100), (1200, None), (900, 2300)):
            factories.sample(miner, age_s, power_w=power_w)
        factories.change(miner, 1000)
        factories.change(miner, 40 * 86_400)
    chart = client.get(f"{PAGE}/chart?span=6h", headers={"Accept": "application/json"}).get_json()
    power, hashrate = chart["series"]
    assert (power["unit"], hashrate["unit"], hashrate["axis"]) == ("W", "TH/s", "right")
    assert [value for value in power["values"] if value is not None] == [2000, 2100, 2300]
    first = power["values"].index(2100)
    assert power["values"][first + 1] is None
    assert len(chart["x"]) == len(power["values"]) in (72, 73, 74)
    assert [mark["label"] for mark in chart["marks"]] == ["2300 → 2800, confirmed"]


@pytest.mark.parametrize("query", ["", "?span=1h", "?span=x", "?span=30d&show=temperature", "?show=everything"])
def test_any_span_gives_a_chart_and_a_table(client: FlaskClient, farm: None, query: str) -> None:
    assert client.get(f"{PAGE}/chart{query}", headers={"Accept": "application/json"}).get_json()["series"]
    assert "<table" in client.get(f"{PAGE}/chart{query}").text


def test_a_miner_without_a_past_says_so(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        db.session.query(MinerSample).delete()
        db.session.commit()
    chart = client.get(f"{PAGE}/chart", headers={"Accept": "application/json"}).get_json()
    assert (chart["x"], chart["empty"]) == ([], "Nothing was recorded of this miner in this time.")


# --- a preset by hand -------------------------------------------------------------------------------------------------

ORDER = {"preset": "1500", "hold_minutes": "60", "reason": "too hot"}


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ({"preset": ""}, 422, "Choose a preset."),
        ({"preset": "9999"}, 422, "reset must be one of this miner&#39;s presets"),
        ({"preset": "<b>"}, 422, "one of this miner&#39;s presets"),
        ({"preset": "3420"}, 409, "above the max preset 2800"),
        ({"hold_minutes": "7"}, 422, "Choose one of the list."),
        ({"hold_minutes": "x"}, 422, "Choose one of the list."),
        ({"reason": "x" * 201}, 422, "At most 200 characters."),
        ({"reason": "a\x07"}, 422, "control characters"),
    ],
)
def test_a_bad_order_is_refused_beside_its_field(
    app: Flask, client: FlaskClient, farm: None, token: Token, data: dict[str, str], status: int, words: str
) -> None:
    answer = client.post(f"{PAGE}/preset", data={**ORDER, **data, "csrf_token": token()})
    assert answer.status_code == status
    assert words in answer.text
    told = re.search(r'aria-describedby="(preset[a-z-]*-error)"', answer.text)
    assert told
    assert f'id="{told[1]}"' in answer.text
    sentence, field_id = notice(answer.text)
    assert words in sentence
    assert field_id == told[1].removesuffix("-error")
    assert 'aria-invalid="true"' in answer.text
    with app.app_context():
        assert db.session.query(Command).count() == 0
    assert not stored(app).hold


def test_an_order_leaves_a_command_and_a_hold(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    answer = client.post(f"{PAGE}/preset?q=C1", data={**ORDER, "csrf_token": token()})
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?q=C1")
    with app.app_context():
        command = db.session.query(Command).one()
        assert (command.kind, command.arguments) == ("preset", {"preset": "1500", "hold_minutes": 60})
        assert command.reason == "too hot"
        commands.claim_next(clock.utcnow())
        commands.finish(command.id, ok=False, result="Refused: the last change is too recent.", now=clock.utcnow())
    assert (stored(app).hold, stored(app).hold_reason) == (True, "too hot")
    page = client.get(PAGE).text
    assert "Refused: the last change is too recent." in page
    assert "preset 1500" in page


def test_an_order_for_a_miner_without_presets_is_refused_where_they_would_be(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    with app.app_context():
        bare = factories.miner(40, presets=[]).mac
    answer = client.post(f"/miners/{bare}/preset", data={**ORDER, "preset": "", "csrf_token": token()})
    assert notice(answer.text) == ("Choose a preset.", "preset")


def test_an_order_without_a_hold_leaves_the_miner_to_the_balance(
    app: Flask, client: FlaskClient, farm: None, token: Token
) -> None:
    client.post(f"{PAGE}/preset", data={**ORDER, "hold_minutes": "0", "csrf_token": token()})
    assert not stored(app).hold


def test_a_miner_that_is_neither_managed_nor_held_is_not_commanded(
    client: FlaskClient, farm: None, token: Token
) -> None:
    answer = client.post(f"{UNMANAGED}/preset", data={**ORDER, "csrf_token": token()})
    assert answer.status_code == 409
    assert "neither managed nor held" in answer.text


@pytest.mark.parametrize(
    ("path", "preset", "words"),
    [
        (PAGE, "2800", "2300 → 2800: +500 W and +13.0 TH/s."),
        (PAGE, "1500", "2300 → 1500: −800 W and −25.0 TH/s."),
        (PAGE, "2300", "It runs 2300 already."),
        (PAGE, "3420", "Not allowed: Preset 3420 is above the max preset 2800 of s19jpro."),
        (PAGE, "9999", "This miner has no such preset."),
        (PAGE, "", ""),
        (UNMANAGED, "1500", "neither managed nor held"),
        (NO_CEILING, "2600", "Not allowed: No max preset is set"),
    ],
)
def test_the_consequence_is_one_sentence(client: FlaskClient, farm: None, path: str, preset: str, words: str) -> None:
    answer = client.get(f"{path}/consequence", query_string={"preset": preset})
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert words in answer.text


def test_the_consequence_names_cooldown_and_tuning(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        factories.change(miner, 1.0)
        next(rung for rung in miner.presets if rung.name == "1500").tuned = False
        db.session.commit()
    said = client.get(f"{PAGE}/consequence?preset=1500").text
    assert "refused for 29 more s" in said or "refused for 28 more s" in said
    assert "not tuned on this miner" in said


# --- chips and answers ------------------------------------------------------------------------------------------------


def test_a_miner_that_was_not_opened_is_not_asked(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    answer = client.post(f"{PAGE}/inspection", data={"csrf_token": token()})
    assert answer.status_code == 409
    assert "has not been opened by discovery" in answer.text
    with app.app_context():
        assert db.session.query(Command).count() == 0


def test_a_miner_is_asked_once_and_the_page_waits(app: Flask, client: FlaskClient, farm: None, token: Token) -> None:
    change(app, api_key="k" * 32)
    for _ in range(2):
        answer = client.post(f"{PAGE}/inspection", data={"csrf_token": token()})
        assert (answer.status_code, answer.location) == (303, f"{PAGE}/inspection")
    with app.app_context():
        assert [command.kind for command in db.session.query(Command)] == ["inspect"]
    part = client.get(f"{PAGE}/inspection", headers={"HX-Request": "true"}).text
    assert 'hx-trigger="every 2s"' in part
    assert "<h1" not in part
    assert "by hand" not in client.get(f"{PAGE}/live").text  # it is no order that changes anything


def test_chips_are_shown_by_board_with_their_grades(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        chips = (
            ChipReading(1, 0, 57, 490.0, 244.4, 2, "orange"), ChipReading(1, 1, None, None, None, None, "grey"),
            ChipReading(2, 0, 61, 490.0, 200.0, 0, "red"), ChipReading(2, 1, 59, 490.0, 200.0, 0, ""),
        )  # fmt: skip
        inspections.record(2, Inspection(chips, '{"summary": "<b>"}'), clock.utcnow())
        inspections.record(2, Inspection(chips, '{"summary": "<i>"}'), clock.utcnow())
    page = client.get(f"{PAGE}/inspection").text
    assert "2 chips: 1 good, 1 weak, 0 bad · 57–57 °C" in page
    assert "2 chips: 0 good, 0 weak, 1 bad · 59–61 °C" in page
    assert "&lt;i&gt;" in page
    assert "hx-trigger" not in page


def test_an_inspection_that_failed_says_why(app: Flask, client: FlaskClient, farm: None) -> None:
    change(app, api_key="k" * 32)
    with app.app_context():
        commands.enqueue_inspection(MAC, by="Ana", now=clock.utcnow())
        command = commands.claim_next(clock.utcnow())
        assert command is not None
        commands.finish(command.id, ok=False, result="Miner 10.0.0.2 timed out.", now=clock.utcnow())
    assert "Miner 10.0.0.2 timed out." in client.get(f"{PAGE}/inspection").text


def test_nothing_known_of_a_model_is_no_error(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        db.session.query(MinerModel).filter_by(alias="s19jpro").one().untuned_use = "broken"
        db.session.commit()
    assert client.get(PAGE).status_code == 200
