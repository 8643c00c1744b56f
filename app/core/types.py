"""What the rules are about: frozen facts in, frozen plans out. Units are part of every name.

What plant and miners tell is in `core.readings`. One type per stage of a thing: `PlantReading` (what the plant
answered) -> `AdmittedReading` (trusted, complete, by role) -> `PlantView` (with its age, in a snapshot);
`MinerStatus` (what a miner answered) -> `MinerView` (with what PowerHive knows of it); `Snapshot` -> `Plan`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.core.readings import NO_PRESETS, Ladder, MinerState, Stamp

# --- presets and their changes ---------------------------------------------------------------------------------------


class UntunedUse(StrEnum):
    """Whether untuned presets may be chosen by themselves: they restart into auto-tuning that may take hours."""

    NEVER = "never"
    WHEN_NEEDED = "when_needed"  # only where a miner has fewer than two tuned ones
    ALWAYS = "always"


class ChangeKind(StrEnum):
    PRESET = "preset"
    STOP = "stop"
    START = "start"  # sets and reads back the lowest preset first


class Outcome(StrEnum):
    """Life of a change: sending -> sent | failed | unknown -> confirmed | not_applied | superseded."""

    SENDING = "sending"
    SENT = "sent"  # the miner accepted the calls; proves nothing yet
    UNKNOWN = "unknown"  # no answer (or we died): it may or may not have happened
    FAILED = "failed"  # the miner refused, or could not be reached at all
    CONFIRMED = "confirmed"  # read back
    NOT_APPLIED = "not_applied"  # five minutes later it still was not so
    SUPERSEDED = "superseded"  # a newer change on the same miner took its place

    @property
    def on_its_way(self) -> bool:
        return self in (Outcome.SENDING, Outcome.SENT, Outcome.UNKNOWN)


class Origin(StrEnum):
    BALANCER = "balancer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class ChangeView:
    """The latest change on a miner, as the snapshot sees it. Ages in seconds from the intent row.

    `effective`: the miner accepted the new preset and, where it asked for a restart, accepted the restart.
    `attempt`: how many times in a row this same wish was sent (1 = first).
    `polled_unchanged`: a poll at least 45 s after the change found the miner still mining on the old preset.
    """

    kind: ChangeKind
    old_preset: str | None
    new_preset: str | None
    old_power_w: float
    new_power_w: float
    outcome: Outcome
    age_s: float
    effective: bool = False
    attempt: int = 1
    polled_unchanged: bool = False
    finished_age_s: float | None = None  # since confirmed / not_applied / failed / superseded
    origin: Origin = Origin.BALANCER


@dataclass(frozen=True, slots=True)
class MinerView:
    """All that one cycle knows of one miner. Nothing is read again in the cycle.

    `max_preset_w` is the firmware watts of the miner model's max preset, None where none is set: not to be touched.
    `silent_s` is None while the miner answers; else the seconds since its last answer, from the moment that it counts
    as offline (three polls in a row, or 60 s).
    `stopped_by_us`: PowerHive's own latest stop of this miner has not been undone by a start.
    """

    id: int
    mac: str
    ladder: Ladder = NO_PRESETS
    model_alias: str | None = None
    max_preset: str | None = None
    max_preset_w: int | None = None
    allow_modded_psu: bool = False
    untuned_use: UntunedUse = UntunedUse.WHEN_NEEDED
    managed: bool = False
    held: bool = False
    retired: bool = False
    identified: bool = True  # discovery recognised VNish at this address and holds a key
    state: MinerState = MinerState.UNKNOWN
    running_preset: str | None = None
    saved_preset: str | None = None
    measured_power_w: float | None = None
    measured_hashrate_ths: float | None = None
    throttled_percent: int | None = None
    silent_s: float | None = None
    last_accounted_w: float | None = None
    worst_case_w: float = 4000.0
    last_change: ChangeView | None = None
    cooldown_left_s: float = 0.0
    stopped_by_us: bool = False
    failed_this_cycle: bool = False  # a command of this very cycle did not get through
    power_factor: float = 1.0  # learned: what it draws over what its presets say; the operator's watts are not scaled
    hashrate_factor: float = 1.0  # learned likewise
    switch_loss_s: float = 70.0  # seconds of full hashrate that a preset change costs its miner model
    soon_loss_s: float | None = None  # ... that comes soon after another and then needs a restart

    @property
    def change_on_way(self) -> ChangeView | None:
        """The latest change, where its end is not yet known."""
        change = self.last_change
        return change if change is not None and change.outcome.on_its_way else None


# --- a cycle ---------------------------------------------------------------------------------------------------------


class Mode(StrEnum):
    OBSERVE = "observe"  # plans and shows, sends nothing
    ARMED = "armed"
    OFF = "off"


class Override(StrEnum):
    """What an operator's button ordered for the whole farm, until resume."""

    NONE = "none"
    MINIMUM = "minimum"
    STOP = "stop"


