"""Whole sequences of cycles on the model farm: the miners' side - silence, refusals, restarts, meters."""

from __future__ import annotations

import pytest

from app.core.types import Outcome
from tests.core.model_farm import Farm, machines
from tests.core.timeline import (
    DOWN_S,
    READING_S,
    SEEN_AND_CUT_S,
    Event,
    allowed_overload_s,
    near_target,
    nothing,
    with_events,
)

pytestmark = pytest.mark.usefixtures("policy")


def cut_rows(farm: Farm, id_: int) -> list[Outcome]:
    return [row.outcome for row in farm.program.known[id_].rows if row.change.delta_w < 0]


@with_events
def test_managing_fifty_miners_behind_a_miners_meter_settles_at_the_target_not_at_half(happens: Event) -> None:
    farm = Farm(machines(50), 180, meter=True, foreign_kw=20, overhead_kw=5)
    for known in farm.program.known.values():
        known.managed = False
    farm.settle(600)
    before = farm.last
    assert before.current_w == 0
    for known in farm.program.known.values():
        known.managed = True
    farm.run(15)
    after = farm.last
    assert after.overhead_kw == pytest.approx(before.overhead_kw, abs=0.01)
    assert after.available_w - after.current_w == pytest.approx(before.available_w - before.current_w, abs=20)
    happens(farm)
    farm.run(1500)
    assert near_target(farm.last)
    assert farm.last.target_w == pytest.approx((180 - 20 - 5) * 0.9 * 1000, rel=0.01)
    assert farm.longest_overload_s == 0


@with_events
def test_a_meter_that_dies_while_the_farm_is_cut_freezes_the_overhead(happens: Event) -> None:
    farm = Farm(machines(30), 75, meter=True, overhead_kw=3).settle()
    overhead_kw = farm.last.overhead_kw
    assert overhead_kw == pytest.approx(3, abs=0.3)
    farm.generation_kw = 62.5
    farm.run(10)
    farm.meter_ok = False
    happens(farm)
    farm.run(400)
    assert farm.last.overhead_kw == pytest.approx(overhead_kw, abs=0.3)
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    assert near_target(farm.last)
    farm.meter_ok = True
    farm.run(600)
    assert farm.last.overhead_kw == pytest.approx(3, abs=0.3)
    assert near_target(farm.last)


@with_events
def test_a_dying_switch_its_dead_miners_and_their_return(happens: Event) -> None:
    half = 100 if happens is nothing else 20
    farm = Farm(machines(2 * half, "s19", "2100"), 4.0 * half, meter=True, overhead_kw=4).settle(600)
    behind = [farm.miners[id_] for id_ in range(1, half + 1)]
    current_w = farm.last.current_w
    for machine in behind:
        machine.answers = False
    farm.run(120)
    happens(farm)
    farm.run(240)
    assert farm.last.current_w == pytest.approx(current_w, abs=1000), "silent, but still drawing"
    farm.generation_kw = 3.3 * half
    farm.run(400)  # where the living at their lowest do not do, stops wait until the shortage has lasted
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    assert near_target(farm.last), "the others give what is missing"
    for machine in behind:
        machine.power_off()
    farm.run(600)
    assert farm.last.accounted[1] == 0, "the meter confirms the drop"
    assert near_target(farm.last) or farm.last.raise_room_w == 0
    for machine in behind:
        machine.power_on(farm.t)
    farm.run(60)
    happens(farm)
    farm.run(900)
    # They come back unasked, at their saved presets; until polled or metered nobody can know.
    assert farm.longest_overload_s <= allowed_overload_s(happens) + READING_S
    assert near_target(farm.last)
    assert farm.last.current_w == pytest.approx(sum(farm.last.accounted.values()))


@pytest.mark.parametrize("meter", [True, False])
def test_a_dying_switch_without_a_confirming_meter_gives_up_two_percent_at_most(meter: bool) -> None:
    farm = Farm(machines(100), 230, meter=meter).settle(300)
    farm.meter_ok = False
    for id_ in range(1, 51):
        farm.miners[id_].power_off()
    farm.run(800)
    assert all(farm.last.accounted[id_] > 0 for id_ in range(1, 51))
    farm.run(300)
    assert sum(farm.last.accounted[id_] == 0 for id_ in range(1, 51)) == 2


@with_events
def test_sixty_of_a_hundred_cuts_ask_for_a_restart_and_some_refuse_it(happens: Event) -> None:
    tenth = 10 if happens is nothing else 3
    miners = [
        *machines(4 * tenth, "s19", "2100"),
        *machines(5 * tenth, "s19", "2100", first=101, restarts=True),
        *machines(tenth, "s19", "2100", first=201, refuses_restart=True),
    ]
    farm = Farm(miners, 23.0 * tenth).settle(600)
    farm.generation_kw = 17.0 * tenth
    farm.run(10)
    happens(farm)
    farm.run(240)
    assert farm.longest_overload_s <= allowed_overload_s(happens)
    farm.run(300)
    assert near_target(farm.last)
    assert farm.draw_kw <= farm.generation_kw
    farm.generation_kw = 23.0 * tenth
    for machine in miners:
        machine.refuses_restart = False
    farm.run(2400)
    assert near_target(farm.last)


