"""The economic policy: when it acts, what it chooses, and the sentences that say why."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core import economic, river
from app.core.memo import Memo
from app.core.plan import plan
from app.core.policies import Candidate, Move, Step
from app.core.readings import MinerState, Preset
from app.core.types import ChangeKind, CycleMemory, Mode, Outcome, Plan, UntunedUse
from tests.core.builders import LADDERS, change, ladder_of, miner, moves, plant, preset, settings, stamp
from tests.core.economic_farm import ALL_ALONG, MARGIN_FREE, farm, memory, stopped_one


def test_the_cut_threshold_is_a_share_of_the_target_and_at_least_the_tolerance() -> None:
    assert river.cut_above_w(400_000, settings(policy="economic")) == 500
    assert river.cut_above_w(4_000_000, settings(policy="economic")) == 2000
    assert river.cut_above_w(400_000, settings(policy="economic", cut_above_percent=0.5)) == 2000


def test_it_cuts_to_the_target_with_few_large_moves() -> None:
    decided = plan(farm(43.0, safety_margin_percent=5.0))
    assert decided.planned_w <= decided.target_w
    assert decided.planned_w > decided.target_w - 300
    assert len(decided.changes) < 14  # stepwise would move all twenty
    assert "W per TH/s" in decided.changes[0].reason


def test_inside_the_threshold_nothing_is_cut() -> None:
    assert plan(farm(45.6)).changes == ()


def test_an_emergency_is_covered_by_the_same_choice() -> None:
    decided = plan(farm(36.0))
    assert decided.emergency
    assert decided.planned_w <= 36_000


def test_it_raises_towards_the_lowest_target_of_the_window() -> None:
    decided = plan(farm(60.0, (60.0,) * 5 + (47.5,) + (60.0,) * 5, fast_raise_percent=100))
    assert 46_000 < decided.planned_w <= 47_500


def test_a_surplus_must_have_lasted_the_whole_window() -> None:
    decided = plan(farm(48.0, (46.0, 48.0, 48.0), fast_raise_percent=100))
    assert decided.changes == ()
    assert decided.reason == "Surplus 2.0 kW has lasted 45 of 180 s"


def test_with_a_window_of_one_reading_it_acts_at_once() -> None:
    assert plan(farm(48.0, (), raise_window_readings=1)).planned_w > 47_000


def test_a_surplus_that_is_too_small_is_left_alone() -> None:
    assert plan(farm(46.55, raise_below_percent=1.0)).reason == "Surplus 0.6 kW: less than 0.6 kW is left alone"


def test_the_fast_path_uses_a_large_surplus_down_to_seven_percent_after_two_readings() -> None:
    once, twice = plan(farm(56.0, (46.0,))), plan(farm(56.0, (46.0, 56.0)))
    assert once.changes == ()
    assert 46_000 < twice.planned_w <= 0.93 * 56_000


def test_at_most_a_tenth_of_the_fleet_is_raised_in_a_cycle() -> None:
    decided = plan(farm(90.0))
    assert decided.planned_w - decided.current_w <= 0.1 * 20 * 2970


def test_a_second_cycle_on_the_same_reading_takes_no_second_step() -> None:
    picture = farm(90.0)
    assert picture.plant is not None
    decided = plan(replace(picture, plant=replace(picture.plant, is_new=False)))
    assert decided.changes == ()
    assert decided.reason == "Surplus 44.0 kW, of it 5.9 kW may be used with the next reading"
    assert plan(picture).reason.startswith(
        "Surplus 44.0 kW, of it 44.0 kW may be used, 5.9 kW each of raises and starts with each reading; 8 raises"
    )


def test_what_does_not_fit_into_a_step_waits_so_that_no_miner_goes_up_twice() -> None:
    """All the way to 2970 is best for each; a step that was solved for itself would take twelve of them to 2500."""
    decided = plan(farm(90.0))
    assert set(moves(decided).values()) == {"2970"}
    assert len(decided.changes) == 8


def test_raises_respect_the_ramp_and_cuts_too() -> None:
    assert plan(farm(58.0, ramp_up_kw_per_min=1.0)).planned_w <= 47_000
    slow = plan(farm(47.3, safety_margin_percent=5.0, ramp_down_kw_per_s=0.05))
    assert 46_000 - 750 - 300 <= slow.planned_w <= 46_000 - 750


MIXED = [*(miner(n, runs="2970") for n in range(1, 11)), *(miner(n, "s21pro", "2550") for n in range(11, 21))]


def mixed(**facts: Any) -> Plan:
    """Ten S19j Pro at the top and ten S21 Pro at the bottom: the watts are in the wrong place."""
    return plan(farm(55.4, miners=MIXED, **facts))


def test_every_five_minutes_watts_move_to_where_they_win_more() -> None:
    assert mixed(memory=memory(200)).changes == ()
    decided = mixed(memory=memory(301), raise_step_percent=100)
    assert {c.miner_id <= 10 for c in decided.changes if c.delta_w < 0} == {True}
    assert {c.miner_id > 10 for c in decided.changes if c.delta_w > 0} == {True}
    assert decided.planned_w <= decided.target_w
    assert decided.memory.reoptimised_at == stamp()


def test_of_a_large_exchange_only_a_step_is_made_with_one_reading_and_the_rest_with_the_next() -> None:
    whole, part = mixed(memory=memory(301), raise_step_percent=100), mixed(memory=memory(301))
    assert 0 < taken_w(part) <= 0.1 * (10 * 2970 + 10 * 3540) < taken_w(whole)
    assert freed_w(part) <= 0.1 * (10 * 2970 + 10 * 3540)
    assert part.planned_w <= part.target_w
    assert part.memory.reoptimised_at == stamp(-301)  # still due


def test_the_ramp_down_holds_for_exchanges_too() -> None:
    decided = mixed(memory=memory(301), ramp_down_kw_per_s=0.2)
    assert 0 < freed_w(decided) <= 3000


def taken_w(decided: Plan) -> float:
    return sum(change.delta_w for change in decided.changes if change.delta_w > 0)


def freed_w(decided: Plan) -> float:
    return -sum(change.delta_w for change in decided.changes if change.delta_w < 0)


def test_an_exchange_that_wins_too_little_is_not_made_and_the_wait_begins_anew() -> None:
    decided = plan(farm(46.0, memory=memory(301)))
    assert decided.changes == ()
    assert decided.memory.reoptimised_at == stamp()


def test_the_wait_for_an_exchange_begins_with_the_first_cycle_and_survives_cuts() -> None:
    assert mixed(memory=CycleMemory()).memory.reoptimised_at == stamp()
    assert plan(farm(30.0, memory=memory(100))).memory.reoptimised_at == stamp(-100)


def test_an_exchange_that_the_ramp_does_not_allow_waits() -> None:
    decided = mixed(memory=memory(301), ramp_up_kw_per_min=0.1)
    assert decided.changes == ()
    assert decided.memory.reoptimised_at == stamp(-301)
    assert mixed(memory=memory(301), ramp_up_kw_per_min=1000).changes != ()


def test_a_lower_reading_of_the_window_is_not_passed_by_an_exchange() -> None:
    decided = plan(farm(55.4, (55.4,) * 10 + (54.0,), miners=MIXED, memory=memory(301)))
    assert decided.changes
    assert decided.planned_w <= 54_000


def test_an_untuned_preset_pays_its_longer_settle_time() -> None:
    steps = ladder_of([(2000, 80), (2300, 90)], preset(2310, 91.0, tuned=False))
    views = [miner(n, runs="2000", ladder=steps, max_preset_w=2500, untuned_use=UntunedUse.ALWAYS)
             for n in range(1, 6)]  # fmt: skip
    for loss_s, chosen in ((0, "2310"), (900, "2300")):
        decided = plan(farm(13.0, miners=views, untuned_loss_s=loss_s))
        assert set(moves(decided).values()) == {chosen}


def test_labels_without_hashrate_or_with_less_for_more_watts_do_not_keep_a_farm_low() -> None:
    odd = ladder_of([], *(Preset(str(w), w, None, tuned=True) for w in (2000, 2300)), preset(2600, 1.0))
    views = [miner(n, runs="2000", ladder=odd, max_preset_w=2600) for n in range(1, 6)]
    assert plan(farm(16.0, miners=views, horizon_s=1200)).planned_w > 10_000


def test_presets_of_equal_expected_power_count_once() -> None:
    twin = ladder_of([(2000, 80), (2300, 87)], preset(1900, 82.0, expected_power_w=2000))
    views = [miner(n, runs="2300", ladder=twin, max_preset_w=2300) for n in range(1, 4)]
    assert set(moves(plan(farm(6.3, miners=views))).values()) == {"2000"}


def test_what_was_learned_scales_what_the_firmware_says_but_not_what_the_operator_says() -> None:
    learned = miner(1, power_factor=1.1, hashrate_factor=0.9)
    assert plan(farm(50.0, miners=[learned])).current_w == pytest.approx(2530)
    own = ladder_of([(1740, 65)], preset(2300, 87.0, expected_power_w=2200, expected_hashrate_ths=80.0))
    assert plan(farm(50.0, miners=[replace(learned, ladder=own)])).current_w == 2200


def test_observe_plans_the_same_and_sends_nothing() -> None:
    decided = plan(farm(36.0, settings=settings(mode=Mode.OBSERVE, **MARGIN_FREE)))
    assert decided.changes
    assert not decided.send


def test_from_an_unknown_preset_the_sentence_names_no_price() -> None:
    odd = [miner(1, "s19jpro", None, measured_power_w=3000.0)]
    decided = plan(farm(2.0, miners=odd, last_resort="hold"))
    assert decided.changes[0].reason.startswith("unknown preset -> 1740: frees 1,260 W (its hashrate is not known)")


def test_stale_readings_raise_nothing() -> None:
    assert plan(replace(farm(90.0), plant=plant(90.0, age_s=50.0))).changes == ()


def test_a_surplus_nobody_can_use_now_is_said_to_be_unused() -> None:
    busy = [miner(n, cooldown_left_s=60.0) for n in range(1, 21)]
    decided = plan(farm(58.0, miners=busy))
    assert decided.changes == ()
    assert decided.reason == "12.0 kW below the target, but no miner can be raised now"


LASTING = 20  # readings before, until a shortage has lasted for five minutes
LOWEST = [*(miner(n, runs="1740") for n in range(1, 11)), *(miner(n, "s21pro", "2550") for n in range(11, 21))]


def short(kw: float = 44.0, recent: tuple[float, ...] | None = None, **values: Any) -> Plan:
    """A farm at its lowest presets, 42.9 kW, with a target of 10 % less than `kw`: above it, but not above `kw`."""
    before = (kw,) * LASTING if recent is None else recent
    return plan(farm(kw, before, LOWEST, safety_margin_percent=10.0, **values))


def test_where_even_the_lowest_presets_exceed_the_target_for_a_while_those_that_win_least_are_stopped() -> None:
    decided = short()
    assert [(change.kind, change.miner_id <= 10) for change in decided.changes] == [(ChangeKind.STOP, True)] * 2
    assert decided.planned_w <= decided.target_w
    assert decided.changes[0].reason.startswith("1740 -> stop: frees 1,710 W for 65.0 TH/s (26 W per TH/s")


@pytest.mark.parametrize(
    "values",
    [
        {"last_resort": "hold"},
        {"stops_for_value": False},
        {"recent": (44.0,) * (LASTING - 1)},
        {"recent": (48.0,) + (44.0,) * (LASTING - 1)},
        {"recent": (48.0,) + (44.0,) * (LASTING - 1), "fast_raise_percent": 100},
    ],
)
def test_nothing_is_stopped_for_its_value_unless_set_so_and_the_shortage_has_lasted(values: dict[str, Any]) -> None:
    assert short(**values).changes == ()


def test_nothing_is_stopped_for_its_value_where_presets_do_once_their_cooldown_is_over() -> None:
    """A miner in cooldown will be at its lowest preset within half a minute: that is cheaper than a stop of another."""
    cooling = {"cooldown_left_s": 15.0, "last_change": change("2500", "2300", 15.0, outcome=Outcome.CONFIRMED)}
    miners = [*(miner(n, **cooling) for n in range(1, 19)), miner(19), miner(20)]
    decided = plan(farm(44.0, (44.0,) * LASTING, miners, safety_margin_percent=0.0))
    assert decided.changes
    assert all(change.kind is ChangeKind.PRESET for change in decided.changes)


def exchanged(recent: int = LASTING, **values: Any) -> Plan:
    """A farm on its target whose poorest watts win less than its richest would."""
    return plan(farm(43.4, (43.4,) * recent, LOWEST, memory=memory(301), **values))


def test_an_exchange_stops_the_poor_to_raise_the_rich_once_the_shortage_has_lasted() -> None:
    assert exchanged(LASTING - 1).changes == ()
    decided = exchanged(raise_step_percent=100)
    assert sum(change.kind is ChangeKind.STOP for change in decided.changes if change.miner_id <= 10) >= 4
    assert {change.new_preset for change in decided.changes if change.miner_id > 10} >= {"3540"}
    assert decided.planned_w <= decided.target_w


def test_a_stop_pays_for_coming_back() -> None:
    """With a wait of an hour before a start a stop can win nothing within twenty minutes."""
    assert exchanged(250, restart_room_lasts_s=3600).changes == ()


def test_a_second_cycle_on_the_same_reading_exchanges_nothing() -> None:
    picture = farm(400.0, (400.0,) * LASTING, memory=memory(301))
    assert picture.plant is not None
    assert plan(replace(picture, plant=replace(picture.plant, is_new=False))).changes == ()


UNTUNED = ladder_of([], *(preset(w, h, tuned=False) for w, h in ((1740, 65), (1850, 76), (2300, 87), (2970, 100))))


@pytest.mark.parametrize(
    ("facts", "values"),
    [({"ladder": UNTUNED}, {}), ({"ladder": UNTUNED}, {"horizon_s": 300}), ({"switch_loss_s": 1800.0}, {})],
)
def test_however_long_a_change_takes_what_was_cut_comes_back(facts: dict[str, Any], values: dict[str, Any]) -> None:
    low = [miner(n, runs="1740", **facts) for n in range(1, 21)]
    assert plan(farm(60.0, (60.0,) * ALL_ALONG, low, **values)).planned_w > 35_000
    stopped = [replace(view, running_preset=None, state=MinerState.STOPPED, stopped_by_us=True) for view in low]
    decided = plan(farm(60.0, (60.0,) * ALL_ALONG, stopped, **values))
    assert {change.kind for change in decided.changes} == {ChangeKind.START}


@pytest.mark.parametrize(("lasted_s", "raised"), [(60.0, False), (2399.0, False), (2400.0, True), (90_000.0, True)])
def test_with_plenty_of_water_for_long_every_miner_goes_to_its_top(lasted_s: float, raised: bool) -> None:
    """The last step of 4 % does not pay its restart within twenty minutes, but it does within forty."""
    plenty = CycleMemory(surplus_since=stamp(-lasted_s), reoptimised_at=stamp())
    high = [miner(n, runs="2700") for n in range(1, 21)]
    decided = plan(farm(90.0, miners=high, memory=plenty))
    assert set(moves(decided).values()) == ({"2970"} if raised else set())


@pytest.mark.parametrize(("recent", "raised"), [((90.0,) * 20, True), ((70.0,) + (90.0,) * 19, False)])
def test_a_river_that_moved_far_minutes_ago_is_not_trusted_for_as_long(recent: tuple[float, ...], raised: bool) -> None:
    """From 2500 to 2970: 8 TH/s x 20 min win more than a switch of 92 s at 100 TH/s loses, x 15 min they do not."""
    miners = [miner(n, runs="2500", switch_loss_s=92.0) for n in range(1, 21)]
    young, old = CycleMemory(surplus_since=stamp(-200)), CycleMemory(surplus_since=stamp(-2400))
    assert bool(plan(farm(90.0, recent, miners, memory=young)).changes) == raised
    assert plan(farm(90.0, recent, miners, memory=old)).changes  # there has been a surplus all the time


@pytest.mark.parametrize(
    ("runs", "policy", "raised", "lasted_s"),
    [("2700", "economic", False, 2000.0), ("1740", "economic", True, 0.0), ("1740", "stepwise", True, 2000.0)],
)
def test_a_surplus_that_is_being_used_has_not_lasted(runs: str, policy: str, raised: bool, lasted_s: float) -> None:
    """Else a river that keeps rising would have the miners go up by their smallest steps, as if there were plenty."""
    memory = CycleMemory(surplus_since=stamp(-2000), reoptimised_at=stamp())
    decided = plan(farm(90.0, miners=[miner(n, runs=runs) for n in range(1, 21)], memory=memory, policy=policy))
    assert bool(decided.changes) == raised
    assert decided.memory.surplus_since == stamp(-lasted_s)


def test_a_ramp_smaller_than_a_whole_way_up_takes_a_part_of_it() -> None:
    low = [miner(n, runs="1740") for n in range(1, 21)]
    decided = plan(farm(90.0, (90.0,) * ALL_ALONG, low, ramp_up_kw_per_min=0.5))
    assert decided.changes
    assert 0 < decided.planned_w - decided.current_w <= 500


def test_miners_of_unknown_hashrate_are_neither_stopped_for_their_value_nor_exchanged() -> None:
    nameless = ladder_of([], preset(1740, None), preset(2300, None))
    miners = [*(miner(n, runs="2300", ladder=nameless) for n in range(1, 11)),
              *(miner(n, runs="1740") for n in range(11, 31))]  # fmt: skip
    decided = plan(farm(57.8, (57.8,) * LASTING, miners, memory=memory(301)))
    assert not [change for change in decided.changes if change.miner_id <= 10]
    cut = plan(farm(58.0, miners=miners, safety_margin_percent=20.0))
    assert any(change.reason.endswith("(its hashrate is not known)") for change in cut.changes)


@pytest.mark.parametrize(("interval_s", "readings"), [(15.0, 13), (5.0, 37), (60.0, 4)])
def test_three_minutes_are_three_minutes_however_often_the_plant_is_read(interval_s: float, readings: int) -> None:
    assert river.readings_for_restart(settings(), interval_s) == readings
    assert river.readings_needed(settings(), interval_s) == max(12, 1 + math.ceil(300 / interval_s))


def test_what_stands_for_a_start_in_one_cycle_is_not_kept_for_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not be found again: a hundred stopped miners would drive out what the others are kept for."""
    kept: list[object] = []

    class Watched(Memo[Any]):
        def keep(self, key: tuple[object, ...], alive: object, found: Any) -> Any:
            kept.append(key)
            return super().keep(key, alive, found)

    monkeypatch.setattr(economic, "_known_choices", Watched())
    miners = [*(miner(n, runs="2300") for n in range(1, 20)), stopped_one()]
    picture = farm(62.0, (62.0,) * ALL_ALONG, miners)
    first = plan(picture)
    known = len(kept)
    assert known > 0
    assert plan(picture) == first
    assert len(kept) == known


