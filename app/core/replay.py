"""What was recorded of a site, run once more: its readings through the planner and a model farm, with other settings.

What is taken as given is what the miners do not change: generation, foreign meters, unmanaged miners and overhead, as
recorded. The miners are a model (`farm_model`): beside its numbers stand those of what really happened, and a replay
under the site's own settings shows how near the model comes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from app.core import plan as planning
from app.core import power
from app.core import settings as rules
from app.core.farm_hardware import Physics
from app.core.farm_model import (
    KWH_WS,
    LONG_UP_S,
    SECONDS_PER_HOUR,
    FarmModel,
    ModelCycle,
    ModelMiner,
    Reading,
    each_second,
)
from app.core.plant import effective_age_s
from app.core.types import MinerView, Mode, Plan, Settings, Snapshot

LONGEST_PAUSE_S = 60.0  # without reading and cycle for longer: PowerHive did not run, nobody decided anything
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class RecordedReading:
    """A plant reading as it came in at `at_s`, measured `age_s` before. `foreign_kw`: sources in role foreign."""

    at_s: float
    age_s: float
    frozen_s: float
    generation_kw: float
    foreign_kw: float


@dataclass(frozen=True, slots=True)
class RecordedCycle:
    """What a real cycle saw. `accounted_w`: the managed miners' accounted power before its changes."""

    at_s: float
    available_kw: float
    overhead_kw: float
    unmanaged_w: float
    target_w: float
    accounted_w: float


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded in a span of `span_s`; times in seconds from its beginning, everything in order of time.

    `interval_s`, `reading_interval_s`: how often it was balanced and the plant was read, by today's configuration.
    `settings`: what was in force from that second on. `miners`: the managed ones as they were at the beginning, of
    `guessed` of them only as they are now. `switches`: changes that miners took on; `by_hand`: those an operator
    ordered, which the replay does not know. `sweeps`: how often all miners were sampled; `drawn_w` and `hashed_ths` are
    the means of what they then measured together, None without any.
    """

    span_s: float
    interval_s: float
    readings: tuple[RecordedReading, ...]
    cycles: tuple[RecordedCycle, ...]
    settings: tuple[tuple[float, Settings], ...]
    miners: tuple[MinerView, ...]
    reading_interval_s: float = 15.0
    guessed: int = 0
    switches: int = 0
    by_hand: int = 0
    sweeps: int = 0
    drawn_w: float | None = None
    hashed_ths: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a span of time gave. None: not known.

    Accounted numbers are the accounted power (SPEC 4) as a cycle found it, held until the next one. Drawn ones are the
    model's, or what the miners measured. Overload above the target and above the available power.
    """

    hours: float
    miners: int
    switches: int
    accounted_kwh: float
    accounted_above_target_kwh: float
    accounted_above_available_kwh: float
    drawn_kwh: float | None = None
    drawn_above_target_kwh: float | None = None
    drawn_above_available_kwh: float | None = None
    th_hours: float | None = None

    @property
    def switches_per_miner_day(self) -> float:
        days = self.miners * self.hours * SECONDS_PER_HOUR / SECONDS_PER_DAY
        return self.switches / days if days else 0.0


def really(recording: Recording) -> Outcome:
    """Return what really happened, as far as it was recorded."""
    pieces = _Pieces(recording)
    found = [cycle for cycle in recording.cycles if pieces.holds(cycle.at_s)]
    times = [pieces.shortened_s(cycle.at_s) for cycle in found]
    hours = pieces.length_s / SECONDS_PER_HOUR
    return replace(
        _accounted(times, found, pieces.length_s),
        miners=len(recording.miners),
        switches=recording.switches,
        drawn_kwh=None if recording.drawn_w is None else recording.drawn_w / 1000.0 * hours,
        th_hours=None if recording.hashed_ths is None else recording.hashed_ths * hours,
    )


