"""Which part of an overload the reaction time makes unavoidable, second by second, from the power the farm stood at.

The planner compared with acts perfectly at the same reaction time: with each reading it stands where the measured farm
stands, but never above what it could have held the farm to; it knows at once how far the farm is above the reading's
target, without any dead band, and sends the cuts that shed the most, at the rate at which commands go out. So:

- nothing that the river does after the newest reading that could be acted upon counts as avoidable;
- all that is above that reading's target once its commands have had their time is avoidable, whatever the reason;
- who stands lower gets no credit for it: what he does not draw is neither overload nor unavoidable.

What it does not judge is where the farm chose to stand: a raise up to the newest reading's target is right here, and
what the river takes away a second later unavoidable. How much lower another planner stands says `plan_perfectly`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.farm_model import Commands

KWH_WS = 3.6e6


@dataclass(frozen=True)
class Moment:
    """A reading as it is acted upon: the power the farm is to be held to by it (W), the dead band that the measured
    policy has above that, what each command could shed at once (W, the largest first), and how many cuts were ordered.
    """

    at_s: float
    target_w: float
    band_w: float
    sheds_w: np.ndarray
    cuts: int = 0


@dataclass(frozen=True)
class Overload:
    """kWh above the limit. The avoidable ones by cause: left alone inside the dead band of the cuts; while more
    commands went out than the fewest; and the rest (cooldowns, failed commands, wrong beliefs, cuts too small).
    """

    total_kwh: float
    in_band_kwh: float
    slow_kwh: float
    other_kwh: float

    @property
    def unavoidable_kwh(self) -> float:
        return self.total_kwh - self.in_band_kwh - self.slow_kwh - self.other_kwh


def held_w(drawn_w: np.ndarray, moments: Sequence[Moment], commands: Commands) -> np.ndarray:
    """Return what a perfect planner could have held the farm to in each second (from second 0 on).

    Nothing is known before the first moment, so nothing is held.
    """
    held = np.full(len(drawn_w), np.inf)
    at_last_w = np.inf
    for moment, ends_s in _acted_upon(moments, commands, len(drawn_w)):
        read_s, first_s = int(moment.at_s), math.ceil(moment.at_s + commands.latency_s)
        stands_w = min(float(drawn_w[read_s]), at_last_w) if read_s < len(drawn_w) else at_last_w
        passed_s = np.arange(first_s, ends_s) - (moment.at_s + commands.latency_s)
        arrived = np.floor(np.minimum(passed_s, commands.window_s) * commands.per_s + 1e-9).astype(int) + 1
        shed_w = np.concatenate([[0.0], np.cumsum(moment.sheds_w)])
        held[first_s:ends_s] = np.maximum(moment.target_w, stands_w - shed_w[np.minimum(arrived, len(shed_w) - 1)])
        if ends_s > first_s:
            at_last_w = float(held[ends_s - 1])
    return held


def attribute(
    drawn_w: np.ndarray, limit_w: np.ndarray, moments: Sequence[Moment], commands: Commands
) -> Overload:
    """Return the overload above a limit (W in each second), and which of it a perfect planner would have avoided."""
    held = held_w(drawn_w, moments, commands)
    line_w = np.maximum(held, limit_w)  # below it nothing is avoidable, or nothing is overload
    avoidable_w = np.maximum(drawn_w - line_w, 0.0)
    in_band_w, slow_w = np.zeros(len(drawn_w)), np.zeros(len(drawn_w))
    for moment, ends_s in _acted_upon(moments, commands, len(drawn_w)):
        first_s = math.ceil(moment.at_s + commands.latency_s)
        part = slice(first_s, ends_s)
        if moment.cuts == 0:
            left_alone_w = np.minimum(drawn_w[part], moment.target_w + moment.band_w)
            in_band_w[part] = np.maximum(left_alone_w - line_w[part], 0.0)
        else:
            sent_s = moment.at_s + commands.latency_s + (moment.cuts - 1) / commands.per_s
            sending = slice(first_s, max(first_s, min(ends_s, math.ceil(sent_s))))
            slow_w[sending] = avoidable_w[sending]
    over_w = np.maximum(drawn_w - limit_w, 0.0)
    other_w = avoidable_w - in_band_w - slow_w
    return Overload(*(float(part.sum()) / KWH_WS for part in (over_w, in_band_w, slow_w, other_w)))


def _acted_upon(moments: Sequence[Moment], commands: Commands, length_s: int) -> list[tuple[Moment, int]]:
    """Return each moment with the second in which the next one's first command takes over from it."""
    ends = [math.ceil(moment.at_s + commands.latency_s) for moment in moments[1:]]
    return [(moment, min(end, length_s)) for moment, end in zip(moments, [*ends, length_s], strict=True)]
