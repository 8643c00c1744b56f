"""The model farm under the real plan: reading, cutting, sending one after the other, reading back, learning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import pytest

from app.core.farm_hardware import Physics
from app.core.farm_model import Commands, FarmModel, ModelMiner, Reading, Run, each_second
from app.core.plan import plan
from app.core.readings import MinerState
from app.core.types import ChangeKind, MinerView, Mode, Outcome, Plan, PresetChange, Settings, Snapshot
from tests.core.builders import fleet, miner, settings

ARMED = settings(policy="economic", safety_margin_percent=0.0)
PATIENT = settings(policy="stepwise", safety_margin_percent=0.0)


def machines(count: int, **facts: object) -> list[ModelMiner]:
    return [ModelMiner(view) for view in fleet(count, **facts)]


def every_15_s(kw: Callable[[float], float], until_s: int, *, age_s: float = 2.0) -> list[Reading]:
    return [Reading(float(t), kw(t - age_s), age_s) for t in range(0, until_s, 15)]


def drop(before_kw: float, after_kw: float, at_s: float) -> Callable[[float], float]:
    return lambda t: before_kw if t < at_s else after_kw


class Watched:
    """The real plan, or another's plans, with every picture and plan kept."""

    def __init__(self, solver: Callable[[Snapshot], Plan] = plan) -> None:
        self.solver = solver
        self.pictures: list[Snapshot] = []
        self.plans: list[Plan] = []

    def __call__(self, picture: Snapshot) -> Plan:
        decided = self.solver(picture)
        self.pictures.append(picture)
        self.plans.append(decided)
        return decided

    def view(self, place: int, look: int = -1) -> MinerView:
        return self.pictures[look].miners[place]


class Loaded:
    """Dice that fall as told, then never fail."""

    def __init__(self, *falls: float) -> None:
        self.falls = list(falls)

    def random(self) -> float:
        return self.falls.pop(0) if self.falls else 1.0


def order(view: MinerView, preset: str | None, old_w: float, new_w: float, kind: ChangeKind) -> PresetChange:
    return PresetChange(view.id, view.mac, kind, view.running_preset, preset, old_w, new_w, "as told")


def told(*changes: PresetChange, looks: Sequence[int] = (0,), **facts: object) -> Callable[[Snapshot], Plan]:
    """A solver that orders these changes in these looks at the farm, and nothing in others."""
    count = itertools.count()

    def solve(picture: Snapshot) -> Plan:
        return replace(plan(picture), changes=changes if next(count) in looks else (), **facts)

    return solve


def run(miners: Sequence[ModelMiner], readings: Iterable[Reading], until_s: int, **facts: object) -> Run:
    known = {"settings": ARMED} | facts
    return FarmModel(miners, **known).run(readings, until_s)  # type: ignore[arg-type]


# --- a drop and its end ----------------------------------------------------------------------------------------------


def test_it_cuts_when_the_reading_shows_the_drop_and_the_commands_arrive() -> None:
    found = run(machines(10), every_15_s(drop(23.0, 20.0, 100), 600), 600)
    over = [second for second, drawn_w in enumerate(found.drawn_w) if second >= 100 and drawn_w > 20_500.0]
    assert over == list(range(100, 107))  # read at 105, the first arrives at 106


def test_it_reaches_the_target_again_after_restart_and_ramp() -> None:
    found = run(machines(10), every_15_s(drop(23.0, 20.0, 100), 600), 600)
    assert 19_000.0 <= found.drawn_w[-1] <= 20_500.0
    assert found.cycles[-1].accounted_w == pytest.approx(found.drawn_w[-1])
    assert min(found.hashed_ths[106:140]) < 0.9 * found.hashed_ths[-1]  # what switching loses


def test_it_raises_again_after_the_drop() -> None:
    found = run(machines(10), every_15_s(lambda t: 20.0 if 100 <= t < 600 else 23.0, 1500), 1500)
    assert found.drawn_w[-1] == pytest.approx(23_000.0, abs=1000.0)
    assert found.changes == sum(cycle.sent for cycle in found.cycles) > 0


