from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import FarmSpec, MinerSpec, OtherHost, PlantSpec, Simulator, demo_farm
from simulator.farm import addresses
from simulator.http_server import require_loopback

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("ip", ["0.0.0.0", "10.0.0.1", "192.168.1.5", "::1", "localhost", ""])
def test_only_loopback_addresses_are_ever_bound(ip: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        require_loopback(ip)
    with pytest.raises(ValueError, match="loopback"):
        Simulator([MinerSpec()], plant_ip=ip)
    if ip:
        with pytest.raises(ValueError, match="loopback"):
            Simulator([MinerSpec(ip=ip)])


def test_addresses_skip_network_and_broadcast() -> None:
    upward = addresses("127.20.0.254")
    assert [next(upward) for _ in range(2)] == ["127.20.0.254", "127.20.1.1"]


def test_every_miner_has_an_address_of_its_own_within_the_subnets() -> None:
    with Simulator(260) as sim:
        assert len(set(sim.farm.ips)) == 260
        assert sim.subnets == ["127.20.0.0/24", "127.20.1.0/24"]
        last = requests.get(sim.miner_url(259) + "/api/v1/info", timeout=3).json()
    assert last["system"]["network_status"]["ip"] == "127.20.1.6"


def test_two_simulators_can_run_side_by_side() -> None:
    with Simulator(3) as one, Simulator(3) as two:
        assert one.miner_port != two.miner_port
        for sim in (one, two):
            assert requests.get(sim.miner_url(2) + "/api/v1/status", timeout=3).status_code == 200


def test_a_taken_port_is_an_error_and_leaves_nothing_behind() -> None:
    with Simulator(2) as one:
        with pytest.raises(OSError, match="in use"):
            Simulator(2, miner_port=one.miner_port).start()
        assert requests.get(one.miner_url() + "/", timeout=3).status_code == 200


def test_after_the_end_nothing_listens() -> None:
    with Simulator(1) as sim:
        url = sim.miner_url()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=1)
    sim.stop()


def test_hosts_that_are_no_vnish_miners() -> None:
    others = [OtherHost("stock"), OtherHost("other_json"), OtherHost("other_spa"), OtherHost("hang")]
    with Simulator(FarmSpec([MinerSpec()], others)) as sim:
        stock, other, spa, hanging = (f"http://{ip}:{sim.miner_port}/api/v1/info" for ip in sim.farm.ips[1:])
        answer = requests.get(stock, timeout=3)
        assert (answer.status_code, 'realm="antMiner' in answer.headers["WWW-Authenticate"]) == (401, True)
        assert requests.get(other, timeout=3).json()["fw_name"] == "SomethingElse"
        assert requests.get(spa, timeout=3).headers["Content-Type"] == "text/html"
        with pytest.raises(requests.ReadTimeout):
            requests.get(hanging, timeout=0.2)


def test_a_miner_can_change_its_address(sim: Simulator) -> None:
    old, mac = sim.miner_url(0), sim.miners[0].mac
    sim.change_ip(0, "127.20.7.7")
    with pytest.raises(requests.ConnectionError):
        requests.get(old, timeout=1)
    info = requests.get(sim.miner_url(0) + "/api/v1/info", timeout=3).json()
    assert info["system"]["network_status"]["mac"].lower() == mac
    assert "127.20.7.0/24" in sim.subnets
    with pytest.raises(ValueError, match="taken"):
        sim.change_ip(1, "127.20.7.7")


@pytest.mark.parametrize("topology", ["miners", "foreign", "mixed"])
def test_the_demo_plant_gives_three_quarters_of_what_the_farm_wants(topology: Any) -> None:
    sim = Simulator(demo_farm(40), topology=topology)
    foreign_kw = sum(meter.other_kw for meter in sim.plant._containers.values())
    overhead = 1.0 if topology == "foreign" else 1.03
    wanted_kw = sim.farm.max_power_w / 1000 * overhead
    assert (sim.plant.mean_generation_kw - foreign_kw) / wanted_kw == pytest.approx(0.75, abs=0.01)
    assert {miner.model.alias for miner in sim.miners} == {"s19jpro", "s19", "s21pro"}
    sim.stop()


