from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator import SimMiner, Simulator

OPEN = ["/info", "/model", "/status", "/summary", "/perf-summary", "/chains", "/chains/factory-info", "/logs/miner"]
GUARDED = ["/autotune/presets", "/auth-check", "/apikeys", "/settings"]
GUARDED_POSTS = [
    "/apikeys", "/apikeys/delete", "/settings", "/mining/start", "/mining/stop", "/mining/pause", "/mining/resume",
    "/mining/restart", "/mining/switch-pool", "/system/reboot", "/lock", "/lock/others",
]  # fmt: skip


def test_the_root_page_tells_anthillos(sim: Simulator) -> None:
    page = requests.get(sim.miner_url() + "/", timeout=3)
    assert '<meta name="firmware" content="AnthillOS">' in page.text


@pytest.mark.parametrize("path", OPEN)
def test_open_endpoints_need_no_credential(client_of: Any, path: str) -> None:
    assert client_of(headers={}).get(path).status_code == 200


@pytest.mark.parametrize("path", GUARDED)
def test_guarded_endpoints_answer_401_with_an_empty_body(client_of: Any, path: str) -> None:
    answer = client_of(headers={"x-api-key": "f" * 32}).get(path)
    assert (answer.status_code, answer.content) == (401, b"")
    assert client_of().get(path).status_code == 200


@pytest.mark.parametrize("path", GUARDED_POSTS)
def test_guarded_writes_answer_401(client_of: Any, path: str) -> None:
    assert client_of(headers={}).post(path, {}).status_code == 401


@pytest.mark.parametrize("form", ["Bearer {}", "{}", "bearer {}"])
def test_a_session_works_with_and_without_the_word_bearer(client_of: Any, form: str) -> None:
    token = client_of(headers={}).post("/unlock", {"pw": "admin"}).json()["token"]
    assert len(token) == 32
    session = client_of(headers={"Authorization": form.format(token)})
    assert session.get("/settings").status_code == 200
    assert session.get("/status").json()["unlocked"] is True
    assert session.get("/auth-check").json()["unlock_timeout"] > 0


