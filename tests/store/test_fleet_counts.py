"""How the fleet is counted, and the short rows a dashboard names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app import clock
from app.store import commands, fleet_counts, fleet_list, headlines, status_board
from app.store.fleet_counts import FleetCounts, ModelCount
from app.store.fleet_list import FleetFilter
from tests import factories


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def counted() -> FleetCounts:
    return fleet_counts.load(clock.utcnow())


def test_an_empty_fleet_counts_nothing() -> None:
    assert counted() == FleetCounts()


def test_states_are_counted_over_all_models_and_presets() -> None:
    model = factories.model(max_preset="2800")
    factories.miner(1, model, managed=True)
    factories.miner(2, model, hold=True, status={"running_preset": "1500"})
    factories.miner(3, model, hold=True, hold_until=factories.ago(5))  # not held any more
    factories.miner(4, status={"state": "failure"})
    factories.miner(5, model, status={"state": "stopped"}, stopped_by_us_at=factories.ago(60))
    factories.miner(6, model, online=False)
    factories.miner(7, model, retired=True)
    found = counted()
    assert (found.total, found.online, found.offline, found.managed) == (6, 5, 1, 1)
    assert (found.held, found.failing, found.stopped, found.stopped_by_us) == (1, 1, 1, 1)
    assert found.unknown_model == 1


def test_hashrate_of_other_algorithms_and_silent_miners_is_left_out() -> None:
    sha, scrypt = factories.model(), factories.model("l7", algorithm="scrypt")
    factories.miner(1, sha, status={"power_w": 2300, "hashrate_ths": 100.0})
    factories.miner(2, scrypt, status={"power_w": 3400, "hashrate_ths": 9.0})
    factories.miner(3, sha, online=False)
    factories.miner(4, sha, status={"power_w": None, "hashrate_ths": 50.0})
    found = counted()
    assert found.hashrate_ths == 150.0
    assert found.measured_power_w == 5700.0
    assert found.efficiency_w_per_ths == 23.0


def test_only_managed_running_miners_are_above_their_max_preset() -> None:
    model = factories.model(max_preset="1500")
    factories.miner(1, model, managed=True)  # runs 2300
    factories.miner(2, model)
    factories.miner(3, model, managed=True, online=False)
    factories.miner(4, model, managed=True, status={"state": "stopped"})
    factories.miner(5, model, managed=True, status={"running_preset": "1500"})
    factories.miner(6, model, managed=True, status={"running_preset": "disabled"})  # watts unknown
    factories.miner(7, model, managed=True, status={"running_preset": None})
    assert counted().above_max == (ModelCount("s19jpro", "Antminer S19JPRO", 1),)


def test_models_without_max_preset_are_named_where_they_have_miners() -> None:
    factories.model("empty")
    model = factories.model()
    factories.miner(1, model)
    factories.miner(2, model, status={"running_preset": "1500"})
    assert counted().without_max_preset == (ModelCount("s19jpro", "Antminer S19JPRO", 2),)
    assert counted().above_max == ()


def test_latest_changes_that_failed_are_counted_and_no_earlier_ones() -> None:
    mended, failed, unapplied, gone = (factories.miner(n, retired=n == 4) for n in (1, 2, 3, 4))
    for miner in (mended, failed, unapplied, gone):
        factories.change(miner, 300, outcome="failed")
    factories.change(mended, 200, outcome="confirmed")
    factories.change(unapplied, 200, outcome="not_applied")
    found = status_board.load(clock.stamp()).counts
    assert (found.failed, found.unapplied, found.not_applied) == (1, 1, 2)
    listed = fleet_list.page(FleetFilter(problem="not_applied", retired=False), "address", 1).miners
    assert {miner.mac for miner in listed} == {failed.mac, unapplied.mac}
    assert fleet_list.latest_ends([1, 3]) == {1: ("confirmed", "2800"), 3: ("not_applied", "2800")}


def test_a_miner_with_two_troubles_is_counted_once_and_listed_as_counted() -> None:
    failing, both, silent, unapplied, _well = (
        factories.miner(n, online=n != 3, status={"state": "failure" if n <= 3 else "mining"}) for n in range(1, 6)
    )
    gone = factories.miner(6, retired=True, status={"state": "failure"})
    for miner, outcome in ((both, "failed"), (silent, "failed"), (unapplied, "not_applied"), (gone, "failed")):
        factories.change(miner, outcome=outcome)
    found = status_board.load(clock.stamp()).counts
    assert (found.failing, found.failed, found.unapplied, found.failing_too) == (2, 2, 1, 1)
    listed = {
        problem: {miner.id for miner in fleet_list.page(FleetFilter(problem=problem)).miners}
        for problem in ("trouble", "failing", "failed", "unapplied")
    }
    assert listed == {
        "trouble": {failing.id, both.id, silent.id, unapplied.id}, "failing": {failing.id, both.id},
        "failed": {both.id, silent.id}, "unapplied": {unapplied.id},
    }  # fmt: skip
    assert found.in_trouble == 4


def test_the_same_mark_gives_the_same_counts_and_another_one_counts_anew() -> None:
    factories.miner(1)
    assert fleet_counts.load(clock.utcnow(), "a", failed=1).total == 1
    factories.miner(2)
    seen = fleet_counts.load(clock.utcnow(), "a", failed=2)
    assert (seen.total, seen.failed) == (1, 2)  # what is passed on is of this moment
    assert fleet_counts.load(clock.utcnow(), "b").total == 2
    factories.miner(3)
    assert fleet_counts.load(clock.utcnow()).total == 3


def test_silent_miners_are_named_managed_ones_first() -> None:
    factories.miner(1, online=False, last_seen_at=factories.ago(9000))
    factories.miner(2, online=False, managed=True, last_seen_at=factories.ago(100))
    factories.miner(3, online=False, managed=True, last_seen_at=factories.ago(900))
    factories.miner(4, online=False, managed=True, retired=True)
    factories.miner(5)
    assert [miner.ip for miner in headlines.silent_miners(9)] == ["10.0.0.4", "10.0.0.3", "10.0.0.2"]
    assert len(headlines.silent_miners(2)) == 2


def test_events_come_newest_first_with_their_miners() -> None:
    miner = factories.miner(1, label="C1-01")
    for new in ("1500", "2300", "2800"):
        factories.change(miner, new_preset=new)
    found = headlines.newest_events(2)
    assert [(event.label, event.new_preset) for event in found] == [("C1-01", "2800"), ("C1-01", "2300")]


def test_the_newest_order_is_one_for_the_whole_farm() -> None:
    assert headlines.newest_order() is None
    commands.enqueue("stop_all", by="me", now=clock.utcnow(), reason="fire")
    commands.enqueue("scan", by="me", now=clock.utcnow())
    found = headlines.newest_order()
    assert found is not None
    assert (found.kind, found.status, found.reason) == ("stop_all", "waiting", "fire")