def test_a_miner_changed_moments_ago_is_not_cut_where_another_needs_no_restart() -> None:
    """All ten are alike, but five of them would need a restart now: the cut is for the others to make."""
    recent = {"last_change": replace(change("2500", "2300", age_s=40.0), outcome=Outcome.CONFIRMED)}
    miners = [
        miner(n, runs="2300", switch_loss_s=5.0, soon_loss_s=50.0, **(recent if n > 5 else {})) for n in range(1, 11)
    ]
    decided = plan(farm(21.0, miners=miners))
    assert {change.miner_id for change in decided.changes} <= {1, 2, 3, 4, 5}
    assert plan(farm(15.0, miners=miners)).planned_w < 18_000  # where it must be, it is cut


def test_presets_without_hashrate_or_of_nearly_no_watts_are_no_reason_to_move() -> None:
    """Numbers of an operator's may be anything; sums of many watts are never exact."""
    odd = ladder_of([], preset(800, None), preset(801, None), preset(900, 50, expected_power_w=5))
    miners = [miner(n, "s19", runs, ladder=odd) for n, runs in ((1, "801"), (2, "801"), (3, "900"))]
    assert plan(farm(1.6071, miners=miners, memory=memory(301))).changes == ()


def test_where_every_preset_counts_less_than_a_stop_nothing_is_stopped() -> None:
    odd = ladder_of([], preset(900, 50, expected_power_w=5), preset(1000, 60, expected_power_w=900))
    miners = [miner(n, "s19", "1000", ladder=odd) for n in range(1, 4)]
    decided = plan(farm(1.0, miners=miners))
    assert {change.kind for change in decided.changes} == {ChangeKind.PRESET}


