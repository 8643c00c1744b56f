"""The formula of the available power in numbers: as it is, and with other roles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.formula import Books, formula
from app.core.plant import CountedSource
from app.core.types import Settings, SourceKind, SourceRole

FOREIGN, MINERS = SourceRole.FOREIGN, SourceRole.MINERS
BOOKS = Books(managed_kw=800.0, unmanaged_kw=100.0, overhead_kw=30.0)


def load(role: SourceRole, kw: float) -> CountedSource:
    return CountedSource("C", SourceKind.CONSUMPTION, role, kw, "success", kw, good=True)


@pytest.mark.parametrize(
    ("loads", "books", "overhead_kw", "available_kw"),
    [
        ([], Books(), 0.0, 3000.0),
        ([load(FOREIGN, 40.0)], Books(), 0.0, 2960.0),  # the plain rule: generation - container consumption
        ([load(FOREIGN, 40.0)], BOOKS, 0.0, 2860.0),  # no meter contains the miners: no overhead, whatever was
        ([load(FOREIGN, 40.0), load(MINERS, 950.0)], BOOKS, 30.0, 2830.0),  # the balancer's own overhead
        ([load(MINERS, 950.0)], replace(BOOKS, overhead_kw=None), 50.0, 2850.0),  # estimated: 950 - 800 - 100
        ([load(MINERS, 500.0)], replace(BOOKS, overhead_kw=None), 0.0, 2900.0),  # never negative
        ([load(FOREIGN, 3500.0)], Books(), 0.0, -500.0),
    ],
)
def test_it_subtracts_what_the_roles_say(
    loads: list[CountedSource], books: Books, overhead_kw: float, available_kw: float
) -> None:
    found = formula(3000.0, loads, books, Settings())
    assert (found.overhead_kw, found.available_kw) == (overhead_kw, available_kw)


def test_it_tells_an_estimated_overhead_from_the_balancers_own() -> None:
    meters = [load(MINERS, 950.0)]
    assert formula(3000.0, meters, replace(BOOKS, overhead_kw=None), Settings()).overhead_estimated
    assert not formula(3000.0, meters, BOOKS, Settings()).overhead_estimated
    assert not formula(3000.0, [load(FOREIGN, 1.0)], replace(BOOKS, overhead_kw=None), Settings()).overhead_estimated


def test_unmanaged_miners_are_subtracted_only_where_the_setting_says_so() -> None:
    found = formula(3000.0, [], BOOKS, replace(Settings(), count_unmanaged=False))
    assert (found.available_kw, found.unmanaged_kw, found.subtracted_unmanaged_kw) == (3000.0, 100.0, 0.0)


@pytest.mark.parametrize(
    ("limit_kw", "foreign_kw", "target_kw"), [(None, 0.0, 2700.0), (2000.0, 0.0, 2000.0), (None, 4000.0, 0.0)]
)
def test_the_target_follows_from_margin_and_limit(limit_kw: float | None, foreign_kw: float, target_kw: float) -> None:
    found = formula(3000.0, [load(FOREIGN, foreign_kw)], Books(), replace(Settings(), farm_limit_kw=limit_kw))
    assert found.target_kw == pytest.approx(target_kw)


@pytest.mark.parametrize(
    ("generation_kw", "foreign_kw", "miners_kw", "twice"),
    [
        (252.0, 248.0, 226.0, True),  # the meters of the containers, not said to contain the miners
        (252.0, 25.0, 226.0, False),  # what else there is
        (252.0, 52.0, 226.0, False),  # 278 of 252: within a tenth, as readings seconds apart may be
        (252.0, 112.0, 226.0, False),  # too low to contain them all, whatever is drawn
        (252.0, 113.0, 226.0, True),
        (252.0, 400.0, 0.0, False),  # no miner draws anything: nothing can be counted twice
        (0.0, 248.0, 226.0, True),
        (0.0, 0.0, 0.0, False),
    ],
)
def test_more_drawn_than_generated_asks_whether_a_meter_contains_the_miners(
    generation_kw: float, foreign_kw: float, miners_kw: float, twice: bool
) -> None:
    books = Books(managed_kw=miners_kw / 2, unmanaged_kw=miners_kw / 2)
    found = formula(generation_kw, [load(FOREIGN, foreign_kw)], books, Settings())
    assert found.seems_counted_twice == twice
    assert found.drawn_kw == foreign_kw + miners_kw
    assert not formula(generation_kw, [load(MINERS, foreign_kw)], books, Settings()).seems_counted_twice