class BalanceStatus(StrEnum):
    OK = "OK"
    WARNING = "WARNING"
    OVER_TARGET = "OVER_TARGET"
    STALE = "STALE"
    NO_DATA = "NO_DATA"


@dataclass(frozen=True, slots=True)
class PlantView:
    """The newest trusted reading in force, as the snapshot sees it (kW, seconds).

    `age_s` by the plant's own clock at the answer, then monotonic. `frozen_s`: how long every value has been equal to
    the last digit. `foreign_kw` / `miners_meter_kw`: consumption by role (None: no source in role `miners`).
    `miners_meter_ok`: every source in role `miners` was `success`. `generation_doubtful`: a failed generation source
    still counts with its last good value, so nothing may be raised. `over_generation_twice`: on this and the previous
    fresh reading measured consumption exceeded measured generation.
    """

    reading_id: int
    recorded_at: datetime
    generation_kw: float
    container_kw: float
    foreign_kw: float
    miners_meter_kw: float | None = None
    miners_meter_ok: bool = True
    age_s: float = 0.0
    frozen_s: float = 0.0
    generation_doubtful: bool = False
    over_generation_twice: bool = False
    is_new: bool = True  # no cycle has used this reading before
    newer_refused: bool = False  # the plant's newest answer, or the lack of one, could not drive control
    contradicted: tuple[str, ...] = ()  # a sentence for each group of meters whose role is wrong by what they measure


@dataclass(frozen=True, slots=True)
class CycleMemory:
    """What one cycle hands to the next: columns of the cycle's row, nothing in memory."""

    overhead_kw: float = 0.0
    surplus_since: Stamp | None = None
    restart_room_since: Stamp | None = None
    restart_room_w: float = 0.0  # the room for stopped miners that has been there ever since
    reoptimised_at: Stamp | None = None  # when presets were last exchanged inside the band, or the wait for it began


