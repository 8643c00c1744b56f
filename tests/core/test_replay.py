"""A recorded span once more: under the site's own settings as it was, under others as it would have been."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from app.core import replay
from app.core.farm_model import FarmModel, ModelMiner, Reading
from app.core.readings import MinerState
from app.core.replay import Outcome, RecordedCycle, RecordedReading, Recording
from app.core.types import MinerView, Mode, Settings
from tests.core.builders import fleet, miner, settings

HOUR_S = 3600.0
River = Callable[[float], float]


def steady(kw: float) -> River:
    return lambda _at_s: kw


def step(before_kw: float, after_kw: float, at_s: float = 900.0) -> River:
    return lambda now_s: before_kw if now_s < at_s else after_kw


def readings(river: River, span_s: float, *, every_s: float = 15.0, **facts: Any) -> tuple[RecordedReading, ...]:
    """A reading every 15 s, two seconds old, of a plant without other load."""
    times = [every_s * number for number in range(int(span_s / every_s))]
    known: dict[str, Any] = {"age_s": 2.0, "frozen_s": 0.0, "foreign_kw": 0.0}
    return tuple(RecordedReading(at_s=at_s, generation_kw=river(at_s), **(known | facts)) for at_s in times)


def cycles_with(found: Iterable[RecordedReading], **facts: Any) -> tuple[RecordedCycle, ...]:
    """A cycle a second after each reading."""
    known: dict[str, Any] = {"overhead_kw": 0.0, "unmanaged_w": 0.0, "target_w": 20_000.0, "accounted_w": 20_000.0}
    return tuple(RecordedCycle(r.at_s + 1.0, r.generation_kw, **(known | facts)) for r in found)


def recording(river: River, span_s: float = HOUR_S, **facts: Any) -> Recording:
    """What was recorded of ten miners on 2300 W under the default settings, armed."""
    found = facts.pop("readings", None) or readings(river, span_s)
    known: dict[str, Any] = {
        "span_s": span_s,
        "interval_s": 15.0,
        "readings": found,
        "cycles": cycles_with(found),
        "settings": ((0.0, settings()),),
        "miners": fleet(10),
    }
    return Recording(**(known | facts))


def as_it_was(of: Recording, then: Settings) -> Recording:
    """The recording with the cycles and switches of a farm that really was like the model."""
    model = FarmModel([ModelMiner(view) for view in of.miners], then, interval_s=15.0)
    run = model.run([Reading(r.at_s, r.generation_kw - r.foreign_kw, r.age_s) for r in of.readings], int(of.span_s))
    cycles = tuple(RecordedCycle(c.at_s, c.available_kw, 0.0, 0.0, c.target_w, c.accounted_w) for c in run.cycles)
    return replace(of, cycles=cycles, switches=run.changes, settings=((0.0, then),), sweeps=1,
                   drawn_w=run.energy_kwh * 1000.0 / of.span_s * 3600.0,
                   hashed_ths=run.th_hours / of.span_s * 3600.0)  # fmt: skip


@pytest.mark.parametrize("policy", ["stepwise", "economic"])
def test_under_the_sites_own_settings_it_gives_what_really_happened(policy: str) -> None:
    was = as_it_was(recording(step(40.0, 22.0)), settings(policy=policy))
    really, replayed = replay.really(was), replay.replay(was)
    assert really.switches > 0
    same = replace(replayed, drawn_above_target_kwh=None, drawn_above_available_kwh=None)
    assert same.drawn_kwh == pytest.approx(really.drawn_kwh)
    assert same.th_hours == pytest.approx(really.th_hours)
    assert replace(same, drawn_kwh=None, th_hours=None) == replace(really, drawn_kwh=None, th_hours=None)
    assert really.hours == pytest.approx(1.0)


def test_energy_and_switches_follow_the_settings_that_are_tried() -> None:
    was = recording(steady(40.0), settings=((0.0, settings(policy="economic")),))
    plenty, little = replay.replay(was), replay.replay(was, {"safety_margin_percent": 50.0})
    assert plenty.accounted_kwh == pytest.approx(29.7, abs=1.5)  # ten on 2970 W, after some minutes
    assert little.accounted_kwh == pytest.approx(20.0, abs=1.5)
    assert little.th_hours is not None
    assert plenty.th_hours is not None
    assert little.th_hours < plenty.th_hours
    slow = replay.replay(was, {"policy": "stepwise"})
    assert slow.switches > plenty.switches


def test_a_setting_changed_on_the_way_acts_from_then_on() -> None:
    changed = ((0.0, settings()), (1800.0, settings(safety_margin_percent=50.0)))
    was = recording(steady(25.6), settings=changed)
    half = replay.replay(was)
    assert half.accounted_kwh == pytest.approx((23.0 + 17.4) / 2, abs=1.0)  # 17.4 kW: all on the lowest preset
    assert replay.replay(was, {"safety_margin_percent": 10.0}).accounted_kwh == pytest.approx(23.0, abs=0.1)


def test_who_only_observed_sends_nothing_in_the_replay_either() -> None:
    was = recording(steady(40.0), settings=((0.0, settings(mode=Mode.OBSERVE)),))
    watched, armed = replay.replay(was), replay.replay(was, {"mode": "armed"})
    assert (watched.switches, watched.accounted_kwh) == (0, pytest.approx(23.0))
    assert armed.switches > 0
    assert any("--set mode=armed" in note for note in replay.notes(was))
    assert not any("mode=armed" in note for note in replay.notes(was, {"mode": "armed"}))


def test_a_drop_is_drawn_above_target_and_available_until_the_cuts_act() -> None:
    fallen = replay.replay(recording(step(30.0, 20.0)))
    assert fallen.drawn_above_target_kwh is not None
    assert fallen.drawn_above_available_kwh is not None
    assert 0.0 < fallen.drawn_above_available_kwh < fallen.drawn_above_target_kwh < 1.0
    assert 0.0 < fallen.accounted_above_available_kwh < fallen.accounted_above_target_kwh < 1.0
    calm = replay.replay(recording(steady(25.6)))
    assert (calm.drawn_above_available_kwh, calm.accounted_above_available_kwh) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("facts", "changed", "target_kw"),
    [
        ({}, {}, 27.0),
        ({"overhead_kw": 2.0}, {}, 25.2),
        ({"unmanaged_w": 3000.0}, {}, 24.3),
        ({"unmanaged_w": 3000.0}, {"count_unmanaged": False}, 27.0),
        ({"overhead_kw": 2.0, "unmanaged_w": 3000.0}, {"farm_limit_kw": 20.0}, 20.0),
    ],
)
def test_overhead_and_unmanaged_miners_count_as_they_were_recorded(
    facts: dict[str, Any], changed: dict[str, Any], target_kw: float
) -> None:
    found = readings(steady(30.0), HOUR_S)
    was = recording(steady(30.0), readings=found, cycles=cycles_with(found, **facts))
    tight = replay.replay(was, changed | {"policy": "economic", "tolerance_w": 100})
    assert tight.accounted_kwh == pytest.approx(target_kw, rel=0.06)
    assert tight.accounted_kwh <= target_kw + 0.05


def test_foreign_meters_are_subtracted_and_cycles_may_be_missing() -> None:
    was = recording(steady(30.0), readings=readings(steady(30.0), HOUR_S, foreign_kw=4.0), cycles=())
    assert replay.replay(was).accounted_kwh == pytest.approx(23.4, abs=0.5)
    assert replay.really(was) == Outcome(0.0, 10, 0, 0.0, 0.0, 0.0)


def test_frozen_values_raise_nobody() -> None:
    was = recording(steady(40.0), readings=readings(steady(40.0), HOUR_S, frozen_s=615.0), cycles=())
    assert replay.replay(was, {"stale_derate_percent_per_min": 0.0}).switches == 0


def test_a_plant_that_is_read_seldom_is_waited_for_as_the_program_waits() -> None:
    """Room that has to last three minutes has done so after four readings a minute apart, not after thirteen."""
    minutely = recording(steady(40.0), readings=readings(steady(40.0), HOUR_S, every_s=60.0), reading_interval_s=60.0,
                         settings=((0.0, settings(policy="economic", raise_window_readings=3)),))  # fmt: skip
    by_the_default = replay.replay(replace(minutely, reading_interval_s=15.0))
    as_it_is_read = replay.replay(minutely)
    assert as_it_is_read.accounted_kwh > by_the_default.accounted_kwh + 0.3


# --- gaps ---


def gap(of: Recording, begins_s: float, ends_s: float, *, cycles_go_on: bool) -> Recording:
    def outside(at_s: float) -> bool:
        return not begins_s < at_s < ends_s

    kept = tuple(r for r in of.readings if outside(r.at_s))
    return replace(of, readings=kept, cycles=tuple(c for c in of.cycles if cycles_go_on or outside(c.at_s)))


def test_a_plant_that_was_silent_is_silent_in_the_replay_too() -> None:
    was = gap(recording(steady(40.0)), 900, 2700, cycles_go_on=True)
    held = replay.replay(was, {"plant_lost_action": "hold", "stale_derate_percent_per_min": 0.0})
    lost = replay.replay(was)
    assert held.hours == pytest.approx(lost.hours) == pytest.approx(1.0)
    assert lost.accounted_kwh < held.accounted_kwh - 3.0
    assert not any("left out" in note for note in replay.notes(was))


def test_hours_in_which_powerhive_did_not_run_are_left_out_everywhere() -> None:
    was = gap(recording(steady(40.0)), 900, 2700, cycles_go_on=False)
    whole, half = replay.replay(recording(steady(40.0))), replay.replay(was)
    assert half.hours == pytest.approx(0.5, abs=0.01)
    assert replay.really(was).hours == pytest.approx(0.5, abs=0.01)
    assert half.accounted_kwh > 0.5 * whole.accounted_kwh - 1.0, "nothing is lost or stale behind the hole"
    assert "0.5 h are left out of all columns: PowerHive recorded nothing in them." in replay.notes(was)


@pytest.mark.parametrize(
    ("reading_times", "cycle_times", "span_s", "hours_s"),
    [
        ((0, 15, 30), (), 60, 45),
        ((0, 15, 30), (), 40, 40),
        ((0, 15, 30), (31, 46), 600, 61),
        ((0, 60), (), 600, 75),
        ((0, 61), (), 600, 30),
        ((300, 315), (0, 15, 30), 600, 30),  # what came before the first reading is not replayed
        ((0, 200), (1, 50, 100, 150), 600, 215),
        ((0, 15), (16, 500, 515), 600, 61),
    ],
)
def test_time_counts_while_a_reading_or_a_cycle_was_recorded_within_a_minute(
    reading_times: tuple[float, ...], cycle_times: tuple[float, ...], span_s: float, hours_s: float
) -> None:
    found = tuple(RecordedReading(at_s, 2.0, 0.0, 30.0, 0.0) for at_s in reading_times)
    cycles = tuple(RecordedCycle(at_s, 30.0, 0.0, 0.0, 27_000.0, 23_000.0) for at_s in cycle_times)
    was = recording(steady(30.0), span_s, readings=found, cycles=cycles)
    assert replay.replay(was).hours * 3600 == pytest.approx(hours_s, abs=1.0)


# --- who ---


def test_a_silent_miner_counts_but_draws_nothing() -> None:
    silent = miner(11, silent_s=3600.0, state=MinerState.STOPPED, last_accounted_w=2300.0)
    was = recording(steady(28.2), miners=(*fleet(10), silent))
    found = replay.replay(was)
    assert found.accounted_kwh == pytest.approx(25.3, abs=0.1)
    assert found.drawn_kwh == pytest.approx(23.03, abs=0.1)
    assert any("Managed miners without any sample: 1;" in note for note in replay.notes(was))


@pytest.mark.parametrize(("loss_s", "lost_ths_h"), [(70.0, 1.0), (140.0, 2.0), (0.0, 0.0)])
def test_a_switch_costs_what_it_costs_this_miner_model(loss_s: float, lost_ths_h: float) -> None:
    view: MinerView = replace(miner(1, runs="1740"), switch_loss_s=loss_s)
    was = recording(steady(3.5), miners=(view,), settings=((0.0, settings(safety_margin_percent=0.0)),))
    at_once = {"policy": "economic", "raise_window_readings": 1, "raise_step_percent": 100.0}
    found = replay.replay(was, at_once)
    assert found.switches == 1
    assert found.th_hours == pytest.approx(100.0 - 100.0 * 70.0 / 3600.0 * lost_ths_h, abs=0.2)


def test_the_notes_name_what_the_replay_does_not_know() -> None:
    miners = (replace(miner(1), switch_loss_s=26.0), *fleet(9))
    was = recording(steady(25.6), by_hand=3, guessed=2, miners=miners)
    said = replay.notes(was)
    assert any(note.startswith("In the model a change costs 26 to 70 s of full hashrate") for note in said)
    assert "Changes ordered by hand: 3; they are counted, but not replayed." in said
    assert "Miners that begin on their present preset, because none was recorded: 2." in said
    assert "Accounted at the beginning: really 20.0 kW, replay 23.0 kW." in said
    samples, cost = replay.notes(recording(steady(25.6), cycles=(), sweeps=12))
    assert samples == "What was really drawn and hashed is the mean of each miner's samples: 12 of them."
    assert cost.startswith("In the model a change costs 70 s of full hashrate, by miner model")


@pytest.mark.parametrize(("hours", "miners", "switches", "rate"), [(24, 10, 50, 5.0), (12, 10, 5, 1.0), (0, 0, 0, 0.0)])
def test_switches_are_told_per_miner_and_day(hours: float, miners: int, switches: int, rate: float) -> None:
    assert Outcome(hours, miners, switches, 0.0, 0.0, 0.0).switches_per_miner_day == rate
