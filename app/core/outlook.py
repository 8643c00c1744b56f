"""What happens next, read off the latest cycle's row and the settings in force. Nothing is planned again (issue 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from app.core import economic, river
from app.core.types import Mode, Override, Settings

_LASTED = re.compile(r"has lasted (\d+) of (\d+) s")  # core.river.usable and core.wording.surplus_lasts say it so
_BLOCKED = "nothing is raised: "  # core.wording.waiting


class Step(StrEnum):
    """What comes next, by the most important thing that is so."""

    FIRST_CYCLE = "first cycle"
    BALANCER_SILENT = "balancer silent"
    OBEYS_SETTING = "obeys the changed setting"
    UNTIL_RESUME = "until resume"
    OFF = "off"
    NO_READING = "no reading"
    LOST = "lost"
    STALE = "stale"
    CHANGES = "changes"
    STILL_OVER = "still over"
    LEFT_ALONE = "left alone"
    RAISES_BLOCKED = "raises blocked"
    RAISING = "raising"
    STARTING = "starting"
    STARTING_OR_SOONER = "starting, or sooner"  # by the economic policy's fast path
    ROOM_LEFT = "room left"
    STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Decided:
    """What the latest cycle's row says. `age_s`: how long ago it decided.

    `surplus_lasted_s` / `room_lasted_s`: how long by now there has been a surplus, and room for stopped miners; None:
    there is none.
    """

    age_s: float
    reason: str
    mode: Mode
    override: Override
    safety_margin_percent: float
    policy: str
    sent: bool
    changes: int
    target_w: float
    delta_w: float  # target - current
    surplus_lasted_s: float | None = None
    room_lasted_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """`in_s`: the earliest, in seconds from now; None where no time can be told. `changes`: how many are meant."""

    step: Step
    in_s: float | None = None
    changes: int = 0


def read(
    decided: Decided | None,
    settings: Settings,
    reading_age_s: float | None,
    *,
    late: bool = False,
    stopped_by_us: int = 0,
    interval_s: float = 15.0,
) -> Outlook:
    """Return what happens next. `late`: the balancer has not decided for so long that it counts as not running."""
    if decided is None:
        return Outlook(Step.FIRST_CYCLE)
    if late:
        return Outlook(Step.BALANCER_SILENT)
    next_cycle_s = max(0.0, interval_s - decided.age_s)
    if _is_changed(decided, settings):
        return Outlook(Step.OBEYS_SETTING, next_cycle_s)
    if settings.override is not Override.NONE:
        return Outlook(Step.UNTIL_RESUME, changes=decided.changes)
    if settings.mode is Mode.OFF:
        return Outlook(Step.OFF)
    return _of_plant(settings, reading_age_s) or _of_farm(decided, settings, stopped_by_us, next_cycle_s)


def _is_changed(decided: Decided, settings: Settings) -> bool:
    in_force = settings.mode, settings.override, settings.safety_margin_percent, settings.policy
    return in_force != (decided.mode, decided.override, decided.safety_margin_percent, decided.policy)


def _of_plant(settings: Settings, reading_age_s: float | None) -> Outlook | None:
    if reading_age_s is None:
        return Outlook(Step.NO_READING)
    if reading_age_s > settings.lost_after_s:
        return Outlook(Step.LOST)
    if reading_age_s > settings.stale_after_s:
        return Outlook(Step.STALE, settings.lost_after_s - reading_age_s)
    return None


def _of_farm(decided: Decided, settings: Settings, stopped_by_us: int, next_cycle_s: float) -> Outlook:
    if decided.changes:
        return Outlook(Step.CHANGES, next_cycle_s, decided.changes)
    if decided.delta_w < -settings.tolerance_w:
        return Outlook(Step.STILL_OVER if _is_cut(decided, settings) else Step.LEFT_ALONE, next_cycle_s)
    if _BLOCKED in decided.reason:
        return Outlook(Step.RAISES_BLOCKED)
    raising_s = _raising_in_s(decided, settings)
    if raising_s is not None:
        return Outlook(Step.RAISING, raising_s)
    if stopped_by_us and decided.room_lasted_s is not None:
        sooner = decided.policy == economic.NAME and settings.fast_raise_percent < 100
        step = Step.STARTING_OR_SOONER if sooner else Step.STARTING
        return Outlook(step, max(next_cycle_s, settings.restart_room_lasts_s - decided.room_lasted_s))
    if decided.delta_w > settings.tolerance_w:
        return Outlook(Step.ROOM_LEFT, next_cycle_s)
    return Outlook(Step.STEADY, next_cycle_s)


def _is_cut(decided: Decided, settings: Settings) -> bool:
    """Return whether the policy cuts what is so far above the target at all."""
    if decided.policy != economic.NAME:
        return True
    return -decided.delta_w > river.cut_above_w(decided.target_w, settings)


def _raising_in_s(decided: Decided, settings: Settings) -> float | None:
    """Return when a surplus will have lasted long enough; None where that is not what is waited for.

    The economic policy counts readings above a level of its own, which only its sentence tells.
    """
    if decided.policy == economic.NAME:
        said = _LASTED.search(decided.reason)
        return None if said is None else max(0.0, int(said[2]) - int(said[1]) - decided.age_s)
    if decided.surplus_lasted_s is None or decided.surplus_lasted_s - decided.age_s >= settings.surplus_lasts_s:
        return None
    return max(0.0, settings.surplus_lasts_s - decided.surplus_lasted_s)
