from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from simulator import SimMiner, Simulator
from simulator.faults import UnknownFaultError


def test_http500_and_garbage_and_html_spoil_the_answer_until_cleared(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "http500", status=502)
    assert client.get("/status").status_code == 502
    sim.clear_faults(0)
    for fault in ("garbage", "html"):
        sim.set_fault(0, fault)
        with pytest.raises(requests.JSONDecodeError):
            client.get("/status").json()
        sim.clear_faults(0, fault)
    assert client.get("/status").json()["miner_state"] == "mining"


def test_an_echo_says_back_what_it_was_asked_with(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "echo")
    answer = client.post("/unlock", {"pw": "hush"})
    assert answer.status_code == 400
    assert client.headers["x-api-key"] in answer.json()["err"]
    assert "hush" in answer.json()["err"]


@pytest.mark.parametrize("fault", ["close", "hang", "truncated", "offline"])
def test_faults_that_break_the_connection(sim: Simulator, client: Any, fault: str) -> None:
    sim.set_fault(0, fault)
    with pytest.raises((requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)):
        client.get("/status", timeout=0.3)
    sim.clear_faults(0)
    assert client.get("/status").status_code == 200


def test_only_the_chosen_miner_is_disturbed(sim: Simulator, client_of: Any) -> None:
    sim.set_fault(sim.miners[1].mac, "http500")
    assert [client_of(index).get("/status").status_code for index in range(4)] == [200, 500, 200, 200]
    sim.set_fault("s21pro", "http500")
    sim.set_fault(["s19", 0], "http500")
    assert [client_of(index).get("/status").status_code for index in range(4)] == [500] * 4
    sim.clear_faults()
    assert [client_of(index).get("/status").status_code for index in range(4)] == [200] * 4


def test_slow_answers_late(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "slow", seconds=0.3)
    with pytest.raises(requests.Timeout):
        client.get("/status", timeout=0.1)
    assert client.get("/status", timeout=3).elapsed.total_seconds() >= 0.3


def test_trickle_sends_drop_by_drop(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "trickle")
    answer = requests.get(f"{client.base}/api/v1/status", stream=True, timeout=3)
    assert answer.raw.read(1) == b"{"
    answer.close()