def test_commands_go_one_after_the_other_the_largest_cuts_first() -> None:
    views = fleet(6, runs="2970")
    found = run([ModelMiner(v) for v in views], every_15_s(drop(18.0, 11.0, -9), 60), 60,
                commands=Commands(latency_s=1.0, per_s=1.0))  # fmt: skip
    steps = [before - after for before, after in zip(found.drawn_w, found.drawn_w[1:], strict=False)]
    assert [second for second, step in enumerate(steps) if step > 1000.0] == [0, 1, 2, 3, 4, 5]


def test_what_cannot_leave_in_time_is_planned_anew_and_held_up_by_the_cooldown_only() -> None:
    solver = Watched()
    found = run(machines(10), every_15_s(drop(23.0, 18.0, -9), 120), 120, solver=solver,
                commands=Commands(per_s=0.5, window_s=6.0))  # fmt: skip
    assert (found.cycles[0].sent, found.cycles[0].failed) == (4, 6)
    assert found.cycles[-1].accounted_w <= 18_500.0
    late = [m.last_change for m in solver.pictures[1].miners if m.last_change and not m.last_change.effective]
    assert {(change.outcome, change.attempt) for change in late} == {(Outcome.FAILED, 1)}


def test_of_more_commands_than_fit_the_stops_are_left_which_need_no_cooldown() -> None:
    views = [*fleet(20, alias="s21pro", runs="3540"), *(miner(n, runs="2970") for n in range(21, 41))]
    watched = Watched()
    found = run([ModelMiner(view) for view in views], every_15_s(drop(145.0, 65.0, 20), 120), 120, solver=watched,
                settings=replace(ARMED, policy="economic"), commands=Commands(per_s=2.5))  # fmt: skip
    first, second = watched.plans[2].changes, watched.plans[3].changes  # at 30 and 45 s
    assert [change.kind for change in first] == [ChangeKind.PRESET] * 27 + [ChangeKind.STOP] * 13
    assert [change.kind for change in second] == [ChangeKind.STOP] * 9
    assert [cycle.sent for cycle in found.cycles[2:5]] == [31, 9, 0]
    assert found.cycles[4].accounted_w <= found.cycles[4].target_w