def test_keep_alive_and_pipelining_answer_in_order(sim: Simulator) -> None:
    request = b"GET /api/v1/%s HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((sim.miners[0].ip, sim.miner_port), timeout=3) as connection:
        connection.sendall(request % b"status" + request % b"info")
        received = b""
        while b"fw_version" not in received:
            received += connection.recv(65_536)
    assert received.index(b"miner_state") < received.index(b"fw_version")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"GET /" + b"a" * 20_000, b"431"),
    ],
)
def test_requests_that_are_none_are_refused(sim: Simulator, raw: bytes, status: bytes) -> None:
    with socket.create_connection((sim.miners[0].ip, sim.miner_port), timeout=3) as connection:
        connection.sendall(raw)
        assert connection.recv(1_000).split(b" ")[1] == status


# -- control API ---------------------------------------------------------------------------------------------


def control(sim: Simulator, path: str, body: object = None) -> requests.Response:
    url = f"{sim.control_url}{path}"
    return requests.get(url, timeout=3) if body is None else requests.post(url, json=body, timeout=3)


def test_the_control_api_shows_the_truth(sim: Simulator) -> None:
    state = control(sim, "/state").json()
    assert state["miners"]["count"] == 4
    assert state["miners"]["power_w"] == pytest.approx(sim.farm.draw_w(), rel=0.01)
    assert state["plant"]["generation_kw"] == 12
    assert [miner["mac"] for miner in control(sim, "/miners").json()] == [miner.mac for miner in sim.miners]


def test_the_control_api_tells_every_secret_there_ever_was(sim: Simulator, client: Any) -> None:
    token = client.post("/unlock", {"pw": "admin"}).json()["token"]
    client.post("/apikeys", {"key": "a" * 32, "description": "PowerHive"})
    control(sim, "/miners/0/fault", {"fault": "lost_key", "args": {"password": "another"}})
    secrets = control(sim, "/secrets").json()
    assert set(secrets[sim.miners[0].mac]) == {"admin", client.headers["x-api-key"], token, "a" * 32, "another"}
    assert set(secrets) == {miner.mac for miner in sim.miners}


def test_the_control_api_switches_miner_faults(sim: Simulator, client: Any) -> None:
    mac = sim.miners[0].mac
    shown = control(sim, f"/miners/{mac}/fault", {"fault": "http500", "args": {"path": "/status"}}).json()
    assert shown[0]["faults"] == ["http500"]
    assert client.get("/status").status_code == 500
    control(sim, f"/miners/{mac}/fault", {"clear": "all"})
    assert client.get("/status").status_code == 200
    control(sim, "/miners/all/fault", {"fault": "offline"})
    with pytest.raises(requests.ConnectionError):
        client.get("/status")
    control(sim, "/miners/all/fault", {"clear": "offline"})
    assert client.get("/status").status_code == 200


def test_the_control_api_acts_like_a_technician(sim: Simulator, wait_for: Any) -> None:
    control(sim, "/miners/0/action", {"action": "technician_stop"})
    assert sim.miners[0].state == "stopped"
    control(sim, "/miners/0/action", {"action": "technician_start"})
    wait_for(lambda: sim.miners[0].state == "mining")
    control(sim, "/miners/0/action", {"action": "preset", "preset": "1740"})
    assert sim.miners[0].saved_preset == "1740"
    control(sim, "/miners/0/action", {"action": "reboot"})
    assert sim.miners[0].state == "dark"
    control(sim, "/miners/1/action", {"action": "change_ip", "ip": "127.20.9.9"})
    assert requests.get(sim.miner_url(1) + "/api/v1/status", timeout=3).status_code == 200


