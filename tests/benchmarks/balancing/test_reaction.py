"""Which overload a planner with the same reaction time could have avoided: small farms, worked out by hand.

A reading at second 0, 15, ..., its first command a second later, two commands per second; 100 kW and a band of 1 kW.
"""

from __future__ import annotations

import numpy as np
import pytest

from app.core.farm_model import Commands
from app.core.plan import plan
from app.core.types import Mode, Settings
from benchmarks.balancing.farm import Bench
from benchmarks.balancing.fleet import fleet
from benchmarks.balancing.reaction import KWH_WS, Moment, Overload, attribute, held_w

COMMANDS = Commands(latency_s=1.0, per_s=2.0, window_s=12.0)
FAST = Commands(latency_s=1.0, per_s=1000.0)
KW = 1000.0
BAND_W = 1 * KW
FIVES = np.full(10, 5 * KW)  # what ten miners could shed, each
ALL_AT_ONCE = np.full(1, 1000 * KW)


def moment(at_s: float, target_kw: float, sheds_w: np.ndarray = ALL_AT_ONCE, cuts: int = 0) -> Moment:
    return Moment(at_s, target_kw * KW, BAND_W, sheds_w, cuts)


def seconds(*parts: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(count, kw * KW) for count, kw in parts])


def kws(found: Overload) -> dict[str, float]:
    """The overload in kW x s, as one adds it up by hand."""
    parts = {"total": found.total_kwh, "in_band": found.in_band_kwh, "slow": found.slow_kwh, "other": found.other_kwh,
             "unavoidable": found.unavoidable_kwh}  # fmt: skip
    return {name: round(kwh * KWH_WS / KW, 6) for name, kwh in parts.items()}


def worked_out(
    drawn_w: np.ndarray, target_w: np.ndarray, moments: list[Moment], commands: Commands
) -> dict[str, float]:
    return kws(attribute(drawn_w, target_w + BAND_W, moments, commands))


class TestHeld:
    def test_nothing_is_held_before_the_first_reading_can_be_acted_upon(self) -> None:
        held = held_w(seconds((6, 120)), [moment(3, 100)], FAST)
        assert np.isinf(held[:4]).all()
        assert list(held[4:] / KW) == [100, 100]

    def test_a_reading_counts_only_from_its_first_command_on(self) -> None:
        held = held_w(seconds((20, 120)), [moment(0, 110), moment(15, 100)], FAST)
        assert list(held[14:18] / KW) == [110, 110, 100, 100]

    def test_commands_go_out_one_after_the_other_the_largest_first(self) -> None:
        held = held_w(seconds((5, 120)), [moment(0, 100, np.array([8, 4, 2, 2, 2, 2, 2.0]) * KW)], COMMANDS)
        assert list(held[1:] / KW) == [112, 106, 102, 100]  # 1 command, then 3, 5, 7: 98 would be below the target

    def test_it_is_never_held_lower_than_what_can_be_shed(self) -> None:
        held = held_w(seconds((9, 120)), [moment(0, 100, np.array([6.0, 3.0]) * KW)], COMMANDS)
        assert list(held[[1, 2, 8]] / KW) == [114, 111, 111]

    def test_what_does_not_fit_into_the_cycle_goes_out_with_the_next_reading(self) -> None:
        slow = Commands(latency_s=1.0, per_s=0.5, window_s=4.0)  # three commands in each cycle
        held = held_w(seconds((30, 200)), [moment(0, 100, FIVES), moment(15, 100, FIVES)], slow)
        assert list(held[[1, 3, 5, 7, 15]] / KW) == [195, 190, 185, 185, 185]
        assert list(held[[16, 18, 20, 29]] / KW) == [180, 175, 170, 170]

    def test_a_farm_that_stands_lower_begins_lower(self) -> None:
        held = held_w(seconds((3, 105)), [moment(0, 100, np.array([2.0, 2.0, 2.0]) * KW)], COMMANDS)
        assert list(held[1:] / KW) == [103, 100]

    def test_a_higher_reading_allows_more_at_once(self) -> None:
        held = held_w(seconds((20, 90)), [moment(0, 100), moment(15, 120)], COMMANDS)
        assert list(held[[15, 16]] / KW) == [100, 120]


