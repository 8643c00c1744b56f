"""The naive policy of the comparison: the optimal allocation, solved anew in each cycle as if a switch cost nothing.

It keeps the rules that any policy keeps (SPEC 6): it acts when the farm is more than the tolerance off its target, only
cuts when above and only raises when below, and raises once the surplus has lasted 30 s. It takes the segments of the
ladders' hulls by their hashrate per watt and fills the rest of the budget by the best upgrades that still fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.core import allocation, policies, power
from app.core import plan as planning
from app.core.allocation import Menu
from app.core.policies import Candidate, Move, Step
from app.core.types import ChangeKind, Plan, Snapshot


class Naive:
    """What `plan` asks of a policy (`policies.Policy`)."""

    def reduce(self, candidates: Sequence[Candidate], need_w: float) -> list[Move]:
        return _solve(candidates, -need_w, up=False)

    def increase(self, candidates: Sequence[Candidate], room_w: float, tolerance_w: float) -> list[Move]:
        return _solve(candidates, room_w, up=True)


def _solve(candidates: Sequence[Candidate], room_w: float, *, up: bool) -> list[Move]:
    choices = [[None, *c.higher] if up else [*reversed(c.lower), None] for c in candidates]
    menus = [allocation.menu(_option(c, step) for step in steps) for c, steps in zip(candidates, choices, strict=True)]
    picks = allocate(menus, sum(c.power_w for c in candidates) + room_w)
    chosen = [(c, steps[pick]) for c, steps, pick in zip(candidates, choices, picks, strict=True)]
    return [Move(candidate, step, "") for candidate, step in chosen if step is not None]


def _option(candidate: Candidate, step: Step | None) -> tuple[float, float]:
    if step is None:
        return candidate.power_w, candidate.expected_ths
    return step.power_w, power.preset_ths(candidate.miner, step.preset)


def allocate(menus: Sequence[Menu], budget_w: float) -> list[int]:
    """Return one option per menu: hull segments by value per watt, then the best single upgrades that still fit."""
    left_w = budget_w - sum(menu.options[0][0] for menu in menus)
    picks = [0] * len(menus)
    if left_w < 0:
        return picks
    segments = sorted((-slope, i, level) for i, menu in enumerate(menus) for level, slope in enumerate(menu.slopes))
    full: dict[int, None] = {}
    for _, i, level in segments:
        if i in full:
            continue
        before, after = menus[i].hull[level : level + 2]
        need_w = menus[i].options[after][0] - menus[i].options[before][0]
        if need_w > left_w:
            full[i] = None
        else:
            left_w -= need_w
            picks[i] = after
    return _filled(menus, picks, list(full)[:96], left_w)


def _filled(menus: Sequence[Menu], picks: list[int], among: Sequence[int], left_w: float) -> list[int]:
    while True:
        best = (0.0, -1, -1)
        for i in among:
            own_w, own = menus[i].options[picks[i]]
            for other, (power_w, value) in enumerate(menus[i].options):
                if 0 < power_w - own_w <= left_w and value - own > best[0]:
                    best = (value - own, i, other)
        if best[1] < 0:
            return picks
        left_w -= menus[best[1]].options[best[2]][0] - menus[best[1]].options[picks[best[1]]][0]
        picks[best[1]] = best[2]


policies.POLICIES["naive"] = Naive()  # of the bench only: the setting knows no such choice


def plan_naively(snapshot: Snapshot) -> Plan:
    """Plan with the policy `naive`; where `plan` would cut directly (an emergency), take the optimal allocation too."""
    decided = planning.plan(snapshot)
    plant = snapshot.plant
    if plant is None or not decided.emergency or any(c.kind is not ChangeKind.PRESET for c in decided.changes):
        return decided
    settings = replace(snapshot.settings, farm_limit_kw=decided.target_w / 1000.0)
    calm = replace(snapshot, plant=replace(plant, generation_kw=1e9), settings=settings)
    optimal = planning.plan(calm)
    if optimal.planned_w > decided.target_w + snapshot.settings.tolerance_w:
        return decided
    return replace(decided, changes=optimal.changes, planned_w=optimal.planned_w)
