"""Every example answer is read by the reader of its endpoint, and the deliberate deviations mean what they must."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import responses

from app.clients import answers, miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clients.vnish import VnishApi
from app.core.readings import MinerState
from app.errors import MinerError, MinerUnauthorized, NotVnish

MAC = "02:00:00:00:00:01"
FOLDER = Path(__file__).parent.parent / "fixtures" / "vnish"
INDEX = json.loads((FOLDER / "index.json").read_bytes())
BASE = "http://10.20.0.21/api/v1"
KEY = "k" * 32
ADDRESS = MinerAddress("10.20.0.21", 80, KEY)
GHS = ("GH/s", "sha256d")
MHS = ("MH/s", "scrypt")
STOCK_HEAD = {"WWW-Authenticate": 'Digest realm="antMiner Configuration"', "Server": "lighttpd/1.4.32"}


def units(entry):
    return MHS if entry["model"] == "l9" else GHS


def identify(session, entry):
    return miner.identify(session, MinerAddress("10.20.0.21"))


def read_status(session, entry):
    return miner.read_status(session, ADDRESS, *units(entry))


def read_flags(session, entry):
    return miner.read_status(session, ADDRESS, *units(entry), with_flags=True)


def adopt(session, entry):
    return miner.adopt(session, MinerAddress("10.20.0.21"), "admin", MAC)


READERS = {
    ("GET", "/info"): identify,
    ("GET", "/model"): identify,
    ("GET", "/status"): read_flags,
    ("GET", "/summary"): read_status,
    ("GET", "/perf-summary"): read_status,
    ("GET", "/autotune/presets"): lambda s, e: miner.read_ladder(s, ADDRESS, units(e)[1]),
    ("GET", "/settings"): lambda s, e: miner.read_saved_preset(s, ADDRESS),
    ("POST", "/settings"): lambda s, e: miner.set_preset(s, ADDRESS, "2300"),
    ("POST", "/unlock"): adopt,
    ("GET", "/apikeys"): adopt,
    ("POST", "/apikeys"): adopt,
    ("POST", "/mining/{start,stop,pause,resume,restart}"): lambda s, e: miner.restart(s, ADDRESS),
    ("POST", "/mining/pause"): lambda s, e: VnishApi(s, ADDRESS).mining("pause"),
    ("GET", "/chains"): lambda s, e: miner.read_boards(s, ADDRESS, *units(e)),
    ("GET", "/boards"): lambda s, e: miner.read_boards(s, ADDRESS, *units(e)),
}

SUMMARY = {"miner": {"miner_status": {"miner_state": "mining"}, "power_consumption": 2500, "hr_realtime": 92000.0}}
OLD_INFO = {"fw_name": "vnish", "fw_version": "1.2.5", "miner": "Antminer S19", "model": "s19", "hr_measure": "GH/s"}


def farm_around(mock, entry):
    """Answer everything else that the reader asks, in the way of a healthy miner."""
    mock.get(f"{BASE}/info", json=OLD_INFO)
    mock.get(f"{BASE}/model", status=404)
    empty_summary = entry["path"] == "/status"
    mock.get(f"{BASE}/summary", json={"miner": None} if empty_summary else SUMMARY)
    mock.get(f"{BASE}/perf-summary", json={"current_preset": {"name": "2500"}})
    mock.get(f"{BASE}/status", json={"miner_state": "stopped"})
    mock.post(f"{BASE}/unlock", json={"token": "t" * 32})
    mock.get(f"{BASE}/apikeys", json=[])
    mock.post(f"{BASE}/apikeys", json={"status": "inserted"})
    mock.post(f"{BASE}/lock")
    if entry["path"] == "/boards":
        mock.get(f"{BASE}/chains", status=404)


def read(name):
    """Return what our reader makes of one example, or the MinerError it raises."""
    entry = next(e for e in INDEX if e["file"] == name)
    path = entry["path"].replace("{start,stop,pause,resume,restart}", "restart")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, SweepSession() as session:
        mock.add(
            entry["method"],
            BASE + path,
            body=(FOLDER / name).read_bytes(),
            status=entry["status"],
            headers=STOCK_HEAD if "stock" in name else {},
        )
        farm_around(mock, entry)
        try:
            return READERS[entry["method"], entry["path"]](session, entry)
        except MinerError as e:
            return e


def status(**expected):
    return lambda got: {name: asdict(got)[name] for name in expected} == expected


def identity(**expected):
    return status(**expected)


def ladder(*expected):
    """Expect (name, watts, TH/s, tuned, modified power supply) of every preset."""
    return lambda got: (
        [(p.name, p.firmware_power_w, p.hashrate_ths, p.tuned, p.modded_psu_required) for p in got] == list(expected)
    )


def error(kind, **attributes):
    return lambda got: type(got) is kind and {name: getattr(got, name) for name in attributes} == attributes


def flags(restart, reboot):
    return lambda got: (got.accepted, got.restart_required, got.reboot_required) == (True, restart, reboot)


def boards(*expected):
    return lambda got: [(b.board, b.state, b.hashrate_ths, b.chips_grey, b.chips_orange) for b in got] == list(expected)


def is_new_key(got):
    return isinstance(got, str) and len(got) == 32 and int(got, 16) >= 0


MINING, TUNING = MinerState.MINING, MinerState.AUTO_TUNING
EXPECTED = {
    "info_s19jpro_1.2.6.json": identity(
        mac="02:1a:7c:00:10:21",
        ip="10.20.0.21",
        model_alias="s19jpro",
        model_name="Antminer S19j Pro",
        firmware_version="1.2.6",
        algorithm="sha256d",
        hr_measure="GH/s",
        platform="bb",
        hostname="Antminer",
    ),
    "info_s21pro_1.2.7.json": identity(mac="02:1a:7c:00:10:31", model_alias="s21pro"),
    "info_s19kpro_1.3.4.json": identity(mac="02:1a:7c:00:10:41", hostname="rack-3-07", firmware_version="1.3.4"),
    "info_l9_scrypt_1.2.7.json": identity(algorithm="scrypt", hr_measure="MH/s", model_alias="l9"),
    "info_old_1.2.0_system_null.json": identity(mac=None, algorithm="sha256d", model_alias="s19", hostname=""),
    "info_unauthenticated_hostname_empty.json": identity(hostname="", firmware_version="1.2.6-hf3"),
    "info_other_firmware.json": error(NotVnish, firmware="SomethingElse", permanent=True, answered=True),
    "info_html_spa.html": error(NotVnish, firmware="other"),
    "info_stock_401.html": error(NotVnish, firmware="Bitmain stock"),
    "model_s19jpro_1.2.6.json": identity(algorithm="sha256d", model_alias="s19"),
    "model_s21pro_1.3.4.json": identity(algorithm="sha256d", model_alias="s19"),
    "model_missing_404.txt": identity(algorithm="sha256d", model_name="Antminer S19"),
    "status_mining.json": status(state=MINING, state_time_s=45441, restart_required=False, reboot_required=False),
    "status_mining_with_session.json": status(state=MINING, state_time_s=612),
    "status_float_time.json": status(state_time_s=45441),
    "status_auto_tuning.json": status(state=TUNING, state_time_s=4422, power_w=None, hashrate_ths=None),
    "status_initializing.json": status(state=MinerState.INITIALIZING),
    "status_starting.json": status(state=MinerState.STARTING),
    "status_restarting.json": status(state=MinerState.RESTARTING),
    "status_shutting_down.json": status(state=MinerState.SHUTTING_DOWN),
    "status_stopped.json": status(state=MinerState.STOPPED),
    "status_failure_1002.json": status(
        state=MinerState.FAILURE, failure_code=1002, description="Failed to parse miner configuration"
    ),
    "status_failure_null_code.json": status(failure_code=None, description="Chain break detected"),
    "status_restart_required.json": status(restart_required=True, reboot_required=False, running_preset="2500"),
    "status_reboot_required.json": status(restart_required=False, reboot_required=True, state=MinerState.STOPPED),
    "status_unknown_state.json": status(state=MinerState.UNKNOWN, raw_state="paused"),
    "status_1.3_throttled.json": status(throttled_percent=60),
    "status_minimal.json": status(state=MINING, restart_required=None, state_time_s=None, throttled_percent=None),
    "summary_mining_s19jpro_2500.json": status(
        power_w=2498, hashrate_ths=92.42, power_metered=False, pcb_temp_c=48, chip_temp_c=58, fan_duty_percent=82
    ),
    "summary_mining_s21pro_metered.json": status(power_w=3149, power_metered=True, hashrate_ths=212.3),
    "summary_auto_tuning_hashing.json": status(state=TUNING, power_w=2583, hashrate_ths=173.87),
    "summary_auto_tuning_stalled.json": status(state=TUNING, power_w=2700, hashrate_ths=0.0, efficiency_w_per_ths=None),
    "summary_mining_power_zero.json": status(power_w=None, efficiency_w_per_ths=None, power_metered=False),
    "summary_initializing_1.2.0.json": lambda got: (
        (got.state, got.power_w, got.boards) == (MinerState.INITIALIZING, 146, ())
        and [(f.fan, f.rpm, f.ok) for f in got.fans] == [(0, 0, True), (1, 0, True)]  # immersed
    ),
    "summary_stopped.json": status(state=MinerState.STOPPED, power_w=0, hashrate_ths=0.0),
    "summary_stopped_idle_watts.json": status(state=MinerState.STOPPED, power_w=38),
    "summary_failure_1002.json": status(state=MinerState.FAILURE, power_w=None, failure_code=1002),
    "summary_chain_failure.json": lambda got: (
        (got.state, got.power_w) == (MINING, 1660)
        and [(b.board, b.state, b.power_w) for b in got.boards]
        == [(1, "mining", 830), (2, "mining", 830), (3, "failure", 0)]
    ),
    "summary_chain_disconnected_disabled.json": lambda got: (
        [b.state for b in got.boards] == ["mining", "disconnected", "disabled"]
    ),
    "summary_miner_null.json": status(state=MinerState.STOPPED, power_w=None, hashrate_ths=None, running_preset="2500"),
    "summary_empty_object.json": status(state=MinerState.STOPPED, power_w=None),
    "summary_nulls.json": status(
        state=MINING, power_w=None, hashrate_ths=None, pcb_temp_c=None, chip_temp_c=None, fans=(), boards=()
    ),
    "summary_only_deprecated_fields.json": status(power_w=2310, hashrate_ths=58.21),
    "summary_strings.json": status(power_w=2498, state_time_s=3600, hashrate_ths=92.4201, boards=()),
    "summary_fans_as_numbers.json": lambda got: (
        [(f.fan, f.rpm, f.ok) for f in got.fans] == [(0, 5400, True), (1, 5300, True), (2, 0, False), (3, 5350, True)]
    ),
    "summary_hydro_1.2.8.json": lambda got: (got.power_w, len(got.boards), got.boards[0].power_w) == (6099, 3, 2033),
    "summary_l9_scrypt.json": status(power_w=3360, hashrate_ths=None, efficiency_w_per_ths=None),
    "summary_1.3_throttled_30.json": status(power_w=683, throttled_percent=30),
    "summary_garbage_truncated.txt": error(MinerError, answered=True, permanent=False),
    "error_not_json_502.txt": error(MinerError, answered=True, permanent=False),
    "perf_summary_2500_tuned.json": status(running_preset="2500", switcher_enabled=False),
    "perf_summary_disabled.json": status(running_preset="disabled"),
    "perf_summary_null_preset.json": status(running_preset=None),
    "perf_summary_absent_preset.json": status(running_preset=None, state=MINING),
    "perf_summary_switcher_moved.json": status(running_preset="2800", switcher_enabled=True),
    "perf_summary_1.3.json": status(running_preset="3495"),
    "perf_summary_string_preset.json": status(running_preset="2500", switcher_enabled=False),
    "perf_summary_no_status.json": status(running_preset="6619"),
    "presets_s19jpro_1.2.6.json": lambda got: (
        (got[0].name, got[0].firmware_power_w, got[0].hashrate_ths, got[0].tuned) == ("1740", 1740, 65.31, True)
        and (got[-1].name, got[-1].firmware_power_w, got[-1].hashrate_ths) == ("disabled", None, None)
        and [p.firmware_power_w for p in got[:-1]] == sorted(p.firmware_power_w for p in got[:-1])
    ),
    "presets_s21pro_none_tuned.json": lambda got: (
        not any(p.tuned for p in got) and (got[0].name, got[0].hashrate_ths) == ("2550", 170.0)
    ),
    "presets_1.3_with_date.json": ladder(("3495", 3495, 132.4, True, False), ("5725", 5725, 178.0, False, True)),
    "presets_old_Th_and_LC.json": ladder(
        ("2650", 2650, 88.0, False, False),
        ("3050", 3050, 97.0, True, False),
        ("3500", 3500, 107.0, False, True),
        ("disabled", None, None, False, False),
    ),
    "presets_l9_scrypt.json": ladder(
        ("2800", 2800, None, False, False), ("3260", 3260, None, True, False), ("disabled", None, None, False, False)
    ),
    "presets_dict_shape.json": lambda got: [p.name for p in got] == ["1740", "1800", "1850", "2000", "2150"],
    "presets_w_suffix.json": ladder(("3010W", 3010, 200.0, True, False), ("3420W", 3420, 229.0, False, False)),
    "presets_odd.json": ladder(
        ("2150", 2150, 83.5, True, False),
        ("2300", 2300, 87.0, False, False),
        ("2500", 2500, None, True, False),
        ("2700", 2700, 96.0, True, False),
        ("eco", None, None, False, False),
    ),
    "presets_empty.json": ladder(),
    "settings_2700.json": lambda got: got == "2700",
    "settings_disabled.json": lambda got: got == "disabled",
    "settings_1.3.json": lambda got: got == "3495",
    "settings_nulls.json": lambda got: got is None,
    "settings_unauthorized_401.txt": error(MinerUnauthorized, answered=True),
    "settings_post_ok.json": flags(False, False),
    "settings_post_restart_required.json": flags(True, False),
    "settings_post_reboot_required.json": flags(True, True),
    "settings_post_unknown_preset_400.json": error(MinerError, permanent=True, answered=True),
    "settings_post_500.json": error(MinerError, permanent=False, answered=True),
    "unlock_ok.json": is_new_key,
    "unlock_wrong_password_403.json": error(MinerUnauthorized, retry_after_s=None),
    "unlock_too_many_429.json": error(MinerUnauthorized, retry_after_s=60),
    "unlock_empty_token.json": error(MinerError, answered=True),
    "apikeys_list.json": lambda got: got == "0123456789abcdef0123456789abcdef",
    "apikeys_post_inserted.json": is_new_key,
    "apikeys_post_updated.json": is_new_key,
    "apikeys_post_nochanges.json": is_new_key,
    "mining_control_ok_empty.txt": lambda got: got is None,
    "mining_control_ok_object.json": lambda got: got is None,
    "mining_pause_error_500.json": lambda got: (
        type(got) is MinerError and "failed-to-activate-pause-mode" in str(got) and got.answered
    ),
    "chains_1.2.6.json": boards(*((n, "mining", pytest.approx(30.8061), 2, 1) for n in (1, 2, 3))),
    "chains_failure.json": boards((1, "failure", 0.0, None, None)),
    "chains_empty.json": boards(),
    "boards_1.3.4.json": boards((1, "mining", pytest.approx(33.1), None, None)),
}
# Calls that PowerHive does not make: their examples must still be readable JSON, for whoever adds the call.
UNUSED = {
    "auth_check_ok.json",
    "chains_factory_info_nulls.json",
    "mining_throttle_ok_1.3.json",
    "mining_throttle_request_1.3.json",
    "system_reboot_ok.json",
}
REQUESTS = {
    "settings_post_request_preset.json": ("settings", lambda s: miner.set_preset(s, ADDRESS, "2300")),
    "unlock_request.json": ("unlock", lambda s: adopt(s, None)),
    "apikeys_post_request.json": ("apikeys", lambda s: adopt(s, None)),
}


def test_every_example_is_used():
    listed = {entry["file"] for entry in INDEX}
    assert listed == {path.name for path in FOLDER.iterdir()} - {"index.json"}
    assert listed == EXPECTED.keys() | UNUSED | REQUESTS.keys()
    assert len(listed) == 100


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_example_means_what_the_contract_says(name):
    got = read(name)
    assert EXPECTED[name](got), repr(got)


@pytest.mark.parametrize("name", sorted(UNUSED))
def test_the_example_of_an_unused_call_is_json(name):
    assert isinstance(msgspec.json.decode((FOLDER / name).read_bytes()), dict)


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_what_we_send_is_what_the_example_says(name):
    path, send = REQUESTS[name]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, SweepSession() as session:
        mock.post(f"{BASE}/settings", json={"restart_required": False, "reboot_required": False})
        farm_around(mock, {"path": ""})
        send(session)
        sent = [json.loads(c.request.body) for c in mock.calls if c.request.url == f"{BASE}/{path}" and c.request.body]
    expected = json.loads((FOLDER / name).read_bytes())
    if "key" in expected:
        expected["key"] = sent[0]["key"]
        assert is_new_key(sent[0]["key"])
    assert sent == [expected]


def test_the_uptime_is_read_in_all_its_forms():
    def info(text):
        return {"system": {"uptime": text}}

    forms = {"0:06": 360, "3 days, 4:12": 274_320, "1 day, 0:05": 86_700, "10 days": 864_000, "": None, "soon": None}
    assert {text: answers.uptime_s(info(text)) for text in forms} == forms
    assert answers.uptime_s({"system": None}) is None
    assert SimpleNamespace(**asdict(read("summary_stopped.json"))).uptime_s is None


def test_facts_of_real_records_hold():
    """An S21+ Hydro without power and hr_realtime; a preset saved but not running; a tuned preset's own hashrate."""
    hydro = {
        "miner": {"miner_status": {"miner_state": "mining"}, "instant_hashrate": 420.23, "power_efficiency": 14.52}
    }
    got = answers.status(hydro, {"current_preset": {"name": "6619", "pretty": "6619 watt ~ 422 TH"}}, None, *GHS)
    assert (got.power_w, got.hashrate_ths, got.efficiency_w_per_ths) == (None, pytest.approx(420.23), 14.52)

    pending = {"miner_state": "mining", "restart_required": True}
    got = answers.status({"miner": None}, {"current_preset": {"name": "2500"}}, pending, *GHS)
    saved = answers.saved_preset({"miner": {"overclock": {"preset": "2700"}}})
    assert (got.running_preset, saved, got.restart_required) == ("2500", "2700", True)

    tuned = {"name": "1500", "pretty": "1500 watt ~ 64 TH", "status": "tuned", "tune_settings": {"hashrate": 66407}}
    assert answers.ladder([tuned], "sha256d")[0].hashrate_ths == pytest.approx(66.407)
    assert answers.ladder([tuned | {"status": "untuned"}], "sha256d")[0].hashrate_ths == 64
