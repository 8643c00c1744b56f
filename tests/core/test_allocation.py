"""The knapsack of presets: within the budget, never far from the exact optimum, whatever the options look like."""

from __future__ import annotations

import itertools
import random

import pytest

from app.core import allocation
from app.core.allocation import Menu, allocate, menu


def value(menus: list[Menu], picks: list[int]) -> float:
    return sum(item.options[pick][1] for item, pick in zip(menus, picks, strict=True))


def watts(menus: list[Menu], picks: list[int]) -> float:
    return sum(item.options[pick][0] for item, pick in zip(menus, picks, strict=True))


def best(menus: list[Menu], budget_w: float) -> float:
    """Return the exact optimum, by trying everything."""
    every = itertools.product(*(item.options for item in menus))
    return max(sum(v for _, v in chosen) for chosen in every if sum(w for w, _ in chosen) <= budget_w)


def jagged(dice: random.Random, count: int) -> list[Menu]:
    menus = []
    for _ in range(count):
        steps = sorted(dice.sample(range(1000, 4500), dice.randint(1, 5)))
        menus.append(menu((float(w), w * 0.03 + dice.uniform(0, 40)) for w in steps))
    return menus


def test_the_hull_of_an_s19j_pro_is_what_the_issue_says() -> None:
    steps = (
        (1740, 65),
        (1800, 70),
        (1850, 76),
        (2000, 80),
        (2150, 83),
        (2500, 92),
        (2970, 100),
        (3320, 110),
        (3850, 125),
    )
    found = menu((float(w), float(h)) for w, h in steps)
    assert [found.options[at][0] for at in found.hull] == [1740, 1850, 2000, 3850]
    assert list(found.slopes) == sorted(found.slopes, reverse=True)


def test_where_not_even_the_lowest_options_fit_they_are_the_answer() -> None:
    assert allocate([menu([(1000.0, 1.0), (2000.0, 2.0)])] * 2, 1999.0) == [0, 0]


def test_where_everything_fits_everybody_gets_the_best() -> None:
    assert allocate([menu([(1000.0, 1.0), (2000.0, 2.0)])] * 3, 6000.0) == [1, 1, 1]
    assert allocate([], 0.0) == []


def test_equal_items_share_a_menu_and_are_raised_one_by_one() -> None:
    shared = menu([(1000.0, 1.0), (2000.0, 2.0)])
    assert allocate([shared] * 4, 6500.0) == [1, 1, 0, 0]


def test_what_is_left_is_used_off_the_hull() -> None:
    """The hull goes from 1000 to 3000 at once; 2000 lies below it, but fits."""
    assert allocate([menu([(1000.0, 10.0), (2000.0, 11.0), (3000.0, 30.0)])], 2500.0) == [1]


@pytest.mark.parametrize("seed", range(60))
def test_it_is_within_the_budget_and_near_the_optimum(seed: int) -> None:
    dice = random.Random(seed)
    menus = jagged(dice, dice.randint(1, 6))
    least = sum(item.options[0][0] for item in menus)
    budget_w = least + dice.random() * sum(item.options[-1][0] - item.options[0][0] for item in menus)
    picks = allocate(menus, budget_w)
    assert watts(menus, picks) <= budget_w + 1e-9
    assert value(menus, picks) >= 0.93 * best(menus, budget_w)


def test_many_items_are_within_a_thousandth_of_the_relaxed_optimum() -> None:
    dice = random.Random(5)
    menus = jagged(dice, 120)
    budget_w = sum((item.options[0][0] + item.options[-1][0]) / 2 for item in menus)
    picks = allocate(menus, budget_w)
    segments = sorted(
        ((slope, item.options[item.hull[at + 1]][0] - item.options[item.hull[at]][0])
         for item in menus for at, slope in enumerate(item.slopes)), reverse=True,
    )  # fmt: skip
    left_w, bound = budget_w - sum(item.options[0][0] for item in menus), sum(item.options[0][1] for item in menus)
    for slope, need_w in segments:
        taken_w = min(need_w, max(0.0, left_w))
        bound, left_w = bound + slope * taken_w, left_w - taken_w
    assert value(menus, picks) >= 0.999 * bound


def test_no_upgrade_of_an_item_near_the_margin_is_left_that_would_still_fit() -> None:
    dice = random.Random(8)
    menus = jagged(dice, 40)
    budget_w = sum((item.options[0][0] * 2 + item.options[-1][0]) / 3 for item in menus)
    picks = allocate(menus, budget_w)
    left_w = budget_w - watts(menus, picks)
    for item, pick in zip(menus, picks, strict=True):
        for power_w, worth in item.options[pick + 1 :]:
            assert worth <= item.options[pick][1] or power_w - item.options[pick][0] > left_w


def test_the_search_in_pairs_ends_after_some_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "ROUNDS", 1)
    monkeypatch.setattr(allocation, "CLOSE", 0.0)
    menus = jagged(random.Random(3), 30)
    budget_w = sum((item.options[0][0] + item.options[-1][0]) / 2 for item in menus)
    assert watts(menus, allocate(menus, budget_w)) <= budget_w
