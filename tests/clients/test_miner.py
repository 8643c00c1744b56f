"""What can be done with a miner, and what its refusals and silences mean."""

from __future__ import annotations

import json

import pytest
import requests
import responses
from responses import matchers

from app.clients import answers, miner
from app.clients.miner import MinerAddress
from app.clients.vnish import VnishApi
from app.errors import MinerError, MinerUnauthorized, NotVnish

MAC = "02:00:00:00:00:01"
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "Zk3pQ8vT1mWc6RyB0nLhD5sXaG7uJe2F"
ADDRESS = MinerAddress("10.20.0.21", 80, KEY)
STRANGER = MinerAddress("10.20.0.21")
BASE = "http://10.20.0.21/api/v1"
GHS = ("GH/s", "sha256d")


# --- addresses and keys ----------------------------------------------------------------------------------------------


def test_an_address_hides_its_key_and_takes_no_names():
    assert KEY not in repr(ADDRESS) + str(ADDRESS)
    assert ADDRESS.base_url == "http://10.20.0.21"
    assert MinerAddress("10.20.0.21", 8080).base_url == "http://10.20.0.21:8080"
    assert MinerAddress("fd00::1", 81).base_url == "http://[fd00::1]:81"
    for name in ("miner.example", "10.0.0.1@evil.example", "10.0.0.1/x", ""):
        with pytest.raises(ValueError, match="does not appear to be"):
            MinerAddress(name)


def test_an_inspection_tells_chips_and_answers_without_secrets(mock, session, example_json):
    mock.get(f"{BASE}/summary", json=example_json("summary_mining_s19jpro_2500.json"))
    mock.get(f"{BASE}/perf-summary", json=example_json("perf_summary_2500_tuned.json"))
    mock.get(f"{BASE}/status", json={"miner_state": "mining", "password": "canary"})
    mock.get(f"{BASE}/chains", json=example_json("chains_1.2.6.json"))
    found = miner.inspect(session, ADDRESS, *GHS)
    assert [(chip.board, chip.chip, chip.grade) for chip in found.chips][:2] == [(1, 0, "orange"), (1, 1, "grey")]
    first = found.chips[0]
    assert (first.temp_c, first.frequency_mhz, first.hashrate_ghs, first.errors) == (57, 490.0, 244.4, 0)
    told = json.loads(found.answers)
    assert told["perf-summary"]["current_preset"]
    assert {pool["user"] for pool in told["summary"]["miner"]["pools"]} == {"***"}
    assert told["status"] == {"miner_state": "mining", "password": "***"}


@pytest.mark.parametrize("answer", [{"status": 404}, {"status": 500}, {"json": None}, {"json": [{"chips": [None, 7]}]}])
def test_an_inspection_without_usable_chips_is_still_one(mock, session, answer):
    mock.get(f"{BASE}/summary", json={})
    mock.get(f"{BASE}/perf-summary", status=500)
    mock.get(f"{BASE}/status", json={})
    mock.get(f"{BASE}/chains", **answer)
    if answer.get("status") == 404:
        mock.get(f"{BASE}/boards", status=404)
    found = miner.inspect(session, ADDRESS, *GHS)
    assert all(chip.temp_c is None for chip in found.chips)
    assert json.loads(found.answers)["perf-summary"] is None


def test_the_key_is_sent_to_every_call_but_the_two_that_strangers_get(mock, session):
    with_key = [matchers.header_matcher({"x-api-key": KEY})]
    mock.get(f"{BASE}/summary", json={"miner": {"miner_status": {"miner_state": "mining"}}}, match=with_key)
    mock.get(f"{BASE}/perf-summary", json={}, match=with_key)
    mock.get(f"{BASE}/settings", json={}, match=with_key)
    mock.get(f"{BASE}/info", json={})
    miner.read_status(session, ADDRESS, *GHS)
    miner.read_saved_preset(session, ADDRESS)
    with pytest.raises(NotVnish):
        miner.identify(session, ADDRESS)
    assert "x-api-key" not in mock.calls[-1].request.headers


def test_no_secret_is_in_an_error_a_repr_or_the_log(mock, session, caplog):
    caplog.set_level("DEBUG")
    mock.post(f"{BASE}/settings", status=500, json={"err": "x" * 190 + KEY + "\x00\x1b[2J" + "y" * 900})
    mock.post(f"{BASE}/unlock", status=500, json={"err": "bad password hunter2"})
    with pytest.raises(MinerError) as first:
        miner.set_preset(session, ADDRESS, "2300")
    with pytest.raises(MinerError) as second:
        miner.adopt(session, ADDRESS, "hunter2", MAC)
    said = str(first.value) + str(second.value) + repr(VnishApi(session, ADDRESS, token=TOKEN)) + caplog.text
    for secret in (KEY, KEY[:8], TOKEN, "hunter2", "\x1b"):
        assert secret not in said
    assert len(str(first.value)) < 300