@given(
    steps=st.lists(st.tuples(st.sampled_from([1740, 2300, 2970]), st.sampled_from([1740, 2300, 2970])), max_size=8),
    room_w=st.floats(-2000, 3000), up_w=st.floats(0, 4000), down_w=st.floats(0, 4000),
)  # fmt: skip
def test_a_part_of_an_exchange_keeps_its_bounds_and_makes_no_cut_for_nothing(
    steps: list[tuple[int, int]], room_w: float, up_w: float, down_w: float
) -> None:
    by_watts = {p.firmware_power_w: p for p in LADDERS["s19jpro"].presets}
    candidates = [Candidate(miner(n), float(old), str(old), 80.0, (), ()) for n, (old, _) in enumerate(steps)]
    moved = [
        Move(candidate, Step(by_watts[new], float(new)), "")
        for candidate, (old, new) in zip(candidates, steps, strict=True)
        if new != old
    ]
    assume(sum(move.delta_w for move in moved) <= room_w)
    part = economic.part_of_exchange(moved, room_w, up_w=up_w, down_w=down_w)
    raised = [move.delta_w for move in part if move.delta_w > 0]
    freed = [-move.delta_w for move in part if move.delta_w < 0]
    assert sum(raised) <= up_w + 1e-3
    assert sum(freed) <= down_w + 1e-3
    assert sum(raised) - sum(freed) <= max(0.0, room_w) + 1e-3
    needed_w = sum(raised) - room_w
    assert len(part) == len(moved) or not freed or sum(freed) < needed_w + max(freed) + 1e-3
