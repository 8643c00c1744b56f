"""What happens to PowerHive itself in the middle of a timeline, and what every timeline must keep."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core.types import Plan
from tests.core import builders
from tests.core.model_farm import READING_AGE_S, READING_S, TICK_S, Farm

COMMAND_S = TICK_S
SEEN_AND_CUT_S = READING_S + READING_AGE_S + COMMAND_S  # a fall is visible, decided and carried out within this
DOWN_S = 30


def nothing(farm: Farm) -> None:
    """All goes on as before."""


def restart(farm: Farm) -> None:
    farm.restart_powerhive(DOWN_S)


def clock_forward(farm: Farm) -> None:
    farm.wall_ahead_s += 3600


def clock_back(farm: Farm) -> None:
    farm.wall_ahead_s -= 3600


def reboot(farm: Farm) -> None:
    """The machine reboots: another monotonic clock, and only the wall clock tells how old the rows are."""
    farm.program.die()
    farm.run(DOWN_S)
    farm.reboot()
    farm.program.restart(farm.now)


def reboot_with_clock_back(farm: Farm) -> None:
    """The machine reboots without a battery: the wall clock is an hour behind too."""
    farm.wall_ahead_s -= 3600
    reboot(farm)


Event = Callable[[Farm], None]
EVENTS: tuple[Event, ...] = (nothing, restart, clock_forward, clock_back, reboot)
with_events = pytest.mark.parametrize("happens", EVENTS, ids=lambda event: event.__name__)


def allowed_overload_s(happens: Event) -> float:
    """How long more may be drawn than is given: until seen and cut, plus the time that PowerHive was away."""
    return SEEN_AND_CUT_S + (DOWN_S + READING_S if happens in (restart, reboot, reboot_with_clock_back) else 0)


def near_target(plan: Plan, step_w: float = 300.0) -> bool:
    """Whether the farm uses what it may: not above its target, below it by less than what is left alone and one step.

    `economic` leaves alone half a percent of the target above it, and below one percent of the fleet's maximum between
    its exchanges.
    """
    above_w = below_w = 500.0
    if builders.POLICY == "economic":
        above_w = max(500.0, 0.005 * plan.target_w)
        below_w = max(500.0, 0.01 * (plan.current_w + plan.raise_room_w))
    return -(below_w + step_w) <= plan.planned_w - plan.target_w <= above_w