# --- who is there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "headers", "firmware"),
    [
        (200, "{}", {}, "other"),
        (200, "[]", {}, "other"),
        (200, "null", {}, "other"),
        (200, '{"fw_name": 7}', {}, "other"),
        (200, '{"fw_name": "Braiins\\u0000OS"}', {}, "BraiinsOS"),
        (200, "", {}, "other"),
        (401, "", {"WWW-Authenticate": 'Digest realm="antMiner Configuration"'}, "Bitmain stock"),
        (401, "", {"Server": "lighttpd/1.4"}, "Bitmain stock"),
        (401, "", {}, "other"),
        (404, "nginx", {}, "other"),
        (301, "", {"Location": "http://10.20.0.22/"}, "other"),
    ],
)
def test_what_is_not_vnish_is_named_and_left_alone(mock, session, status, body, headers, firmware):
    mock.get(f"{BASE}/info", status=status, body=body, headers=headers)
    with pytest.raises(NotVnish) as caught:
        miner.identify(session, STRANGER)
    assert caught.value.firmware == firmware
    assert len(mock.calls) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"miner": "Antminer S19", "fw_na'),
        (200, "[" * 50_000),
        (200, '<html><head><meta name="firmware" content="AnthillOS"></head>'),
        (502, "Bad Gateway"),
        (503, ""),
        (429, ""),
    ],
)
def test_a_vnish_miner_having_a_bad_moment_is_not_written_off(mock, session, status, body):
    mock.get(f"{BASE}/info", status=status, body=body)
    with pytest.raises(MinerError) as caught:
        miner.identify(session, STRANGER)
    assert not isinstance(caught.value, NotVnish)
    assert (caught.value.answered, caught.value.permanent) == (True, False)


def test_the_model_is_asked_only_where_info_leaves_something_out(mock, session):
    mock.get(f"{BASE}/info", json={"fw_name": "VNISH", "fw_version": "1.2.6"})
    mock.get(f"{BASE}/model", json={"model": "S19jPro", "full_name": "Antminer S19j Pro", "hr_measure": "GH/s"})
    identity = miner.identify(session, STRANGER)
    assert (identity.model_alias, identity.model_name, identity.algorithm) == (
        "s19jpro",
        "Antminer S19j Pro",
        "sha256d",
    )


@pytest.mark.parametrize("mac", [None, "", 7, "N/A", "02:1a:7c:00:10", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"])
def test_what_is_no_mac_is_none(mac):
    info = {"model": "s19", "system": {"network_status": {"mac": mac}}}
    assert answers.identity("10.0.0.1", info).mac is None


def test_a_nameless_model_is_unknown_and_names_are_cleaned():
    assert answers.identity("10.0.0.1", {}).model_alias == "unknown"
    assert answers.identity("10.0.0.1", {"miner": "Antminer S19j Pro"}).model_alias == "s19jpro"
    identity = answers.identity("10.0.0.1", {"model": "../S19 <b>", "miner": "\x00" + "n" * 500})
    assert identity.model_alias == "..s19b"
    assert identity.model_name == "n" * 120


# --- adoption --------------------------------------------------------------------------------------------------------


def test_adoption_reuses_our_key_with_the_token_alone_and_locks(mock, session):
    bearer = [matchers.header_matcher({"Authorization": f"Bearer {TOKEN}"})]
    mock.post(f"{BASE}/unlock", json={"token": TOKEN}, match=[matchers.json_params_matcher({"pw": "admin"})])
    mock.get(f"{BASE}/apikeys", json=[{"key": KEY, "description": f"PowerHive {MAC}"}], match=bearer)
    mock.post(f"{BASE}/lock", match=bearer)
    assert miner.adopt(session, ADDRESS, "admin", MAC) == KEY
    assert not any("x-api-key" in call.request.headers for call in mock.calls)


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [{"key": KEY, "description": "monitoring"}],
        [{"key": KEY, "description": "PowerHive 02:00:00:00:00:99"}],  # settings copied from another miner
        [{"key": "short", "description": f"PowerHive {MAC}"}],
        [{"key": None, "description": f"PowerHive {MAC}"}, None, 7, {}],
    ],
)
def test_adoption_makes_a_key_of_its_own_where_there_is_none_to_reuse(mock, session, listed):
    mock.post(f"{BASE}/unlock", json={"token": TOKEN})
    mock.get(f"{BASE}/apikeys", json=listed)
    mock.post(f"{BASE}/apikeys", json={"status": "inserted"})
    mock.post(f"{BASE}/lock", status=500)  # no reason to lose the key
    key = miner.adopt(session, STRANGER, "admin", MAC)
    assert json.loads(mock.calls[2].request.body) == {"key": key, "description": f"PowerHive {MAC}"}
    assert (len(key), key != KEY) == (32, True)


