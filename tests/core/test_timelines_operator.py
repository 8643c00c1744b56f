"""Whole sequences of cycles on the model farm: what an operator does - margin, limit, mode, buttons, max preset."""

from __future__ import annotations

import pytest

from app.core.types import BalanceStatus, Mode, Override
from tests.core.model_farm import Farm, machines
from tests.core.timeline import Event, near_target, with_events

pytestmark = pytest.mark.usefixtures("policy")


def farm_on_target(**values: object) -> Farm:
    return Farm(machines(40), 100, **values).settle(900)  # type: ignore[arg-type]


@pytest.mark.parametrize(("margin", "target_w"), [(20.0, 80_000), (5.0, 95_000), (0.0, 100_000), (15.0, 85_000)])
def test_a_changed_margin_acts_in_the_next_cycle(margin: float, target_w: float) -> None:
    farm = farm_on_target()
    farm.program.set(safety_margin_percent=margin)
    farm.run(15)
    assert farm.last.target_w == pytest.approx(target_w, rel=0.001)
    if margin > 10:
        assert farm.last.planned_w < farm.last.current_w
    farm.run(600)
    assert near_target(farm.last)
    assert farm.longest_overload_s == 0


def test_a_farm_limit_caps_the_farm_and_gives_it_back() -> None:
    farm = farm_on_target()
    farm.program.set(farm_limit_kw=75.0)
    farm.run(300)
    assert farm.last.target_w == 75_000
    assert near_target(farm.last)
    farm.program.set(farm_limit_kw=None)
    farm.run(600)
    assert near_target(farm.last)
    assert farm.last.current_w > 88_000


@with_events
def test_all_to_minimum_then_resume(happens: Event) -> None:
    farm = farm_on_target()
    farm.program.known[7].held = True
    farm.program.set(override=Override.MINIMUM)
    farm.run(10)
    happens(farm)
    farm.run(120)
    assert {m.running for m in farm.miners.values()} == {"1740"}
    assert "All to minimum" in farm.last.reason
    farm.program.set(override=Override.NONE)
    farm.program.known[7].held = False
    farm.run(900)
    assert near_target(farm.last)


@with_events
@pytest.mark.parametrize("mode", [Mode.ARMED, Mode.OBSERVE, Mode.OFF])
def test_stop_all_works_in_every_mode_and_resume_starts_what_it_stopped(happens: Event, mode: Mode) -> None:
    farm = farm_on_target()
    farm.miners[3].mining = False  # a technician stopped this one
    farm.run(30)
    farm.program.set(override=Override.STOP, mode=mode)
    farm.run(10)
    happens(farm)
    farm.run(60)
    assert not any(m.mining for m in farm.miners.values())
    farm.program.set(override=Override.NONE, mode=Mode.ARMED)
    farm.run(1500)
    assert [m.id for m in farm.miners.values() if not m.mining] == [3]
    assert near_target(farm.last) or farm.last.raise_room_w == 0


def test_observing_sends_nothing_and_says_what_it_would_do() -> None:
    farm = farm_on_target()
    farm.program.set(mode=Mode.OBSERVE)
    farm.generation_kw = 80
    farm.run(300)
    assert farm.last.changes
    assert not farm.last.send
    assert farm.last.status is BalanceStatus.OVER_TARGET
    farm.program.set(mode=Mode.ARMED)
    farm.run(120)
    assert near_target(farm.last)


def test_a_lowered_max_preset_brings_every_miner_down_at_once_and_none_above_it_again() -> None:
    farm = farm_on_target(safety_margin_percent=0.0)
    for known in farm.program.known.values():
        known.max_preset = "2150"
    farm.run(40)
    assert all(int(m.running) <= 2150 for m in farm.miners.values())
    farm.run(900)
    assert all(m.running == "2150" for m in farm.miners.values())


def test_held_and_unmanaged_miners_are_left_where_they_are() -> None:
    farm = farm_on_target()
    before = {id_: m.running for id_, m in farm.miners.items()}
    for id_ in range(1, 11):
        farm.program.known[id_].held = True
    for id_ in range(11, 21):
        farm.program.known[id_].managed = False
    farm.generation_kw = 92
    farm.run(300)
    assert all(farm.miners[id_].running == before[id_] for id_ in range(1, 21))
    assert near_target(farm.last)


def test_the_ramps_spread_cuts_and_raises() -> None:
    farm = farm_on_target(ramp_down_kw_per_s=0.1, ramp_up_kw_per_min=3.0, surplus_lasts_s=0)
    farm.generation_kw = 97
    start_w = farm.last.planned_w
    farm.run(20)
    # 0.1 kW/s over 15 s, and less than one preset step more
    assert 0 < start_w - farm.last.planned_w <= 1500 + 270
    farm.run(300)
    assert near_target(farm.last)
    farm.generation_kw = 130
    before_kw = farm.draw_kw
    farm.run(10 * 60)
    assert farm.draw_kw - before_kw <= 3.0 * 11
    farm.run(600)
    assert near_target(farm.last)
