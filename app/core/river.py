"""When the `economic` policy acts: what the last minutes' readings allow it to cut, raise and start.

Cuts at once; raises only towards the lowest target of the last minutes (`usable`), or by a fast path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core import power
from app.core.types import Settings, Snapshot

LONGEST_HORIZON_S = 14_400.0
LASTING_S = 300.0  # how long water has to have been short before a stop is a choice of value, or calm to be calm again
FAST_START_S = 15.0  # over which the fast path looks for a start, at least: two readings of a plant read every 15 s
MUCH = 0.07  # of the target: what the river may change without being another one
MOVED_SHARE, MOVED_HORIZON = 0.15, 0.75  # a river that moved by so much in that time; the part of the horizon it leaves


@dataclass(frozen=True, slots=True)
class Usable:
    """How much of a surplus may be used (W), and the sentence that says why not more.

    `step_w`: the most that the raises of one reading may take together, and as much its starts.
    """

    power_w: float
    step_w: float
    reason: str


def cut_above_w(target_w: float, settings: Settings) -> float:
    """Return how far above the target the farm is left alone (W)."""
    return max(settings.tolerance_w, settings.cut_above_percent / 100.0 * target_w)


def usable(snapshot: Snapshot, target_w: float, planned_w: float, highest_w: Sequence[float]) -> Usable:
    """Return how much may be raised in this cycle: towards the lowest target of the last readings.

    The targets are computed from the available power of those readings with today's settings, so that a new margin acts
    at once. Fewer readings than the window (just started, or a gap): only the fast path, which needs two.
    `highest_w`: what each managed miner could draw; the steps are shares of their sum, but any one miner fits into one.
    """
    settings = snapshot.settings
    wanted = settings.raise_window_readings
    targets = recent_targets_w(snapshot, target_w, wanted)
    fleet_max_w = sum(highest_w)
    least_w = max(settings.tolerance_w, settings.raise_below_percent / 100.0 * fleet_max_w)
    step_w = most_at_once_w(settings, fleet_max_w, max(highest_w, default=0.0))
    room_w = min(targets) - planned_w if len(targets) >= wanted else 0.0
    room_w = max(room_w, _fast_w(targets, settings) - planned_w)
    surplus = f"surplus {(target_w - planned_w) / 1000.0:,.1f} kW"
    if room_w < least_w:
        if target_w - planned_w < least_w:
            return Usable(0.0, step_w, f"{surplus}: less than {least_w / 1000.0:,.1f} kW is left alone")
        lasted = _lasted(targets, planned_w + least_w)
        ages_s = lasted * snapshot.reading_interval_s, wanted * snapshot.reading_interval_s
        return Usable(0.0, step_w, f"{surplus} has lasted {ages_s[0]:.0f} of {ages_s[1]:.0f} s")
    if snapshot.plant is not None and not snapshot.plant.is_new:  # else two cycles on one reading would take two steps
        next_w = min(room_w, step_w)
        return Usable(0.0, step_w, f"{surplus}, of it {next_w / 1000.0:,.1f} kW may be used with the next reading")
    part = f"{surplus}, of it {room_w / 1000.0:,.1f} kW may be used"
    if room_w > step_w:
        step = f"{step_w / 1000.0:,.1f} kW each of raises and starts with each reading"
        return Usable(room_w, step_w, f"{part}, {step}")
    return Usable(room_w, step_w, f"{part} now")


def most_at_once_w(settings: Settings, fleet_max_w: float, largest_w: float) -> float:
    """Return the most that one reading may raise (W): a share of the fleet's maximum, but at least any one miner."""
    return max(settings.raise_step_percent / 100.0 * fleet_max_w, largest_w)


def recent_targets_w(snapshot: Snapshot, target_w: float, readings: int) -> list[float]:
    """Return the targets of so many readings by today's settings, the newest last (W); fewer where fewer are known."""
    before = readings - 1
    recent = snapshot.recent_available_kw[-before:] if before > 0 else ()
    return [*(power.target_w(kw, snapshot.settings) for kw in recent), target_w]


def restart_room_w(snapshot: Snapshot, target_w: float, planned_w: float) -> float:
    """Return the room for stopped miners (W): what has been there for `restart_room_lasts_s`, or that of the fast path.

    The former is SPEC 6's. The fast path is the issue's for every raise. It is closed to starts while the river falls
    again and again: a preset that was raised too soon is cut again, but a miner that is started for half a minute has
    only been worn.
    """
    settings = snapshot.settings
    readings = readings_for_restart(settings, snapshot.reading_interval_s)
    targets = recent_targets_w(snapshot, target_w, readings)
    room_w = min(targets) - planned_w if len(targets) >= readings else 0.0
    if not falls_again_and_again(snapshot, target_w):
        several = max(2, _readings_for(FAST_START_S, snapshot.reading_interval_s))
        room_w = max(room_w, _fast_w(targets, settings, several) - planned_w)
    return max(0.0, room_w)


def room_must_last(snapshot: Snapshot, target_w: float) -> str:
    """Return what a stopped miner waits for, with its numbers."""
    settings = snapshot.settings
    lasts = f"room for it must last {settings.restart_room_lasts_s} s"
    if settings.fast_raise_percent >= 100:
        return lasts
    if falls_again_and_again(snapshot, target_w):
        return f"{lasts}, as the available power fell more than once in {LASTING_S / 60.0:.0f} min"
    return f"{lasts}, or two readings with {settings.fast_raise_percent:g} % of the target to spare"


