"""What polls tell of a change that was sent: confirmed, still the old preset, given up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.readings import MinerState
from app.store import changes
from tests.store import farm
from tests.store.door import confirm, intent, sent
from tests.store.own_app import at, own_database


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


@pytest.mark.parametrize(
    "status, outcome",
    [
        (farm.polled("2000"), "confirmed"),
        (farm.polled("2000", MinerState.AUTO_TUNING), "confirmed"),
        (farm.polled("2000", restart_required=True), "sent"),
        (farm.polled("2000", MinerState.RESTARTING), "sent"),
        (farm.polled("3000"), "sent"),
        (farm.polled(None), "sent"),
    ],
)
def test_a_preset_is_confirmed_by_what_runs(status: object, outcome: str) -> None:
    farm.build(1, at())
    sent(1)
    confirm({1: status}, 20)
    assert farm.row_of(1).outcome == outcome


def test_a_miner_still_on_its_old_preset_is_noted_after_45_s_and_given_up_after_5_min() -> None:
    farm.build(1, at())
    sent(1)
    confirm({1: farm.polled("3000")}, 44)
    assert not farm.row_of(1).polled_unchanged
    confirm({1: farm.polled(None, MinerState.RESTARTING)}, 46)
    assert not farm.row_of(1).polled_unchanged
    confirm({1: farm.polled("3000")}, 60)
    assert (farm.row_of(1).outcome, farm.row_of(1).polled_unchanged) == ("sent", True)
    assert confirm({1: farm.polled("3000")}, 301).not_applied == 1
    assert farm.row_of(1).outcome == "not_applied"


def test_a_miner_cut_again_and_again_is_found_out_all_the_same() -> None:
    farm.build(1, at())
    sent(1, new="2500")
    sent(1, at(32), new="2000")
    confirm({1: farm.polled("3000")}, 46)
    assert not farm.row_of(1).polled_unchanged  # 14 s: a quick change may need that long
    confirm({1: farm.polled("3000")}, 61)
    assert farm.row_of(1).polled_unchanged
    assert sent(1, at(63), new="1500").attempt == 2


def test_a_miner_that_took_the_cut_before_gets_its_time_for_the_next() -> None:
    farm.build(1, at())
    sent(1, new="2500")
    sent(1, at(32), new="2000")
    confirm({1: farm.polled("2500")}, 61)
    assert not farm.row_of(1).polled_unchanged
    confirm({1: farm.polled("2500")}, 78)
    assert farm.row_of(1).polled_unchanged


def test_a_cut_after_a_raise_gets_its_time() -> None:
    farm.build(1, at(), running="2000")
    sent(1, new="3000", old="2000")
    sent(1, at(32), new="1500", old="3000")
    confirm({1: farm.polled("2000")}, 61)
    assert not farm.row_of(1).polled_unchanged


def test_a_silent_miner_is_given_up_too_and_a_late_confirmation_is_still_one() -> None:
    farm.build(2, at())
    sent(1)
    sent(2)
    assert confirm({2: farm.polled("2000")}, 310) == changes.Confirmation(confirmed=1, not_applied=1)
    assert [row.outcome for row in farm.rows()] == ["not_applied", "confirmed"]


def test_an_intent_whose_outcome_could_not_be_stored_ends_too() -> None:
    farm.build(1, at())
    intent(farm.change(1))
    confirm({1: farm.polled("2000")}, 20)
    assert farm.row_of(1).outcome == "sending"
    confirm({}, 301)
    assert farm.row_of(1).outcome == "not_applied"
