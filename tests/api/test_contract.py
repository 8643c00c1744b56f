"""The contract of SPEC 7: every call's exact fields, units and answers with and without data; plant and balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.settings import SPECS
from app.extensions import db
from app.models import PlantSource
from tests import factories
from tests.api.contract import MAC, TIME, get

PLANT = {
    "id",
    "plant_id",
    "total_generation",
    "total_container_consumption",
    "available_power",
    "generation_sources",
    "consumption_sources",
    "recorded_at",
}
STATUS = {
    "status",
    "plant_generation_kw",
    "plant_container_kw",
    "available_power_kw",
    "safety_margin_percent",
    "target_power_kw",
    "target_power_w",
    "current_consumption_w",
    "managed_consumption_w",
    "unmanaged_consumption_w",
    "expected_consumption_w",
    "expected_delta_w",
    "managed_miners_count",
    "last_reading_at",
}
STATUS_BESIDE = {
    "mode",
    "override",
    "policy",
    "reason",
    "emergency",
    "foreign_kw",
    "overhead_kw",
    "data_age_s",
    "cycle_id",
    "cycle_at",
    "cycle_age_s",
    "refused_readings_24h",
    "contradicted_sources",
    "cut_capacity_w",
    "raise_capacity_w",
    "miners_count",
    "online_miners_count",
    "offline_miners_count",
    "held_miners_count",
    "failing_miners_count",
    "not_applied_miners_count",
    "other_firmware_count",
    "hashrate_ths",
    "efficiency_w_per_ths",
    "measured_power_w",
}
SOURCE = {"name", "kind", "role", "last_value_kw", "status"}
SOURCE_BESIDE = {
    "last_good_at",
    "verdict",
    "slope",
    "judged_together",
    "effect_kw",
    "decided_at",
    "checked_at",
    "check_note",
    "contradiction",
}
EVENT = {
    "id",
    "miner_id",
    "old_preset",
    "new_preset",
    "old_power",
    "new_power",
    "reason",
    "total_consumption_before",
    "total_consumption_after",
    "available_power",
    "target_power",
    "success",
    "error_message",
    "recorded_at",
    "outcome",
}
EVENT_BESIDE = {"kind", "origin", "attempt", "mac", "cycle_id", "command_id", "finished_at"}
DECIDED = {
    "status",
    "reason",
    "stays",
    "emergency",
    "plant_generation_kw",
    "foreign_kw",
    "overhead_kw",
    "available_power_kw",
    "target_power_w",
    "current_consumption_w",
    "planned_consumption_w",
    "unmanaged_consumption_w",
    "data_age_s",
}
CYCLE = DECIDED | {
    "id",
    "recorded_at",
    "mode",
    "policy",
    "override",
    "sent",
    "safety_margin_percent",
    "changes_count",
    "failed_count",
    "skipped_count",
    "changes",
    "skipped",
}
CHANGE = {
    "miner_id",
    "mac",
    "kind",
    "old_preset",
    "new_preset",
    "old_power_w",
    "new_power_w",
    "reason",
    "origin",
}
PREVIEW = DECIDED | {"policy", "mode", "override", "tried", "send", "changes", "skipped"}
EXPLAINED = {"mac", "decision", "reason", "accounted_power_w", "change", "sent", "cycle_id", "decided_at"}


def test_without_data_numbers_are_zero_and_times_null(client: FlaskClient) -> None:
    assert get(client, "/api/plant/latest") is None
    status = get(client, "/api/balance/status")
    assert set(status) == STATUS | STATUS_BESIDE
    assert status["status"] == "NO_DATA"
    assert status["safety_margin_percent"] == 10.0
    assert status["last_reading_at"] is None
    numbers = {name for name in STATUS if name.endswith(("_kw", "_w", "_count"))}
    assert {status[name] for name in numbers} == {0}
    for path in ("/api/plant/history", "/api/plant/sources", "/api/balance/events", "/api/balance/cycles",
                 "/api/models", "/api/miners"):  # fmt: skip
        assert get(client, path) == []


def test_the_latest_reading(client: FlaskClient, farm: None) -> None:
    reading = get(client, "/api/plant/latest")
    assert set(reading) == PLANT
    assert (reading["total_generation"], reading["total_container_consumption"]) == (3200.0, 40.0)
    assert TIME.fullmatch(reading["recorded_at"])
    assert [source["name"] for source in reading["generation_sources"]] == ["UG1"]
    assert [source["name"] for source in reading["consumption_sources"]] == ["C1"]
    assert get(client, "/api/plant/history") == [reading]


def test_the_history_is_newest_first_and_bounded(app: Flask, client: FlaskClient) -> None:
    start = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    with app.app_context():
        for number in range(8):
            factories.reading(recorded_at=start + timedelta(seconds=15 * number), generation_kw=100.0 * number)
    values = [r["total_generation"] for r in get(client, "/api/plant/history?limit=3")]
    assert values == [700.0, 600.0, 500.0]
    within = "/api/plant/history?since=2026-11-23T12:00:15Z&until=2026-11-23T12:01:00Z"
    assert [r["total_generation"] for r in get(client, within)] == [300.0, 200.0, 100.0]
    zoned = get(client, "/api/plant/history?since=2026-11-23T13:01:45+01:00")
    assert [r["total_generation"] for r in zoned] == [700.0]


def test_steps_are_means(app: Flask, client: FlaskClient) -> None:
    start = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    with app.app_context():
        for number in range(8):
            factories.reading(recorded_at=start + timedelta(seconds=15 * number), generation_kw=100.0 * number)
    steps = get(client, "/api/plant/history?step=60")
    assert [set(step) for step in steps] == [PLANT, PLANT]
    assert [(step["recorded_at"], step["total_generation"]) for step in steps] == [
        ("2026-11-23T12:01:00Z", 550.0),
        ("2026-11-23T12:00:00Z", 150.0),
    ]


def test_the_balance_status(client: FlaskClient, farm: None) -> None:
    status = get(client, "/api/balance/status")
    assert set(status) == STATUS | STATUS_BESIDE
    assert status["status"] == "OK"
    assert status["target_power_kw"] * 1000 == status["target_power_w"] == 2_844_000.0
    assert status["current_consumption_w"] == status["managed_consumption_w"] == 2_531_000.0
    assert status["expected_consumption_w"] == 2_531_000.0  # nothing was sent: observe
    assert status["expected_delta_w"] == 313_000.0
    assert status["managed_miners_count"] == 8
    assert status["online_miners_count"] + status["offline_miners_count"] == status["miners_count"] == 12
    assert TIME.fullmatch(status["last_reading_at"])


def test_only_online_sha256_miners_add_to_the_hashrate(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.miner(1)
        factories.miner(2, online=False)
        factories.miner(3, factories.model("l7", algorithm="scrypt"))
        factories.miner(4, retired=True)
    status = get(client, "/api/balance/status")
    assert status["hashrate_ths"] == 85.5
    assert status["measured_power_w"] == 2 * 2310
    assert status["efficiency_w_per_ths"] == pytest.approx(2310 / 85.5)


def test_events(client: FlaskClient, farm: None) -> None:
    events = get(client, "/api/balance/events")
    assert {frozenset(event) for event in events} == {frozenset(EVENT | EVENT_BESIDE)}
    assert [event["id"] for event in events] == sorted((event["id"] for event in events), reverse=True)
    assert {event["success"] for event in events if event["outcome"] == "confirmed"} == {True}
    assert {event["success"] for event in events if event["outcome"] != "confirmed"} == {False}
    one = get(client, "/api/balance/events?miner_id=2&limit=5")
    assert {event["miner_id"] for event in one} == {2}
    assert get(client, "/api/balance/events?miner_id=999") == []


def test_cycles_with_all_that_they_decided_and_why(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        ids = [factories.cycle(20.0).id, factories.decided_cycle().id]
    cycles = get(client, "/api/balance/cycles?limit=2")
    assert [cycle["id"] for cycle in cycles] == ids[::-1]
    assert {frozenset(cycle) for cycle in cycles} == {frozenset(CYCLE)}
    assert (cycles[0]["target_power_w"], cycles[0]["current_consumption_w"]) == (2_844_000.0, 2_531_000.0)
    assert TIME.fullmatch(cycles[0]["recorded_at"])
    assert [set(change) for change in cycles[0]["changes"]] == [CHANGE]
    assert cycles[0]["skipped"] == [{"mac": "02:00:00:00:00:02", "reason": "held by an operator"}]
    assert cycles[0]["stays"] == "stays: surplus 313.0 kW has lasted 40 of 180 s"


def rows(app: Flask) -> dict[str, int]:
    with app.app_context():
        return {name: db.session.query(table).count() for name, table in db.metadata.tables.items()}


def test_a_preview_shows_what_a_cycle_would_do_and_leaves_nothing(app: Flask, client: FlaskClient) -> None:
    preview = get(client, "/api/balance/preview")
    assert set(preview) == PREVIEW
    assert (preview["status"], preview["changes"], preview["skipped"]) == ("NO_DATA", [], [])
    with app.app_context():
        factories.full_farm()
    before, in_force = rows(app), get(client, "/api/settings")
    preview = get(client, "/api/balance/preview?policy=stepwise&set=safety_margin_percent=50&set=mode=armed")
    assert (preview["policy"], preview["mode"], preview["send"]) == ("stepwise", "armed", True)
    assert preview["tried"] == {"safety_margin_percent": 50.0, "mode": "armed", "policy": "stepwise"}
    assert preview["target_power_w"] == pytest.approx(preview["available_power_kw"] * 500)
    assert rows(app) == before
    assert get(client, "/api/settings") == in_force


def test_a_preview_says_of_each_change_why_and_whether_it_would_go_out(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.reading(generation_kw=4.0, foreign_kw=0.0, sources=[])
        factories.miner(1, factories.model(max_preset="2800"), managed=True, api_key="k")
        factories.miner(2, managed=True)
    preview = get(client, "/api/balance/preview?policy=stepwise")
    assert [set(change) for change in preview["changes"]] == [CHANGE | {"sent"}]
    assert (preview["changes"][0]["mac"], preview["changes"][0]["sent"], preview["send"]) == (MAC, False, False)
    assert "frees 800 W" in preview["changes"][0]["reason"]
    assert preview["skipped"] == [{"mac": "02:00:00:00:00:02", "reason": "not identified by discovery"}]
    assert preview["stays"].startswith("stays: ")
    assert preview["emergency"] is True


def test_why_a_miner_is_where_it_is(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        cycle_id = factories.decided_cycle().id
    found = get(client, f"/api/miners/{MAC.upper()}/explain")
    assert set(found) == EXPLAINED
    assert (found["mac"], found["decision"], found["sent"], found["cycle_id"]) == (MAC, "change", False, cycle_id)
    assert (found["reason"], found["accounted_power_w"]) == (found["change"]["reason"], 2300.0)
    assert set(found["change"]) == CHANGE
    assert TIME.fullmatch(found["decided_at"])
    skipped = get(client, "/api/miners/02:00:00:00:00:02/explain")
    assert (skipped["decision"], skipped["reason"]) == ("skipped", "held by an operator")
    stays = get(client, "/api/miners/02:00:00:00:00:04/explain")
    assert (stays["decision"], stays["reason"][:14]) == ("stays", "stays: surplus")
    unmanaged = get(client, "/api/miners/02:00:00:00:00:00/explain")
    assert (unmanaged["decision"], unmanaged["cycle_id"], unmanaged["decided_at"]) == ("unmanaged", None, None)


def test_settings_are_all_there_and_change_together(client: FlaskClient) -> None:
    before = get(client, "/api/settings")
    assert set(before) == set(SPECS)
    answer = client.patch("/api/settings", json={"tolerance_w": 900, "farm_limit_kw": None, "reason": "test"})
    assert answer.status_code == 200
    assert answer.get_json() == before | {"tolerance_w": 900}
    half = client.patch("/api/settings", json={"tolerance_w": 800, "cooldown_s": 1})
    assert half.status_code == 422
    assert get(client, "/api/settings")["tolerance_w"] == 900


def test_the_safety_margin(client: FlaskClient) -> None:
    answer = client.patch("/api/settings/safety-margin", json={"safety_margin_percent": 12.5})
    assert (answer.status_code, answer.get_json()) == (200, {"safety_margin_percent": 12.5})
    assert get(client, "/api/balance/status")["safety_margin_percent"] == 12.5


def test_sources_and_their_roles(client: FlaskClient, farm: None) -> None:
    sources = get(client, "/api/plant/sources")
    assert {frozenset(source) for source in sources} == {frozenset(SOURCE | SOURCE_BESIDE)}
    assert {source["kind"]: source["verdict"] for source in sources} == {"generation": None, "consumption": "undecided"}
    assert {source["contradiction"] for source in sources} == {None}
    answer = client.patch("/api/plant/sources/C1", json={"role": "miners"})
    assert answer.get_json()["role"] == "miners"
    assert client.patch("/api/plant/sources/UG1", json={"role": "miners"}).status_code == 409
    assert client.patch("/api/plant/sources/UG1", json={"role": "retired"}).status_code == 200
    assert client.patch("/api/plant/sources/nope", json={"role": "miners"}).status_code == 404
    assert client.patch("/api/plant/sources/C1", json={"role": "x"}).status_code == 422


def test_a_meter_that_contradicts_its_role_says_so_until_the_operator_has_spoken(
    app: Flask, client: FlaskClient
) -> None:
    assert get(client, "/api/balance/status")["contradicted_sources"] == []
    with app.app_context():
        factories.contradicted()
        factories.reading()
    (source,) = get(client, "/api/plant/sources")
    assert (source["verdict"], source["slope"], source["effect_kw"]) == ("contains", 1.04, 412.0)
    assert (source["judged_together"], source["check_note"]) == (["C1"], "it follows the miners")
    assert TIME.fullmatch(source["checked_at"])
    sentence = "C1 has the role foreign, but follows the miners (slope 1.04): 412 kW are subtracted twice"
    assert source["contradiction"] == sentence
    (found,) = get(client, "/api/balance/status")["contradicted_sources"]
    assert TIME.fullmatch(found.pop("since"))
    assert found == {"names": ["C1"], "role": "foreign", "slope": 1.04, "effect_kw": 412.0, "sentence": sentence}
    overruled = client.patch("/api/plant/sources/C1", json={"role": "foreign"}).get_json()
    assert (overruled["verdict"], overruled["effect_kw"], overruled["contradiction"]) == ("undecided", 0.0, None)
    assert get(client, "/api/balance/status")["contradicted_sources"] == []


def test_a_generator_and_a_container_of_one_name_are_told_apart(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.source("A/1", "generation")
        factories.source("A/1")
    assert client.patch("/api/plant/sources/A/1", json={"role": "miners"}).get_json()["kind"] == "consumption"
    answer = client.patch("/api/plant/sources/A/1", json={"role": "retired", "kind": "generation"})
    assert answer.get_json()["kind"] == "generation"
    with app.app_context():
        assert db.session.query(PlantSource).filter_by(role="retired").one().role_changed_by.startswith("API from")


def test_the_mode(client: FlaskClient) -> None:
    answer = client.post("/api/balance/mode", json={"mode": "armed", "reason": "go"})
    assert (answer.status_code, answer.location) == (202, answer.get_json()["url"])
    assert get(client, "/api/balance/status")["mode"] == "armed"
    order = get(client, answer.location)
    assert (order["kind"], order["status"], order["arguments"]) == ("mode", "done", {"mode": "armed"})
    assert (order["reason"], order["result"]) == ("go", "The mode is armed from the next cycle on.")
    assert TIME.fullmatch(order["finished_at"])


@pytest.mark.parametrize("button, override", [("all-to-minimum", "minimum"), ("stop-all", "stop"), ("resume", "none")])
def test_a_button_is_an_order_and_in_force_at_once(client: FlaskClient, button: str, override: str) -> None:
    answer = client.post(f"/api/balance/{button}", json={"reason": "flood"})
    assert answer.status_code == 202
    order = get(client, answer.get_json()["url"])
    assert (order["kind"], order["status"], order["reason"]) == (button.replace("-", "_"), "waiting", "flood")
    assert get(client, "/api/balance/status")["override"] == override


def test_a_scan_is_ordered_without_any_body(client: FlaskClient) -> None:
    answer = client.post("/api/discovery/scan", content_type="application/json")
    assert answer.status_code == 202
    assert get(client, answer.location)["kind"] == "scan"
