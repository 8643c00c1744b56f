"""What holds for every picture a cycle may see (SPEC 5, 6): random farms, ladders, histories, readings, settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from app.core import data_age, power
from app.core.draft import Draft
from app.core.eligible import not_cuttable
from app.core.limits import LimitFacts, violation
from app.core.plan import plan
from app.core.types import BalanceStatus, ChangeKind, Mode, Origin, Override, Plan, Snapshot
from tests.core.builders import stamp
from tests.core.hard_limits import broken_limits, raises_allowed
from tests.core.strategies import calm_snapshots, odd_snapshots


def examples(count: int) -> Callable[[Any], Any]:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def largest_step_w(picture: Snapshot) -> float:
    """Return the largest distance of two neighbouring presets, a stop included."""
    watts = [sorted(float(p.power_w or 0) for p in m.ladder.presets) for m in picture.miners]
    return max((high - low for steps in watts for low, high in zip([30.0, *steps], steps, strict=False)), default=0.0)


def apply(decided: Plan, picture: Snapshot) -> Snapshot:
    """Return the farm after every change was confirmed and a while has passed."""
    new = {c.miner_id: c.new_preset for c in decided.changes if c.kind is not ChangeKind.STOP}
    miners = tuple(replace(m, running_preset=new[m.id], saved_preset=new[m.id]) if m.id in new else m
                   for m in picture.miners)  # fmt: skip
    return replace(picture, miners=miners)


POLICIES = pytest.mark.parametrize("policy", ["stepwise", "economic"])


def under(picture: Snapshot, policy: str) -> Snapshot:
    """Return the picture with that policy, a window of readings as this one is, and an exchange that is due."""
    return replace(
        picture,
        settings=replace(picture.settings, policy=policy),
        recent_available_kw=(power.balance(picture).available_kw,) * 11,
        memory=replace(picture.memory, reoptimised_at=stamp(-400)),
    )


@POLICIES
@given(picture=odd_snapshots())
@examples(250)
def test_no_plan_breaks_a_hard_limit(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    decided = plan(picture)
    assert broken_limits(decided, picture) == []
    facts = LimitFacts(Mode.ARMED, decided.increases_allowed)
    by_id = {m.id: m for m in picture.miners}
    assert [violation(c, by_id[c.miner_id], facts) for c in decided.changes] == [None] * len(decided.changes)


@POLICIES
@given(picture=odd_snapshots())
@examples(150)
def test_nothing_is_raised_on_doubtful_data_whatever_the_miner_may_really_be_running(
    policy: str, picture: Snapshot
) -> None:
    picture = under(picture, policy)
    decided = plan(picture)
    assert decided.increases_allowed == raises_allowed(picture)
    if decided.increases_allowed:
        return
    by_id = {m.id: m for m in picture.miners}
    for planned in decided.changes:
        assert planned.kind is not ChangeKind.START
        view = by_id[planned.miner_id]
        new = view.ladder.get(planned.new_preset)
        if planned.origin is Origin.OPERATOR or new is None:
            continue
        assert planned.new_power_w <= planned.old_power_w
        may_run = {view.running_preset} if view.state.hashing else set()
        if view.change_on_way is not None:
            may_run |= {view.change_on_way.old_preset, view.change_on_way.new_preset}
        watts = [
            p.firmware_power_w for p in view.ladder.presets if p.name in may_run and p.firmware_power_w is not None
        ]
        lowest = Draft(picture, data_age.judge(picture)).lowest_w(view)
        assert new.firmware_power_w is not None
        assert new.firmware_power_w <= min(watts, default=10**6) or planned.new_power_w <= lowest


@POLICIES
@given(picture=odd_snapshots())
@examples(150)
def test_a_plan_is_total_deterministic_and_adds_up(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    decided = plan(picture)
    assert plan(picture) == decided
    counted_w = sum(decided.accounted.values())
    others_w = picture.other_firmware_count * picture.settings.other_firmware_power_w
    assert math.isclose(counted_w + others_w, decided.current_w + decided.unmanaged_w, abs_tol=1e-6)
    assert math.isclose(decided.planned_w, decided.current_w + sum(c.delta_w for c in decided.changes), abs_tol=1e-6)
    numbers = (decided.target_w, decided.current_w, decided.available_kw, decided.overhead_kw, decided.cut_capacity_w)
    assert all(math.isfinite(number) for number in numbers)
    assert decided.target_w >= 0
    assert decided.overhead_kw >= 0
    assert decided.cut_capacity_w >= 0
    assert decided.reason
    assert (decided.status is BalanceStatus.NO_DATA) == (picture.plant is None)
    assert decided.send is (picture.settings.mode is Mode.ARMED)


@POLICIES
@given(picture=odd_snapshots())
@examples(150)
def test_raises_never_pass_the_target(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    decided = plan(picture)
    above = {c.miner_id for c in decided.changes if "above the max preset" in c.reason}
    ups = [c for c in decided.changes if c.delta_w > 0 and c.kind is not ChangeKind.STOP]
    raises = [c for c in ups if c.miner_id not in above]
    if raises:
        assert decided.planned_w <= decided.target_w + 1e-6
        # An exchange inside the band cuts as much as it raises.
        assert policy == "economic" or all(c.delta_w > 0 for c in decided.changes)
        assert picture.settings.override is Override.NONE
        assert not picture.cuts_only


@POLICIES
@given(picture=odd_snapshots())
@examples(150)
def test_whoever_is_not_moved_by_a_cut_has_a_reason(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    decided = plan(picture)
    assert not {c.miner_id for c in decided.changes} & {s.miner_id for s in decided.skipped}
    cutting = decided.emergency or any(
        c.reason.endswith(("first)", "watts)")) and c.delta_w < 0 for c in decided.changes
    )
    if not cutting:
        return
    told = {c.miner_id for c in decided.changes} | {s.miner_id for s in decided.skipped}
    for miner in picture.miners:
        if miner.managed and not miner.retired and not_cuttable(miner) is not None:
            assert miner.id in told


@POLICIES
@given(picture=calm_snapshots())
@examples(120)
def test_a_cut_overshoots_by_less_than_one_preset_step(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    decided = plan(picture)
    if policy == "economic" and any(c.delta_w > 0 for c in decided.changes):
        assert decided.planned_w <= decided.target_w + 1e-6  # an exchange: it cuts some to raise others
    elif any(c.delta_w < 0 for c in decided.changes):
        assert decided.planned_w > min(decided.target_w, decided.current_w) - largest_step_w(picture)
        # Without its last cut it would not have been enough.
        assert all(c.delta_w < 0 for c in decided.changes)


@POLICIES
@given(picture=calm_snapshots())
@examples(80)
def test_nothing_moves_once_the_target_is_reached(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    raised = False
    for _ in range(40):
        decided = plan(picture)
        stops = [c for c in decided.changes if c.kind is ChangeKind.STOP]
        if not decided.changes or stops:
            break
        raises = any(c.delta_w > 0 for c in decided.changes)
        raised = raised or raises
        exchanged = policy == "economic" and raises
        assert exchanged or not (raised and any(c.delta_w < 0 for c in decided.changes)), "a raise taken back"
        picture = apply(decided, picture)
    else:
        raise AssertionError("it never settles")
    assert stops or plan(picture).changes == ()


@POLICIES
@given(picture=calm_snapshots())
@examples(150)
def test_more_power_never_leads_to_deeper_cuts(policy: str, picture: Snapshot) -> None:
    """By less than one preset step: an emergency cuts down to the target, an ordinary cut to within tolerance."""
    picture = under(picture, policy)
    assert picture.plant is not None
    more = replace(picture, plant=replace(picture.plant, generation_kw=picture.plant.generation_kw + 5.0))
    less_freed_w = plan(picture).current_w - plan(picture).planned_w
    more_freed_w = plan(more).current_w - plan(more).planned_w
    assert more_freed_w <= less_freed_w + largest_step_w(picture)
    if policy == "stepwise" and plan(picture).emergency == plan(more).emergency:
        assert more_freed_w <= less_freed_w + 1e-6


@POLICIES
@given(picture=calm_snapshots())
@examples(100)
def test_a_smaller_margin_never_leads_to_deeper_cuts(policy: str, picture: Snapshot) -> None:
    picture = under(picture, policy)
    bold = replace(picture, settings=replace(picture.settings, safety_margin_percent=0.0))
    careful_w, bold_w = plan(picture).planned_w, plan(bold).planned_w
    assert bold_w >= careful_w - largest_step_w(picture)
