"""Whom the policies are compared with: a naive planner, and one that cuts perfectly. Modes, ages and limits: `plan`'s.

The naive one takes the optimal allocation, solved anew in each cycle as if a switch cost nothing. It keeps the rules
that any policy keeps (SPEC 6): it acts when the farm is more than the tolerance off its target, only cuts when above
and only raises when below, and raises once the surplus has lasted.
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


class Direct:
    """Cuts exactly what is needed, the largest first: the fewest commands."""

    def reduce(self, candidates: Sequence[Candidate], need_w: float) -> list[Move]:
        return policies.cut_directly(candidates, need_w)

    def increase(self, candidates: Sequence[Candidate], room_w: float, tolerance_w: float) -> list[Move]:
        return []


# Of the bench only: the setting `policy` knows no such choices.
policies.POLICIES.update(naive=Naive(), direct=Direct())


def plan_naively(snapshot: Snapshot) -> Plan:
    """Plan with the policy `naive`; where `plan` would cut directly (an emergency), take the optimal allocation too."""
    decided = planning.plan(snapshot)
    if not decided.emergency or not _only_presets(decided):
        return decided
    optimal = planning.plan(_calm(snapshot, decided.target_w, "naive"))
    if optimal.planned_w > decided.target_w + snapshot.settings.tolerance_w:
        return decided
    return replace(decided, changes=optimal.changes, planned_w=optimal.planned_w)


def plan_perfectly(snapshot: Snapshot) -> Plan:
    """Plan as set, but where that cuts, send exactly the needed cuts, the largest first.

    With true beliefs and commands that succeed this is what the reaction time leaves unavoidable: who reads no earlier
    and sends no faster cannot be below the target sooner.
    """
    decided = planning.plan(snapshot)
    if not decided.changes or not _only_presets(decided) or any(c.delta_w >= 0 for c in decided.changes):
        return decided
    # `plan` has a policy stop within the tolerance of its target: this one is to reach it.
    target_w = decided.target_w - snapshot.settings.tolerance_w
    direct = planning.plan(_calm(snapshot, target_w, "direct"))
    return replace(decided, changes=direct.changes, planned_w=direct.planned_w)


def _only_presets(decided: Plan) -> bool:
    return all(change.kind is ChangeKind.PRESET for change in decided.changes)


def _calm(snapshot: Snapshot, target_w: float, policy: str) -> Snapshot:
    """Return the picture with the same target, but no emergency about it."""
    plant = snapshot.plant
    assert plant is not None
    settings = replace(snapshot.settings, policy=policy, farm_limit_kw=target_w / 1000.0)
    return replace(snapshot, plant=replace(plant, generation_kw=1e9), settings=settings)
