"""What a miner's answers mean (CONTRACT 3): decoded JSON in, core types out, units converted here and nowhere else.

Pure functions. Unknown fields are ignored, any field may be absent, null or of the wrong type: that makes it unknown
(None), never 0 and never an error. Only an answer that is no object or list at all raises MinerError.
"""

from __future__ import annotations

import math
import re
from typing import Any

from app.clients.fields import as_object, clean, first_of, flag, items, number, whole, within
from app.core.inspection import ChipReading
from app.core.readings import BoardReading, FanReading, MinerIdentity, MinerState, MinerStatus, Preset
from app.errors import MinerError

DISABLED = "disabled"
MAX_PRESETS = 500
MAX_BOARDS = 16
MAX_CHIPS = 500  # of one board
MAX_FANS = 32
MIN_HASHING_W = 20  # less on a hashing miner is kW, or nonsense
MAX_MINER_W = 30_000
MAX_MINER_THS = 10_000.0
LEAST_THS = 1e-6  # less is nothing: watts divided by it would be no number any more
_PRESET_W = (100, MAX_MINER_W)

_THS_PER_UNIT = {"h": 1e-12, "k": 1e-9, "m": 1e-6, "g": 1e-3, "t": 1.0, "p": 1e3}
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_WATTS = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(k?)w(?:atts?)?\s*", re.ASCII | re.IGNORECASE)
_NAME_WATTS = re.compile(r"(\d{1,6})\s*w?", re.ASCII | re.IGNORECASE)
_LABEL_WATTS = re.compile(r"(\d{1,6}(?:[.,]\d{1,4})?)\s*(k?)w(?:atts?)?\b", re.ASCII | re.IGNORECASE)
_LABEL_HASHRATE = re.compile(r"~\s*(\d{1,7}(?:[.,]\d{1,6})?)\s*([kmgtp])h(?:/s)?(?![a-z])", re.ASCII | re.IGNORECASE)
_LIQUID_COOLED = re.compile(r"\sLC\s*$")
_UPTIME = re.compile(r"(?:(\d{1,5}) days?)?(?:,\s*)?(?:(\d{1,2}):(\d{2}))?", re.ASCII)


# --- identity --------------------------------------------------------------------------------------------------------


def identity(ip: str, info: dict[str, Any], model: Any | None = None) -> MinerIdentity:
    """Return who answers, from /info and, where /info is not enough, /model (None: not asked or not there)."""
    extra = as_object(model)
    name = clean(info.get("miner")) or clean(extra.get("full_name")) or "unknown"
    alias = clean(info.get("model")) or clean(extra.get("model")) or name.casefold().removeprefix("antminer")
    hr_measure = clean(info.get("hr_measure")) or clean(extra.get("hr_measure")) or "GH/s"
    algorithm = (clean(info.get("algorithm")) or clean(extra.get("algorithm"))).casefold()
    if not algorithm:  # old firmware: only scrypt miners count in MH/s
        algorithm = "scrypt" if hr_measure.casefold().startswith("mh") else "sha256d"
    system = as_object(info.get("system"))
    network = as_object(system.get("network_status"))
    return MinerIdentity(
        mac=_mac(network.get("mac")),
        ip=ip,
        model_alias=re.sub(r"[^a-z0-9._+-]", "", alias.casefold())[:40] or "unknown",
        model_name=name,
        firmware_version=clean(info.get("fw_version"), 40),
        algorithm="sha256d" if is_sha256(algorithm) else algorithm[:40],
        hr_measure=hr_measure[:10],
        platform=clean(info.get("platform"), 40),
        hostname=clean(network.get("hostname"), 64),
    )


def needs_model(info: dict[str, Any]) -> bool:
    """Return whether /info leaves out something that /model may tell."""
    return not all(clean(info.get(name)) for name in ("miner", "model", "hr_measure", "algorithm"))


def is_sha256(algorithm: str) -> bool:
    """Return whether hashrates of this algorithm are TH/s that may be added up."""
    return algorithm.casefold().startswith("sha256")


