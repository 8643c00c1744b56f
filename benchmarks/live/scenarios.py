"""What the river does and what breaks in each live scenario, as data. Seconds count from the end of the warm-up.

The river is written as the target it leaves: a share of what the farm draws on its highest presets. 0.553 of it is
about what a mixed farm draws on its lowest presets.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simulator.faults import FaultValue

# A river is never still: values frozen to the last digit for 10 min count as stale (SPEC 3).
RIPPLE_SHARE = 0.0005
RIPPLE_PERIOD_S = 37.0
FALL_SHARE = 0.1  # a fall by this much within a second is one from which the way to the target is timed


@dataclass(frozen=True)
class MinerFault:
    """A fault of the simulator on a share of the miners (at least one), other ones for each entry."""

    begins_s: float
    ends_s: float
    share: float
    fault: str
    args: Mapping[str, FaultValue] = field(default_factory=dict)


@dataclass(frozen=True)
class PlantFault:
    begins_s: float
    ends_s: float
    fault: str


@dataclass(frozen=True)
class Scenario:
    """`points`: (second, target as a share of the fleet's maximum), straight lines between them, the last one ends it.

    Two points at the same second are a step. `settings`: run-time settings of PowerHive beside the policy.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    miner_faults: tuple[MinerFault, ...] = ()
    plant_faults: tuple[PlantFault, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)

    @property
    def length_s(self) -> float:
        return self.points[-1][0]

    def share(self, at_s: float) -> float:
        """Return the target at that second; the first point's before it begins, the last one's after its end."""
        after = bisect_right([second for second, _ in self.points], at_s)
        if after == 0 or after == len(self.points):
            level = self.points[min(after, len(self.points) - 1)][1]
        else:
            (begins_s, first), (ends_s, last) = self.points[after - 1], self.points[after]
            level = first + (last - first) * (at_s - begins_s) / (ends_s - begins_s)
        return level * (1.0 + RIPPLE_SHARE * math.sin(math.tau * at_s / RIPPLE_PERIOD_S))

    def falls_s(self) -> list[int]:
        """Return the seconds at which the target falls by a step."""
        seconds = range(1, math.ceil(self.length_s))
        return [at for at in seconds if self.share(at) < self.share(at - 1) * (1.0 - FALL_SHARE)]

    def lasting(self, minutes: float) -> Scenario:
        """Return the same scenario in another time: for a look while the bench itself is being worked on."""
        factor = 60.0 * minutes / self.length_s
        return replace(
            self,
            points=tuple((at * factor, share) for at, share in self.points),
            miner_faults=tuple(
                replace(f, begins_s=f.begins_s * factor, ends_s=f.ends_s * factor) for f in self.miner_faults
            ),
            plant_faults=tuple(
                replace(f, begins_s=f.begins_s * factor, ends_s=f.ends_s * factor) for f in self.plant_faults
            ),
        )


FULL = 0.95
STEPS = Scenario(
    "steps",
    ((0, FULL), (45, FULL), (45, 0.7 * FULL), (195, 0.7 * FULL), (195, FULL), (435, FULL), (435, 0.4 * FULL),
     (585, 0.4 * FULL), (585, FULL), (900, FULL)),
)  # fmt: skip
RAMP = Scenario("ramp", ((0, FULL), (60, FULL), (360, 0.6), (480, 0.6), (780, FULL), (840, FULL)))
FLAPPING = Scenario(
    "flapping",
    tuple((at, 0.8 * share) for n in range(5) for at, share in (
        (160 * n, 1.03), (160 * n + 80, 1.03), (160 * n + 80, 0.97), (160 * (n + 1), 0.97),
    )),
)  # fmt: skip
STORM = Scenario(
    "storm",
    ((0, FULL), (120, FULL), (420, 0.7), (600, 0.7), (660, 0.9), (840, 0.9)),
    miner_faults=(
        MinerFault(60, 600, 0.05, "hang"),
        MinerFault(60, 600, 0.05, "offline"),  # silent, and goes on mining
        MinerFault(60, 600, 0.05, "reject", {"status": 500}),
        MinerFault(60, 600, 0.05, "accept_not_apply"),
        MinerFault(60, 600, 0.10, "slow", {"seconds": 1.0}),
    ),
    plant_faults=(PlantFault(120, 420, "http500"),),
    settings={"stale_derate_percent_per_min": 5},
)
STORM_WITHOUT_MELTING = replace(STORM, name="storm, trust held", settings={"stale_derate_percent_per_min": 0})

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (STEPS, RAMP, FLAPPING, STORM, STORM_WITHOUT_MELTING)
}