def test_wrong_passwords_end_in_429(client_of: Any) -> None:
    nobody = client_of(headers={})
    tries = [nobody.post("/unlock", {"pw": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in tries] == [403] * 5 + [429]
    assert tries[0].json() == {"unlock_timeout": None}
    assert tries[-1].json()["unlock_timeout"] > 0
    assert nobody.post("/unlock", {"pw": "admin"}).status_code == 429


def test_lock_drops_the_session_and_lock_others_the_others(client_of: Any) -> None:
    def session() -> Any:
        token = client_of(headers={}).post("/unlock", {"pw": "admin"}).json()["token"]
        return client_of(headers={"Authorization": f"Bearer {token}"})

    one, two = session(), session()
    one.post("/lock/others")
    assert (one.get("/settings").status_code, two.get("/settings").status_code) == (200, 401)
    one.post("/lock")
    assert one.get("/settings").status_code == 401


def test_api_keys_are_inserted_updated_unchanged_listed_and_deleted(client_of: Any) -> None:
    ours, new = client_of(), {"key": "a" * 32, "description": "monitoring"}
    assert ours.post("/apikeys", new).json() == {"status": "inserted"}
    assert ours.post("/apikeys", new).json() == {"status": "nochanges"}
    assert ours.post("/apikeys", new | {"description": "x"}).json() == {"status": "updated"}
    assert {"key": "a" * 32, "description": "x"} in ours.get("/apikeys").json()
    assert ours.post("/apikeys", {"key": "short", "description": "x"}).status_code == 400
    assert ours.post("/apikeys/delete", {"key": "a" * 32}).status_code == 200
    assert client_of(headers={"X-API-KEY": "a" * 32}).get("/settings").status_code == 401


def test_the_mac_is_locally_administered_and_the_same_for_the_same_seed(sim: Simulator, client: Any) -> None:
    mac = client.get("/info").json()["system"]["network_status"]["mac"]
    assert mac.lower() == sim.miners[0].mac
    assert int(mac[:2], 16) & 0b11 == 0b10
    with Simulator(4, seed=sim.seed) as again:
        assert [miner.mac for miner in again.miners] == [miner.mac for miner in sim.miners]


def test_the_four_answers_agree_on_a_mining_miner(client: Any, miner: SimMiner) -> None:
    info, summary = client.get("/info").json(), client.get("/summary").json()["miner"]
    assert (info["fw_name"], info["model"], info["hr_measure"]) == ("Vnish", "s19jpro", "GH/s")
    assert client.get("/status").json()["miner_state"] == summary["miner_status"]["miner_state"] == "mining"
    assert summary["power_consumption"] == pytest.approx(2500, rel=0.01)
    assert summary["hr_realtime"] == pytest.approx(92_000, rel=0.01)
    assert summary["instant_hashrate"] == pytest.approx(summary["hr_realtime"] / 1000)
    assert sum(chain["power_consumption"] for chain in summary["chains"]) == pytest.approx(2500, rel=0.01)
    assert client.get("/perf-summary").json()["current_preset"]["name"] == miner.running_preset == "2500"


def test_pool_users_are_masked_without_a_credential(client_of: Any) -> None:
    assert client_of(headers={}).get("/summary").json()["miner"]["pools"][0]["user"] == "*****"
    assert client_of().get("/summary").json()["miner"]["pools"][0]["user"] != "*****"


def test_the_ladder_lists_disabled_first_and_tunings(client: Any) -> None:
    ladder = client.get("/autotune/presets").json()
    assert ladder[0]["name"] == "disabled"
    by_name = {preset["name"]: preset for preset in ladder}
    assert by_name["2300"]["pretty"] == "2300 watt ~ 87 TH"
    assert by_name["2300"]["tune_settings"]["hashrate"] == 87_000
    assert (by_name["3080"]["status"], "tune_settings" in by_name["3080"]) == ("untuned", False)
    assert by_name["3670"]["modded_psu_required"] is True


def test_a_quick_change_runs_at_once_and_is_recorded(client: Any, miner: SimMiner) -> None:
    answer = client.set_preset("2300")
    assert answer.json() == {"restart_required": False, "reboot_required": False}
    assert (miner.saved_preset, miner.running_preset) == ("2300", "2300")
    assert [(preset, status) for _, preset, status in miner.preset_writes] == [("2300", 200)]


def test_a_change_that_needs_a_restart(client_of: Any, sim: Simulator, wait_for: Callable[..., None]) -> None:
    client, miner = client_of(1), sim.miners[1]
    assert client.set_preset("2000").json()["restart_required"] is True
    assert client.get("/status").json()["restart_required"] is True
    assert client.get("/perf-summary").json()["current_preset"]["name"] == "2500"
    answer = client.post("/mining/restart")
    assert (answer.status_code, answer.content) == (200, b"")
    assert miner.power_w < 200
    wait_for(lambda: client.get("/summary").json()["miner"]["power_consumption"] > 1900)
    assert client.get("/perf-summary").json()["current_preset"]["name"] == "2000"
    assert client.get("/status").json()["restart_required"] is False


@pytest.mark.parametrize(("preset", "error"), [("2100", "unknown preset"), (2300, "invalid type"), ("", "unknown")])
def test_a_preset_the_ladder_has_not_is_400(client: Any, miner: SimMiner, preset: object, error: str) -> None:
    answer = client.set_preset(preset)
    assert answer.status_code == 400
    assert error in answer.json()["err"]
    assert miner.saved_preset == "2500"


def test_partial_settings_are_merged_and_strange_parts_ignored(client: Any) -> None:
    body = {"miner": {"misc": {"quick_start": True}, "cooling": {"mode": {"name": "manual"}}}, "post": True}
    assert client.post("/settings", body).status_code == 200
    settings = client.get("/settings").json()
    assert (settings["miner"]["misc"]["quick_start"], settings["miner"]["misc"]["asic_boost"]) == (True, True)
    assert settings["miner"]["cooling"]["mode"] == {"name": "manual", "param": 65}
    assert settings["miner"]["overclock"]["preset"] == "2500"
    assert "post" not in settings


@pytest.mark.parametrize("body", [[], "text", 3, {"miner": []}])
def test_settings_of_a_wrong_shape_are_400(client: Any, body: object) -> None:
    assert client.post("/settings", body).status_code == 400


@pytest.mark.parametrize(("off", "on"), [("stop", "start"), ("pause", "resume")])
def test_stop_and_start_over_the_api(client: Any, miner: SimMiner, wait_for: Any, off: str, on: str) -> None:
    assert client.post(f"/mining/{off}").status_code == 200
    assert client.get("/status").json()["miner_state"] == "stopped"
    assert client.get("/summary").json()["miner"]["power_consumption"] == 0
    assert miner.power_w == pytest.approx(28)
    client.post(f"/mining/{on}")
    wait_for(lambda: miner.state == "mining")


def test_a_reboot_keeps_the_keys_drops_the_sessions_and_runs_the_saved_preset(
    client_of: Any, sim: Simulator, wait_for: Any
) -> None:
    client, miner = client_of(1), sim.miners[1]
    token = client.post("/unlock", {"pw": "admin"}).json()["token"]
    client.set_preset("2970")
    assert client.post("/system/reboot").json() == {"after": 0}
    wait_for(lambda: miner.state == "dark")
    with pytest.raises(requests.ConnectionError):
        client.get("/status")
    wait_for(lambda: miner.state == "mining")
    assert miner.running_preset == "2970"
    assert client.get("/settings").status_code == 200
    assert client_of(1, {"Authorization": token}).get("/settings").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/mining/throttle", 404), ("GET", "/nothing", 404), ("POST", "/info", 405), ("GET", "/unlock", 405)],
)
def test_what_the_version_lacks_is_404_and_a_wrong_method_405(
    sim: Simulator, method: str, path: str, status: int
) -> None:
    assert requests.request(method, f"{sim.miner_url()}/api/v1{path}", timeout=3).status_code == status


def test_requests_are_counted(client: Any, miner: SimMiner) -> None:
    client.get("/status")
    client.get("/status")
    assert miner.requests["GET /api/v1/status"] == 2
