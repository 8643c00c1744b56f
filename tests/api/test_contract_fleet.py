"""The contract of SPEC 7: exact fields, units and answers of models and miners, and commands to single miners."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.models import Miner, MinerModel
from app.redaction import Secret
from tests import factories
from tests.api.contract import MAC, TIME, get

MODEL = {"name", "alias", "max_preset", "presets", "presets_power", "created_at"}
MODEL_BESIDE = {
    "allow_modded_psu",
    "untuned_use",
    "version",
    "settle_s",
    "switch_loss_s",
    "switch_loss_counted_s",
    "learned_with_restart",
    "learned_without_restart",
}
MINER = {"id", "ip", "online", "managed", "model", "latest_status", "created_at", "updated_at"}
MINER_BESIDE = {
    "mac",
    "label",
    "hostname",
    "firmware_version",
    "hold",
    "hold_until",
    "hold_reason",
    "retired",
    "unlock_pass_set",
    "adoption_error",
    "last_seen_at",
    "power_factor",
    "hashrate_factor",
    "learned_at",
}
LATEST = {"state", "preset", "hashrate", "hashrate_ths", "power_consumption", "uptime", "fans", "chains", "recorded_at"}


def test_models(client: FlaskClient, farm: None) -> None:
    models = get(client, "/api/models")
    assert [model["alias"] for model in models] == ["s21xp", "s19jpro"]
    model = get(client, "/api/models/s19jpro")
    assert set(model) == MODEL | MODEL_BESIDE
    assert model["presets"] == ["1500", "2300", "2800", "3420"]
    assert {"preset", "power_w", "hashrate_th"} <= set(model["presets_power"][0])
    assert get(client, "/api/models/s21xp")["presets"][-1] == "disabled"


def test_a_models_limit_and_numbers_change(client: FlaskClient, farm: None) -> None:
    changes = {"max_preset": "3420", "presets_power": [{"preset": "2300", "power_w": 2350, "hashrate_th": 86.5}]}
    model = client.patch("/api/models/s19jpro", json=changes).get_json()
    assert model["max_preset"] == "3420"
    assert model["presets_power"][1]["power_w"] == 2350
    assert model["presets_power"][1]["hashrate_th"] == 86.5
    assert model["presets_power"][1]["firmware_power_w"] == 2300
    for left, cleared in (("power_w", "hashrate_th"), ("hashrate_th", "power_w")):
        before = client.get("/api/models/s19jpro").get_json()["presets_power"][1]
        rows = {"presets_power": [{"preset": "2300", cleared: None}]}
        after = client.patch("/api/models/s19jpro", json=rows).get_json()["presets_power"][1]
        assert after[left] == before[left], "what a row does not name stays"
    assert (after["power_w"], after["configured"]) == (2300, False)
    for nothing in ("", None):
        assert client.patch("/api/models/s19jpro", json={"max_preset": nothing}).get_json()["max_preset"] is None


def test_a_models_learned_numbers_stand_beside_the_configured_ones(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        model = db.session.query(MinerModel).filter_by(alias="s19jpro").one()
        model.switches = [{"with_restart": True, "settle_s": 104.0, "loss_s": 68.0}] * 3
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        assert miner.status is not None
        miner.status.power_factor, miner.status.hashrate_factor = 0.96001, 0.94
        miner.status.learned_at = miner.status.polled_at
        db.session.commit()
    numbers = {"preset": "2300", "power_w": 2350}
    shown = client.patch("/api/models/s19jpro", json={"presets_power": [numbers]}).get_json()
    assert shown == get(client, "/api/models/s19jpro")
    assert shown in get(client, "/api/models")
    rung = shown["presets_power"][1]
    assert (rung["firmware_power_w"], rung["power_w"], rung["learned_power_w"]) == (2300, 2350, 2208)
    assert (rung["hashrate_th"], rung["learned_hashrate_th"], rung["learned_miner_count"]) == (85.0, 79.9, 1)
    assert shown["learned_with_restart"] == {"events": 3, "settle_s": 104.0, "switch_loss_s": 68.0}
    assert shown["learned_without_restart"] == {"events": 0, "settle_s": None, "switch_loss_s": None}
    assert (shown["settle_s"], shown["switch_loss_s"], shown["switch_loss_counted_s"]) == (None, None, 68.0)
    miner = get(client, f"/api/miners/{MAC}")
    assert (miner["power_factor"], miner["hashrate_factor"]) == (0.96, 0.94)
    assert TIME.fullmatch(miner["learned_at"])
    untaught = get(client, "/api/miners/02:00:00:00:00:02")
    assert (untaught["power_factor"], untaught["hashrate_factor"], untaught["learned_at"]) == (1.0, 1.0, None)


def test_the_operators_own_times_win_until_they_are_cleared(client: FlaskClient, farm: None) -> None:
    own = client.patch("/api/models/s19jpro", json={"settle_s": 45.5, "switch_loss_s": 0}).get_json()
    assert (own["settle_s"], own["switch_loss_s"], own["switch_loss_counted_s"]) == (45.5, 0.0, 0.0)
    one = client.patch("/api/models/s19jpro", json={"switch_loss_s": None}).get_json()
    assert (one["settle_s"], one["switch_loss_s"], one["switch_loss_counted_s"]) == (45.5, None, 70.0)
    refused = client.patch("/api/models/s19jpro", json={"settle_s": 5}).get_json()
    assert refused == {"error": "settle_s must be a number from 15 to 1800, or null; got 5."}
    assert get(client, "/api/models/s19jpro")["settle_s"] == 45.5


def test_modified_supplies_are_marked_per_model(client: FlaskClient, farm: None) -> None:
    assert client.patch("/api/models/s21xp", json={"max_preset": "4200"}).status_code == 422
    both = client.patch("/api/models/s21xp", json={"allow_modded_psu": True, "max_preset": "4200"}).get_json()
    assert (both["allow_modded_psu"], both["max_preset"]) == (True, "4200")
    refused = client.patch("/api/models/s21xp", json={"allow_modded_psu": False})
    assert refused.status_code == 422
    assert "needs a modified power supply" in refused.get_json()["error"]
    assert client.patch("/api/models/s21xp", json={"allow_modded_psu": "yes"}).status_code == 422
    assert get(client, "/api/models/s21xp")["allow_modded_psu"] is True


def test_a_model_changed_meanwhile_is_a_conflict_where_a_version_is_named(client: FlaskClient, farm: None) -> None:
    seen = get(client, "/api/models/s19jpro")["version"]
    changed = client.patch("/api/models/s19jpro", json={"settle_s": 60, "version": seen}).get_json()
    assert changed["version"] == seen + 1
    late = client.patch("/api/models/s19jpro", json={"settle_s": 90, "version": seen})
    assert late.status_code == 409
    assert get(client, "/api/models/s19jpro")["settle_s"] == 60
    assert client.patch("/api/models/s19jpro", json={"settle_s": 90, "version": "1"}).status_code == 422
    assert client.patch("/api/models/s19jpro", json={"version": seen + 1}).get_json()["version"] == seen + 1


def test_the_use_of_untuned_presets_is_set_per_model(client: FlaskClient, farm: None) -> None:
    assert client.patch("/api/models/s19jpro", json={"untuned_use": "always"}).get_json()["untuned_use"] == "always"
    assert get(client, "/api/models/s19jpro")["untuned_use"] == "always"


def test_miners(client: FlaskClient, farm: None) -> None:
    answer = client.get("/api/miners?limit=5")
    assert answer.headers["X-Total-Count"] == "12"
    assert [miner["id"] for miner in answer.get_json()] == [12, 11, 10, 9, 8]
    miner = get(client, f"/api/miners/{MAC.upper()}")
    assert set(miner) == MINER | MINER_BESIDE
    latest = miner["latest_status"]
    assert set(latest) >= LATEST
    assert (latest["hashrate"], latest["hashrate_ths"]) == (85_500.0, 85.5)
    assert (latest["power_consumption"], latest["uptime"], latest["preset"]) == (2310, 86_000, "2300")
    assert {m["online"] for m in get(client, "/api/miners?online=false")} == {False}
    assert {m["model"] for m in get(client, "/api/miners?model=s21xp&managed=false")} == {"s21xp"}


def test_a_miners_history(client: FlaskClient, farm: None) -> None:
    assert set(get(client, f"/api/miners/{MAC}/statuses")[0]) == {
        "state",
        "preset",
        "hashrate",
        "hashrate_ths",
        "power_consumption",
        "uptime",
        "pcb_temp_c",
        "chip_temp_c",
        "recorded_at",
    }
    assert set(get(client, f"/api/miners/{MAC}/telemetry")[0]) == {
        "recorded_at",
        "board",
        "state",
        "power_w",
        "hashrate_ths",
        "frequency_mhz",
        "voltage_mv",
        "pcb_temp_c",
        "chip_temp_c",
        "chips_red",
        "chips_orange",
        "chips_grey",
    }
    assert get(client, f"/api/miners/{MAC}/statuses?since=2099-01-01T00:00:00Z") == []


def test_a_miner_is_changed(app: Flask, client: FlaskClient, farm: None) -> None:
    changes = {"managed": False, "label": " B2-07 ", "unlock_pass": "s3cret", "hold": True, "hold_minutes": 30}
    miner = client.patch(f"/api/miners/{MAC}", json=changes).get_json()
    assert (miner["managed"], miner["label"], miner["hold"], miner["unlock_pass_set"]) == (False, "B2-07", True, True)
    assert TIME.fullmatch(miner["hold_until"])
    with app.app_context():
        assert db.session.query(Miner).filter_by(mac=MAC).one().unlock_password == Secret("s3cret")
    miner = client.patch(f"/api/miners/{MAC}", json={"hold": False, "unlock_pass": None}).get_json()
    assert (miner["hold"], miner["hold_until"], miner["unlock_pass_set"]) == (False, None, False)


def test_a_preset_by_hand_with_a_hold(app: Flask, client: FlaskClient, farm: None) -> None:
    answer = client.post(f"/api/miners/{MAC}/preset", json={"preset": "2800", "hold_minutes": 60, "reason": "test"})
    assert answer.status_code == 202
    order = get(client, answer.location)
    assert (order["kind"], order["miner_id"], order["arguments"]["preset"]) == ("preset", 2, "2800")
    assert get(client, f"/api/miners/{MAC}")["hold"] is True


@pytest.mark.parametrize("preset, status, word", [("9999", 422, "2300"), ("3420", 409, "above"), ("", 422, "preset")])
def test_a_preset_that_a_limit_forbids_is_not_ordered(
    client: FlaskClient, farm: None, preset: str, status: int, word: str
) -> None:
    answer = client.post(f"/api/miners/{MAC}/preset", json={"preset": preset, "hold_minutes": 60})
    assert answer.status_code == status
    assert word in answer.get_json()["error"]
    assert get(client, f"/api/miners/{MAC}")["hold"] is False


def test_an_unmanaged_miner_is_not_commanded(client: FlaskClient, farm: None) -> None:
    answer = client.post("/api/miners/02:00:00:00:00:06/preset", json={"preset": "2300"})
    assert answer.status_code == 409
    client.patch("/api/miners/02:00:00:00:00:06", json={"hold": True})
    assert client.post("/api/miners/02:00:00:00:00:06/preset", json={"preset": "2300"}).status_code == 202


def test_a_model_without_max_preset_is_not_commanded(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        mac = (
            db.session.query(Miner.mac)
            .join(Miner.model)
            .filter(MinerModel.alias == "s21xp", Miner.managed.is_(True))
            .first()[0]
        )
        miner_id = db.session.query(Miner.id).filter_by(mac=mac).scalar()
        from app.models import MinerPreset

        factories.add(MinerPreset(miner_id=miner_id, name="2300", firmware_power_w=2300))
    answer = client.post(f"/api/miners/{mac}/preset", json={"preset": "2300"})
    assert answer.status_code == 409
    assert "max preset" in answer.get_json()["error"]


def test_a_hold_that_has_run_out_is_no_hold(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.miner(1, hold=True, hold_until=factories.ago(5), hold_reason="test", label="box 1")
    assert get(client, f"/api/miners/{MAC}")["hold"] is False
    assert get(client, "/api/balance/status")["held_miners_count"] == 0
    assert ">held<" not in client.get("/miners").text
    client.patch(f"/api/miners/{MAC}", json={"hold": True})
    assert get(client, "/api/balance/status")["held_miners_count"] == 1
    assert ">held<" in client.get("/miners").text
