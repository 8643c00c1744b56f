"""Whether a meter contains the miners, by an hour of its readings. Times in s, loads in kW."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.metering import Draw, Finding, MeterVerdict, judge, reported_w
from app.core.readings import MinerState
from tests.core import builders
from tests.core.meter_model import HOUR_S, Load, Miners, read, steady, steps

CONTAINS, APART, UNDECIDED = MeterVerdict.CONTAINS, MeterVerdict.APART, MeterVerdict.UNDECIDED
WALL = 1.04


FANS = steady(5.0, 0.5)


def behind(miners: Miners, other: Load = FANS, share: float = 1.0) -> Load:
    """What a meter sees that contains the miners and other load."""
    return lambda at_s: WALL * share * miners.kw(at_s) + other(at_s)


def verdict(miners: Miners, load: Load, **facts: float) -> Finding:
    return judge(read(load, **facts), miners.draws())


@pytest.mark.parametrize("restarts", [True, False], ids=["restarts", "quick"])
@pytest.mark.parametrize("seed", range(4))
def test_a_meter_that_contains_the_miners_follows_them(seed: int, *, restarts: bool) -> None:
    miners = Miners(restarts=restarts, seed=seed)
    found = verdict(miners, behind(miners))
    assert found.verdict is CONTAINS
    assert found.slope == pytest.approx(WALL, abs=0.1)
    assert found.error is not None
    assert found.error < 0.1
    assert found.differences > 200


@pytest.mark.parametrize("seed", range(4))
def test_the_accounted_power_would_mislead_where_miners_restart(seed: int) -> None:
    miners = Miners(seed=seed)
    accounted = judge(read(behind(miners)), miners.draws(of=miners.accounted_kw))
    assert accounted.verdict is not CONTAINS
    assert verdict(miners, behind(miners)).verdict is CONTAINS


@pytest.mark.parametrize("restarts", [True, False], ids=["restarts", "quick"])
@pytest.mark.parametrize(
    "other",
    [steady(80.0, 1.0), lambda t: 60.0 + t / 100.0, lambda t: 70.0 + 2.0 * steps(1.0, 300, 900)(t)],
    ids=["steady", "drifts", "small steps"],
)
def test_a_meter_of_something_else_does_not(other: Load, *, restarts: bool) -> None:
    found = verdict(Miners(restarts=restarts), other)
    assert found.verdict is APART
    assert abs(found.slope or 0.0) <= 0.2


@pytest.mark.parametrize("seed", range(30))
def test_an_independent_meter_with_large_steps_is_never_taken_for_the_miners(seed: int) -> None:
    miners = Miners(seed=seed, restarts=seed % 2 == 0)
    longest_s = (60.0, 300.0, 1200.0)[seed % 3]
    pump = steps(60.0, 20.0, longest_s, seed=seed)
    assert verdict(miners, lambda at_s: 60.0 + pump(at_s)).verdict is not CONTAINS


@pytest.mark.parametrize("seed", range(30))
def test_a_meter_that_contains_the_miners_is_never_taken_for_something_else(seed: int) -> None:
    miners = Miners(seed=seed, restarts=seed % 2 == 0)
    longest_s = (60.0, 300.0, 1200.0)[seed % 3]
    assert verdict(miners, behind(miners, steps(60.0, 20.0, longest_s, seed=seed))).verdict is not APART


@pytest.mark.parametrize("late_s", [0.0, 10.0, 30.0, 60.0])
def test_a_meter_may_be_late_by_a_minute(late_s: float) -> None:
    miners = Miners()
    assert verdict(miners, behind(miners), late_s=late_s).verdict is CONTAINS


def test_a_meter_that_averages_over_a_minute_is_recognised() -> None:
    miners = Miners()
    load = behind(miners)
    assert verdict(miners, lambda at_s: sum(load(at_s - 5.0 * n) for n in range(12)) / 12).verdict is CONTAINS


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_meter_of_some_of_the_miners_is_neither(share: float) -> None:
    miners = Miners()
    found = verdict(miners, behind(miners, steady(60.0, 0.5), share))
    assert (found.verdict, "in part" in found.reason) == (UNDECIDED, True)
    assert found.slope == pytest.approx(WALL * share, abs=0.05)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"every_s": 90_000.0}, "too few changes"),  # a quiet hour
        ({"share": 0.01, "restarts": False}, "hardly moved"),
    ],
)
def test_an_hour_without_changes_tells_nothing(facts: dict[str, float], why: str) -> None:
    miners = Miners(**facts)  # type: ignore[arg-type]
    found = verdict(miners, behind(miners))
    assert (found.verdict, why in found.reason) == (UNDECIDED, True)


def test_one_change_alone_may_be_a_coincidence() -> None:
    miners = Miners(every_s=90_000.0)
    once: Load = lambda at_s: 80.0 if at_s < 1700.0 else 60.0  # noqa: E731
    found = judge(read(lambda at_s: once(at_s) + 0.2 * steady(1.0, 1.0)(at_s)), miners.draws(of=once))
    assert found.verdict is UNDECIDED


def test_a_few_minutes_are_not_enough() -> None:
    miners = Miners(every_s=60.0)
    assert judge(read(behind(miners), 600.0), miners.draws(600.0)).verdict is UNDECIDED
    assert judge([], []) == Finding(UNDECIDED, "too few readings yet")
    assert judge(read(behind(miners)), []).verdict is UNDECIDED
    assert judge([], miners.draws()).verdict is UNDECIDED


def test_other_load_that_moves_as_much_as_the_miners_leaves_it_open() -> None:
    miners = Miners(share=0.2, restarts=False)
    found = verdict(miners, behind(miners, steps(60.0, 60.0, 300.0)))
    assert (found.verdict, found.reason) == (UNDECIDED, "other load in it moves too much to tell")


def test_a_meter_that_reads_less_than_half_of_what_they_draw_cannot_contain_them() -> None:
    miners = Miners()
    found = verdict(miners, behind(miners, steady(0.0), share=0.45))
    assert (found.verdict, found.slope) == (APART, None)
    assert "less than half" in found.reason


def test_readings_that_are_missing_do_no_harm() -> None:
    miners = Miners()
    readings, draws = read(behind(miners)), miners.draws()
    gaps = [r for number, r in enumerate(readings) if number % 7 and not 40 < number < 70]
    held = [d for number, d in enumerate(draws) if number % 5 and not 120 < number < 150]
    found = judge(gaps, held)
    assert found.verdict is CONTAINS
    assert found.differences < 200


def test_a_value_that_stands_still_while_the_miners_move_is_no_measurement() -> None:
    miners = Miners()
    readings = read(behind(miners))
    stuck = [(at_s, kw if at_s < 1500.0 else 90.0) for at_s, kw in readings]
    assert judge(stuck, miners.draws()).verdict is not APART
    assert judge([(at_s, 90.0) for at_s, _ in readings], miners.draws()).verdict is UNDECIDED


def test_a_value_that_stands_still_with_the_miners_is_one() -> None:
    """A coarse meter of a quiet farm: what counts are the moves in between."""
    levels: Load = lambda at_s: 80.0 - 15.0 * (int(at_s // 800.0) % 2)  # noqa: E731
    miners = Miners(every_s=90_000.0)
    found = judge(read(lambda at_s: levels(at_s) + 4.0, resolution_kw=1.0), miners.draws(of=levels))
    assert found.verdict is CONTAINS


def test_miners_that_discovery_adds_have_not_just_been_switched_on() -> None:
    miners = Miners(every_s=90_000.0)
    draws = [Draw(d.at_s, d.power_kw * (1 + int(d.at_s // 500)), 40 * (1 + int(d.at_s // 500))) for d in miners.draws()]
    assert judge(read(behind(miners, steady(500.0, 0.5))), draws).verdict is UNDECIDED


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    noise_kw=st.floats(0.0, 30.0),
    level_kw=st.floats(0.0, 300.0),
    restarts=st.booleans(),
    shift_s=st.floats(-1e5, 1e7),
)
def test_a_random_meter_is_never_taken_for_the_miners(
    seed: int, noise_kw: float, level_kw: float, shift_s: float, *, restarts: bool
) -> None:
    miners = Miners(20, seed=seed, restarts=restarts)
    readings = [(at_s + shift_s, kw) for at_s, kw in read(steady(level_kw, noise_kw, seed))]
    draws = [Draw(draw.at_s + shift_s, draw.power_kw, draw.miners) for draw in miners.draws()]
    assert judge(readings, draws).verdict is not CONTAINS


numbers = st.floats(0.0, 1e6)


@given(
    st.lists(st.tuples(st.floats(0.0, HOUR_S), numbers), max_size=80, unique_by=lambda reading: reading[0]),
    st.lists(st.tuples(st.floats(0.0, HOUR_S), numbers, st.integers(0, 3)), max_size=80, unique_by=lambda d: d[0]),
)
def test_any_series_has_an_answer(readings: list[tuple[float, float]], draws: list[tuple[float, float, int]]) -> None:
    found = judge(sorted(readings), [Draw(*draw) for draw in sorted(draws)])
    assert found.reason


# --- what the miners report ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "reported"),
    [
        ({"measured_power_w": 2310.0}, 2310.0),
        ({"measured_power_w": None}, 2300.0),  # it hashes: unknown, not zero
        ({"measured_power_w": None, "state": MinerState.RESTARTING}, 30.0),
        ({"measured_power_w": 146.0, "state": MinerState.INITIALIZING}, 146.0),
        ({"measured_power_w": 2310.0, "silent_s": 70.0}, 2300.0),  # its last number says nothing of now
        ({"measured_power_w": None, "state": MinerState.STOPPED}, 30.0),
    ],
)
def test_what_a_miner_is_taken_to_draw(facts: dict[str, object], reported: float) -> None:
    miner = builders.miner(**facts)
    assert reported_w([miner], {miner.id: 2300.0}, builders.settings()) == (reported, 1)


def test_retired_miners_are_left_out_and_the_wall_factor_counts() -> None:
    miners = [
        builders.miner(1, measured_power_w=2000.0),
        builders.miner(2, measured_power_w=3000.0, retired=True),
        builders.miner(3, measured_power_w=1000.0, managed=False),
    ]
    assert reported_w(miners, {}, builders.settings(wall_factor=1.1)) == (pytest.approx(3300.0), 2)


