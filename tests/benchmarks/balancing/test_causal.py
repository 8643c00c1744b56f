"""What a planner without foresight can reach at most: the ends of the scale are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.balancing.bounds import Clairvoyant
from benchmarks.balancing.causal import Noise, Prices, cheapest, most_share, share_by_the_rule
from benchmarks.balancing.fleet import LADDERS, Fleet, fleet

FARM = fleet(60, 3)
MIDDLE_W = 0.74 * FARM.max_w
FREE, CHEAP = Prices(0.0, 0.0), Prices(2.0, 1.0)


def test_the_cheapest_price_is_that_of_the_longest_way_of_the_least_hashrate() -> None:
    alias = next(iter(LADDERS))
    one = Fleet([alias], np.ones(1), np.ones(1))
    watts, ths = one.watts(0), one.ths(0)
    found = cheapest(one, 70.0)
    ways = [(watts[b] - watts[a], 70.0 * ths[b]) for a in range(len(watts)) for b in range(len(watts))]
    assert found.up == pytest.approx(min(lost / apart for apart, lost in ways if apart > 0))
    assert found.down == pytest.approx(min(lost / -apart for apart, lost in ways if apart < 0))
    assert found.down < found.up  # to where it hashes little, a change loses little


class TestMostShare:
    def test_a_river_that_stands_still_allows_all(self) -> None:
        assert most_share(FARM, Noise(MIDDLE_W, 1e-5, 25.0), CHEAP, 0.0) == pytest.approx(100.0, abs=0.01)

    def test_free_changes_follow_every_reading(self) -> None:
        assert most_share(FARM, Noise(MIDDLE_W, 0.0175, 25.0), FREE, 0.0) == pytest.approx(100.0, abs=0.15)

    def test_dearer_changes_a_narrower_band_and_more_noise_allow_less(self) -> None:
        noise = Noise(MIDDLE_W, 0.0175, 25.0)
        cheap = most_share(FARM, noise, CHEAP, 0.005)
        assert cheap > most_share(FARM, noise, Prices(4.0, 2.0), 0.005)
        assert cheap > most_share(FARM, noise, CHEAP, 0.0)
        assert cheap > most_share(FARM, Noise(MIDDLE_W, 0.03, 25.0), CHEAP, 0.005)


class TestByTheRule:
    def share(self, *parts: tuple[int, float], prices: Prices = FREE) -> float:
        budget_w = np.concatenate([np.full(count * 15, share * FARM.max_w) for count, share in parts])
        return share_by_the_rule(FARM, budget_w, prices, window=3, band=0.005, least=0.01, tolerance_w=500.0)

    def ths(self, share: float) -> float:
        return float(Clairvoyant(FARM).ths(np.array([share * FARM.max_w]))[0])

    def test_it_cuts_at_once_and_raises_when_the_window_is_over(self) -> None:
        low, high = self.ths(0.7), self.ths(0.8)
        assert self.share((4, 0.8), (2, 0.7), (5, 0.8)) == pytest.approx(
            100.0 * (4 * high + 4 * low + 3 * high) / (9 * high + 2 * low)  # two readings low, two more in the window
        )

    def test_what_is_within_the_band_is_left_alone(self) -> None:
        high, low = self.ths(0.8), self.ths(0.797)
        assert self.share((4, 0.8), (4, 0.797)) == pytest.approx(100.0 * 8 * high / (4 * high + 4 * low))

    def test_each_way_has_its_price(self) -> None:
        parts = ((4, 0.8), (2, 0.7), (5, 0.8))
        lost = 3.0 * 0.1 * FARM.max_w / (15 * (9 * self.ths(0.8) + 2 * self.ths(0.7)))
        assert self.share(*parts) - self.share(*parts, prices=CHEAP) == pytest.approx(100.0 * lost)