def uptime_s(info: Any) -> int | None:
    """Return the seconds since the miner's boot, from /info system.uptime ("0:06", "3 days, 4:12", "10 days")."""
    text = as_object(as_object(info).get("system")).get("uptime")
    match = _UPTIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 3600 + minutes * 60


# --- status ----------------------------------------------------------------------------------------------------------


def status(summary: Any, perf: Any, flags: Any, hr_measure: str, algorithm: str) -> MinerStatus:
    """Return one poll's meaning, from /summary, /perf-summary (None: it refused) and /status (None: not asked).

    Power in W, hashrate in TH/s (None for anything but SHA-256), temperatures in degC. Raises MinerError where neither
    answer tells a state.
    """
    miner, asked = miner_part(summary), as_object(flags)
    said = as_object(miner.get("miner_status"))
    raw_state = clean(said.get("miner_state")) or clean(asked.get("miner_state"))
    if not raw_state:
        raise MinerError("The miner's answers do not tell its state.", answered=True)
    state = _state(raw_state)
    current = as_object(perf).get("current_preset")
    power_w = _power_w(miner, state, algorithm)
    hashrate = _miner_ths(miner, hr_measure, algorithm)
    cooling = as_object(miner.get("cooling"))
    throttled = whole(first_of(said, asked, "throttled"), 1, 100)  # 0 is said while stopped: no throttle
    return MinerStatus(
        state=state,
        raw_state=raw_state,
        state_time_s=whole(first_of(said, asked, "miner_state_time"), 0, 10**9),
        description=clean(first_of(said, asked, "description")) or None,
        failure_code=whole(first_of(said, asked, "failure_code"), -(10**9), 10**9),
        running_preset=preset_name(current.get("name") if isinstance(current, dict) else current),
        power_w=power_w,
        power_metered=as_object(miner.get("psu")).get("psu_power_metering") is True,
        hashrate_ths=hashrate,
        efficiency_w_per_ths=_efficiency(miner, state, power_w, hashrate, algorithm),
        pcb_temp_c=_hottest(miner.get("pcb_temp")),
        chip_temp_c=_hottest(miner.get("chip_temp")),
        throttled_percent=throttled,
        switcher_enabled=as_object(as_object(perf).get("preset_switcher")).get("enabled") is True,
        restart_required=flag(asked.get("restart_required")),
        reboot_required=flag(asked.get("reboot_required")),
        fan_duty_percent=whole(cooling.get("fan_duty"), 0, 100),
        fans=_fans(cooling),
        boards=_summary_boards(miner.get("chains"), state, hr_measure, algorithm),
    )


def miner_part(summary: Any) -> dict[str, Any]:
    """Return summary.miner, {} where it is null or absent (the control board is up, no mining process)."""
    return as_object(as_object(summary).get("miner"))


def tells_state(summary: Any) -> bool:
    """Return whether /summary alone tells the miner's state."""
    return bool(clean(as_object(miner_part(summary).get("miner_status")).get("miner_state")))


def boards(content: Any, hr_measure: str, algorithm: str) -> tuple[BoardReading, ...]:
    """Return the boards of a /chains (1.3: /boards) answer, chips counted by their grade."""
    return tuple(_chain_board(item, n, hr_measure, algorithm) for n, item in items(content, MAX_BOARDS))


def chips(content: Any, hr_measure: str, algorithm: str) -> tuple[ChipReading, ...]:
    """Return every chip of a /chains (1.3: /boards) answer, board by board; hashrates in GH/s."""
    found = []
    for n, raw in items(content, MAX_BOARDS):
        board = as_object(raw)
        for m, item in items(board.get("chips"), MAX_CHIPS):
            chip = as_object(item)
            ths = _ths(chip.get("hr"), hr_measure, algorithm)
            number_ = whole(chip.get("id"), 0, 10_000)
            found.append(
                ChipReading(
                    board=_board_number(board, n),
                    chip=m if number_ is None else number_,
                    temp_c=whole(chip.get("temp"), -60, 250) or None,  # 0 is no reading
                    frequency_mhz=within(chip.get("freq"), 0, 100_000),
                    hashrate_ghs=None if ths is None else round(ths * 1000, 1),
                    errors=whole(chip.get("errs"), 0, 10**9),
                    grade=clean(chip.get("grade"), 10),
                )
            )
    return tuple(found)


