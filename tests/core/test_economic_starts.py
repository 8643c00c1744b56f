"""The economic policy's starts: how long room for them must have been there, and what they share with the raises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import river
from app.core.plan import plan
from app.core.types import ChangeKind, CycleMemory
from tests.core.builders import miner, moves, stamp, why
from tests.core.economic_farm import ALL_ALONG, farm, memory, stopped, stopped_one

WAITS = "stopped; room for it must last 180 s, or two readings with 7 % of the target to spare"
NINETEEN = [*(miner(n, runs="2700") for n in range(1, 20)), stopped_one()]
YOUNG = CycleMemory(surplus_since=stamp(-20))


def test_a_stopped_miner_comes_back_at_its_lowest_preset_once_room_for_it_has_lasted() -> None:
    miners = [*(miner(n, runs="2970") for n in range(1, 20)), stopped_one()]
    decided = plan(farm(62.0, (62.0,) * ALL_ALONG, miners))
    assert moves(decided) == {21: "start 1740"}
    assert decided.changes[0].reason.startswith("stopped -> 1740: needs room of 1,775 W for 65.0 TH/s")
    for recent in ((62.0,) * (ALL_ALONG - 1), (58.2,) + (62.0,) * (ALL_ALONG - 1)):
        decided = plan(farm(62.0, recent, miners, raise_window_readings=5))
        assert moves(decided) == {}
        assert why(decided, 21) == WAITS


def test_room_that_a_start_is_waiting_for_is_not_used_otherwise() -> None:
    miners = [*(miner(n, runs="2970") for n in range(1, 20)), miner(20, runs="1740"), stopped_one()]
    decided = plan(farm(60.1, (60.1,) * 5, miners, raise_window_readings=5))
    assert decided.planned_w <= 60_100 - 1740
    assert why(decided, 21) == WAITS


def test_starts_that_wait_for_room_take_no_part_of_the_step() -> None:
    """Their watts win more than any raise, but not yet: the step of a tenth is for those that can go up now."""
    low = [miner(n, runs="1850") for n in range(1, 21)]
    waiting = stopped(10)
    decided = plan(farm(90.0, (90.0,) * 5, [*low, *waiting], raise_window_readings=5, fast_raise_percent=100))
    assert set(moves(decided).values()) == {"2970"}
    assert 0.08 * 30 * 2970 < decided.planned_w - decided.current_w <= 0.1 * 30 * 2970
    assert why(decided, 101) == "stopped; room for it must last 180 s"  # there is no fast path
    later = plan(farm(90.0, (90.0,) * ALL_ALONG, [*low, *waiting]))
    assert ChangeKind.START in {change.kind for change in later.changes}


def test_room_with_seven_percent_to_spare_needs_two_readings_only() -> None:
    """The fast path of the raises: 59 kW less 7 % are 54.9, room for a start of 1.7 beside the 51.3 that 19 draw."""
    once, twice = (plan(farm(59.0, (46.0,) * 9 + after, NINETEEN, memory=YOUNG)) for after in ((), (59.0,)))
    assert (moves(once), why(once, 21)) == ({}, WAITS)
    assert moves(twice) == {21: "start 1740"}
    assert twice.planned_w <= 0.93 * 59_000


def test_a_river_that_falls_again_and_again_starts_nobody_before_room_has_lasted() -> None:
    decided = plan(farm(59.0, (59.0, 46.0, 59.0, 59.0, 50.0, 46.0, 59.0), NINETEEN, memory=YOUNG))
    assert moves(decided) == {}
    waits = "stopped; room for it must last 180 s, as the available power fell more than once in 5 min"
    assert why(decided, 21) == waits
    once = plan(farm(59.0, (59.0, 59.0, 50.0, 46.0, 59.0), NINETEEN, memory=YOUNG))  # one fall, seen in two readings
    assert moves(once) == {21: "start 1740"}


@pytest.mark.parametrize(
    ("before", "closed"),
    [
        ((59.0, 55.5, 52.2, 49.0, 46.0, 50.0, 54.0, 59.0, 55.5, 52.0, 48.0, 46.0, 59.0), True),  # in small steps
        ((59.0, 55.5, 52.2, 49.0, 46.0, 59.0), False),
        ((59.0, 46.0, 48.0, 46.0, 48.0, 46.0, 59.0), False),  # it fell once, and did not rise as far in between
        ((46.0,) * 5 + (59.0,), False),
    ],
)
def test_falls_are_counted_from_the_highest_to_the_lowest(before: tuple[float, ...], closed: bool) -> None:
    decided = plan(farm(59.0, before, NINETEEN, memory=YOUNG))
    assert (moves(decided) == {}) == closed


def test_while_the_river_falls_again_and_again_raises_may_take_the_fast_path_and_starts_may_not() -> None:
    low = [miner(n, runs="1740") for n in range(1, 21)]
    decided = plan(farm(90.0, (90.0, 60.0, 90.0, 60.0, 90.0), [*low, *stopped(3)], memory=YOUNG))
    assert {change.kind for change in decided.changes} == {ChangeKind.PRESET}


@pytest.mark.parametrize(("interval_s", "readings"), [(2.0, 9), (5.0, 4), (15.0, 2), (60.0, 2)])
def test_two_readings_are_a_quarter_of_a_minute_where_the_plant_is_read_more_often(
    interval_s: float, readings: int
) -> None:
    for seen, room_w in ((readings - 1, 0.0), (readings, 0.93 * 59_000 - 51_300)):
        picture = farm(59.0, (46.0,) * 9 + (59.0,) * (seen - 1), NINETEEN, memory=YOUNG, reading_interval_s=interval_s)
        assert river.restart_room_w(picture, 59_000, 51_300) == pytest.approx(room_w)


def test_the_fast_path_starts_nobody_on_a_reading_that_was_used_before() -> None:
    picture = farm(59.0, (46.0,) * 9 + (59.0,), NINETEEN, memory=YOUNG)
    assert picture.plant is not None
    assert plan(replace(picture, plant=replace(picture.plant, is_new=False))).changes == ()


def test_starts_go_out_before_raises() -> None:
    """A start of 1,710 W wins more than a raise of 1,120 W, and in a large farm not all of them fit into a cycle."""
    low = [miner(n, runs="1850") for n in range(1, 21)]
    decided = plan(farm(120.0, (120.0,) * ALL_ALONG, [*low, *stopped(10)]))
    kinds = [change.kind for change in decided.changes]
    assert kinds == sorted(kinds, key=lambda kind: kind is ChangeKind.PRESET)
    assert set(kinds) == {ChangeKind.START, ChangeKind.PRESET}


def test_a_start_that_is_too_large_for_what_is_left_of_the_ramp_is_told_so() -> None:
    low = [miner(n, runs="1740") for n in range(1, 21)]
    decided = plan(farm(120.0, (120.0,) * ALL_ALONG, [*low, *stopped(2)], ramp_up_kw_per_min=1.0))
    assert 0 < decided.planned_w - decided.current_w <= 1000
    waits = "stopped; its start waits for the ramp, or the step of the next reading"
    assert {why(decided, number) for number in (101, 102)} == {waits}


def test_starts_have_a_step_of_their_own() -> None:
    """A tenth for those that restart from their work, and a tenth for those that were stopped; the others are told."""
    low = [miner(n, runs="1850") for n in range(1, 21)]
    decided = plan(farm(120.0, (120.0,) * ALL_ALONG, [*low, *stopped(10)]))
    raised_w, started_w = (
        sum(change.delta_w for change in decided.changes if change.kind is kind)
        for kind in (ChangeKind.PRESET, ChangeKind.START)
    )
    step_w = 0.1 * 30 * 2970
    assert 0.8 * step_w < raised_w <= step_w
    assert 0.8 * step_w < started_w <= step_w
    left = {why(decided, number) for number in range(101, 111)} - {None}
    assert left == {"stopped; its start waits for the ramp, or the step of the next reading"}


def test_a_ramp_is_for_raises_and_starts_together() -> None:
    low = [miner(n, runs="1850") for n in range(1, 21)]
    decided = plan(farm(120.0, (120.0,) * ALL_ALONG, [*low, *stopped(10)], ramp_up_kw_per_min=9.0))
    assert 8000 < decided.planned_w - decided.current_w <= 9000


def test_a_start_that_waits_is_not_made_instead_of_one_that_exceeds_the_step() -> None:
    """Room for one of them has lasted, but the step is too small even for that one."""
    top = [miner(n, runs="2970") for n in range(1, 21)]
    recent = (61.5,) * 5 + (90.0,) * (ALL_ALONG - 5)
    picture = farm(90.0, recent, [*top, *stopped(3)], raise_window_readings=5, ramp_up_kw_per_min=1.0)
    assert plan(replace(picture, raised_last_min_w=1.0)).changes == ()


@pytest.mark.parametrize("ramp_kw", [0.5, 1.2])
def test_starts_that_wait_for_room_take_no_part_of_a_small_ramp(ramp_kw: float) -> None:
    low = [miner(n, runs="1740") for n in range(1, 21)]
    decided = plan(farm(90.0, (90.0,) * 5, [*low, *stopped(5)], ramp_up_kw_per_min=ramp_kw))
    assert decided.changes
    assert 0 < decided.planned_w - decided.current_w <= 1000 * ramp_kw


def test_a_ramp_that_is_used_up_leaves_a_farm_alone_in_which_nothing_can_go_up() -> None:
    top = [miner(n, runs="2970") for n in range(1, 21)]
    picture = replace(farm(90.0, (90.0,) * 5, [*top, *stopped(2)], ramp_up_kw_per_min=1.0), raised_last_min_w=1500.0)
    assert plan(picture).changes == ()


def test_watts_go_to_a_raise_before_a_start_that_wins_less() -> None:
    miners = [*(miner(n, "s21pro", "2550") for n in range(1, 20)), stopped_one()]
    decided = plan(farm(52.0, (52.0,) * ALL_ALONG, miners, raise_step_percent=100))
    assert decided.changes
    assert all(change.kind is ChangeKind.PRESET for change in decided.changes)
    assert why(decided, 21) == "stopped; its watts win more elsewhere"


def test_what_a_slowly_rising_river_gave_to_others_is_taken_back_for_a_stopped_miner_that_wins_more() -> None:
    miners = [*(miner(n, runs="2970") for n in range(1, 11)), stopped_one()]
    decided = plan(farm(30.0, (30.0,) * ALL_ALONG, miners, memory=memory(301)))
    assert moves(decided)[21] == "start 1740"
    assert decided.planned_w <= 30_000
    unseen = plan(farm(30.0, (30.0,) * 5, miners, memory=memory(301)))
    assert not any(change.kind is ChangeKind.START for change in unseen.changes)
