"""Where two rules meet: max preset and stale data, cooldown and overload, ramps and starts, throttling and cuts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.plan import plan
from app.core.readings import MinerState
from app.core.types import BalanceStatus, ChangeKind, CycleMemory, MinerView, Outcome, Snapshot
from tests.core.builders import change, fleet, ladder_of, miner, moves, plant, preset, snapshot, stamp, why
from tests.core.economic_farm import ALL_ALONG, farm, stopped_one

POLICIES = ["economic", "stepwise"]
OWN = ladder_of([(1740, 65), (2300, 87), (2700, 96)], preset(2970, 100.0, expected_power_w=1000))
THROTTLED = {"throttled_percent": 50, "measured_power_w": 1500.0}


def stale(picture: Snapshot) -> Snapshot:
    assert picture.plant is not None
    return replace(picture, plant=replace(picture.plant, age_s=50.0))


# --- above the max preset --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [THROTTLED, {"ladder": OWN}])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_miner_above_its_max_preset_that_counts_little_comes_down_whatever_room_there_is(
    facts: dict[str, Any], policy: str
) -> None:
    above = miner(1, runs="2970", max_preset="2300", **facts)
    on_target = snapshot([above, *(miner(n, max_preset="2300") for n in range(2, 11))], 25.0, policy=policy)
    decided = plan(on_target)
    (down,) = [planned for planned in decided.changes if planned.miner_id == 1]
    assert down.new_preset == "1740"
    assert down.delta_w > 0
    assert down.is_cut  # goes out with the cuts, and as their first
    assert decided.changes[0] is down
    assert "1 move below a max preset taking" in decided.reason
    assert plan(stale(on_target)).changes == ()  # by what it counts with it is an increase: that waits for fresh data


def test_a_miner_above_its_max_preset_that_was_just_stopped_is_not_sent_a_preset() -> None:
    stopping = change("2970", kind=ChangeKind.STOP, age_s=31)
    assert plan(snapshot([miner(1, runs="2970", max_preset="2300", last_change=stopping)])).changes == ()
    vain = replace(stopping, polled_unchanged=True)
    assert moves(plan(snapshot([miner(1, runs="2970", max_preset="2300", last_change=vain)]))) != {}


def test_the_way_down_from_above_the_max_preset_is_not_sent_for_ever() -> None:
    vain = change("2970", "1740", age_s=50, old_power_w=1500.0, polled_unchanged=True, attempt=3)
    above = miner(1, runs="2970", max_preset="2300", last_change=vain, **THROTTLED)
    assert why(plan(snapshot([above], 1.74 / 0.9)), 1) == (
        "above its max preset, but did not take 3 changes: load that cannot be shed for now"
    )


def test_a_miner_that_somebody_restarts_into_a_permitted_preset_is_left_alone() -> None:
    booting = miner(1, runs="2970", max_preset="2300", state=MinerState.RESTARTING)
    assert moves(plan(snapshot([replace(booting, saved_preset="2000")], 2.6))) == {}
    assert 1 in moves(plan(snapshot([replace(booting, saved_preset="2970")], 2.6)))


# --- the lowest preset -----------------------------------------------------------------------------------------------


def test_an_own_number_does_not_make_the_top_preset_the_lowest_on_stale_data() -> None:
    unknown = miner(1, runs="nope", ladder=OWN, measured_power_w=1800.0)
    picture = snapshot([unknown], plant=plant(0.5, age_s=100.0), policy="economic")
    assert "2970" not in moves(plan(picture)).values()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_start_is_at_the_preset_of_the_fewest_firmware_watts(policy: str) -> None:
    waiting = replace(stopped_one(), ladder=OWN)
    picture = snapshot([waiting], 4.0, policy=policy, recent_available_kw=(4.0,) * 24)
    assert moves(plan(picture)) == {21: "start 1740"}


# --- the cooldown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("left_s", "stops"), [(3000.0, True), (20.0, False)])
def test_an_overload_that_a_long_cooldown_would_keep_is_ended_by_stops(
    policy: str, left_s: float, stops: bool
) -> None:
    raised = change("2000", "2300", age_s=600, outcome=Outcome.CONFIRMED, finished_age_s=560)
    miners = fleet(20, cooldown_left_s=left_s, last_change=raised)
    decided = plan(snapshot(miners, 36.0, policy=policy, cooldown_s=3600))
    assert decided.emergency
    assert {planned.kind for planned in decided.changes} == ({ChangeKind.STOP} if stops else set())
    assert (decided.planned_w <= decided.target_w) == stops


def test_no_more_are_stopped_for_value_than_miners_in_cooldown_will_not_give() -> None:
    raised = change("2700", "2970", age_s=10, outcome=Outcome.CONFIRMED, finished_age_s=2)
    cooling = [miner(n, runs="2970", cooldown_left_s=20.0, last_change=raised) for n in range(1, 11)]
    settled = [miner(n, runs="2970") for n in range(11, 21)]
    decided = plan(farm(60.0, (60.0,) * 24, [*cooling, *settled], safety_margin_percent=45.0))  # 33.0; lowest 34.8
    assert sum(planned.kind is ChangeKind.STOP for planned in decided.changes) == 2


# --- stops -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_a_farm_limit_below_the_lowest_presets_is_held_by_stops(policy: str) -> None:
    picture = snapshot(fleet(20, runs="1740"), 100.0, policy=policy, farm_limit_kw=20.0, stops_for_value=False)
    decided = plan(picture)
    assert decided.planned_w <= 20_000
    assert "even the lowest presets exceed the farm limit" in {planned.reason for planned in decided.changes}
    held = plan(replace(picture, settings=replace(picture.settings, last_resort="hold")))
    assert held.changes == ()


@pytest.mark.parametrize("frozen_s", [0.0, 690.0])
def test_a_stop_for_value_needs_fresh_data(frozen_s: float) -> None:
    miners = [*fleet(10, runs="1740"), *(miner(n, "s21pro", "2550") for n in range(11, 21))]
    kw = 42.9 / 0.9
    reading = plant(kw * 0.95, frozen_s=frozen_s)
    decided = plan(farm(kw, (kw,) * 24, miners, plant=reading, safety_margin_percent=10.0))
    assert bool(decided.changes) == (frozen_s == 0.0)


# --- ramps and room --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("raise_age_s", "starts"), [(60.0, False), (100.0, True), (None, True)])
def test_a_ramp_below_one_start_lets_one_start_once_it_is_saved_up(
    policy: str, raise_age_s: float | None, starts: bool
) -> None:
    top = [miner(n, runs="2970") for n in range(1, 10)]
    picture = snapshot(
        [*top, stopped_one(10), stopped_one(11)], 60.0, policy=policy, ramp_up_kw_per_min=1.5,
        recent_available_kw=(60.0,) * 24, last_raise_age_s=raise_age_s,
    )  # fmt: skip
    assert len(plan(picture).changes) == starts


def test_a_small_ramp_holds_for_the_starts_of_an_exchange() -> None:
    kw = 20 * 2.97 + 8 * 0.03
    miners = [*(miner(n, runs="2970") for n in range(1, 21)), *(stopped_one(n) for n in range(21, 29))]
    long_ago = CycleMemory(reoptimised_at=stamp(-9000))
    small = farm(kw, (kw,) * 24, miners, memory=long_ago, ramp_up_kw_per_min=0.1)
    assert plan(replace(small, last_raise_age_s=60.0)).changes == ()
    started = [planned for planned in plan(small).changes if planned.delta_w > 0]
    assert len(started) == 1  # saved up for ever: one of them


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_cut_in_this_interval_is_taken_from_the_ramp_down(policy: str) -> None:
    over = snapshot(fleet(40, runs="2970"), 125.0, policy=policy, ramp_down_kw_per_s=0.1)
    first = plan(over)
    assert not first.emergency
    assert 0 < first.current_w - first.planned_w <= 1500 + 270  # by less than one step too far
    assert plan(replace(over, cut_last_interval_w=1500.0)).changes == ()


@pytest.mark.parametrize("spare_kw", [0.3, 0.6, 1.0, 1.7])
def test_room_that_fits_nobody_does_not_keep_a_stopped_miner_from_an_exchange(spare_kw: float) -> None:
    kw = 9 * 2.97 + 0.03 + spare_kw
    long_ago = CycleMemory(reoptimised_at=stamp(-9000), surplus_since=stamp(-9000))
    miners: list[MinerView] = [*(miner(n, runs="2970") for n in range(1, 10)), stopped_one(10)]
    decided = plan(farm(kw, (kw,) * 24, miners, memory=long_ago))
    assert moves(decided)[10] == "start 1740"
    assert decided.planned_w <= decided.target_w


# --- what is said ----------------------------------------------------------------------------------------------------


def test_an_emergency_by_the_meters_is_never_shown_as_ok() -> None:
    reading = plant(100.0, 30.0, over_generation_twice=True, container_kw=110.0)
    decided = plan(farm(100.0, (100.0,) * ALL_ALONG, plant=reading, safety_margin_percent=10.0))
    assert decided.status is BalanceStatus.OVER_TARGET
    assert decided.reason.startswith("Emergency: 10.0 kW more are drawn than generated, by the meters: ")


def test_a_stop_that_was_not_taken_is_no_start_in_words() -> None:
    vain = change("2300", kind=ChangeKind.STOP, age_s=60, polled_unchanged=True)
    hashing = miner(1, runs="2300", stopped_by_us=True, last_change=vain)
    decided = plan(snapshot([hashing], 1.9, policy="economic", safety_margin_percent=0.0, tolerance_w=100))
    assert [planned.reason[:20] for planned in decided.changes] == ["2300 -> 1850: frees "]


def test_a_throttled_miner_that_cannot_give_more_is_not_said_to_be_at_its_lowest_preset() -> None:
    throttled = miner(1, runs="2970", **THROTTLED)
    decided = plan(snapshot([throttled, *(miner(n) for n in range(2, 6))], 10.0))
    assert why(decided, 1) == "is throttled to 50 % by its firmware: no lower preset draws less than it does"