def merged_boards(first: tuple[BoardReading, ...], second: tuple[BoardReading, ...]) -> tuple[BoardReading, ...]:
    """Return the boards of both, what the first does not know filled from the second."""
    known = {board.board: board for board in second}
    for board in first:
        other = known.get(board.board, board)
        mine = {name: getattr(board, name) for name in BoardReading.__slots__}
        known[board.board] = BoardReading(**{n: getattr(other, n) if v is None else v for n, v in mine.items()})
    return tuple(known[number] for number in sorted(known))


# --- presets ---------------------------------------------------------------------------------------------------------


def ladder(content: Any, algorithm: str) -> tuple[Preset, ...]:
    """Return the presets of an /autotune/presets answer by ascending watts, unknown watts (and `disabled`) last.

    Watts by the name's digits, else the label; TH/s by the tuning, else the label (CONTRACT 4). Names are kept exactly
    as listed, because they are sent back so. Raises MinerError where the answer holds no list.
    """
    items = content.get("presets") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise MinerError("The miner's preset list is not a list.", answered=True)
    found: dict[str, Preset] = {}
    for item in items[:MAX_PRESETS]:
        preset = _preset(item, algorithm)
        if preset is not None:
            known = found.get(preset.name)
            found[preset.name] = preset if known is None else _same_preset_twice(known, preset)
    return tuple(sorted(found.values(), key=lambda p: math.inf if p.firmware_power_w is None else p.firmware_power_w))


def saved_preset(content: Any) -> str | None:
    """Return the preset of a /settings answer: what will run after the next start. None where it says none."""
    return preset_name(as_object(as_object(as_object(content).get("miner")).get("overclock")).get("preset"))


def preset_name(value: Any) -> str | None:
    """Return a preset's name as text; a number becomes its digits. None for a name that could not be sent back."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**9:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return str(value)
    usable = isinstance(value, str) and value.strip() and value == clean(value, 64)
    return value if usable else None


def _preset(item: Any, algorithm: str) -> Preset | None:
    item = as_object(item)
    name = preset_name(item.get("name"))
    if name is None:
        return None
    pretty = clean(item.get("pretty"))
    tuned = clean(item.get("status")).casefold() == "tuned"
    modded = item.get("modded_psu_required") not in (None, False, 0, "", "false")  # anything odd counts as required
    return Preset(
        name=name,
        firmware_power_w=_preset_w(name, pretty),
        hashrate_ths=_preset_ths(item, pretty, tuned) if is_sha256(algorithm) and not _is_disabled(name) else None,
        tuned=tuned,
        # older lists say false beside an " LC" (CONTRACT 3)
        modded_psu_required=modded or bool(_LIQUID_COOLED.search(" " + pretty) or _LIQUID_COOLED.search(" " + name)),
    )


def _same_preset_twice(first: Preset, second: Preset) -> Preset:
    """Return the two as one, with the more cautious of each statement."""
    return Preset(
        name=first.name,
        firmware_power_w=second.firmware_power_w if first.firmware_power_w is None else first.firmware_power_w,
        hashrate_ths=second.hashrate_ths if first.hashrate_ths is None else first.hashrate_ths,
        tuned=first.tuned and second.tuned,
        modded_psu_required=first.modded_psu_required or second.modded_psu_required,
    )


def _is_disabled(name: str) -> bool:
    return name.casefold() == DISABLED


def _preset_w(name: str, pretty: str) -> int | None:
    """Return the firmware's watts; None for `disabled` and where neither name nor label gives plausible ones."""
    if _is_disabled(name):
        return None
    match = _NAME_WATTS.fullmatch(name)
    if match and _PRESET_W[0] <= int(match[1]) <= _PRESET_W[1]:
        return int(match[1])
    label = _LABEL_WATTS.search(pretty)
    if label is None:
        return None
    watts = float(label[1].replace(",", ".")) * (1000 if label[2] else 1)
    return round(watts) if _PRESET_W[0] <= watts <= _PRESET_W[1] else None