@dataclass(frozen=True, slots=True)
class Settings:
    """The run-time settings the rules use. Bounds and meanings: `core.settings.SPECS`."""

    mode: Mode = Mode.OBSERVE
    policy: str = "economic"
    override: Override = Override.NONE
    safety_margin_percent: float = 10.0
    farm_limit_kw: float | None = None
    tolerance_w: int = 500
    cooldown_s: int = 30
    count_unmanaged: bool = True
    wall_factor: float = 1.0
    other_firmware_power_w: int = 3500
    stale_after_s: int = 45
    trust_melts_after_s: int = 60
    stale_derate_percent_per_min: float = 5.0
    lost_after_s: int = 600
    plant_lost_action: str = "minimum"  # minimum | hold | stop
    last_resort: str = "stop"  # stop | hold
    surplus_lasts_s: int = 30
    horizon_s: int = 1200
    cut_above_percent: float = 0.05
    raise_below_percent: float = 0.65
    raise_window_readings: int = 12
    fast_raise_percent: float = 7.0
    raise_step_percent: float = 10.0
    reoptimise_s: int = 300
    reoptimise_gain_percent: float = 0.1
    untuned_loss_s: int = 900
    stops_for_value: bool = True
    restart_room_percent: float = 2.0
    restart_room_lasts_s: int = 180
    ramp_up_kw_per_min: float | None = None
    ramp_down_kw_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One frozen picture of plant, farm and wishes. `plan(snapshot)` needs nothing else.

    `uptime_s`: since the acting scheduler took over. `fresh_since_start` / `polled_since_start`: one fresh reading and
    one full status poll have come in since then (SPEC 5.5). `interval_s`: the balance interval; `reading_interval_s`:
    the plant's. `raised_last_min_w`, `cut_last_interval_w`: what raises of the last minute took, and cuts of this
    interval freed, for the ramps.
    `recent_available_kw`: the available power of the readings before this one, oldest first and without a gap, seen in
    this scheduler's term.
    """

    now: Stamp
    settings: Settings
    miners: tuple[MinerView, ...]
    plant: PlantView | None
    memory: CycleMemory = CycleMemory()
    uptime_s: float = 0.0
    fresh_since_start: bool = False
    polled_since_start: bool = False
    other_firmware_count: int = 0  # stock and unknown firmware seen by discovery: they draw, nobody can command them
    raised_last_min_w: float = 0.0
    last_raise_age_s: float | None = None  # None: none is known, or no ramp asks for it
    cut_last_interval_w: float = 0.0
    interval_s: float = 15.0
    reading_interval_s: float = 15.0
    cuts_only: bool = False  # a second look in the same cycle: what failed is taken from others
    recent_available_kw: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PresetChange:
    """One intent: what is to be sent to one miner, and why."""

    miner_id: int
    mac: str
    kind: ChangeKind
    old_preset: str | None
    new_preset: str | None
    old_power_w: float  # accounted before
    new_power_w: float  # accounted once it is done
    reason: str
    origin: Origin = Origin.BALANCER
    above_max: bool = False  # brings a miner below its max preset: a cut by the firmware's watts, whatever it counts

    @property
    def delta_w(self) -> float:
        return self.new_power_w - self.old_power_w

    @property
    def is_cut(self) -> bool:
        """Whether it takes power away: it goes out at once. What leaves the power as it is waits with the raises."""
        if self.kind is ChangeKind.PRESET:
            return self.above_max or self.delta_w < 0
        return self.kind is ChangeKind.STOP


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a managed miner was not moved, in one sentence."""

    miner_id: int
    mac: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What one cycle decided, complete enough to be shown without computing anything again. W unless named kW."""

    status: BalanceStatus
    reason: str
    generation_kw: float
    container_kw: float
    foreign_kw: float  # sources in role foreign + unmanaged miners + overhead
    overhead_kw: float
    available_kw: float
    target_w: float
    current_w: float
    unmanaged_w: float
    delta_w: float
    emergency: bool = False
    increases_allowed: bool = False
    send: bool = False  # mode armed (observe and off: shown, not sent); operator-origin changes go out in any mode
    data_age_s: float | None = None
    changes: tuple[PresetChange, ...] = ()
    skipped: tuple[Skip, ...] = ()
    accounted: dict[int, float] = field(default_factory=dict)  # miner id -> accounted_power_w of every known miner
    remembered: dict[int, float] = field(default_factory=dict)  # ... by its own facts: what to count it with if silent
    memory: CycleMemory = CycleMemory()
    cut_capacity_w: float = 0.0  # what the managed miners could still give, at their lowest presets
    raise_room_w: float = 0.0  # what they could still take, at their highest allowed presets
    planned_w: float = 0.0  # current_w after the changes
    cut_pace_w_per_s: float | None = None  # how fast cuts that nobody ordered are to go out; None: all at once
    stays: str = ""  # why every managed miner that is neither changed nor skipped stays where it is

    @property
    def available_w(self) -> float:
        return self.available_kw * 1000.0

    @property
    def sendable(self) -> tuple[PresetChange, ...]:
        """The changes that go out: all when armed, else those an operator ordered."""
        return tuple(change for change in self.changes if self.send or change.origin is Origin.OPERATOR)