def test_the_control_api_steers_the_plant(sim: Simulator) -> None:
    assert control(sim, "/plant/generation", {"kw": 77}).json()["generation_kw"] == 77
    assert control(sim, "/plant/generation", {"factor": 2}).json()["generation_kw"] == 154
    assert control(sim, "/plant/generation", {"steps": [[0, 5]]}).json()["generation_kw"] == 5
    assert control(sim, "/plant/generation", {"day": True}).status_code == 200
    assert control(sim, "/plant/fault", {"fault": "http500"}).json()["faults"] == ["http500"]
    assert control(sim, "/plant/fault", {"clear": "all"}).json()["faults"] == []
    body = {"name": "container_2", "value": "zero"}
    assert control(sim, "/plant/source", body).json()["failed_sources"] == ["container_2"]
    assert control(sim, "/plant/source", {"restore": "all"}).json()["failed_sources"] == []
    assert control(sim, "/plant/container", {"name": "village", "kw": 4}).json()["containers_kw"]["village"] == 4
    assert "village" not in control(sim, "/plant/container", {"remove": "village"}).json()["containers_kw"]
    assert control(sim, "/plant/unit", {"unit": "kW"}).json()["unit"] == "kW"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/miners/all/fault", {"fault": "nonsense"}, 400),
        ("/miners/all/fault", {}, 400),
        ("/miners/99/fault", {"fault": "hang"}, 404),
        ("/miners/nobody/fault", {"fault": "hang"}, 404),
        ("/miners/0/action", {"action": "explode"}, 400),
        ("/miners/0/action", {"action": "preset", "preset": "1"}, 400),
        ("/miners/0/action", {"action": "change_ip", "ip": "10.0.0.1"}, 400),
        ("/plant/unit", {"unit": "W"}, 400),
        ("/plant/generation", {}, 400),
        ("/nothing", {}, 404),
        ("/state", [], 400),
    ],
)
def test_the_control_api_says_what_is_wrong(sim: Simulator, path: str, body: object, status: int) -> None:
    answer = control(sim, path, body)
    assert (answer.status_code, "error" in answer.json()) == (status, True)


def test_the_control_api_is_not_for_web_pages(sim: Simulator) -> None:
    headers = {"Origin": "http://example.com"}
    assert requests.get(f"{sim.control_url}/state", headers=headers, timeout=3).status_code == 403


# -- command line --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_things_are_and_ends_cleanly(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "simulator", "--miners", "3", "--models", "s19:1,s21pro:2", "--stock", "1"]
    command += ["--port", "0", "--plant-port", "0", "--control-port", "0", "--unit", "kW", "--miner-password", "hush"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        state = requests.get(where["control_url"] + "/state", timeout=3).json()
        process.send_signal(end)
        _, errors = process.communicate(timeout=10)
    assert (state["miners"]["count"], where["plant_unit"], process.returncode, errors) == (3, "kW", 0, "")
    assert where["miner_password"] == "hush"


@pytest.mark.parametrize("arguments", [["--base-ip", "10.0.0.1"], ["--models", "s99"], ["--time-scale", "0"]])
def test_a_wrong_command_line_is_explained(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "simulator", "--port", "0", "--plant-port", "0", "--control-port", "0", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("simulator: ")


def test_the_plant_spec_can_be_given_whole() -> None:
    with Simulator(1, PlantSpec(key="k", plant_id="p", mean_generation_kw=5.0, generators={"only": 1.0})) as sim:
        answer = requests.get(sim.plant_url, {"plant_id": "p"}, headers={"Authorization": "Bearer k"}, timeout=3)
    assert list(answer.json()["reading"]["generation"]) == ["only"]


def ask_cgminer(ip: str, command: str) -> Any:
    with socket.create_connection((ip, 4028), timeout=3) as connection:
        connection.sendall(json.dumps({"command": command}).encode())
        received = b""
        while more := connection.recv(65_536):
            received += more
    assert received.endswith(b"\x00")
    return json.loads(received[:-1])


def test_the_cgminer_api_answers_what_pyasic_asks() -> None:
    ip = "127.29.0.1"
    with Simulator([MinerSpec(ip=ip, preset="2500", power_share=1.0, hash_share=1.0)], with_cgminer=True):
        assert ask_cgminer(ip, "summary")["SUMMARY"][0]["GHS 5s"] == pytest.approx(92_000, rel=0.01)
        both = ask_cgminer(ip, "stats+pools")
        assert both["stats"][0]["STATS"][0]["Type"] == "Antminer S19j Pro (Vnish 1.2.6)"
        assert both["pools"][0]["POOLS"][0]["Status"] == "Alive"
        assert ask_cgminer(ip, "devdetails")["DEVDETAILS"][0]["Name"] == "BTM_S19JPRO"
        assert ask_cgminer(ip, "version")["STATUS"][0]["STATUS"] == "E"