def _preset_ths(item: dict[str, Any], pretty: str, tuned: bool) -> float | None:
    measured_ghs = number(as_object(item.get("tune_settings")).get("hashrate"))
    if tuned and measured_ghs is not None and LEAST_THS <= measured_ghs / 1000 <= MAX_MINER_THS:
        return measured_ghs / 1000
    label = _LABEL_HASHRATE.search(pretty)
    if label is None:
        return None
    ths = float(label[1].replace(",", ".")) * _THS_PER_UNIT[label[2].casefold()]
    return ths if LEAST_THS <= ths <= MAX_MINER_THS else None


# --- inside: one field each ------------------------------------------------------------------------------------------


def _state(raw: str) -> MinerState:
    try:
        return MinerState(raw.casefold())
    except ValueError:
        return MinerState.UNKNOWN


def _power_w(miner: dict[str, Any], state: MinerState, algorithm: str) -> int | None:
    """Return the draw in W as the firmware knows it, None where it does not.

    0 is believed only of a state that may draw next to nothing: a hashing miner without metering says 0, too, and so
    does one whose mining process is dead or in a state nobody knows (CONTRACT 3).
    """
    consumption, usage = (_watts(miner.get(name)) for name in ("power_consumption", "power_usage"))
    if not state.hashing:
        said = usage if consumption is None else consumption
        unsure = state in (MinerState.FAILURE, MinerState.UNKNOWN)
        return None if said is None or (unsure and said == 0) else round(said)
    if consumption is not None and consumption >= MIN_HASHING_W:
        return round(consumption)
    if usage is None or usage <= 0:
        return None
    if usage < MIN_HASHING_W:  # kW on old firmware
        return round(usage * 1000) if is_sha256(algorithm) else None
    return round(usage)


def _watts(value: Any) -> float | None:
    """Return a power in W from a number or a text like "2498 W"; None outside 0..30 kW."""
    match = _WATTS.fullmatch(value) if isinstance(value, str) else None
    watts = float(match[1]) * (1000 if match[2] else 1) if match else number(value)
    return watts if watts is not None and 0 <= watts <= MAX_MINER_W else None


def _miner_ths(miner: dict[str, Any], hr_measure: str, algorithm: str) -> float | None:
    for name, factor in (
        ("hr_realtime", 1),
        ("instant_hashrate", 1000),  # deprecated: the next bigger unit than hr_measure
        ("hr_average", 1),
        ("average_hashrate", 1000),
    ):
        rate = number(miner.get(name))
        if rate is not None:
            return _ths(rate * factor, hr_measure, algorithm)
    return None


def _ths(value: Any, hr_measure: str, algorithm: str) -> float | None:
    """Return TH/s from a number in `hr_measure`; None for other algorithms and for the impossible."""
    rate = number(value)
    scale = _THS_PER_UNIT.get(hr_measure.strip()[:1].casefold())
    if rate is None or scale is None or not is_sha256(algorithm):
        return None
    rate_ths = rate * scale
    if not 0 <= rate_ths <= MAX_MINER_THS:
        return None
    return rate_ths if rate_ths >= LEAST_THS else 0.0


def _efficiency(
    miner: dict[str, Any], state: MinerState, power_w: int | None, hashrate: float | None, algorithm: str
) -> float | None:
    """Return W/TH: power over hashrate, else what the firmware itself says of a hashing SHA-256 miner."""
    if not state.hashing or not is_sha256(algorithm):
        return None
    if power_w is not None and hashrate:
        return power_w / hashrate
    said = number(miner.get("power_efficiency"))
    return said if power_w is None and said is not None and 0 < said < 1000 else None


