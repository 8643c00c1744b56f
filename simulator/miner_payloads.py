"""The bodies a VNish 1.2.6 miner answers with, built from a simulated miner (CONTRACT section 3).

The caller holds the miner's lock and has settled its physics. Power in W, hashrates in GH/s where the firmware
has them so, TH/s in the two deprecated fields, voltages in mV (``globals.volt`` in 10 mV), temperatures in degC.
"""

from __future__ import annotations

from typing import Any

from simulator.ladders import DISABLED, Preset
from simulator.miner import SimMiner
from simulator.physics import HASHING, State

Json = dict[str, Any]

FAN_MAX_RPM = 6000
DEVFEE_PERCENT = 2.8
POOL_USER = "farm.sim"


def info(miner: SimMiner) -> Json:
    """GET /info."""
    model = miner.model
    return {
        "miner": model.full_name,
        "model": model.alias,
        "fw_name": "Vnish",
        "fw_version": model.firmware,
        "build_uuid": "00000000-0000-4000-8000-000000000001",
        "build_name": "vnishnet",
        "platform": model.platform,
        "install_type": "nand",
        "build_time": "2025-05-29 19:22:26+00:00",
        "algorithm": "sha256d",
        "hr_measure": "GH/s",
        "system": {
            "os": "GNU/Linux",
            "miner_name": model.alias,
            "file_system_version": "",
            "mem_total": 237040,
            "mem_free": 151200,
            "mem_free_percent": 63,
            "mem_buf": 40100,
            "mem_buf_percent": 16,
            "network_status": {
                "mac": miner.mac.upper(),
                "dhcp": True,
                "ip": miner.ip,
                "netmask": "255.255.255.0",
                "gateway": "127.0.0.1",
                "dns": ["127.0.0.1"],
                "hostname": "Antminer",
            },
            "uptime": uptime_text(miner.clock.now_s() - miner.physics.booted_s),
        },
        "serial": "N/A",
    }


def uptime_text(seconds: float) -> str:
    """``0:06`` is hours and minutes; from a day on ``3 days, 4:12``."""
    minutes = max(0, int(seconds)) // 60
    days, minutes = divmod(minutes, 24 * 60)
    clock = f"{minutes // 60}:{minutes % 60:02d}"
    if days == 0:
        return clock
    return f"{days} day{'s' if days > 1 else ''}, {clock}"


def model_info(miner: SimMiner) -> Json:
    """GET /model."""
    model = miner.model
    volt = model.default_volt_10mv
    return {
        "full_name": model.full_name,
        "model": model.alias,
        "algorithm": "sha256d",
        "series": model.series,
        "platform": model.platform,
        "install_type": "nand",
        "hr_measure": "GH/s",
        "serial": "N/A",
        "chain": {
            "chips_per_chain": model.chips_per_chain,
            "chips_per_domain": model.chips_per_domain,
            "num_chains": model.num_chains,
            "topology": {"chips": [[0, 1, 2], [5, 4, 3]], "num_cols": 3, "num_rows": 2},
        },
        "cooling": {
            "min_fan_pwm": 10,
            "min_target_temp": 20,
            "max_target_temp": 90,
            "fan_min_count": {"min": 1, "max": 4, "default": 4},
        },
        "overclock": {
            "max_voltage": volt + 120,
            "min_voltage": volt - 210,
            "default_voltage": volt,
            "max_freq": 1000,
            "min_freq": 50,
            "default_freq": model.default_freq_mhz,
            "warn_freq": model.default_freq_mhz + 105,
            "max_voltage_stock_psu": volt + 120,
        },
    }


def miner_status(miner: SimMiner) -> Json:
    """The common head of /status and /summary: state, its time in whole seconds, the failure if there is one."""
    now_s = miner.clock.now_s()
    status: Json = {
        "miner_state": str(miner.physics.state(now_s)),
        "miner_state_time": int(miner.physics.state_time_s(now_s)),
    }
    if miner.physics.failure is not None:
        status["description"] = miner.physics.failure[1]
        status["failure_code"] = miner.physics.failure[0]
    return status


def status(miner: SimMiner, *, unlocked: bool, seconds_left: int | None) -> Json:
    """GET /status. ``unlocked`` says that this request's credential is good."""
    answer = miner_status(miner) | {
        "find_miner": False,
        "restart_required": miner.physics.restart_required,
        "reboot_required": miner.physics.reboot_required,
        "unlocked": unlocked,
    }
    if seconds_left is not None:
        answer |= {"unlock_timeout": seconds_left, "warranty": "not_provided"}
    return answer


