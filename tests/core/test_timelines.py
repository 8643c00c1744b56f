"""Whole sequences of cycles on the model farm: the plant's side - falls, losses, frozen and flapping values."""

from __future__ import annotations

import pytest

from app.core.types import BalanceStatus, ChangeKind
from tests.core.model_farm import READING_S, Farm, machines
from tests.core.timeline import (
    SEEN_AND_CUT_S,
    Event,
    allowed_overload_s,
    near_target,
    reboot_with_clock_back,
    with_events,
)

pytestmark = pytest.mark.usefixtures("policy")


def mixed_farm(generation_kw: float = 60.0, **facts: object) -> Farm:
    """20 miners of three models, some of which restart for a change."""
    miners = [
        *machines(8, "s19jpro"),
        *machines(6, "s19", "2100", first=9, restarts=True),
        *machines(6, "s21pro", "2730", first=15),
    ]
    return Farm(miners, generation_kw, **facts)  # type: ignore[arg-type]


@with_events
def test_a_fall_and_a_recovery(happens: Event) -> None:
    farm = mixed_farm().settle()
    assert near_target(farm.last)
    farm.generation_kw = 48
    farm.run(10)
    happens(farm)
    farm.run(600)
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    assert near_target(farm.last)
    farm.generation_kw = 60
    farm.run(20)
    happens(farm)
    farm.run(1200)
    assert near_target(farm.last)
    assert farm.last.status is BalanceStatus.OK


@with_events
def test_a_drop_shortly_after_a_fast_recovery_cuts_the_raises_on_their_way(happens: Event) -> None:
    farm = Farm(machines(50, "s19", "2100", restarts=True), 80).settle()
    farm.generation_kw = 135
    farm.run(100)
    assert any(r.change.delta_w > 0 and r.outcome.on_its_way for k in farm.program.known.values() for r in k.rows[-1:])
    farm.generation_kw = 75
    farm.run(10)
    happens(farm)
    farm.run(600)
    # A miner raised seconds before rests for its cooldown; its restart draws nothing meanwhile.
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    assert near_target(farm.last)


@with_events
def test_all_turbines_but_a_fifth_trip_and_come_back(happens: Event) -> None:
    farm = mixed_farm().settle()
    farm.generation_kw = 12
    farm.run(10)
    happens(farm)
    farm.run(300)
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    stopped = [m for m in farm.miners.values() if not m.mining]
    assert len(stopped) > 10
    assert farm.last.current_w <= farm.last.target_w
    farm.run(600)
    assert [m for m in farm.miners.values() if not m.mining] == stopped, "nothing starts without room"
    farm.generation_kw = 60
    farm.run(60)
    happens(farm)
    farm.run(1800)
    assert all(m.mining for m in farm.miners.values())
    assert near_target(farm.last)
    assert farm.longest_overload_s <= allowed_overload_s(happens)


def test_a_fall_to_nothing_stops_everything_and_each_start_waits_for_room(policy: str) -> None:
    """Three minutes by the classic rule, two readings by the economic one, which leaves 7 % of the target unused."""
    farm = Farm(machines(20), 50).settle()
    farm.generation_kw = 0
    farm.run(120)
    assert not any(m.mining for m in farm.miners.values())
    # 20 stopped control boards draw 0.6 kW: load that cannot be shed.
    assert farm.draw_kw == pytest.approx(0.6)
    farm.generation_kw = 50
    seen_at = next(t for t in range(farm.t, farm.t + 60, 5) if farm.run(5).last.target_w > 10_000)
    wait_s = 180 if policy == "stepwise" else READING_S
    farm.run(wait_s - 30 if wait_s > 30 else 0)
    assert not any(m.mining for m in farm.miners.values())
    farm.run(60)
    assert any(c.kind is ChangeKind.START for plan in farm.program.plans for c in plan.changes)
    assert farm.t - seen_at >= wait_s
    farm.overload_s = farm.longest_overload_s = 0
    farm.run(900)
    assert all(m.mining for m in farm.miners.values())
    assert near_target(farm.last)
    assert farm.longest_overload_s == 0


def test_room_for_the_lowest_preset_but_not_two_percent_more_starts_nothing() -> None:
    farm = Farm(machines(1, runs="1740"), 0.0, safety_margin_percent=0.0).settle(60)
    assert not farm.miners[1].mining
    farm.generation_kw = 1.79  # 1740 W, the 30 W it draws now, and 1.1 %
    farm.run(600)
    assert not farm.miners[1].mining
    farm.generation_kw = 1.85
    farm.run(400)
    assert farm.miners[1].mining


def test_the_last_resort_hold_leaves_the_lowest_presets_running() -> None:
    farm = mixed_farm(last_resort="hold").settle()
    farm.generation_kw = 12
    farm.run(300)
    assert all(m.mining for m in farm.miners.values())
    assert farm.last.cut_capacity_w == 0
    assert "cannot be shed" in farm.last.reason


