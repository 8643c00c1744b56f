"""Learning as the issue asks for it, in a few lines for the bench: factors from miners that mine and are flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.core.types import MinerState, MinerView

WEIGHT = 0.3
POWER_CLIP, HASHRATE_CLIP = (0.85, 1.15), (0.7, 1.15)
FLAT = 0.02
STEP = 0.005  # of a factor in plans: equal miners share their steps


class FactorLearner:
    """To be asked after each poll (`farm_model.Learner`)."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._known: dict[int, tuple[float, float]] = {}

    def __call__(self, at_s: float, views: Sequence[MinerView]) -> Mapping[int, MinerView]:
        found: dict[int, MinerView] = {}
        for place, view in enumerate(views):
            before_w, now_w = self._before.get(place), view.measured_power_w
            self._before[place] = now_w or 0.0
            preset = view.ladder.get(view.running_preset)
            settled = view.state is MinerState.MINING and view.change_on_way is None
            if not settled or preset is None or not now_w or not before_w or abs(now_w / before_w - 1) > FLAT:
                continue
            power, hashrate = self._known.get(place, (view.power_factor, view.hashrate_factor))
            power = _average(power, now_w / (preset.firmware_power_w or 1), POWER_CLIP)
            hashrate = _average(
                hashrate, (view.measured_hashrate_ths or 0.0) / (preset.hashrate_ths or 1.0), HASHRATE_CLIP
            )
            self._known[place] = (power, hashrate)
            learned = replace(view, power_factor=_rounded(power), hashrate_factor=_rounded(hashrate))
            if learned != view:
                found[place] = learned
        return found


def _average(known: float, seen: float, clip: tuple[float, float]) -> float:
    return known + WEIGHT * (min(clip[1], max(clip[0], seen)) - known)


def _rounded(factor: float) -> float:
    return round(factor / STEP) * STEP