def _temperatures(miner: SimMiner, power_w: float) -> tuple[Json, Json]:
    share = min(1.2, power_w / max(1.0, miner.model.highest_tuned().power_w))
    pcb_max, chip_max = int(26 + 22 * share), int(28 + 32 * share)
    return {"min": pcb_max - 9, "max": pcb_max}, {"min": chip_max - 6, "max": chip_max}


def _clocks(miner: SimMiner) -> tuple[float, int]:
    """Frequency in MHz and voltage in mV of the running preset, roughly proportional to its hashrate."""
    model = miner.model
    preset = model.preset(miner.physics.running_preset)
    hashrate_ths = preset.hashrate_ths or model.disabled_ths
    return round(model.default_freq_mhz * hashrate_ths / model.stock_ths, 1), model.default_volt_10mv * 10


def summary(miner: SimMiner) -> Json:
    """GET /summary."""
    now_s = miner.clock.now_s()
    physics, model = miner.physics, miner.model
    state = physics.state(now_s)
    failed = state is State.FAILURE
    power_w = round(physics.power_w(now_s))
    reported_w = 0 if state in (State.STOPPED, State.FAILURE) or miner.faults.get("power_zero") else power_w
    hr_ghs = physics.hashrate_ths(now_s) * 1000
    nominal_ghs = model.preset(physics.running_preset).hashrate_ths * 1020 if state in HASHING else 0.0
    pcb_temp, chip_temp = _temperatures(miner, power_w)
    fan_count = 0 if failed else 4
    fan_rpm = 5280 if state in HASHING else 2100
    return {
        "miner": {
            "miner_status": miner_status(miner),
            "miner_type": f"{model.full_name} (Vnish {model.firmware})",
            "hr_stock": 0.0 if failed else model.stock_ths * 1000,
            "average_hashrate": round(hr_ghs / 1000, 4),
            "instant_hashrate": round(hr_ghs / 1000, 4),
            "hr_realtime": round(hr_ghs, 2),
            "hr_nominal": round(nominal_ghs, 2),
            "hr_average": round(hr_ghs, 2),
            "pcb_temp": pcb_temp,
            "chip_temp": chip_temp,
            "power_consumption": reported_w,
            "power_usage": reported_w,
            "power_efficiency": round(reported_w / (hr_ghs / 1000), 4) if hr_ghs else 0.0,
            "hw_errors_percent": 0.0,
            "hr_error": 0.0,
            "hw_errors": 12,
            "devfee_percent": DEVFEE_PERCENT,
            "devfee": round(hr_ghs * DEVFEE_PERCENT / 100, 2),
            "pools": _pools(),
            "cooling": {
                "fan_num": fan_count,
                "fans": [
                    {"id": fan, "rpm": fan_rpm + 30 * fan, "status": "ok", "max_rpm": FAN_MAX_RPM}
                    for fan in range(fan_count)
                ],
                "settings": {"mode": {"name": "auto"}},
                "fan_duty": 0 if failed else 82 if state in HASHING else 30,
            },
            "chains": _summary_chains(
                miner, state, power_w=reported_w, hr_ghs=hr_ghs, temperatures=(pcb_temp, chip_temp)
            ),
            "found_blocks": 0,
            "best_share": 169988423,
            "psu": _psu(miner),
        }
    }


def _psu(miner: SimMiner) -> Json | None:
    if not miner.model.power_metering:
        return None
    return {"temps": {"pfc_temp": 44, "llc1_temp": 45, "llc2_temp": 47}, "psu_power_metering": True}


def _pools() -> list[Json]:
    return [
        {
            "id": 0, "url": "pool.example:3333", "pool_type": "UserPool", "user": POOL_USER, "status": "active",
            "asic_boost": True, "diff": "262K", "accepted": 1599, "rejected": 9, "stale": 0, "ls_diff": 262144.0,
            "ls_time": "0:00:04", "diffa": 159888384.0, "ping": 38,
        },
        {
            "id": 1, "url": "DevFee", "pool_type": "DevFee", "user": "DevFee", "status": "working",
            "asic_boost": True, "diff": "16.4K", "accepted": 3, "rejected": 0, "stale": 0, "ls_diff": 16384.0,
            "ls_time": "0:00:13", "diffa": 3884.0, "ping": 49,
        },
    ]  # fmt: skip


