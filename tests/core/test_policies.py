"""How presets are chosen: the classic stepwise rule, literally, and the direct cuts of an emergency."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.eligible import candidate
from app.core.policies import Candidate, Move, Stepwise, cut_directly
from app.core.power import account
from app.core.readings import MinerState
from tests.core.builders import ladder_of, miner, preset, settings


def made(number: int, runs: str | None = "2300", alias: str = "s19jpro", **facts: Any) -> Candidate:
    view = miner(number, alias, runs, **facts)
    return candidate(view, account(view, settings()), settings())


def shown(moves: list[Move]) -> list[tuple[int, str]]:
    return [(move.candidate.miner.id, move.step.preset.name) for move in moves]


JPRO, S19, S21 = made(1), made(2, "2350", "s19"), made(3, "2730", "s21pro")  # 26.4, 27.6 and 15.0 W/TH


@pytest.mark.parametrize(
    ("need_w", "moves"),
    [
        (0, []),
        (1, [(2, "2100")]),
        (250, [(2, "2100")]),
        (251, [(2, "2100"), (1, "2150")]),
        (401, [(2, "2100"), (1, "2150"), (3, "2640")]),
        (9999, [(2, "2100"), (1, "2150"), (3, "2640")]),  # at most one preset per cycle each
    ],
)
def test_stepwise_cuts_the_least_efficient_first_by_one_preset_each(
    need_w: float, moves: list[tuple[int, str]]
) -> None:
    assert shown(Stepwise().reduce([S21, JPRO, S19], need_w)) == moves


@pytest.mark.parametrize(
    ("room_w", "moves"),
    [
        (500, []),
        (501, [(3, "2820")]),
        (1000, [(3, "2820"), (1, "2500"), (2, "2620")]),
        (9999, [(3, "2820"), (1, "2500"), (2, "2620")]),
    ],
)
def test_stepwise_raises_the_most_efficient_first_by_one_preset_each(
    room_w: float, moves: list[tuple[int, str]]
) -> None:
    assert shown(Stepwise().increase([S19, JPRO, S21], room_w, 500)) == moves


def test_stepwise_passes_over_a_step_that_would_pass_the_target_and_takes_the_next() -> None:
    wide = made(4, "2550", "s21pro", ladder=ladder_of([(2550, 170), (3550, 230)]))
    assert shown(Stepwise().increase([wide, JPRO], 600, 100)) == [(1, "2500")]


def test_equals_are_taken_by_mac_and_an_unknown_efficiency_counts_as_the_worst() -> None:
    nameless = made(9, ladder=ladder_of([], preset(2000, None), preset(2300, None)))
    assert nameless.w_per_ths == float("inf")
    moves = Stepwise().reduce([made(5), made(4), nameless], 10_000)
    assert [number for number, _ in shown(moves)] == [9, 4, 5]
    assert "efficiency unknown" in moves[0].reason
    assert moves[1].reason == "2300 -> 2150: frees 150 W (26.4 W/TH, least efficient first)"


def test_a_restarting_miner_at_no_hashrate_is_not_inefficient() -> None:
    assert made(1, state=MinerState.RESTARTING, measured_hashrate_ths=0.0).w_per_ths == JPRO.w_per_ths


def test_whoever_has_no_step_is_passed_over() -> None:
    bottom, top = made(1, "1740"), made(1, "2970")
    assert (bottom.most_w, Stepwise().reduce([bottom], 500), cut_directly([bottom], 500)) == (0, [], [])
    assert Stepwise().increase([top], 5000, 500) == []


@pytest.mark.parametrize(
    ("need_w", "moves"),
    [
        (0, []),
        (100, [(2, "2100")]),  # the largest first, and only as far as is needed
        (1000, [(2, "1300")]),
        (1250, [(2, "1100")]),
        (1251, [(2, "1100"), (1, "2150")]),
        (1900, [(2, "1100"), (1, "1740"), (3, "2640")]),
        (99_999, [(2, "1100"), (1, "1740"), (3, "2550")]),
    ],
)
def test_direct_cuts_take_the_largest_first_and_overshoot_by_less_than_a_step(
    need_w: float, moves: list[tuple[int, str]]
) -> None:
    assert shown(cut_directly([JPRO, S21, S19], need_w)) == moves


def test_a_step_is_lower_by_the_books_and_by_the_firmware() -> None:
    odd = ladder_of(
        [(1740, 65), (2300, 87), (2700, 96)],
        preset(2000, 80.0, expected_power_w=2400),  # lower by the firmware, higher by the operator
        preset(2500, 92.0, expected_power_w=2200),  # the other way round
    )
    found = made(1, ladder=odd)
    assert [s.preset.name for s in found.lower] == ["1740"]
    assert [s.preset.name for s in found.higher] == ["2700"]


def test_from_an_unknown_preset_only_the_lowest_is_surely_lower() -> None:
    found = made(1, "disabled", measured_power_w=3250.0)
    assert [s.preset.name for s in found.lower] == ["1740"]
    assert found.higher == ()
    assert "unknown preset -> 1740" in Stepwise().reduce([found], 100)[0].reason


def test_the_wall_factor_is_in_every_step() -> None:
    view, values = miner(), settings(wall_factor=1.1)
    found = candidate(view, account(view, values), values)
    assert found.lower[0].power_w == pytest.approx(2150 * 1.1)
