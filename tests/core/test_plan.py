"""Whole plans of one cycle as tables: reduce, increase, emergency, last resort, coming back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.plan import plan
from app.core.readings import MinerState
from app.core.types import ChangeKind, CycleMemory, MinerView, Outcome
from tests.core.builders import change, fleet, ladder_of, miner, moves, plant, preset, snapshot, stamp, why


def stopped(number: int, **facts: Any) -> MinerView:
    return miner(number, **({"state": MinerState.STOPPED, "stopped_by_us": True} | facts))


# --- the band around the target ---


@pytest.mark.parametrize(
    ("available_kw", "what"),
    [
        (23.0, "nothing"),  # 10 x 2300 W, no margin
        (22.5, "nothing"),  # 500 W above the target
        (22.499, "down"),
        (23.5, "nothing"),
        (23.501, "up"),
        (22.0, "down"),
        (24.0, "up"),
    ],
)
def test_within_500_w_of_the_target_nothing_moves(available_kw: float, what: str) -> None:
    decided = plan(snapshot(fleet(10), available_kw, safety_margin_percent=0.0, last_resort="hold"))
    signs = {"up" if c.delta_w > 0 else "down" for c in decided.changes} or {"nothing"}
    assert signs == {what}


@pytest.mark.parametrize(
    ("generation_kw", "expected"),
    [
        (25.0, {}),
        (24.0, {1: "2150", 2: "2150", 3: "2150", 4: "2150", 5: "2150", 6: "2150"}),  # 900 W of 1400 W - 500 W
        (28.0, {1: "2500", 2: "2500", 3: "2500", 4: "2500", 5: "2500", 6: "2500", 7: "2500", 8: "2500", 9: "2500"}),
    ],
)
def test_stepwise_moves_each_miner_by_one_preset_until_within_tolerance(
    generation_kw: float, expected: dict[int, str]
) -> None:
    assert moves(plan(snapshot(fleet(10), generation_kw))) == expected


@pytest.mark.parametrize(
    ("ramp", "cuts"), [(None, 6), (1.0, 6), (0.02, 2), (0.01, 1)]
)  # fmt: skip
def test_the_downward_ramp_spreads_ordinary_cuts(ramp: float | None, cuts: int) -> None:
    assert len(plan(snapshot(fleet(10), 24.0, ramp_down_kw_per_s=ramp)).changes) == cuts


@pytest.mark.parametrize(
    ("ramp", "raised_w", "raises"), [(None, 0, 9), (1.0, 0, 5), (1.0, 600.0, 2), (1.0, 1000.0, 0), (1.0, 3000.0, 0)]
)
def test_the_upward_ramp_counts_what_was_raised_in_the_last_minute(
    ramp: float | None, raised_w: float, raises: int
) -> None:
    decided = plan(snapshot(fleet(10), 28.0, ramp_up_kw_per_min=ramp, raised_last_min_w=raised_w))
    assert len(decided.changes) == raises


# --- emergency ---


def test_above_what_is_available_it_cuts_directly_down_to_the_target_whatever_the_ramp() -> None:
    decided = plan(snapshot(fleet(10), 22.0, ramp_down_kw_per_s=0.001))
    assert decided.emergency
    assert moves(decided) == {1: "1740", 2: "1740", 3: "1740", 4: "1740", 5: "1740", 6: "1850"}  # 3200 W
    assert decided.planned_w == 19_750
    assert "Emergency" in decided.reason


def test_a_meter_may_call_an_emergency_whatever_the_accounting_says() -> None:
    reading = plant(25, 0, container_kw=27.0, over_generation_twice=True)
    decided = plan(snapshot(fleet(10), plant=reading))
    assert decided.emergency
    assert decided.planned_w <= 23_000 - 2_000


def test_cuts_that_the_meter_cannot_show_yet_are_not_made_twice() -> None:
    reading = plant(25, 0, container_kw=27.0, over_generation_twice=True, age_s=10.0)
    cut = tuple(miner(n, runs="1850", last_change=change("2300", "1850", age_s=40.0)) for n in range(1, 6))
    decided = plan(snapshot((*cut, *fleet(10)[5:]), plant=reading))
    assert not decided.emergency
    assert decided.changes == ()
    assert "the meters read more consumption than generation" in decided.reason


def test_what_failed_in_this_cycle_is_taken_from_others() -> None:
    first = plan(snapshot(fleet(10), 22.0))
    failed = {c.miner_id for c in first.changes}
    refused = change("2300", "1740", age_s=0.0, outcome=Outcome.FAILED, effective=False)
    miners = [replace(m, failed_this_cycle=True, last_change=refused) if m.id in failed else m for m in fleet(10)]
    second = plan(snapshot(miners, 22.0, cuts_only=True))
    assert {c.miner_id for c in second.changes} == set(range(1, 11)) - failed
    assert why(second, 1) == "a command of this cycle failed"


def test_a_second_look_never_raises() -> None:
    assert plan(snapshot(fleet(10), 50.0, cuts_only=True)).changes == ()


# --- last resort ---


def test_when_even_the_lowest_presets_are_too_much_the_worst_miners_are_stopped() -> None:
    miners = (miner(1, "s21pro", "2550"), miner(2, "s19jpro", "1740"), miner(3, "s19", "1100"))
    decided = plan(snapshot(miners, 4.3))
    assert moves(decided) == {2: "stop"}  # 26.8 W/TH, against 20.8 and 15.0
    assert decided.planned_w == 2550 + 1100 + 30
    assert moves(plan(snapshot(miners, 4.3, last_resort="hold"))) == {}


def test_miners_that_stand_still_do_not_make_the_others_stop() -> None:
    miners = (*(stopped(n) for n in range(1, 6)), *fleet(10)[5:])
    # 5 x 1740 W fit into what is available; the stopped ones draw 30 W each.
    decided = plan(snapshot(miners, 10.0))
    assert decided.emergency
    assert all(c.kind is ChangeKind.PRESET for c in decided.changes)


def test_a_miner_in_cooldown_counts_with_the_lowest_preset_that_it_will_soon_have() -> None:
    cooling = change("2300", "2500", age_s=10.0, outcome=Outcome.CONFIRMED, finished_age_s=5.0)
    miners = tuple(miner(n, runs="2500", last_change=cooling, cooldown_left_s=20.0) for n in range(1, 11))
    decided = plan(snapshot(miners, 20.0))
    assert decided.changes == ()
    assert "cannot be shed in this cycle (10 miners passed over)" in decided.reason


def test_what_takes_no_cut_is_stopped_and_what_takes_no_stop_is_left() -> None:
    vain = change("2300", "1740", age_s=100, outcome=Outcome.NOT_APPLIED, attempt=3)
    takes_nothing = change("2300", kind=ChangeKind.STOP, age_s=100, outcome=Outcome.FAILED, attempt=3)
    miners = (miner(1, last_change=vain), miner(2, last_change=takes_nothing))
    decided = plan(snapshot(miners, 3.0))
    assert moves(decided) == {1: "stop"}
    assert "did not take 3" in (why(decided, 2) or "")


def test_a_stop_on_its_way_is_not_sent_again_until_it_is_seen_to_do_nothing() -> None:
    stopping = change("1740", kind=ChangeKind.STOP, age_s=50.0)
    view = miner(1, runs="1740", last_change=stopping)
    assert plan(snapshot([view], 0.0)).changes == ()
    seen = replace(view, last_change=replace(stopping, polled_unchanged=True))
    assert moves(plan(snapshot([seen], 0.0))) == {1: "stop"}


def test_a_start_on_its_way_can_still_be_stopped() -> None:
    starting = change(None, "1740", kind=ChangeKind.START, age_s=10.0)
    view = stopped(1, last_change=starting, cooldown_left_s=20.0)
    assert moves(plan(snapshot([view], 0.5))) == {1: "stop"}


# --- coming back ---


def back(lasted_s: float, generation_kw: float, *miners: MinerView, **facts: Any) -> Any:
    memory = CycleMemory(surplus_since=stamp(-lasted_s), restart_room_since=stamp(-lasted_s), restart_room_w=1e9)
    return plan(snapshot(miners, generation_kw, safety_margin_percent=0.0, memory=memory, **facts))


@pytest.mark.parametrize(
    ("lasted_s", "room_kw", "starts"),
    [(180, 1.78, True), (180, 1.77, False), (179, 5.0, False), (181, 5.0, True)],
)
def test_a_start_needs_room_and_two_percent_for_three_minutes(lasted_s: float, room_kw: float, starts: bool) -> None:
    decided = back(lasted_s, 0.03 + room_kw, stopped(1))
    assert moves(decided) == ({1: "start 1740"} if starts else {})
    assert starts or "stopped; " in (why(decided, 1) or "")


def test_the_best_stopped_miners_start_first_and_keep_their_room_from_raises() -> None:
    miners = (stopped(1), stopped(2, alias="s21pro"), miner(3, runs="1740"))
    decided = back(200, 0.06 + 1.74 + 2.7, *miners)
    assert moves(decided) == {2: "start 2550"}
    assert why(decided, 1) == "stopped; no room yet for its lowest preset"
    waiting = back(100, 0.06 + 1.74 + 2.7, *miners)
    assert moves(waiting) == {}
    assert "must last 180 s" in (why(waiting, 2) or "")
    assert "kept for" in waiting.reason


def test_what_is_left_beside_the_starts_raises_the_others() -> None:
    decided = back(200, 0.03 + 1.74 + 2.6, stopped(1), miner(2, runs="1740"))
    assert moves(decided) == {1: "start 1740", 2: "1850"}


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"stopped_by_us": False}, "is stopped, not settled"),
        ({"held": True}, "held by an operator"),
        ({"ladder": ladder_of([])}, "no preset to start with"),
        ({"last_change": change("2300", kind=ChangeKind.STOP, age_s=20.0), "cooldown_left_s": 10.0}, "in cooldown"),
    ],
)
def test_what_may_not_be_started_says_why(facts: dict[str, Any], sentence: str) -> None:
    decided = back(500, 50.0, stopped(1, **facts))
    assert decided.changes == ()
    assert sentence in (why(decided, 1) or "")


def test_a_start_waits_for_the_ramp() -> None:
    decided = back(500, 50.0, stopped(1), stopped(2), ramp_up_kw_per_min=2.0)
    assert moves(decided) == {1: "start 1740"}
    assert "waits for the ramp" in (why(decided, 2) or "")


def test_a_start_that_a_limit_forbids_takes_no_room() -> None:
    recent = change("2300", kind=ChangeKind.STOP, age_s=10.0, outcome=Outcome.CONFIRMED, finished_age_s=0.0)
    decided = back(500, 50.0, stopped(1, last_change=recent))
    assert decided.changes == ()
    assert "cooldown" in (why(decided, 1) or "")


def test_a_miner_without_known_hashrate_starts_last() -> None:
    nameless = stopped(1, ladder=ladder_of([], preset(1740, None)))
    assert moves(back(500, 2.0, nameless, stopped(2))) == {2: "start 1740"}


def test_a_miner_that_keeps_climbing_above_its_max_does_not_end_the_others_surplus() -> None:
    climber = miner(1, runs="2500", max_preset="2300")
    stopped = miner(2, state=MinerState.STOPPED, runs=None, stopped_by_us=True)
    memory = CycleMemory(surplus_since=stamp(-20), restart_room_since=stamp(-100), restart_room_w=5000.0)
    decided = plan(snapshot([climber, stopped], 20.0, memory=memory))
    assert [change.mac for change in decided.changes] == [climber.mac]
    assert (decided.memory.surplus_since, decided.memory.restart_room_since) == (stamp(-20), stamp(-100))


def test_only_room_that_has_been_there_all_the_time_starts_a_miner() -> None:
    small = miner(1, "s19", runs=None, state=MinerState.STOPPED, stopped_by_us=True)
    large = miner(2, "s21pro", runs=None, state=MinerState.STOPPED, stopped_by_us=True)
    memory = CycleMemory(surplus_since=stamp(-300), restart_room_since=stamp(-300), restart_room_w=1500.0)
    decided = plan(snapshot([small, large], 20.0, memory=memory))
    assert [change.mac for change in decided.changes if change.kind is ChangeKind.START] == [small.mac]
    assert decided.memory.restart_room_since == stamp(-300)
    assert decided.memory.restart_room_w == pytest.approx(1500 - 1.02 * 1100)


def test_nothing_is_raised_while_the_plants_newest_answer_was_refused() -> None:
    calm, refused = plant(20), plant(20, newer_refused=True)
    assert plan(snapshot([miner(1, runs="2000")], plant=calm)).changes
    decided = plan(snapshot([miner(1, runs="2000")], plant=refused))
    assert (decided.changes, decided.increases_allowed) == ((), False)
    assert "newest answer was refused" in decided.reason


@pytest.mark.parametrize("policy", ["stepwise", "economic"])
def test_nothing_is_raised_and_cuts_go_on_while_a_meter_contradicts_its_role(policy: str) -> None:
    sentence = "box has the role foreign, but follows the miners (slope 1.04): 23 kW are subtracted twice"
    miners = (*fleet(9), stopped(10))
    idle = plan(snapshot(miners, plant=plant(60, contradicted=(sentence,)), policy=policy, safety_margin_percent=0.0))
    assert (idle.changes, idle.increases_allowed) == ((), False)
    assert idle.reason.endswith(f"nothing is raised: {sentence}")
    less = plan(snapshot(miners, plant=plant(18, contradicted=(sentence,)), policy=policy, safety_margin_percent=0.0))
    assert sum(c.delta_w for c in less.changes) < -2000


def test_a_farm_that_draws_nothing_is_no_emergency_whatever_the_plant_gives() -> None:
    decided = plan(snapshot([], plant=plant(10, foreign_kw=43)))
    assert not decided.emergency
    assert decided.status == "OK"
    assert "Emergency" not in decided.reason


def test_an_old_reading_is_named_even_where_nothing_needs_to_be_done() -> None:
    decided = plan(snapshot([miner(1, runs="2300")], plant=plant(2.3 / 0.9, age_s=50)))
    assert (decided.status, decided.changes) == ("STALE", ())
    assert decided.reason == "2.3 kW of 2.3 kW used, nothing is raised: the plant reading is 50 s old"