def test_adoption_locks_even_where_it_fails(mock, session):
    mock.post(f"{BASE}/unlock", json={"token": TOKEN})
    mock.get(f"{BASE}/apikeys", json={"err": "?"})
    mock.post(f"{BASE}/lock")
    with pytest.raises(MinerError):
        miner.adopt(session, STRANGER, "admin", MAC)


@pytest.mark.parametrize(
    "answer", [{}, None, [], {"token": None}, {"token": 7}, {"token": "a\nb"}, {"token": "\u20ac"}]
)
def test_an_unlock_without_a_token_is_an_error(mock, session, answer):
    mock.post(f"{BASE}/unlock", json=answer)
    with pytest.raises(MinerError):
        miner.adopt(session, STRANGER, "admin", MAC)


# --- changes ---------------------------------------------------------------------------------------------------------


def test_a_preset_is_set_by_its_name_and_nothing_else(mock, session):
    body = {"miner": {"overclock": {"preset": "3010W"}}}
    mock.post(f"{BASE}/settings", json={"restart_required": True}, match=[matchers.json_params_matcher(body)])
    result = miner.set_preset(session, ADDRESS, "3010W")
    assert (result.accepted, result.restart_required, result.reboot_required) == (True, True, False)


@pytest.mark.parametrize("body", ["", "null", "{}", "[]", '"ok"'])
def test_a_yes_without_flags_asks_for_nothing(mock, session, body):
    mock.post(f"{BASE}/settings", body=body)
    assert not miner.set_preset(session, ADDRESS, "2300").restart_required


@pytest.mark.parametrize(
    ("answer", "answered", "reached", "permanent"),
    [
        ({"body": requests.ReadTimeout()}, False, True, False),
        ({"body": requests.ConnectionError("reset")}, False, True, False),
        ({"body": requests.ConnectTimeout()}, False, False, False),
        ({"body": '{"restart_req'}, False, True, False),  # it did something
        ({"body": "x" * 200_000}, False, True, False),
        ({"status": 400, "json": {"err": "unknown preset"}}, True, True, True),
        ({"status": 404}, True, True, True),
        ({"status": 405}, True, True, True),
        ({"status": 302, "headers": {"Location": "/"}}, True, True, True),
        ({"status": 500, "json": {"err": None}}, True, True, False),
        ({"status": 503, "body": "[" * 90_000}, True, True, False),
    ],
)
def test_it_says_what_is_certain_about_a_change_that_failed(mock, session, answer, answered, reached, permanent):
    mock.post(f"{BASE}/settings", **answer)
    with pytest.raises(MinerError) as caught:
        miner.set_preset(session, ADDRESS, "2300")
    error = caught.value
    assert (error.answered, error.reached, error.permanent) == (answered, reached, permanent)
    assert not isinstance(error, MinerUnauthorized)


def test_the_firmwares_own_words_are_passed_on(mock, session):
    mock.post(f"{BASE}/settings", status=400, json={"err": "unknown preset\n"})
    with pytest.raises(MinerError, match=r"10\.20\.0\.21 refused to save the preset \(400\): unknown preset\.$"):
        miner.set_preset(session, ADDRESS, "2300")


@pytest.mark.parametrize("command", [miner.start, miner.stop, miner.restart])
@pytest.mark.parametrize(("status", "body"), [(200, ""), (200, "null"), (204, ""), (202, "<p>ok"), (200, "{}")])
def test_any_yes_to_a_command_is_a_yes(mock, session, command, status, body):
    mock.post(f"{BASE}/mining/{command.__name__}", status=status, body=body)
    assert command(session, ADDRESS) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_dead_key_is_told_apart_and_a_new_one_works(mock, session, status):
    mock.post(f"{BASE}/mining/stop", status=status)
    with pytest.raises(MinerUnauthorized):
        miner.stop(session, ADDRESS)
    mock.replace(responses.POST, f"{BASE}/mining/stop")
    miner.stop(session, MinerAddress(ADDRESS.ip, 80, "f" * 32))
    assert mock.calls[-1].request.headers["x-api-key"] == "f" * 32


def test_the_saved_preset_is_checked(mock, session):
    mock.get(f"{BASE}/settings", json={"miner": {"overclock": {"preset": 2300}}})
    assert miner.check_saved_preset(session, ADDRESS, "2300")
    assert not miner.check_saved_preset(session, ADDRESS, "2150")


def test_nobody_there_was_not_reached(session, closed_port):
    with pytest.raises(MinerError) as caught:
        miner.set_preset(session, MinerAddress("127.0.0.1", closed_port, KEY), "2300")
    assert (caught.value.reached, caught.value.answered) == (False, False)


@pytest.mark.timeout(10)
def test_a_miner_that_hangs_may_have_done_anything(session, raw_server):
    server = raw_server(lambda _, stopping: stopping.wait(5))
    with pytest.raises(MinerError) as caught:
        miner.stop(session, MinerAddress("127.0.0.1", server.port, KEY))
    assert (caught.value.reached, caught.value.answered) == (True, False)