def test_a_fault_can_be_narrowed_to_a_path_and_counted(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "http500", path="/summary", times=1)
    assert client.get("/status").status_code == 200
    assert [client.get("/summary").status_code for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("status", [400, 500])
def test_reject_refuses_the_preset(sim: Simulator, client: Any, miner: SimMiner, status: int) -> None:
    sim.set_fault(0, "reject", status=status)
    answer = client.set_preset("2300")
    assert (answer.status_code, "err" in answer.json(), miner.saved_preset) == (status, True, "2500")


@pytest.mark.parametrize(("save", "saved"), [(False, "2500"), (True, "2300")])
def test_accept_not_apply_says_200_and_does_nothing(
    sim: Simulator, client: Any, miner: SimMiner, save: bool, saved: str
) -> None:
    sim.set_fault(0, "accept_not_apply", save=save)
    assert client.set_preset("2300").json() == {"restart_required": False, "reboot_required": False}
    assert (miner.running_preset, miner.saved_preset) == ("2500", saved)


def test_lost_answer_applies_and_resets(sim: Simulator, client: Any, miner: SimMiner) -> None:
    sim.set_fault(0, "lost_answer", path="/settings", method="POST")
    with pytest.raises(requests.ConnectionError):
        client.set_preset("2300")
    assert miner.running_preset == "2300"


def test_reject_restart_leaves_the_old_preset_running(sim: Simulator, client_of: Any) -> None:
    sim.set_fault(1, "reject_restart")
    client_of(1).set_preset("2000")
    assert client_of(1).post("/mining/restart").status_code == 500
    assert (sim.miners[1].running_preset, sim.miners[1].state) == ("2500", "mining")


def test_a_lost_key_answers_401_until_a_new_one_is_made(sim: Simulator, client: Any, client_of: Any) -> None:
    sim.set_fault(0, "lost_key")
    assert client.get("/settings").status_code == 401
    token = client.post("/unlock", {"pw": "admin"}).json()["token"]
    session = client_of(headers={"Authorization": token})
    session.post("/apikeys", {"key": client.headers["x-api-key"], "description": "PowerHive"})
    assert client.get("/settings").status_code == 200


def test_a_lost_key_with_another_password_stays_locked(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "lost_key", password="somebody-elses")
    assert client.post("/unlock", {"pw": "admin"}).status_code == 403


@pytest.mark.parametrize(("direction", "running"), [("down", "2300"), ("up", "2700")])
def test_the_switcher_moves_by_itself(sim: Simulator, client: Any, direction: str, running: str) -> None:
    sim.set_fault(0, "switcher_moves", direction=direction)
    perf = client.get("/perf-summary").json()
    assert (perf["current_preset"]["name"], perf["preset_switcher"]["enabled"]) == (running, True)
    assert client.get("/settings").json()["miner"]["overclock"]["preset"] == "2500"
    sim.clear_faults(0)
    assert client.get("/perf-summary").json()["preset_switcher"]["enabled"] is False


def test_power_zero_is_reported_and_not_drawn(sim: Simulator, client: Any, miner: SimMiner) -> None:
    sim.set_fault(0, "power_zero")
    summary = client.get("/summary").json()["miner"]
    assert (summary["power_consumption"], summary["hr_realtime"] > 90_000) == (0, True)
    assert miner.power_w == pytest.approx(2500, rel=0.01)


def test_failure_1002_and_back(sim: Simulator, client: Any, miner: SimMiner, wait_for: Any) -> None:
    sim.set_fault(0, "failure")
    status = client.get("/status").json()
    assert (status["miner_state"], status["failure_code"]) == ("failure", 1002)
    assert client.get("/perf-summary").json()["current_preset"] is None
    refused = client.post("/mining/pause")
    assert (refused.status_code, "failed-to-activate-pause-mode" in refused.json()["err"]) == (500, True)
    sim.clear_faults(0)
    wait_for(lambda: miner.state == "mining")


def test_a_lost_board(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "lost_board")
    summary = client.get("/summary").json()["miner"]
    assert summary["power_consumption"] == pytest.approx(2500 * 2 / 3, rel=0.01)
    assert [chain["status"]["state"] for chain in summary["chains"]] == ["mining", "mining", "failure"]
    sim.clear_faults(0)
    assert client.get("/summary").json()["miner"]["power_consumption"] == pytest.approx(2500, rel=0.01)


def test_an_offline_miner_goes_on_drawing(sim: Simulator, client: Any, miner: SimMiner) -> None:
    sim.set_fault("all", "offline")
    with pytest.raises(requests.ConnectionError):
        client.get("/status")
    assert miner.power_w == pytest.approx(2500, rel=0.01)
    sim.clear_faults("all", "offline")
    assert client.get("/status").json()["miner_state"] == "mining"


def test_after_a_power_cut_the_saved_load_comes_back(sim: Simulator, client_of: Any, wait_for: Any) -> None:
    client, miner = client_of(1), sim.miners[1]
    client.set_preset("2970")
    sim.set_fault(1, "power_cut")
    assert miner.power_w == 0
    with pytest.raises(requests.ConnectionError):
        client.get("/status")
    sim.clear_faults(1)
    wait_for(lambda: miner.state == "mining")
    assert miner.running_preset == "2970"


def test_an_unknown_fault_names_those_there_are(sim: Simulator) -> None:
    with pytest.raises(UnknownFaultError, match="accept_not_apply"):
        sim.set_fault(0, "nonsense")


def test_garbage_is_really_no_json(sim: Simulator, client: Any) -> None:
    sim.set_fault(0, "garbage")
    with pytest.raises(ValueError, match=r".*"):
        json.loads(client.get("/info").content)
