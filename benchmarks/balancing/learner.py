"""The status poller's part of the model program: factors learned from what is polled, with `app.core.learning`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.core import learning, switching
from app.core.learning import Circumstances, Factors, Poll
from app.core.types import MinerView


class FactorLearner:
    """What `FarmModel` asks between two cycles. Begins with what the views believe, right or wrong."""

    def __init__(self) -> None:
        self._factors: dict[int, Factors] = {}
        self._before: dict[int, Poll] = {}
        self._polled_s: float | None = None

    def __call__(self, at_s: float, views: Sequence[MinerView]) -> Mapping[int, MinerView]:
        changed: dict[int, MinerView] = {}
        apart_s = 0.0 if self._polled_s is None else at_s - self._polled_s
        self._polled_s = at_s
        for place, view in enumerate(views):
            now = Poll(view.state, view.running_preset, view.measured_power_w, view.measured_hashrate_ths)
            before = self._before.get(place)
            self._before[place] = now
            known = self._factors.setdefault(place, Factors(view.power_factor, view.hashrate_factor))
            if before is None:
                continue
            found = learning.learn(known, now, before, _circumstances(view, apart_s))
            if found is known:
                continue
            self._factors[place] = found
            power, hashrate = learning.rounded(found.power), learning.rounded(found.hashrate)
            if (power, hashrate) != (view.power_factor, view.hashrate_factor):
                changed[place] = replace(view, power_factor=power, hashrate_factor=hashrate)
        return changed


def _circumstances(view: MinerView, apart_s: float) -> Circumstances:
    return Circumstances(
        apart_s=apart_s,
        preset=view.ladder.get(view.running_preset),
        saved_preset=view.saved_preset,
        change=view.last_change,
        settle_s=switching.START_SETTLE_S,
        boot_settle_s=switching.START_SETTLE_S,
    )