@with_events
@pytest.mark.parametrize("action", ["minimum", "hold", "stop"])
def test_a_lost_plant_and_its_return(action: str, happens: Event) -> None:
    farm = mixed_farm(plant_lost_action=action, stale_derate_percent_per_min=0.0).settle()
    before_w = farm.last.current_w
    farm.plant_up = False
    farm.run(580)
    assert farm.last.current_w == before_w, "the last good reading stays in force"
    assert farm.last.status is BalanceStatus.STALE
    raised = sum(c.delta_w > 0 for plan in farm.program.plans for c in plan.changes)
    farm.run(60)
    happens(farm)
    farm.run(660)
    working = [m for m in farm.miners.values() if m.mining]
    if action == "hold":
        assert farm.last.current_w == before_w
    elif action == "stop":
        assert working == []
    else:
        assert farm.last.cut_capacity_w == 0
        assert len(working) == 20
    assert raised == sum(c.delta_w > 0 for plan in farm.program.plans for c in plan.changes)
    assert "lost" in farm.last.reason
    farm.plant_up = True
    farm.run(1800)
    assert near_target(farm.last)
    assert all(m.mining for m in farm.miners.values())
    assert farm.longest_overload_s == 0


def test_trust_in_an_old_reading_melts_and_one_fresh_reading_restores_it() -> None:
    farm = mixed_farm().settle()
    full_w = farm.last.target_w
    farm.plant_up = False
    farm.run(60 + 300)
    assert farm.last.target_w == pytest.approx(full_w * 0.75, rel=0.02)
    assert farm.last.planned_w <= farm.last.target_w + 500
    farm.plant_up = True
    farm.run(15)
    assert farm.last.target_w == pytest.approx(full_w, rel=0.001)
    farm.run(600)
    assert near_target(farm.last)


def test_a_river_that_falls_unseen_meets_a_farm_that_comes_down_by_itself() -> None:
    farm = mixed_farm().settle()
    farm.plant_up = False
    start = farm.t
    farm.river = lambda t: 60 * (1 - 0.04 * max(0, t - start - 60) / 60)  # 4 % a minute, unseen
    farm.run(600)
    assert farm.longest_overload_s == 0


def test_frozen_values_raise_nothing_and_count_as_stale() -> None:
    farm = mixed_farm(generation_kw=50).settle()
    farm.noise = False
    farm.run(630)
    assert farm.last.status is BalanceStatus.STALE
    assert not farm.last.increases_allowed
    count = len(farm.program.plans)
    farm.run(300)
    assert not any(c.delta_w > 0 for plan in farm.program.plans[count:] for c in plan.changes)
    farm.noise = True
    farm.run(600)
    assert farm.last.status is BalanceStatus.OK
    assert near_target(farm.last)


@pytest.mark.parametrize("period_s", [15, 60, 240])
def test_a_plant_that_flaps_by_three_percent_never_overloads(period_s: int) -> None:
    farm = mixed_farm().settle()
    farm.river = lambda t: 60 * (1.03 if t // period_s % 2 else 0.97)
    farm.run(3600)
    assert farm.longest_overload_s == 0


def test_a_slow_river_is_followed_up_and_down() -> None:
    farm = mixed_farm().settle()
    start = farm.t
    farm.river = lambda t: 60 - 0.004 * (t - start) if t - start < 3600 else 45.6 + 0.004 * (t - start - 3600)
    farm.run(3600)
    assert near_target(farm.last, step_w=600)
    assert farm.longest_overload_s == 0
    farm.run(3600)
    assert near_target(farm.last, step_w=900)
    assert farm.longest_overload_s == 0


def test_foreign_load_that_comes_on_is_made_room_for() -> None:
    farm = mixed_farm(foreign_kw=4.0).settle()
    farm.foreign_kw = 14.0
    farm.run(120)
    assert farm.longest_overload_s <= SEEN_AND_CUT_S
    assert near_target(farm.last)


@with_events
def test_a_start_of_powerhive_on_an_overloaded_plant_cuts_and_does_not_raise_before_it_has_seen(happens: Event) -> None:
    farm = Farm(machines(30, runs="2700"), 60)
    farm.program.restart(farm.now)
    farm.run(60)
    happens(farm)
    farm.run(300)
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    assert near_target(farm.last)


def test_a_reboot_with_the_clock_an_hour_back_blocks_no_cut_for_longer_than_the_cooldown() -> None:
    farm = mixed_farm().settle()
    farm.generation_kw = 54
    farm.run(30)
    reboot_with_clock_back(farm)
    farm.generation_kw = 44
    farm.run(300)
    assert farm.longest_overload_s <= allowed_overload_s(reboot_with_clock_back)
    assert near_target(farm.last)