class TestAttribution:
    def test_a_farm_below_its_limit_has_no_overload(self) -> None:
        found = worked_out(seconds((30, 101)), seconds((30, 100)), [moment(0, 100), moment(15, 100)], FAST)
        assert set(found.values()) == {0.0}

    def test_what_the_river_does_between_two_readings_is_unavoidable(self) -> None:
        drawn, target = seconds((16, 100), (14, 90)), seconds((5, 100), (25, 90))
        found = worked_out(drawn, target, [moment(0, 100), moment(15, 90, cuts=1)], FAST)
        assert found == {"total": 99, "in_band": 0, "slow": 0, "other": 0, "unavoidable": 99}  # 11 s, 10 - 1 kW

    def test_what_stays_above_the_newest_reading_is_avoidable(self) -> None:
        drawn, target = seconds((30, 100)), seconds((5, 100), (25, 90))
        found = worked_out(drawn, target, [moment(0, 100), moment(15, 90, cuts=1)], FAST)
        assert found == {"total": 225, "in_band": 0, "slow": 0, "other": 126, "unavoidable": 99}  # 14 s more of 9 kW

    def test_what_the_dead_band_leaves_alone_is_avoidable_and_says_so(self) -> None:
        # 100.8 kW stand within the band of the reading's 100; then the target falls to 99: 0.8 of 1.8 - 1 kW avoidable
        drawn, target = seconds((15, 100.8)), seconds((5, 100), (10, 99))
        found = worked_out(drawn, target, [moment(0, 100)], FAST)
        assert found == {"total": 8, "in_band": 8, "slow": 0, "other": 0, "unavoidable": 0}

    def test_of_an_overload_deeper_than_the_band_the_band_is_only_a_part(self) -> None:
        drawn, target = seconds((15, 100.8)), seconds((5, 100), (10, 97))  # 3.8 - 1, of it 0.8 above the reading
        found = worked_out(drawn, target, [moment(0, 100)], FAST)
        assert found == {"total": 28, "in_band": 8, "slow": 0, "other": 0, "unavoidable": 20}

    def test_beyond_its_own_band_nothing_is_excused_by_it(self) -> None:
        found = worked_out(seconds((11, 103)), seconds((11, 100)), [moment(0, 100)], FAST)
        assert found["total"] == 22
        assert (found["in_band"], found["other"], found["unavoidable"]) == (0, 20, 2)  # 2 in second 0

    def test_more_commands_than_the_fewest_are_slow(self) -> None:
        # 10 kW too much; two commands of 5 kW do it by second 2, the measured farm takes four of 2.5 kW until second 3
        drawn, target = seconds((1, 110), (1, 107.5), (1, 102.5), (12, 100)), seconds((15, 99))
        found = worked_out(drawn, target, [moment(0, 100, FIVES, cuts=4)], COMMANDS)
        # held: -, 105, 100, 100 ...: limit 100; drawn above held: 2.5 in second 1, 2.5 in second 2
        assert found == {"total": 20, "in_band": 0, "slow": 5, "other": 0, "unavoidable": 15}

    def test_who_stands_lower_by_choice_gets_no_credit(self) -> None:
        target, moments = seconds((5, 100), (25, 90)), [moment(0, 100), moment(15, 90, cuts=1)]
        low = worked_out(seconds((16, 95), (14, 90)), target, moments, FAST)
        assert (low["total"], low["unavoidable"]) == (44, 44)  # 11 s of 95 - 91: not the 99 of one at its target

    def test_its_parts_are_never_below_zero_and_make_up_the_whole(self) -> None:
        random = np.random.default_rng(5)
        moments = [moment(15.0 * k, random.uniform(90, 110), cuts=int(random.integers(0, 9))) for k in range(20)]
        drawn, target = random.uniform(85, 120, 300) * KW, random.uniform(90, 110, 300) * KW
        found = worked_out(drawn, target, moments, COMMANDS)
        assert min(found.values()) >= 0
        assert found["total"] == pytest.approx(sum(found.values()) - found["total"])


class TestOnTheBench:
    def test_a_drop_is_nearly_all_reaction_time(self) -> None:
        trace = np.concatenate([np.full(307, 0.9), np.full(300, 0.7)])
        result = Bench(fleet(40, 3), trace).run(Settings(mode=Mode.ARMED, policy="economic"), 3, plan)
        assert result.overload.total_kwh > 0
        assert result.overload.total_kwh <= 1.05 * result.overload.unavoidable_kwh
        assert result.over_available.total_kwh <= result.overload.total_kwh

    def test_a_planner_that_never_acts_is_told_so(self) -> None:
        trace = np.concatenate([np.full(307, 0.9), np.full(300, 0.7)])
        result = Bench(fleet(40, 3), trace).run(Settings(mode=Mode.OBSERVE, policy="economic"), 3, plan)
        assert result.overload.other_kwh > 0.8 * result.overload.total_kwh
