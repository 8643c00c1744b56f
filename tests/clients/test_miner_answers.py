"""What a miner's answers mean: its status, its boards and its ladder, whatever they look like."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clients import answers, miner
from app.clients.miner import MinerAddress
from app.core.readings import BoardReading, MinerIdentity, MinerState, MinerStatus, Preset
from app.errors import MinerError

KEY = "0123456789abcdef0123456789abcdef"
ADDRESS = MinerAddress("10.20.0.21", 80, KEY)
BASE = "http://10.20.0.21/api/v1"
GHS = ("GH/s", "sha256d")


def of(summary_fields, state="mining", perf=None, flags=None, units=GHS):
    """Return the status that these fields of summary.miner mean."""
    summary = {"miner": {"miner_status": {"miner_state": state}, **summary_fields}}
    return answers.status(summary, perf, flags, *units)


# --- status ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, None, "", "n/a", False, -5, [], 1e12])
@pytest.mark.parametrize("state", ["mining", "auto-tuning"])
def test_it_reads_zero_power_while_hashing_as_unknown(state, value):
    assert of({"power_consumption": value, "power_usage": value}, state).power_w is None


@pytest.mark.parametrize(
    ("fields", "state", "power_w"),
    [
        ({"power_consumption": 2498.6}, "mining", 2499),
        ({"power_consumption": 2498, "power_usage": 1}, "mining", 2498),
        ({"power_consumption": 0, "power_usage": 2500}, "mining", 2500),
        ({"power_consumption": 2.5, "power_usage": 2.5}, "mining", 2500),
        ({"power_usage": "2.31 kW"}, "mining", 2310),
        ({"power_usage": 19.9}, "mining", 19900),
        ({"power_usage": 20}, "mining", 20),
        ({"power_usage": 2.31}, "stopped", 2),
        ({"power_consumption": 0}, "stopped", 0),
        ({"power_consumption": 146}, "initializing", 146),
        ({"power_consumption": 0}, "initializing", 0),
        ({"power_consumption": 0}, "failure", None),
        ({"power_consumption": 60}, "failure", 60),
        ({"power_consumption": 0}, "running", None),  # may be hashing, for all we know
        ({}, "stopped", None),
    ],
)
def test_power_is_what_the_firmware_can_know(fields, state, power_w):
    assert of(fields, state).power_w == power_w


def test_kilowatts_are_not_guessed_for_other_algorithms():
    assert of({"power_usage": 3.3}, units=("MH/s", "scrypt")).power_w is None


@pytest.mark.parametrize(
    ("fields", "units", "ths"),
    [
        ({"hr_realtime": 92420}, GHS, 92.42),
        ({"hr_realtime": 92_420_000}, ("MH/s", "sha256d"), 92.42),
        ({"hr_realtime": 92.42}, ("TH/s", "SHA256"), 92.42),
        ({"hr_realtime": 17_000}, ("MH/s", "scrypt"), None),
        ({"instant_hashrate": 17.0}, ("MH/s", "scrypt"), None),
        ({"instant_hashrate": 92.42}, GHS, 92.42),
        ({"instant_hashrate": 92_420}, ("MH/s", "sha256d"), 92.42),
        ({"hr_average": 92_420, "average_hashrate": 1}, GHS, 92.42),
        ({"average_hashrate": 92.42}, GHS, 92.42),
        ({"hr_realtime": 0, "instant_hashrate": 90}, GHS, 0.0),
        ({"hr_realtime": -1}, GHS, None),
        ({"hr_realtime": 9.2e13}, GHS, None),  # H/s by mistake: not 92 million TH/s
        ({"hr_realtime": 92420}, ("furlongs", "sha256d"), None),
        ({}, GHS, None),
    ],
)
def test_hashrates_come_out_in_ths_or_not_at_all(fields, units, ths):
    assert of(fields, units=units).hashrate_ths == (None if ths is None else pytest.approx(ths))


def test_efficiency_is_power_over_hashrate_else_what_the_firmware_says():
    assert of({"power_consumption": 2760, "hr_realtime": 92000}).efficiency_w_per_ths == pytest.approx(30)
    assert of({"power_efficiency": 14.5, "instant_hashrate": 420}).efficiency_w_per_ths == 14.5
    assert of({"power_consumption": 2760, "hr_realtime": 0, "power_efficiency": 0}).efficiency_w_per_ths is None
    assert of({"power_consumption": 38, "hr_realtime": 90}, "stopped").efficiency_w_per_ths is None


@pytest.mark.parametrize(
    ("temp", "celsius"),
    [
        ({"min": 0, "max": 0}, None),
        ({"min": None, "max": None}, None),
        ({"min": 30, "max": 61}, 61),
        ({"min": -5, "max": 0}, 0),
        ({"min": 20, "max": 999}, None),
        ({"max": "48"}, 48),
        (48, None),
        (None, None),
    ],
)
def test_a_temperature_of_zero_is_no_reading(temp, celsius):
    assert of({"pcb_temp": temp}).pcb_temp_c == celsius


@pytest.mark.parametrize(("value", "percent"), [(100, 100), (20, 20), (0, None), (None, None), (101, None), ("30", 30)])
def test_a_throttle_of_zero_is_none(value, percent):
    assert answers.status({}, None, {"miner_state": "stopped", "throttled": value}, *GHS).throttled_percent == percent


def test_a_hashing_board_with_zero_power_is_unknown():
    chains = [
        {"id": 1, "power_consumption": 0, "status": {"state": "mining"}},
        {"id": "2", "power_consumption": 0, "status": {"state": "stopped"}, "hashrate_rt": 30_000},
        None,
    ]
    boards = of({"chains": chains}).boards
    assert [(b.board, b.state, b.power_w, b.hashrate_ths) for b in boards] == [
        (1, "mining", None, None),
        (2, "stopped", 0, 30.0),
        (3, "unknown", None, None),
    ]


def test_texts_of_miners_are_cleaned_and_shortened():
    status = answers.status({}, None, {"miner_state": "MINING\x00", "description": "\x1b[31m" + "d" * 500}, *GHS)
    assert (status.state, status.description) == (MinerState.MINING, ("[31m" + "d" * 500)[:120])


def test_the_summary_alone_takes_two_calls_and_no_flags(mock, session):
    mock.get(f"{BASE}/summary", json={"miner": {"miner_status": {"miner_state": "mining"}}})
    mock.get(f"{BASE}/perf-summary", json={"current_preset": {"name": "2500"}})
    status = miner.read_status(session, ADDRESS, *GHS)
    assert (status.restart_required, status.running_preset, len(mock.calls)) == (None, "2500", 2)


def test_a_refused_perf_summary_is_an_unknown_preset(mock, session):
    mock.get(f"{BASE}/summary", json={"miner": {"miner_status": {"miner_state": "failure"}}})
    mock.get(f"{BASE}/perf-summary", status=500, json={"err": "x"})
    assert miner.read_status(session, ADDRESS, *GHS).running_preset is None


def test_a_silent_perf_summary_is_a_failed_poll(mock, session):
    mock.get(f"{BASE}/summary", json={"miner": {"miner_status": {"miner_state": "mining"}}})
    mock.get(f"{BASE}/perf-summary", body=requests.ReadTimeout())
    with pytest.raises(MinerError) as caught:
        miner.read_status(session, ADDRESS, *GHS)
    assert not caught.value.answered


def test_a_miner_that_tells_no_state_at_all_is_an_error(mock, session):
    mock.get(f"{BASE}/summary", json={"miner": []})
    mock.get(f"{BASE}/perf-summary", json=[])
    mock.get(f"{BASE}/status", json=[])
    with pytest.raises(MinerError, match="state"):
        miner.read_status(session, ADDRESS, *GHS)


def test_telemetry_adds_the_uptime_and_what_the_boards_themselves_say(mock, session):
    chain = {"id": 1, "status": {"state": "mining"}, "power_consumption": 830, "chip_temp": {"min": 50, "max": 60}}
    chips = [{"grade": "grey", "temp": 57.0}, {"grade": "orange", "temp": 70}, {"grade": "red"}]
    mock.get(f"{BASE}/summary", json={"miner": {"miner_status": {"miner_state": "mining"}, "chains": [chain]}})
    mock.get(f"{BASE}/perf-summary", json={})
    mock.get(f"{BASE}/chains", status=404)
    boards = [{"id": 1, "freq": 490.0, "chips": chips, "sensors": [{"board": 48, "chip": 0}]}, {"id": 2}]
    mock.get(f"{BASE}/boards", json=boards)
    mock.get(f"{BASE}/info", json={"system": {"uptime": "1 day, 0:05"}})
    status = miner.read_status(session, ADDRESS, *GHS, detail=True)
    assert status.uptime_s == 86_700
    assert status.boards == (
        BoardReading(1, "mining", 830, None, 490.0, None, 48, 60, 1, 1, 1),
        BoardReading(2, "unknown"),
    )


def test_a_miner_without_a_board_list_has_no_boards(mock, session):
    mock.get(f"{BASE}/chains", status=404)
    mock.get(f"{BASE}/boards", status=404)
    assert miner.read_boards(session, ADDRESS, *GHS) == ()


# --- ladders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "watts", "ths"),
    [
        ({"name": "2300", "pretty": "2300 watt ~ 87 TH"}, 2300, 87.0),
        ({"name": "2300", "pretty": "9999 watt ~ 0,087 PH/s"}, 2300, 87.0),
        ({"name": "eco", "pretty": "1.5 kW ~ 64.5 Th"}, 1500, 64.5),
        ({"name": "eco", "pretty": "1500W ~ 64500 GH"}, 1500, 64.5),
        ({"name": "eco", "pretty": "1,100 watt"}, None, None),  # 1.1 or 1100: nobody knows, so not to be chosen
        ({"name": "3", "pretty": "3200 Watts ~ 100 THz"}, 3200, None),
        ({"name": "3", "pretty": ""}, None, None),
        ({"name": "99999"}, None, None),
        ({"name": "disabled", "pretty": "3000 watt ~ 90 TH"}, None, None),
        ({"name": "Disabled", "status": "tuned", "tune_settings": {"hashrate": 9}}, None, None),
        ({"name": "2300", "pretty": "~ 87 TH", "status": "untuned", "tune_settings": {"hashrate": 9}}, 2300, 87.0),
        ({"name": "2300", "pretty": "~ 87 TH", "status": "tuned", "tune_settings": {"hashrate": 88_500}}, 2300, 88.5),
        ({"name": "2300", "pretty": "~ 87 TH", "status": "tuned", "tune_settings": {"hashrate": 0}}, 2300, 87.0),
        ({"name": "2300", "pretty": "~ 87 TH", "status": "tuned", "tune_settings": None}, 2300, 87.0),
    ],
)
def test_watts_and_hashrate_of_a_preset(item, watts, ths):
    (preset,) = answers.ladder([item], "sha256d")
    assert (preset.firmware_power_w, preset.hashrate_ths) == (watts, ths)
    assert preset.name == item["name"]


@pytest.mark.parametrize(
    ("flag", "pretty", "required"),
    [
        (False, "3460 watt ~ 106 TH", False),
        (None, "", False),
        (True, "3460 watt ~ 106 TH", True),
        (False, "3460 watt ~ 106 Th LC", True),
        ("yes", "", True),
        (1, "", True),
    ],
)
def test_a_modified_power_supply_is_believed_wherever_it_is_said(flag, pretty, required):
    (preset,) = answers.ladder([{"name": "3460", "pretty": pretty, "modded_psu_required": flag}], "sha256d")
    assert preset.modded_psu_required is required


@pytest.mark.parametrize("name", [None, "", " ", True, 1.5, -3, [], {}, "a\x00b", " 2300", "n" * 65, 10**12])
def test_a_name_that_could_not_be_sent_back_is_no_preset(name):
    assert answers.ladder([{"name": name}], "sha256d") == ()


def test_the_same_preset_twice_is_one_with_the_more_cautious_of_both():
    twice = [
        {"name": "3460", "status": "tuned", "modded_psu_required": True},
        {"name": 3460.0, "status": "untuned", "pretty": "3460 watt ~ 106 TH"},
    ]
    assert answers.ladder(twice, "sha256d") == (Preset("3460", 3460, 106.0, tuned=False, modded_psu_required=True),)


def test_the_ladder_is_sorted_and_the_unknown_come_last():
    names = ["disabled", "eco", "2300", "1740", "2150"]
    ladder = answers.ladder({"presets": [{"name": name} for name in names]}, "sha256d")
    assert [p.name for p in ladder] == ["1740", "2150", "2300", "disabled", "eco"]


@pytest.mark.parametrize("content", [None, {}, "x", 7, {"presets": {"2300": {}}}])
def test_a_list_that_is_none_is_an_error(content):
    with pytest.raises(MinerError):
        answers.ladder(content, "sha256d")


# --- anything at all -------------------------------------------------------------------------------------------------

# fmt: off
FIELD_NAMES = st.sampled_from(
    [
        "miner", "miner_status", "miner_state", "power_consumption", "hr_realtime", "chains", "id",
        "status", "state", "cooling", "fans", "rpm", "psu", "pcb_temp", "min", "max",
        "current_preset", "name", "pretty", "presets", "tune_settings", "hashrate", "overclock",
        "preset", "system", "network_status", "mac", "uptime", "fw_name", "model",
        "modded_psu_required", "preset_switcher", "settings", "mode", "chips", "temp",
    ]
)
# fmt: on
ODD = st.sampled_from(["mining", "2300", "2300 watt ~ 87 TH", "~ 9999999 PH", "1e5", "disabled", "vnish", "5 kW"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | ODD,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(FIELD_NAMES, children, max_size=6),
    max_leaves=25,
)


@settings(max_examples=500, deadline=None)
@given(summary=JSON, perf=JSON, flags=JSON, units=st.sampled_from([GHS, ("MH/s", "scrypt"), ("", "")]))
def test_whatever_a_miner_says_its_status_is_a_status_or_our_error(summary, perf, flags, units):
    try:
        status = answers.status({"miner": summary}, perf, flags, *units)
    except MinerError:
        return
    assert isinstance(status, MinerStatus)
    assert status.power_w is None or 0 <= status.power_w <= 30_000
    assert not (status.state.hashing and status.power_w == 0)
    assert status.hashrate_ths is None or 0 <= status.hashrate_ths <= 10_000


@settings(max_examples=500, deadline=None)
@given(content=JSON, algorithm=st.sampled_from(["sha256d", "scrypt", ""]))
def test_whatever_a_miner_lists_its_ladder_is_a_ladder_or_our_error(content, algorithm):
    try:
        ladder = answers.ladder(content, algorithm)
    except MinerError:
        return
    assert all(isinstance(p, Preset) and (p.firmware_power_w is None or p.firmware_power_w > 0) for p in ladder)
    assert len({p.name for p in ladder}) == len(ladder)


@settings(max_examples=300, deadline=None)
@given(content=JSON, info=st.dictionaries(FIELD_NAMES, JSON, max_size=6))
def test_whatever_a_miner_says_of_itself_is_an_identity(content, info):
    assert isinstance(answers.identity("10.0.0.1", info, content), MinerIdentity)
    assert answers.uptime_s(content) is None or answers.uptime_s(content) >= 0
    assert all(isinstance(b, BoardReading) for b in answers.boards(content, *GHS))
    saved = answers.saved_preset(content)
    assert saved is None or isinstance(saved, str)


# --- found by the fuzzer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-320, 1e-300, 1e-9])
def test_next_to_no_hashrate_is_none_and_gives_no_endless_efficiency(rate):
    status = of({"hr_realtime": rate, "power_consumption": 2300})
    assert status.hashrate_ths == 0.0
    assert status.efficiency_w_per_ths is None
    item = {"name": "2300", "pretty": "2300 watt", "status": "tuned", "tune_settings": {"hashrate": rate}}
    assert answers.ladder([item], "sha256d")[0].hashrate_ths is None