def replay(recording: Recording, changed: Mapping[str, Any] | None = None) -> Outcome:
    """Run the recorded readings through the planner and the model farm.

    `changed`: checked values of settings to be in force all the time, beside those recorded.
    """
    pieces = _Pieces(recording)
    settings = [(at_s, rules.changed(then, changed or {})) for at_s, then in recording.settings]
    planner = _Planner([(pieces.shortened_s(at_s), then) for at_s, then in settings])
    ends_s = int(pieces.length_s)
    readings = _readings(recording, settings, pieces)
    miners = [ModelMiner(view, physics=_physics(view)) for view in recording.miners]
    model = FarmModel(
        miners, settings[0][1], interval_s=recording.interval_s, reading_interval_s=recording.reading_interval_s,
        solver=planner.plan,
    )  # fmt: skip
    run = model.run(readings, ends_s)
    available_kw = each_second(readings, 0, ends_s)
    targets_w = [power.target_w(kw, planner.settings_at(at_s)) for at_s, kw in enumerate(available_kw)]
    return replace(
        _accounted([cycle.at_s for cycle in run.cycles], run.cycles, ends_s),
        miners=len(miners),
        switches=run.changes,
        drawn_kwh=run.energy_kwh,
        drawn_above_target_kwh=run.overload_kwh(targets_w),
        drawn_above_available_kwh=run.overload_kwh([kw * 1000.0 for kw in available_kw]),
        th_hours=run.th_hours,
    )


def notes(recording: Recording, changed: Mapping[str, Any] | None = None) -> list[str]:
    """Return what whoever reads the numbers must know, one sentence each."""
    said = []
    left_out_s = recording.span_s - _Pieces(recording).length_s
    if left_out_s > LONGEST_PAUSE_S:
        said.append(
            f"{left_out_s / SECONDS_PER_HOUR:.1f} h are left out of all columns: PowerHive recorded nothing in them."
        )
    if any(rules.changed(then, changed or {}).mode is not Mode.ARMED for _, then in recording.settings):
        said.append("The mode was not armed all the time; then the replay sends nothing either. Try --set mode=armed.")
    said.append(
        f"What was really drawn and hashed is the mean of each miner's samples: {recording.sweeps:,} of them."
        if recording.sweeps
        else "What was really drawn and hashed is not known: no samples of the miners were kept."
    )
    losses_s = sorted({view.switch_loss_s for view in recording.miners})
    said.append(
        "In the model a change costs "
        + " to ".join(f"{loss_s:.0f}" for loss_s in dict.fromkeys((losses_s[0], losses_s[-1])))
        + " s of full hashrate, by miner model; where that is wrong, drawn energy and TH-hours are."
    )
    if recording.by_hand:
        said.append(f"Changes ordered by hand: {recording.by_hand}; they are counted, but not replayed.")
    silent = sum(view.silent_s is not None for view in recording.miners)
    if silent:
        said.append(f"Managed miners without any sample: {silent}; in the replay they are silent and draw nothing.")
    if recording.guessed:
        said.append(f"Miners that begin on their present preset, because none was recorded: {recording.guessed}.")
    if recording.cycles:
        begin_kw = [recording.cycles[0].accounted_w / 1000.0, _first_accounted_w(recording) / 1000.0]
        said.append(f"Accounted at the beginning: really {begin_kw[0]:,.1f} kW, replay {begin_kw[1]:,.1f} kW.")
    return said


# --- inside ----------------------------------------------------------------------------------------------------------


class _Pieces:
    """The stretches of time in which PowerHive ran, put end to end: `shortened_s` leaves out what is between them.

    From the first reading on. A plant that is silent while cycles go on is no hole: the last reading ages, as it did.
    """

    def __init__(self, recording: Recording) -> None:
        first_s = recording.readings[0].at_s
        seen = {r.at_s for r in recording.readings} | {c.at_s for c in recording.cycles if c.at_s >= first_s}
        moments = sorted(at_s for at_s in seen if at_s < recording.span_s)
        self._starts, self._ends, self._before = [first_s], [first_s], [0.0]
        for at_s in moments:
            if at_s - self._ends[-1] > LONGEST_PAUSE_S:
                self._ends[-1] += recording.interval_s
                self._before.append(self._before[-1] + self._ends[-1] - self._starts[-1])
                self._starts.append(at_s)
                self._ends.append(at_s)
            self._ends[-1] = at_s
        self._ends[-1] = min(self._ends[-1] + recording.interval_s, recording.span_s)
        self.length_s = self._before[-1] + self._ends[-1] - self._starts[-1]

    def holds(self, at_s: float) -> bool:
        return at_s >= self._starts[0] and at_s < self._ends[bisect_right(self._starts, at_s) - 1]

    def shortened_s(self, at_s: float) -> float:
        """Return the moment with the holes before it, and what lies before the first reading, left out."""
        place = max(0, bisect_right(self._starts, at_s) - 1)
        return self._before[place] + max(0.0, min(at_s, self._ends[place]) - self._starts[place])


