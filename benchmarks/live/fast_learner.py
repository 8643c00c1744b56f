"""What the program learns during a fast live run: each miner's factors, and what the changes of its model cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.core import switching
from app.core.learning import Poll
from app.core.switching import Measuring, Switch
from app.core.types import ChangeKind, ChangeView, MinerView
from benchmarks.balancing.learner import FactorLearner


class LiveLearner:
    """What `FarmModel` asks between two cycles. `restarted`: whether a miner's latest change came with a restart."""

    def __init__(self, restarted: Callable[[int], bool]) -> None:
        self._restarted = restarted
        self._factors = FactorLearner()
        self._before: dict[int, Poll] = {}
        self._open: dict[int, tuple[int, Measuring | None]] = {}  # by place, with the second of the change
        self._switches: dict[str | None, list[Switch]] = {}
        self._polled_s = 0.0

    def __call__(self, at_s: float, views: Sequence[MinerView]) -> Mapping[int, MinerView]:
        changed = dict(self._factors(at_s, views))
        taught = {
            view.model_alias
            for place, view in enumerate(views)
            if view.last_change is not None and self._measure(place, view, view.last_change, at_s)
        }
        self._before = {place: _poll(view) for place, view in enumerate(views)}
        self._polled_s = at_s
        for place, view in enumerate(views):
            if view.model_alias in taught:
                costs = switching.costs(self._switches[view.model_alias])
                changed[place] = replace(
                    changed.get(place, view),
                    switch_loss_s=switching.loss_s(costs, None),
                    soon_loss_s=switching.soon_loss_s(costs, None),
                )
        return changed

    def _measure(self, place: int, view: MinerView, change: ChangeView, at_s: float) -> bool:
        """Go on with the measurement of a miner's latest change; return whether it has come to its end."""
        began_s = round(at_s - change.age_s)
        known = self._open.get(place)
        if known is None or known[0] != began_s:
            self._open[place] = began_s, switching.begin(change, _poll(view))
            return False
        if known[1] is None:
            return False
        found = switching.follow(
            known[1], change, _poll(view), self._before[place], apart_s=at_s - self._polled_s,
            preset=view.ladder.get(view.running_preset),
            with_restart=change.kind is not ChangeKind.PRESET or self._restarted(place),
        )  # fmt: skip
        self._open[place] = began_s, found if isinstance(found, Measuring) else None
        if isinstance(found, Switch):
            self._switches.setdefault(view.model_alias, []).append(found)
        return isinstance(found, Switch)


def _poll(view: MinerView) -> Poll:
    return Poll(view.state, view.running_preset, view.measured_power_w, view.measured_hashrate_ths)
