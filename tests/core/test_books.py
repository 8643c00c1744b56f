"""The farm's books of a cycle: silent miners, overhead, foreign load, available power (SPEC 3, 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.power import balance, unsettled
from app.core.readings import MinerState
from app.core.types import CycleMemory, MinerView, Outcome
from tests.core.builders import change, fleet, miner, plant, snapshot


def dead(number: int, silent_s: float = 100.0, **facts: Any) -> MinerView:
    return miner(number, **({"silent_s": silent_s, "last_accounted_w": 2300.0} | facts))


def metered(miners: tuple[MinerView, ...], meter_kw: float, overhead_kw: float = 0.0, **facts: Any) -> Any:
    memory = CycleMemory(overhead_kw=overhead_kw)
    return balance(snapshot(miners, plant=plant(500, miners_meter_kw=meter_kw, **facts), memory=memory))


# --- silent miners ---


@pytest.mark.parametrize(
    ("meter_kw", "counted_zero"),
    [
        (230.0, 0),  # all of them draw
        (228.5, 0),  # less than one miner's power is missing
        (227.7, 1),
        (223.0, 3),
        (207.0, 10),
        (0.0, 10),
    ],
)
def test_a_meter_that_misses_their_power_confirms_that_silent_miners_are_off(
    meter_kw: float, counted_zero: int
) -> None:
    miners = (*fleet(90), *(dead(number) for number in range(91, 101)))
    books = metered(miners, meter_kw)
    assert sum(account.power_w == 0 for account in books.accounts.values()) == counted_zero


def test_those_silent_for_longest_are_taken_for_off_first() -> None:
    miners = (*fleet(10), dead(11, 100), dead(12, 300), dead(13, 200))
    assert [i for i, a in metered(miners, 25.4).accounts.items() if a.power_w == 0] == [12, 13]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"miners_meter_ok": False}, "the meter failed"),
        ({"miners_meter_kw": None}, "there is no such meter"),
    ],
)
def test_without_a_good_meter_nothing_is_confirmed(facts: dict[str, Any], why: str) -> None:
    reading = plant(500, **({"miners_meter_kw": 0.0} | facts))
    books = balance(snapshot((*fleet(5), dead(6)), plant=reading))
    assert books.accounts[6].power_w == 2300, why
    assert balance(snapshot((*fleet(5), dead(6)), plant=None)).accounts[6].power_w == 2300


@pytest.mark.parametrize(
    "other",
    [
        {"state": MinerState.RESTARTING},  # draws nothing at the moment
        {"state": MinerState.FAILURE},
        {"last_change": change(age_s=20)},
        {"last_change": change(age_s=90, outcome=Outcome.CONFIRMED, finished_age_s=50.0)},
        {"measured_power_w": 100.0},
    ],
)
def test_what_restarting_miners_do_not_draw_confirms_nobody_elses_drop(other: dict[str, Any]) -> None:
    miners = (*fleet(5), miner(6, **other), dead(7))
    assert metered(miners, 5 * 2.3 + 2.3).accounts[7].power_w == 2300


def test_overhead_counts_as_drawn_when_the_meter_is_asked() -> None:
    assert metered((*fleet(5), dead(6)), 11.5 + 2.3, overhead_kw=2.3).accounts[6].power_w == 0


@pytest.mark.parametrize(
    ("fleet_size", "silent_s", "given_up"), [(100, 901, 2), (100, 899, 0), (49, 5000, 0), (50, 901, 1), (150, 901, 3)]
)
def test_after_fifteen_minutes_two_percent_of_the_fleet_may_count_nothing(
    fleet_size: int, silent_s: float, given_up: int
) -> None:
    silent = tuple(dead(number, silent_s) for number in range(1, 11))
    books = balance(snapshot((*silent, *fleet(fleet_size)[10:]), 500))
    assert sum(account.power_w == 0 for account in books.accounts.values()) == given_up


# --- overhead ---


@pytest.mark.parametrize(
    ("meter_kw", "before_kw", "after_kw"),
    [
        (28.0, 0.0, 5.0),  # rises at once
        (28.0, 5.0, 5.0),
        (24.6, 5.0, 5.0 - 3.4 / 8),  # falls smoothly
        (20.0, 5.0, 5.0 - 5.0 / 8),  # never below nothing
        (20.0, 0.0, 0.0),
    ],
)
def test_overhead_is_what_the_meter_sees_beyond_all_miners(meter_kw: float, before_kw: float, after_kw: float) -> None:
    miners = (*fleet(5), *fleet(10, managed=False)[5:])
    books = metered(miners, meter_kw, overhead_kw=before_kw)
    assert books.overhead_kw == pytest.approx(after_kw)
    assert books.foreign_kw == pytest.approx(after_kw + 5 * 2.3)


@pytest.mark.parametrize(
    ("last", "meter_kw", "after_kw"),
    [
        (change("2300", "2700"), 12.0, 5.0),  # no fall with a change on its way
        (change("2300", "2700"), 30.0, 30 - 4 * 2.3 - 2.7),
        (change("2300", "1740"), 30.0, 30 - 5 * 2.3),  # the larger of old and new is the certain part
        (change("2300", "1740", outcome=Outcome.CONFIRMED, finished_age_s=61.0), 9.2 + 2.3, 5.0 - 5.0 / 8),
        (change("2300", "1740", outcome=Outcome.CONFIRMED, finished_age_s=59.0), 9.2, 5.0),
        (change("2300", "1740", outcome=Outcome.FAILED, age_s=50.0), 9.2 + 2.3, 5.0 - 5.0 / 8),
    ],
)
def test_a_change_on_its_way_lets_overhead_only_rise_and_by_the_certain_part(
    last: Any, meter_kw: float, after_kw: float
) -> None:
    miners = (*fleet(4), miner(5, last_change=last))
    assert metered(miners, meter_kw, overhead_kw=5.0).overhead_kw == pytest.approx(after_kw)


def test_a_miner_that_restarts_by_itself_lowers_no_overhead() -> None:
    booting = miner(5, state=MinerState.RESTARTING)
    assert metered((*fleet(4), booting), 4 * 2.3 + 5.0, overhead_kw=5.0).overhead_kw == pytest.approx(5.0)
    less = metered((*fleet(4), booting), 4 * 2.3 + 1.0, overhead_kw=5.0)
    assert less.overhead_kw == pytest.approx(4.5)


@pytest.mark.parametrize("facts", [{"miners_meter_ok": False}, {"is_new": False}])
def test_overhead_is_frozen_by_a_failed_meter_and_between_readings(facts: dict[str, Any]) -> None:
    assert metered(fleet(5), 99.0, overhead_kw=5.0, **facts).overhead_kw == 5.0
    assert metered(fleet(5), 0.0, overhead_kw=5.0, **facts).overhead_kw == 5.0


def test_without_a_miners_meter_there_is_no_overhead() -> None:
    memory = CycleMemory(overhead_kw=5.0)
    assert balance(snapshot(fleet(5), memory=memory)).overhead_kw == 0
    assert balance(snapshot(fleet(5), plant=None, memory=memory)).overhead_kw == 5.0


def test_a_change_stays_unsettled_for_a_minute_and_the_age_of_the_reading() -> None:
    ended = miner(last_change=change(outcome=Outcome.CONFIRMED, age_s=120.0, finished_age_s=100.0))
    assert unsettled(ended, plant(age_s=50.0)) is not None
    assert unsettled(ended, plant(age_s=30.0)) is None
    endless = replace(ended, last_change=change(outcome=Outcome.NOT_APPLIED, age_s=50.0))
    assert unsettled(endless, plant()) is not None


# --- available ---


def test_the_plain_rule_is_generation_less_container_consumption() -> None:
    books = balance(snapshot(fleet(5), plant=plant(100, 30)))
    assert (books.available_kw, books.foreign_kw, books.unmanaged_w) == (70, 30, 0)
    assert books.current_w == 5 * 2300


@pytest.mark.parametrize(("count_unmanaged", "available_kw"), [(True, 100 - 30 - 4.6 - 7.0), (False, 70.0)])
def test_unmanaged_and_foreign_firmware_miners_are_foreign_load(count_unmanaged: bool, available_kw: float) -> None:
    miners = (*fleet(3), miner(4, managed=False), miner(5, managed=False), miner(6, retired=True))
    picture = snapshot(miners, plant=plant(100, 30), count_unmanaged=count_unmanaged, other_firmware_count=2)
    books = balance(picture)
    assert books.available_kw == pytest.approx(available_kw)
    assert books.unmanaged_w == 2 * 2300 + 2 * 3500
    assert sum(a.power_w for a in books.accounts.values()) == books.current_w + 2 * 2300


def test_without_a_reading_nothing_is_available() -> None:
    assert balance(snapshot(fleet(2), plant=None)).available_kw == 0


def test_strangers_behind_a_miners_meter_are_counted_once() -> None:
    meter = plant(200, miners_meter_kw=2.3 + 7.0 + 1.0)
    picture = snapshot([miner(runs="2300")], plant=meter, other_firmware_count=2, other_firmware_power_w=3500)
    books = balance(picture)
    assert (books.overhead_kw, books.unmanaged_w) == (pytest.approx(1.0), 7000.0)
    assert books.available_kw == pytest.approx(200 - 7.0 - 1.0)


def test_a_confirmed_drop_is_remembered_a_given_up_miner_and_a_retired_one_are_not() -> None:
    silent = miner(1, silent_s=1000.0, last_accounted_w=2300.0)
    others = [miner(number) for number in range(2, 101)]
    given_up = balance(snapshot([silent, *others], 1000.0))
    assert (given_up.accounts[1].power_w, given_up.remembered[1]) == (0.0, 2300.0)
    metered = balance(snapshot([silent, *others], plant=plant(1000, miners_meter_kw=99 * 2.3)))
    assert (metered.accounts[1].power_w, metered.remembered[1]) == (0.0, 0.0)
    assert 1 not in balance(snapshot([replace(silent, retired=True), *others], 1000.0)).remembered


def test_before_the_first_full_poll_a_meter_teaches_no_overhead() -> None:
    facts = {"plant": plant(100, miners_meter_kw=50), "memory": CycleMemory(overhead_kw=2.0)}
    assert balance(snapshot([miner()], polled_since_start=False, **facts)).overhead_kw == 2.0
    assert balance(snapshot([miner()], **facts)).overhead_kw == pytest.approx(47.7)


def test_an_old_meter_reading_confirms_nobodys_drop() -> None:
    silent = miner(1, silent_s=100.0, last_accounted_w=2300.0)
    for age_s, counted_w in ((10.0, 0.0), (50.0, 2300.0)):
        books = balance(snapshot([silent, miner(2)], plant=plant(100, miners_meter_kw=2.3, age_s=age_s)))
        assert books.accounts[1].power_w == counted_w