def _hottest(value: Any) -> int | None:
    """Return the max of {min, max} in degC; 0/0 is no reading."""
    low, high = (whole(as_object(value).get(name), -60, 250) for name in ("min", "max"))
    return None if high is None or (high == 0 and not low) else high


def _fans(cooling: dict[str, Any]) -> tuple[FanReading, ...]:
    mode = as_object(as_object(cooling.get("settings")).get("mode"))
    immersed = clean(mode.get("name")).casefold() == "immersion"  # "lost" at 0 rpm is normal there
    fans = []
    for n, item in items(cooling.get("fans"), MAX_FANS):
        if isinstance(item, dict):
            rpm = whole(item.get("rpm"), 0, 100_000)
            said = clean(item.get("status")).casefold()
            number = whole(item.get("id"), 0, 1000)
        else:
            rpm, said, number = whole(item, 0, 100_000), "", None
        fans.append(
            FanReading(n if number is None else number, rpm, immersed or said == "ok" or (not said and bool(rpm)))
        )
    return tuple(fans)


def _summary_boards(chains: Any, state: MinerState, hr_measure: str, algorithm: str) -> tuple[BoardReading, ...]:
    found = []
    for n, raw in items(chains, MAX_BOARDS):
        item = as_object(raw)
        board_state = clean(as_object(item.get("status")).get("state"), 40) or "unknown"
        power = _watts(item.get("power_consumption"))
        hashing = state.hashing and board_state == "mining"
        chips = as_object(item.get("chip_statuses"))
        found.append(
            BoardReading(
                board=_board_number(item, n),
                state=board_state,
                power_w=None if power is None or (hashing and power == 0) else round(power),
                hashrate_ths=_ths(item.get("hashrate_rt"), hr_measure, algorithm),
                frequency_mhz=within(item.get("frequency"), 0, 100_000),
                voltage_mv=whole(item.get("voltage"), 0, 1_000_000),
                pcb_temp_c=_hottest(item.get("pcb_temp")),
                chip_temp_c=_hottest(item.get("chip_temp")),
                chips_red=whole(chips.get("red"), 0, 10_000),
                chips_orange=whole(chips.get("orange"), 0, 10_000),
                chips_grey=whole(chips.get("grey"), 0, 10_000),
            )
        )
    return tuple(found)


def _chain_board(raw: Any, n: int, hr_measure: str, algorithm: str) -> BoardReading:
    item = as_object(raw)
    chips = [as_object(chip) for _, chip in items(item.get("chips"), 1000)]
    sensors = [as_object(sensor) for _, sensor in items(item.get("sensors"), 1000)]
    grades = [clean(chip.get("grade"), 10) for chip in chips]
    return BoardReading(
        board=_board_number(item, n),
        state=clean(as_object(item.get("status")).get("state"), 40) or "unknown",
        hashrate_ths=_ths(item.get("hr_realtime"), hr_measure, algorithm),
        frequency_mhz=within(item.get("freq"), 0, 100_000),
        pcb_temp_c=_highest(sensor.get("board") for sensor in sensors),
        chip_temp_c=_highest([*(chip.get("temp") for chip in chips), *(sensor.get("chip") for sensor in sensors)]),
        chips_red=grades.count("red") if chips else None,
        chips_orange=grades.count("orange") if chips else None,
        chips_grey=grades.count("grey") if chips else None,
    )


def _board_number(item: dict[str, Any], n: int) -> int:
    number = whole(item.get("id"), 0, 1000)
    return n + 1 if number is None else number


def _highest(values: Any) -> int | None:
    known = [t for t in (whole(value, -60, 250) for value in values) if t]  # 0 is no reading
    return max(known, default=None)


def _mac(value: Any) -> str | None:
    mac = value.strip().casefold().replace("-", ":") if isinstance(value, str) else ""
    return mac if _MAC.fullmatch(mac) and mac not in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff") else None