def falls_again_and_again(snapshot: Snapshot, target_w: float) -> bool:
    """Return whether the river fell far more than once within some minutes, and rose as far in between.

    In however many readings: from its highest to its lowest, and back.
    """
    falls, falling, highest_w, lowest_w = 0, False, 0.0, math.inf
    for level_w in _lasting_targets_w(snapshot, target_w):
        highest_w, lowest_w = max(highest_w, level_w), min(lowest_w, level_w)
        if not falling and level_w < highest_w * (1.0 - MUCH):
            falls, falling, lowest_w = falls + 1, True, level_w
        elif falling and level_w * (1.0 - MUCH) > lowest_w:
            falling, highest_w = False, level_w
    return falls > 1


def _fast_w(targets: Sequence[float], settings: Settings, readings: int = 2) -> float:
    """Return the power up to which a surplus that so many readings have seen may be used at once (W)."""
    if len(targets) < readings:
        return 0.0
    return min(targets[-readings:]) * (1.0 - settings.fast_raise_percent / 100.0)


def shortage_has_lasted(snapshot: Snapshot, target_w: float) -> bool:
    """Return whether water has been as short as now for a while: only then a stop for its value may pay.

    A stop and its way back cost a miner some five minutes of hashrate. Nobody knows how long a shortage will last; who
    waits for about as long as that never loses much more than he had to.
    """
    readings = _readings_for(LASTING_S, snapshot.reading_interval_s)
    targets = recent_targets_w(snapshot, target_w, readings)
    return len(targets) >= readings and max(targets) <= target_w * (1.0 + MUCH)


def room_inside_w(snapshot: Snapshot, target_w: float, planned_w: float) -> float:
    """Return what an exchange may use inside the band (W; below 0: what it has to free), by the lowest target.

    The last of a surplus may be a meter's whim.
    """
    settings = snapshot.settings
    readings = max(settings.raise_window_readings, readings_for_restart(settings, snapshot.reading_interval_s))
    room_w = min(recent_targets_w(snapshot, target_w, readings)) - planned_w
    return min(room_w, max(0.0, room_w - settings.tolerance_w))


def starts_may_be_exchanged(snapshot: Snapshot) -> bool:
    """Return whether the river has been seen for as long as room for a start has to last (SPEC 6)."""
    needed = readings_for_restart(snapshot.settings, snapshot.reading_interval_s)
    return len(snapshot.recent_available_kw) >= needed - 1


def readings_for_restart(settings: Settings, reading_interval_s: float) -> int:
    """Return how many readings it takes until room has been seen for `restart_room_lasts_s`, at least two."""
    return max(2, _readings_for(settings.restart_room_lasts_s, reading_interval_s))


def readings_needed(settings: Settings, reading_interval_s: float) -> int:
    """Return how many of the newest readings this policy looks at."""
    longest = max(
        readings_for_restart(settings, reading_interval_s), _readings_for(LASTING_S, reading_interval_s)
    )
    return max(settings.raise_window_readings, longest)


def longest_gap_s(settings: Settings, reading_interval_s: float) -> float:
    """Return how far apart two readings may come in (s) for the window to hold both.

    As long as a reading is fresh; at a plant that is read more seldom, until one is missing. What the river did in a
    longer gap nobody saw.
    """
    return max(float(settings.stale_after_s), 1.5 * reading_interval_s)


def _readings_for(lasting_s: float, reading_interval_s: float) -> int:
    return 1 + math.ceil(lasting_s / reading_interval_s)


def _lasted(targets: Sequence[float], level_w: float) -> int:
    """Return how many readings up to now have been at `level_w` or above."""
    return next((n for n, target in enumerate(reversed(targets)) if target < level_w), len(targets))


def for_this_river(snapshot: Snapshot, target_w: float, surplus_lasted_s: float) -> Settings:
    """Return the settings with the horizon of a raise, which follows how long the river tends to stay.

    What has been there for hours is not gone in twenty minutes: with plenty of water every miner is to go to its top,
    though its last step wins a few percent only. So it doubles each time a surplus has lasted twice as long; in
    doublings, so that what was worked out stays valid for a while. A river that moved far a few minutes ago may do so
    again: then the steps that win the least are not worth a restart yet.
    """
    settings = snapshot.settings
    horizon_s = settings.horizon_s
    while 2 * horizon_s <= min(surplus_lasted_s, LONGEST_HORIZON_S):
        horizon_s *= 2
    if horizon_s == settings.horizon_s and _moved_far(snapshot, target_w):
        horizon_s = round(MOVED_HORIZON * horizon_s)
    return replace(settings, horizon_s=horizon_s)


def _moved_far(snapshot: Snapshot, target_w: float) -> bool:
    targets = _lasting_targets_w(snapshot, target_w)
    return min(targets) < max(targets) * (1.0 - MOVED_SHARE)


def _lasting_targets_w(snapshot: Snapshot, target_w: float) -> list[float]:
    return recent_targets_w(snapshot, target_w, _readings_for(LASTING_S, snapshot.reading_interval_s))