def _chain_state(miner: SimMiner, chain: int, state: State) -> Json:
    if chain >= miner.model.num_chains - miner.physics.boards_out:
        return {"state": "failure", "description": "Chain break detected"}
    if state in HASHING:
        return {"state": "mining"}
    if state in (State.INITIALIZING, State.STARTING, State.RESTARTING):
        return {"state": "initializing"}
    return {"state": "stopped"}


def _summary_chains(
    miner: SimMiner, state: State, *, power_w: int, hr_ghs: float, temperatures: tuple[Json, Json]
) -> list[Json]:
    if state is State.FAILURE:
        return []
    model = miner.model
    alive = max(0, model.num_chains - miner.physics.boards_out)
    freq_mhz, volt_mv = _clocks(miner) if state in HASHING else (0.0, 0)
    ideal_ghs = model.preset(miner.physics.running_preset).hashrate_ths * 1020 / model.num_chains
    grey = {"red": 0, "orange": 2, "grey": model.chips_per_chain - 2}
    red = {"red": model.chips_per_chain, "orange": 0, "grey": 0}
    chains = []
    for chain in range(model.num_chains):
        works = chain < alive and state in HASHING
        rate_ghs = hr_ghs / alive if works else 0.0
        chains.append(
            {
                "id": chain + 1,
                "frequency": freq_mhz if works else 0.0,
                "voltage": volt_mv,
                "power_consumption": power_w // alive if works else 0,
                "hashrate_ideal": round(ideal_ghs, 2) if works else 0.0,
                "hashrate_rt": round(rate_ghs, 2),
                "hashrate_percentage": round(min(100.0, 100 * rate_ghs / ideal_ghs), 1) if works and ideal_ghs else 0.0,
                "hr_error": 0.0,
                "hw_errors": 4,
                "pcb_temp": temperatures[0],
                "chip_temp": temperatures[1],
                "chip_statuses": red if works and not rate_ghs else grey,
                "status": _chain_state(miner, chain, state),
            }
        )
    return chains


def chains(miner: SimMiner) -> list[Json]:
    """GET /chains: boards with every chip (some 25 KB, like the real ones)."""
    now_s = miner.clock.now_s()
    state, model = miner.physics.state(now_s), miner.model
    if state in (State.FAILURE, State.STOPPED, State.RESTARTING):
        return []
    alive = max(0, model.num_chains - miner.physics.boards_out)
    freq_mhz, _ = _clocks(miner)
    hr_ghs = miner.physics.hashrate_ths(now_s) * 1000
    _, chip_temp = _temperatures(miner, miner.physics.power_w(now_s))
    boards = []
    for chain in range(model.num_chains):
        rate_ghs = hr_ghs / alive if chain < alive else 0.0
        chip_ghs = round(rate_ghs / model.chips_per_chain, 1)
        boards.append(
            {
                "id": chain + 1,
                "status": _chain_state(miner, chain, state),
                "hr_realtime": round(rate_ghs, 2),
                "hr_nominal": round(rate_ghs * 1.02, 2),
                "freq": freq_mhz if rate_ghs else 0.0,
                "sensors": [
                    {"state": "measure", "board": chip_temp["max"] - 10, "chip": chip_temp["max"], "loc": loc}
                    for loc in (17, 60)
                ],
                "chips": [
                    {
                        "id": chip,
                        "hr": chip_ghs,
                        "freq": int(freq_mhz) if rate_ghs else 0,
                        "volt": 0,
                        "temp": float(chip_temp["max"] - chip % 4),
                        "errs": 0,
                        "grade": "red" if not rate_ghs else "orange" if chip == 0 else "grey",
                        "throttled": False,
                    }
                    for chip in range(model.chips_per_chain)
                ],
            }
        )
    return boards


def factory_info(_miner: SimMiner) -> Json:
    """GET /chains/factory-info: all null is normal."""
    return {"hr_stock": None, "has_pics": None, "psu_model": None, "psu_serial": None, "chains": None}


def _preset_head(miner: SimMiner, preset: Preset) -> Json:
    return {
        "name": preset.name,
        "pretty": preset.pretty,
        "status": "tuned" if miner.physics.is_tuned(preset.name) else "untuned",
        "modded_psu_required": preset.modded_psu_required,
    }


def switcher(miner: SimMiner) -> Json:
    """The preset switcher's block, off unless it moves by itself."""
    ladder = miner.model.steps()
    enabled = miner.physics.switcher_enabled
    return {
        "enabled": enabled,
        "top_preset": ladder[-1].name if enabled else None,
        "decrease_temp": 75,
        "rise_temp": 55,
        "check_time": 300,
        "autochange_top_preset": False,
        "ignore_fan_speed": False,
        "min_preset": ladder[0].name if enabled else None,
        "power_delta": 0,
    }


