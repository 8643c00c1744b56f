"""What a live run was worth: credit inside the budget, none in overload, and every loss has a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from benchmarks.live.score import Load, Sample, Score, TrueFarm, score

# Two miners that give 10 TH/s per kW up to 2 kW, then 5 up to 4 kW: floor 2 kW, most 8 kW.
FARM = TrueFarm([[(1000.0, 10.0), (2000.0, 20.0), (4000.0, 30.0)]] * 2)
LOAD = Load(other_kw=1.0, overhead_share=0.0, margin_percent=10.0)
TARGET_W = 4000.0  # 40 TH/s at best; the band reaches to 4500 W, available are 4444 W


def seconds(
    count: int = 10, *, target_w: float = TARGET_W, begins_s: float = 0.0, load: Load = LOAD, **truth: float
) -> list[Sample]:
    best = {"drawn_w": target_w, "hashrate_ths": target_w / 100, "settled_w": target_w, "settled_ths": target_w / 100}
    kw = load.generation_kw(target_w)
    return [Sample(at_s=begins_s + n, generation_kw=kw, **(best | truth)) for n in range(count)]


def worth(samples: list[Sample], *falls_s: float, load: Load = LOAD) -> Score:
    return score(samples, FARM, load, falls_s)


def test_a_farm_that_hashes_the_most_for_its_budget_has_all_of_the_bound() -> None:
    found = worth(seconds())
    assert found.share == pytest.approx(100.0)
    assert found.above_target_kwh == found.above_available_kwh == found.overload_s == found.longest_above_s == 0.0


@pytest.mark.parametrize(
    "drawn_w, credited",
    [
        (3999, 1.0),
        (4500 - 60, 1.0),  # within the band, and 4 W short of overload
        (4500, 0.0),  # above available
        (9000, 0.0),
    ],
)
def test_overload_is_worth_nothing_even_inside_the_band(drawn_w: float, credited: float) -> None:
    assert worth(seconds(drawn_w=drawn_w)).share == pytest.approx(100.0 * credited)


def test_between_band_and_available_only_the_share_inside_counts() -> None:
    wide = Load(other_kw=0.0, overhead_share=0.0, margin_percent=50.0)
    found = worth(seconds(drawn_w=6000, hashrate_ths=48.0, load=wide), load=wide)
    assert found.share == pytest.approx(100.0 * 48.0 * (4500 / 6000) / 40.0)
    assert found.above_target_kwh == pytest.approx(1500 * 10 / 3.6e6)
    assert (found.above_available_kwh, found.overload_s, found.longest_above_s) == (0.0, 0.0, 10.0)


def test_the_band_grows_with_the_target() -> None:
    farm = TrueFarm([[(100_000.0, 1000.0), (200_000.0, 2000.0)]])
    samples = seconds(target_w=200_000.0, drawn_w=201_500.0)
    assert score(samples, farm, LOAD, []).above_target_kwh == pytest.approx(500 * 10 / 3.6e6)


def test_the_lowest_presets_are_the_budget_until_they_exceed_what_is_available() -> None:
    """The floor is 2000 W: at a target of 1900 W there are 2111 W, at one of 1500 W only 1667 W."""
    at_floor = {"drawn_w": 2000.0, "hashrate_ths": 20.0, "settled_w": 2000.0, "settled_ths": 20.0}
    assert worth(seconds(target_w=1900.0, **at_floor)).share == pytest.approx(100.0)
    below = worth(seconds(target_w=1500.0, **at_floor))
    assert (below.share, below.overload_s) == (0.0, 10.0)


def test_switching_off_anywhere_is_a_higher_bound() -> None:
    """The second miner wastes its watts: without it the first one would run at 2000 W."""
    poor = TrueFarm([[(1000.0, 10.0), (2000.0, 50.0)], [(1000.0, 1.0), (2000.0, 2.0)]])
    found = score(seconds(target_w=2200.0, drawn_w=2100.0, hashrate_ths=12.0), poor, LOAD, [])
    assert found.share_off < found.share


def test_overhead_behind_the_meter_takes_its_part() -> None:
    load = Load(other_kw=1.0, overhead_share=0.03, margin_percent=10.0)
    generation_kw = np.array([load.generation_kw(TARGET_W)])
    assert load.target_w(generation_kw)[0] == pytest.approx(TARGET_W)
    assert 1000 * generation_kw[0] == pytest.approx(1000 + TARGET_W / 0.9 + 0.03 * TARGET_W)
    assert load.available_w(generation_kw)[0] * 1.03 == pytest.approx(1000 * generation_kw[0] - 1000)


def test_no_generation_is_no_negative_budget() -> None:
    assert LOAD.target_w(np.array([0.5]))[0] == 0.0


def test_the_way_down_is_timed_from_each_fall() -> None:
    samples = [
        *seconds(5, target_w=8000.0, hashrate_ths=60.0),
        *seconds(7, begins_s=5.0, drawn_w=8000.0),
        *seconds(8, begins_s=12.0),
        *seconds(5, begins_s=20.0, target_w=3000.0, drawn_w=4000.0),
    ]
    found = worth(samples, 5.0, 20.0)
    assert found.reached_s == [7.0, None]
    assert (found.longest_above_s, found.overload_s) == (7.0, 12.0)
    assert found.above_available_kwh == pytest.approx((7 * (8000 - 4000 / 0.9) + 5 * (4000 - 3000 / 0.9)) / 3.6e6)


@pytest.mark.parametrize("sampled_at_s", [5.0, 5.1])
def test_a_sample_of_the_very_second_of_a_fall_may_be_from_before_it(sampled_at_s: float) -> None:
    samples = [*seconds(6, target_w=8000.0), *seconds(4, begins_s=6.0, drawn_w=8000.0), *seconds(2, begins_s=10.0)]
    samples[5] = samples[5]._replace(at_s=sampled_at_s)
    assert worth(samples, 5.0).reached_s == [5.0]


def _coming_up() -> list[Sample]:
    return seconds(drawn_w=3000.0, hashrate_ths=25.0)


def _idle_watts() -> list[Sample]:
    return seconds(drawn_w=3000.0, hashrate_ths=30.0, settled_w=3000.0, settled_ths=30.0)


def _poor_choice() -> list[Sample]:
    return seconds(hashrate_ths=32.0, settled_ths=32.0)


def _too_much() -> list[Sample]:
    return seconds(drawn_w=8000.0, hashrate_ths=60.0, settled_w=8000.0, settled_ths=60.0)


@pytest.mark.parametrize(
    "samples_of, cause, percent",
    [
        (_coming_up, "lost_switching", 37.5), (_idle_watts, "lost_unused", 25.0),
        (_poor_choice, "lost_allocation", 20.0), (_too_much, "lost_above", 100.0),
    ],
)  # fmt: skip
def test_every_loss_has_one_cause(samples_of: Callable[[], list[Sample]], cause: str, percent: float) -> None:
    losses = {name: value for name, value in asdict(worth(samples_of())).items() if name.startswith("lost_")}
    assert losses.pop(cause) == pytest.approx(percent)
    assert list(losses.values()) == pytest.approx([0.0] * 3)


def test_share_and_losses_are_the_whole() -> None:
    found = worth([
        sample._replace(at_s=float(n))
        for n, sample in enumerate([*_coming_up(), *_idle_watts(), *_poor_choice(), *_too_much()])
    ])  # fmt: skip
    assert found.share + sum(
        value for name, value in asdict(found).items() if name.startswith("lost_")
    ) == pytest.approx(100.0)


def test_a_sample_counts_for_the_time_until_the_next() -> None:
    late = [*seconds(2), *seconds(2, begins_s=5.0, hashrate_ths=0.0)]  # at 0, 1, 5, 6 s: 1 + 4 of 7 s
    assert worth(late).share == pytest.approx(100.0 * 5 / 7)
