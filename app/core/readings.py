"""What the plant and the miners tell, frozen as the edge understood it. Units are part of every name.

The rules' own words, snapshots and plans, are in `core.types`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment on both clocks of one machine."""

    utc: datetime
    monotonic_s: float
    boot_id: str

    def elapsed_s(self, now: Stamp) -> float:
        """Return the seconds from this moment to `now`; never negative.

        Within one boot the monotonic clock decides. Across boots only wall clocks are left: a moment that lies in the
        future by them (a stepped clock) counts as just happened (SPEC 5.3), but never as younger than this boot is:
        else a clock an hour back would block every cut for that hour.
        """
        if "unknown" in (self.boot_id, now.boot_id):
            return max(0.0, (now.utc - self.utc).total_seconds())
        if self.boot_id == now.boot_id:
            return max(0.0, now.monotonic_s - self.monotonic_s)
        return max(0.0, now.monotonic_s, (now.utc - self.utc).total_seconds())


# --- plant -----------------------------------------------------------------------------------------------------------


class SourceKind(StrEnum):
    GENERATION = "generation"
    CONSUMPTION = "consumption"


class SourceRole(StrEnum):
    """What a consumption source measures (SPEC 3). Generation sources have the role `generation`."""

    GENERATION = "generation"
    FOREIGN = "foreign"  # load that PowerHive cannot control
    MINERS = "miners"  # contains the managed miners: subtracting it would count them twice
    RETIRED = "retired"  # gone for good: its absence is no failure


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One source in one answer of the plant. `value_kw` is None where the answer gives no usable number."""

    name: str
    kind: SourceKind
    value_kw: float | None
    status: str  # "success" or the plant's error word
    source_timestamp: datetime | None = None

    @property
    def good(self) -> bool:
        return self.status == "success" and self.value_kw is not None


@dataclass(frozen=True, slots=True)
class PlantReading:
    """One well-formed answer of the plant, in kW. Whether it may drive control is judged by `core.plant.admit`.

    `answered_at` is the answer's own `Date` header (the plant's clock at the time it answered), None without one.
    """

    plant_id: str
    aggregator_id: int | None
    recorded_at: datetime  # collection_timestamp, UTC
    sources: tuple[SourceReading, ...]
    confidence: float
    trust_status: str
    answered_at: datetime | None


# --- miners ----------------------------------------------------------------------------------------------------------


class MinerState(StrEnum):
    """VNish miner_state (CONTRACT 3, /status), plus `unknown` for anything else."""

    MINING = "mining"
    AUTO_TUNING = "auto-tuning"
    INITIALIZING = "initializing"
    STARTING = "starting"
    RESTARTING = "restarting"
    SHUTTING_DOWN = "shutting-down"
    STOPPED = "stopped"
    FAILURE = "failure"
    UNKNOWN = "unknown"

    @property
    def hashing(self) -> bool:
        return self in _HASHING

    @property
    def booting(self) -> bool:
        return self in _BOOTING


_HASHING = (MinerState.MINING, MinerState.AUTO_TUNING)
_BOOTING = (MinerState.INITIALIZING, MinerState.STARTING, MinerState.RESTARTING)


@dataclass(frozen=True, slots=True)
class Preset:
    """One operating point of a miner's firmware (CONTRACT 3, /autotune/presets).

    `firmware_power_w` comes from the name or the label, never from an operator: the hard limits are judged by it.
    `expected_power_w` / `expected_hashrate_ths` are the operator's own numbers; they win in the accounting.
    """

    name: str
    firmware_power_w: int | None
    hashrate_ths: float | None = None
    tuned: bool = False
    modded_psu_required: bool = False
    expected_power_w: int | None = None
    expected_hashrate_ths: float | None = None

    @property
    def power_w(self) -> int | None:
        """What this preset is expected to draw in W: the operator's number, else the firmware's."""
        return self.firmware_power_w if self.expected_power_w is None else self.expected_power_w


@dataclass(frozen=True, slots=True)
class Ladder:
    """The presets of one miner, by firmware watts, unknown watts last. Built by `core.ladder.build`."""

    presets: tuple[Preset, ...] = ()
    _by_name: dict[str | None, Preset] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {preset.name: preset for preset in reversed(self.presets)})

    def get(self, name: str | None) -> Preset | None:
        """Return the preset of that name, or None."""
        return self._by_name.get(name)


NO_PRESETS = Ladder()


@dataclass(frozen=True, slots=True)
class BoardReading:
    """One hash board. Temperatures in degC, None = no reading."""

    board: int  # 1-based, as the firmware counts
    state: str
    power_w: int | None = None
    hashrate_ths: float | None = None
    frequency_mhz: float | None = None
    voltage_mv: int | None = None
    pcb_temp_c: int | None = None  # the hottest
    chip_temp_c: int | None = None  # the hottest
    chips_red: int | None = None
    chips_orange: int | None = None
    chips_grey: int | None = None  # grey = good


@dataclass(frozen=True, slots=True)
class FanReading:
    fan: int
    rpm: int | None
    ok: bool


@dataclass(frozen=True, slots=True)
class MinerIdentity:
    """What /info and /model tell. `mac` is lower case; None where the firmware does not give one."""

    mac: str | None
    ip: str
    model_alias: str  # "s19jpro"
    model_name: str  # "Antminer S19j Pro"
    firmware_version: str
    algorithm: str  # "sha256d"; others never add to TH/s totals
    hr_measure: str  # "GH/s" or "MH/s": the unit of every hr_*/hashrate_* number of this miner
    platform: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class MinerStatus:
    """One poll of a miner (/summary + /perf-summary), units converted, unknown as None (never 0).

    `power_w` None: no usable number (0 while hashing is unknown, not zero: CONTRACT 3). `running_preset` is
    perf-summary's current_preset (what runs now), not the setting. `throttled_percent` None or 100: not throttled.
    """

    state: MinerState
    raw_state: str
    state_time_s: int | None = None
    description: str | None = None
    failure_code: int | None = None
    running_preset: str | None = None
    power_w: int | None = None
    power_metered: bool = False
    hashrate_ths: float | None = None
    efficiency_w_per_ths: float | None = None
    pcb_temp_c: int | None = None
    chip_temp_c: int | None = None
    uptime_s: int | None = None
    throttled_percent: int | None = None
    switcher_enabled: bool = False
    restart_required: bool | None = None
    reboot_required: bool | None = None
    fan_duty_percent: int | None = None
    fans: tuple[FanReading, ...] = ()
    boards: tuple[BoardReading, ...] = ()