class _Planner:
    """The real planner, by the settings in force at each moment."""

    def __init__(self, settings: Sequence[tuple[float, Settings]]) -> None:
        self._times = [at_s for at_s, _ in settings]
        self._settings = [then for _, then in settings]

    def settings_at(self, at_s: float) -> Settings:
        return self._settings[max(0, bisect_right(self._times, at_s) - 1)]

    def plan(self, snapshot: Snapshot) -> Plan:
        settings = self.settings_at(snapshot.now.monotonic_s - LONG_UP_S)
        return planning.plan(replace(snapshot, settings=settings))


def _readings(recording: Recording, settings: Sequence[tuple[float, Settings]], pieces: _Pieces) -> list[Reading]:
    """Return what was available: generation less foreign sources, overhead and, where they count, unmanaged miners."""
    cycle_times = [cycle.at_s for cycle in recording.cycles]
    setting_times = [at_s for at_s, _ in settings]
    found = []
    for reading in recording.readings:
        then = settings[max(0, bisect_right(setting_times, reading.at_s) - 1)][1]
        available_kw = reading.generation_kw - reading.foreign_kw
        cycle = _cycle_of(reading, recording, cycle_times)
        if cycle is not None:
            available_kw -= cycle.overhead_kw + (cycle.unmanaged_w / 1000.0 if then.count_unmanaged else 0.0)
        age_s = effective_age_s(reading.age_s, reading.frozen_s, then)
        found.append(Reading(pieces.shortened_s(reading.at_s), available_kw, age_s))
    return found


def _cycle_of(reading: RecordedReading, recording: Recording, cycle_times: Sequence[float]) -> RecordedCycle | None:
    """Return the cycle that used the reading, else the nearest before it, else the first one; None without any."""
    place = bisect_left(cycle_times, reading.at_s)
    if not cycle_times:
        return None
    follows = place < len(cycle_times) and cycle_times[place] - reading.at_s <= recording.interval_s
    return recording.cycles[place if follows else max(0, place - 1)]


def _physics(view: MinerView) -> Physics:
    """Return the model's restart and ramp, drawn out or pressed together to what a switch costs this miner model."""
    usual = Physics()
    share = view.switch_loss_s / (usual.restart_s + usual.ramp_s / 2.0)
    return replace(usual, restart_s=usual.restart_s * share, ramp_s=usual.ramp_s * share)


def _first_accounted_w(recording: Recording) -> float:
    settings = recording.settings[0][1]
    return sum(power.account(view, settings).power_w for view in recording.miners)


def _accounted(times_s: Sequence[float], cycles: Sequence[RecordedCycle | ModelCycle], ends_s: float) -> Outcome:
    """Return the accounted energies of cycles at these moments, each held until the next."""
    hours = accounted = above_target = above_available = 0.0
    for cycle, held_s in zip(cycles, _held_s(times_s, ends_s), strict=True):
        hours += held_s / SECONDS_PER_HOUR
        accounted += cycle.accounted_w * held_s
        above_target += max(0.0, cycle.accounted_w - cycle.target_w) * held_s
        above_available += max(0.0, cycle.accounted_w - max(0.0, cycle.available_kw) * 1000.0) * held_s
    return Outcome(hours, 0, 0, accounted / KWH_WS, above_target / KWH_WS, above_available / KWH_WS)


def _held_s(times_s: Sequence[float], ends_s: float) -> Iterable[float]:
    return (max(0.0, until_s - at_s) for at_s, until_s in pairwise([*times_s, ends_s]))