@pytest.mark.parametrize("takes", ["ignore", "refuse", "no_answer", "dead"])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_cuts_that_do_not_get_through_are_taken_from_others(takes: str, share: float) -> None:
    farm = Farm(machines(30), 75).settle(600)
    bad = [farm.miners[id_] for id_ in range(1, 1 + int(30 * share))]
    for machine in bad:
        machine.takes = takes
    farm.generation_kw = 62.5
    farm.run(400)
    # Who says 200 and does nothing is found out after 45 s and one poll.
    found_out_s = 45 + 2 * READING_S if takes == "ignore" else 0
    assert farm.longest_overload_s <= SEEN_AND_CUT_S + found_out_s
    assert farm.draw_kw <= 62.5
    for machine in bad:
        machine.takes = "ok"
    farm.generation_kw = 75
    farm.run(2700)
    assert near_target(farm.last)


def test_a_cut_is_sent_three_times_then_left_alone_for_a_while() -> None:
    farm = Farm(machines(10), 25).settle(300)
    for machine in farm.miners.values():
        machine.takes = "refuse"
    farm.generation_kw = 24
    farm.run(600)
    sent = [len(cut_rows(farm, id_)) for id_ in farm.miners]
    farm.run(200)
    assert [len(cut_rows(farm, id_)) for id_ in farm.miners] == sent
    assert farm.program.known[1].rows[-1].attempt == 3
    farm.run(900)
    assert len(cut_rows(farm, 1)) > sent[0], "after a rest it is tried again"


@with_events
def test_a_site_that_loses_its_power_comes_back_at_full_saved_load_and_is_brought_down(happens: Event) -> None:
    farm = Farm(machines(30, runs="2970"), 125, meter=True).settle(300)
    for machine in farm.miners.values():
        machine.power_off()
    farm.run(600)
    farm.generation_kw = 70
    for machine in farm.miners.values():
        machine.power_on(farm.t)
    farm.run(10)
    happens(farm)
    farm.run(600)
    assert farm.longest_overload_s <= allowed_overload_s(happens) + READING_S
    assert near_target(farm.last)


@pytest.mark.parametrize("sent", [0, 1, 10])
def test_being_killed_while_cutting_loses_nothing(sent: int) -> None:
    farm = Farm(machines(30), 75).settle(600)
    farm.generation_kw = 62.5
    farm.program.dies_after = sent
    farm.run(20)
    assert farm.program.dead
    farm.restart_powerhive(DOWN_S)
    farm.run(600)
    # A change of the former life still cools down when the next begins.
    assert farm.longest_overload_s <= SEEN_AND_CUT_S + DOWN_S + 2 * READING_S
    assert near_target(farm.last)


def test_being_killed_while_raising_counts_every_raise_until_it_is_read_back() -> None:
    farm = Farm(machines(30), 62.5).settle(300)
    farm.generation_kw = 75
    farm.program.dies_after = 3
    assert any(farm.run(5).program.dead for _ in range(60))
    latest = [known.rows[-1] for known in farm.program.known.values() if known.rows]
    raised = [row for row in latest if row.change.delta_w > 0]
    assert raised
    farm.restart_powerhive(DOWN_S)
    farm.run(15)
    assert all(farm.last.accounted[row.change.miner_id] == row.change.new_power_w for row in raised)
    farm.run(900)
    assert near_target(farm.last)
    assert farm.longest_overload_s == 0


def test_miners_that_draw_less_than_their_label_are_not_taken_for_dead_ones() -> None:
    farm = Farm(machines(100, draw_share=0.93), 230, meter=True).settle(600)
    for id_ in range(1, 6):
        farm.miners[id_].answers = False
    farm.run(600)
    total_w = sum(farm.last.accounted.values())
    assert total_w >= farm.draw_kw * 1000 - 500, "what is really drawn is accounted for"


def test_random_restarts_of_miners_move_nobody_else() -> None:
    farm = Farm(machines(50), 120, meter=True, overhead_kw=3).settle(2400)
    plans = len(farm.program.plans)
    for _ in range(20):
        farm.miners[1 + farm.t % 50].reload(farm.t)
        farm.run(60)
    changes = [c for decided in farm.program.plans[plans:] for c in decided.changes]
    assert changes == []
    assert farm.last.overhead_kw == pytest.approx(3, abs=1)