def perf_summary(miner: SimMiner) -> Json:
    """GET /perf-summary: the preset that runs now, null while the mining process is dead."""
    answer: Json = {"preset_switcher": switcher(miner)}
    if miner.physics.failure is not None:
        return {"current_preset": None} | answer
    current = _preset_head(miner, miner.model.preset(miner.physics.running_preset))
    if miner.physics.running_preset == DISABLED:
        current["globals"] = {"volt": miner.model.default_volt_10mv, "freq": miner.model.default_freq_mhz}
    return {"current_preset": current} | answer


def presets(miner: SimMiner) -> list[Json]:
    """GET /autotune/presets: ``disabled`` first, then ascending watts; tuned ones carry ``tune_settings``."""
    return [_preset_item(miner, preset) for preset in miner.model.presets]


def _preset_item(miner: SimMiner, preset: Preset) -> Json:
    model = miner.model
    item = _preset_head(miner, preset)
    if preset.name == DISABLED:
        item["tune_settings"] = _tuning(model.num_chains, 0, model.default_volt_10mv * 10, model.default_freq_mhz, True)
    elif miner.physics.is_tuned(preset.name):
        hashrate_ghs = int(preset.hashrate_ths * 1000 * miner.physics.behaviour.hash_share)
        freq_mhz = int(model.default_freq_mhz * preset.hashrate_ths / model.stock_ths)
        item["tune_settings"] = _tuning(model.num_chains, hashrate_ghs, model.default_volt_10mv * 10, freq_mhz, False)
    return item


def _tuning(num_chains: int, hashrate_ghs: int, volt_mv: int, freq_mhz: int, modified: bool) -> Json:
    chain_mhz = freq_mhz if hashrate_ghs else 0
    return {
        "hashrate": hashrate_ghs,
        "volt": volt_mv,
        "freq": freq_mhz,
        "chains": [{"freq": chain_mhz, "chips": [0, 0, 0]} for _ in range(num_chains)],
        "modified": modified,
    }


def settings(miner: SimMiner) -> Json:
    """GET /settings: the defaults with everything that was written merged over them."""
    model = miner.model
    freq_mhz = model.default_freq_mhz
    chain = {"freq": freq_mhz, "chips": [0] * model.chips_per_chain, "disabled": False}
    view: Json = {
        "miner": {
            "cooling": {
                "mode": {"name": "auto", "param": 65},
                "fan_min_count": 4, "fan_min_duty": 10, "fan_max_duty": 100,
            },
            "misc": {
                "asic_boost": True, "restart_hashrate": 0, "restart_temp": 90, "disable_restart_unbalanced": False,
                "disable_chain_break_protection": False, "max_restart_attempts": 3,
                "bitmain_disable_volt_comp": False, "quick_start": False, "higher_volt_offset": 0,
                "tuner_bad_chip_hr_threshold": 50,
                "remain_stopped_on_reboot": miner.spec.stay_stopped_on_reboot,
                "ignore_broken_sensors": False, "disable_volt_checks": False, "quiet_mode": False,
                "downscale_preset_on_failure": False, "auto_chip_throttling": False, "max_startup_delay_time": 0,
                "ignore_chip_sensors": False, "min_operational_chains": 3,
            },
            "overclock": {
                "modded_psu": False,
                "preset": miner.physics.saved_preset,
                "globals": {"volt": model.default_volt_10mv, "freq": freq_mhz},
                "chains": [chain] * model.num_chains,
                "preset_switcher": switcher(miner),
            },
            "pools": [
                {"url": "pool.example:3333", "user": POOL_USER, "pass": "x"},
                {"url": "", "user": "", "pass": ""},
            ],
        },
        "ui": {
            "theme": "auto", "dark_side_pane": False, "disable_animation": False, "locale": "en", "timezone": "GMT",
            "consts": None,
        },
        "regional": {"timezone": {"current": "GMT-3"}},
        "network": {
            "hostname": "Antminer", "dhcp": True, "ipaddress": miner.ip, "netmask": "255.255.255.0",
            "gateway": "127.0.0.1", "dnsservers": ["127.0.0.1"],
        },
        "password": None,
        "layout": None,
    }  # fmt: skip
    return merged(view, miner.settings_overrides)


def merged(base: Json, over: Json) -> Json:
    """``base`` with ``over`` laid on it: objects are merged, lists and values replaced, nulls ignored."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