@pytest.mark.parametrize("policy", ["stepwise", "economic"])
def test_no_miner_is_changed_twice_within_its_cooldown(policy: str) -> None:
    solver = Watched()
    kw = lambda t: 21.0 + (1.5 if t // 50 % 2 else -1.5)  # noqa: E731 - a river that flaps
    run(machines(10), every_15_s(kw, 1800), 1800, solver=solver, settings=replace(ARMED, policy=policy))
    sent: dict[int, float] = {}
    gaps = []
    for picture, decided in zip(solver.pictures, solver.plans, strict=True):
        for change in decided.changes:
            gaps.append(picture.now.monotonic_s - sent.get(change.miner_id, -1e9))
            sent[change.miner_id] = picture.now.monotonic_s
    assert len(gaps) > 10
    assert min(gaps) >= 30.0


def test_nothing_is_sent_where_the_mode_only_observes() -> None:
    found = run(machines(4), every_15_s(drop(9.2, 7.0, 30), 120), 120, settings=replace(ARMED, mode=Mode.OBSERVE))
    assert (found.changes, min(found.drawn_w), max(found.drawn_w)) == (0, 9200.0, 9200.0)


# --- readings --------------------------------------------------------------------------------------------------------


def test_in_a_gap_the_last_reading_ages_and_nothing_is_raised() -> None:
    solver = Watched()
    readings = [Reading(0.0, 9.2), Reading(15.0, 20.0), Reading(300.0, 20.0)]
    run(machines(4, runs="1850"), readings, 330, solver=solver, settings=replace(PATIENT, surplus_lasts_s=0))
    ages = [picture.plant.age_s for picture in solver.pictures if picture.plant is not None]
    assert ages == [2.0, *(2.0 + 15.0 * n for n in range(19)), 2.0, 17.0]
    raised_at = [int(p.now.monotonic_s - 1e6) for p, d in zip(solver.pictures, solver.plans, strict=True) if d.changes]
    assert all(at <= 60 or at >= 300 for at in raised_at)
    assert raised_at[-1] >= 300


def test_a_gap_begins_the_window_of_readings_anew() -> None:
    solver = Watched()
    run(machines(2), [Reading(0.0, 5.0), Reading(15.0, 6.0), Reading(100.0, 7.0)], 101, solver=solver)
    recent = [picture.recent_available_kw for picture in solver.pictures if picture.plant and picture.plant.is_new]
    assert recent == [(), (5.0,), ()]


@pytest.mark.parametrize(
    ("reading_interval_s", "gaps_s", "windows"),
    [
        (15.0, (45, 46), [(), (5.0,), ()]),  # as long as a reading is fresh
        (60.0, (60, 60, 90), [(), (5.0,), (5.0, 6.0), (5.0, 6.0, 7.0)]),  # at a plant read more seldom: one is missing
        (60.0, (60, 91, 60), [(), (5.0,), (), (7.0,)]),
    ],
)
def test_the_window_of_readings_is_the_programs_own_however_often_the_plant_is_read(
    reading_interval_s: float, gaps_s: tuple[int, ...], windows: list[tuple[float, ...]]
) -> None:
    times = list(itertools.accumulate((0, *gaps_s)))
    solver = Watched()
    readings = [Reading(float(at_s), 5.0 + number) for number, at_s in enumerate(times)]
    run(machines(2), readings, times[-1] + 1, solver=solver, reading_interval_s=reading_interval_s)
    new = [picture for picture in solver.pictures if picture.plant and picture.plant.is_new]
    assert [picture.recent_available_kw for picture in new] == windows
    assert {picture.reading_interval_s for picture in solver.pictures} == {reading_interval_s}


def test_between_two_readings_the_window_holds_those_before_the_newest_by_their_last_cycles() -> None:
    levels = iter([5.0, 4.0, 4.0, 6.0, 6.0, 6.0])
    solver = Watched(lambda picture: replace(plan(picture), available_kw=next(levels)))
    run(machines(2), [Reading(0.0, 5.0), Reading(45.0, 6.0)], 90, solver=solver, reading_interval_s=45.0)
    assert [picture.now.monotonic_s - 1e6 for picture in solver.pictures] == [0, 15, 30, 45, 60, 75]
    assert [picture.recent_available_kw for picture in solver.pictures] == [(), (), (), (4.0,), (4.0,), (4.0,)]


def test_the_window_is_long_enough_for_a_plant_that_is_read_often() -> None:
    solver = Watched()
    readings = [Reading(2.0 * number, 5.0) for number in range(400)]
    run(machines(1), readings, 800, solver=solver, reading_interval_s=2.0,
        settings=replace(ARMED, restart_room_lasts_s=600))  # fmt: skip
    assert len(solver.pictures[-1].recent_available_kw) >= 300


def test_a_value_holds_until_the_next_one_was_measured() -> None:
    readings = [Reading(0.0, 5.0), Reading(7.0, 6.0, age_s=2.0), Reading(90.0, 7.0)]
    assert list(each_second(readings, 0, 8)) == [5.0] * 5 + [6.0] * 3


# --- commands that fail, miners that do not listen -------------------------------------------------------------------


def test_what_a_failed_cut_does_not_give_is_taken_from_others_in_the_same_cycle() -> None:
    found = run(machines(10), every_15_s(drop(23.0, 22.0, -9), 15), 15, dice=Loaded(0.0), commands=Commands(fails=0.5))
    assert found.cycles[0].failed == 1
    assert found.cycles[0].planned_w <= 22_500.0


def test_a_raise_waits_where_the_cut_it_leans_on_failed() -> None:
    high, low = miner(1, runs="2300"), miner(2, runs="1850")
    exchange = (order(high, "1850", 2300, 1850, ChangeKind.PRESET), order(low, "2300", 1850, 2300, ChangeKind.PRESET))
    solver = told(*exchange, target_w=4150.0)
    found = run([ModelMiner(high), ModelMiner(low)], [Reading(0.0, 9.0)], 15, dice=Loaded(0.0), solver=solver,
                commands=Commands(fails=0.5))  # fmt: skip
    assert (found.cycles[0].sent, found.cycles[0].failed) == (0, 1)


def test_a_miner_that_does_not_listen_counts_again_with_its_old_power() -> None:
    view = miner(1)
    solver = Watched(told(order(view, "1850", 2300, 1850, ChangeKind.PRESET)))
    found = run([ModelMiner(view, deaf=True)], every_15_s(lambda _: 9.0, 60), 60, solver=solver)
    assert [cycle.accounted_w for cycle in found.cycles] == [2300.0, 1850.0, 1850.0, 2300.0]
    assert [m.running_preset for picture in solver.pictures for m in picture.miners] == ["2300"] * 4


def test_a_miner_cut_again_has_its_time_from_the_first_cut() -> None:
    """A river that falls has it cut again after each cooldown, before 45 s are over."""
    view = miner(1)
    solver = told(order(view, "1850", 2300, 1850, ChangeKind.PRESET), looks=(0, 2))
    found = run([ModelMiner(view, deaf=True)], every_15_s(lambda _: 9.0, 60), 60, solver=solver)
    assert [cycle.accounted_w for cycle in found.cycles] == [2300.0, 1850.0, 1850.0, 2300.0]


def test_a_cut_not_taken_becomes_not_applied_after_five_minutes() -> None:
    view = miner(1)
    solver = Watched(told(order(view, "1850", 2300, 1850, ChangeKind.PRESET)))
    run([ModelMiner(view, deaf=True)], every_15_s(lambda _: 9.0, 330), 330, solver=solver)
    change = solver.view(0).last_change
    assert change is not None
    assert change.outcome is Outcome.NOT_APPLIED


def test_a_change_is_confirmed_after_its_restart_and_later_forgotten() -> None:
    view = miner(1)
    solver = Watched(told(order(view, "1850", 2300, 1850, ChangeKind.PRESET)))
    run([ModelMiner(view)], every_15_s(lambda _: 1.9, 300), 300, solver=solver)
    seen = {int(p.now.monotonic_s - 1e6): p.miners[0].last_change for p in solver.pictures}
    assert [change and change.outcome for t, change in seen.items() if t in (15, 30, 45, 285)] == [
        Outcome.SENT, Outcome.SENT, Outcome.CONFIRMED, None,
    ]  # fmt: skip


def test_a_stopped_miner_stands_still_until_it_is_started() -> None:
    view = miner(1)
    solver = Watched(told(order(view, None, 2300, 30, ChangeKind.STOP)))
    model = FarmModel([ModelMiner(view)], ARMED, solver=solver)
    found = model.run(every_15_s(lambda _: 0.0, 60), 60)
    assert (found.drawn_w[-1], found.hashed_ths[-1]) == (30.0, 0.0)
    last = solver.view(0)
    assert (last.state, last.stopped_by_us, last.saved_preset) == (MinerState.STOPPED, True, "2300")


# --- beliefs ---------------------------------------------------------------------------------------------------------


def test_true_factors_may_differ_from_believed_ones() -> None:
    views = [replace(view, power_factor=0.9) for view in fleet(10)]
    found = run([ModelMiner(v, power_factor=1.0, hashrate_factor=0.5) for v in views], [Reading(0.0, 99.0)], 5)
    assert found.cycles[0].accounted_w == pytest.approx(0.9 * found.drawn_w[0])
    assert (found.drawn_w[0], found.hashed_ths[0]) == (23_000.0, pytest.approx(10 * 87 * 0.5))


def test_without_true_factors_the_program_is_right() -> None:
    view = replace(miner(1), power_factor=0.9, hashrate_factor=0.8)
    found = run([ModelMiner(view)], [Reading(0.0, 99.0)], 2, settings=replace(ARMED, wall_factor=1.1))
    assert (found.drawn_w[0], found.hashed_ths[0]) == (pytest.approx(2300 * 0.9 * 1.1), pytest.approx(87 * 0.8))


def test_each_miner_may_have_physics_of_its_own() -> None:
    quick = Physics(restart_s=0.0, ramp_s=0.0)
    views = fleet(2)
    cuts = [order(view, "1850", 2300, 1850, ChangeKind.PRESET) for view in views]
    found = run([ModelMiner(views[0], physics=quick), ModelMiner(views[1])], [Reading(0.0, 3.7)], 10,
                solver=told(*cuts))  # fmt: skip
    assert found.drawn_w[5] == pytest.approx(1850.0 + 0.08 * 1850.0)


def test_what_is_learned_from_polls_counts_in_the_same_cycle() -> None:
    seen: list[tuple[float, float | None]] = []

    def learn(at_s: float, views: Sequence[MinerView]) -> Mapping[int, MinerView]:
        seen.append((at_s, views[0].measured_power_w))
        return {0: replace(views[0], power_factor=0.5)}

    found = run([ModelMiner(miner(1), power_factor=0.5)], every_15_s(lambda _: 1.15, 30), 30, learn=learn)
    assert seen == [(0.0, 1150.0), (15.0, 1150.0)]
    assert found.cycles[0].accounted_w == 1150.0


def test_polls_show_what_a_ramping_miner_draws() -> None:
    view = miner(1)
    solver = Watched(told(order(view, "1850", 2300, 1850, ChangeKind.PRESET)))
    run([ModelMiner(view)], every_15_s(lambda _: 1.9, 120), 120, solver=solver)
    measured = [picture.miners[0].measured_power_w for picture in solver.pictures]
    ramp = [148.0 + (t - 41.0) / 60.0 * 1702.0 for t in (45, 60, 75, 90)]
    assert measured == [pytest.approx(w) for w in (2300.0, 148.0, 148.0, *ramp, 1850.0)]


# --- what it gives ---------------------------------------------------------------------------------------------------


def test_a_run_tells_energy_hashrate_and_overload_without_its_warm_up() -> None:
    model = FarmModel(machines(1), ARMED, begins_s=-60)
    found = model.run([Reading(-60.0 + 15 * n, 2.3) for n in range(244)], 3600).since(0)
    assert (len(found.drawn_w), found.cycles[0].at_s) == (3600, 0.0)
    assert (found.energy_kwh, found.th_hours) == (pytest.approx(2.3), pytest.approx(87.0))
    assert found.overload_kwh([2000.0] * 1800 + [9999.0] * 1800) == pytest.approx(0.15)


def test_the_same_dice_give_the_same_run() -> None:
    def once() -> tuple[int, float]:
        found = run(machines(12), every_15_s(lambda t: 25 + t % 40 / 10, 900), 900, commands=Commands(fails=0.2))
        return found.changes, sum(found.drawn_w)

    assert once() == once()


def test_it_begins_as_the_program_sees_the_farm() -> None:
    standing = replace(miner(1), state=MinerState.STOPPED, stopped_by_us=True)
    unknown = replace(miner(2), running_preset="gone", measured_power_w=900.0, measured_hashrate_ths=30.0)
    found = run([ModelMiner(standing), ModelMiner(unknown)], [Reading(0.0, 0.0)], 1, settings=Settings())
    assert (found.drawn_w[0], found.hashed_ths[0]) == (930.0, 30.0)
