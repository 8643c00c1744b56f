"""One row per cycle, also when nothing is to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.core import plan as planning
from app.core.types import BalanceStatus, CycleMemory, Plan, Skip, Snapshot
from app.errors import NotFound
from app.extensions import db, writing
from app.models import BalanceCycle, MinerStatusRow, PlantRefusal
from app.store import cycles, snapshot, terms
from tests.store import farm
from tests.store.own_app import at, own_database


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def decide(seconds: float = 0.0) -> tuple[Snapshot, Plan]:
    picture = snapshot.load(at(seconds), interval_s=15.0)
    return picture, planning.plan(picture)


def test_a_cycle_without_anything_to_do_leaves_its_row_and_its_reason() -> None:
    picture, plan = decide()
    cycle_id = cycles.record(picture, plan)
    row = cycles.latest()
    assert row is not None
    assert (row.id, row.status, row.planned, row.changes_count) == (cycle_id, BalanceStatus.NO_DATA, [], 0)
    assert row.reason == plan.reason != ""


def test_a_cycle_keeps_what_it_saw_decided_and_accounted() -> None:
    farm.build(3, at())
    reading_id = farm.reading(at(), 6.0)
    picture, plan = decide()
    cycles.record(picture, plan)
    row = cycles.latest()
    assert row is not None
    assert (row.reading_id, row.mode, row.sent, row.target_w) == (reading_id, "armed", True, 5400.0)
    assert {change["mac"] for change in row.planned} == {change.mac for change in plan.changes}
    assert row.planned[0]["old_preset"] == "3000"
    assert (row.reported_w, row.known_miners) == (9000.0, 3)
    assert [r.accounted_power_w for r in db.session.scalars(db.select(MinerStatusRow))] == [3000.0] * 3


def test_memory_is_handed_from_row_to_row() -> None:
    picture, plan = decide()
    memory = CycleMemory(overhead_kw=12.5, surplus_since=at(-20), restart_room_since=at(-10), restart_room_w=1740.0)
    cycles.record(picture, replace(plan, memory=memory))
    assert snapshot.load(at(5), interval_s=15.0).memory == memory
    cycles.record(picture, replace(plan, memory=CycleMemory()))
    assert cycles.memory(db.session) == CycleMemory()


def test_when_presets_were_exchanged_is_handed_on_within_one_life() -> None:
    picture, plan = decide()
    memory = CycleMemory(reoptimised_at=at(-100))
    cycles.record(picture, replace(plan, memory=memory))
    assert cycles.memory(db.session, since=at(-60)) == memory
    assert cycles.memory(db.session, since=at(600)) == CycleMemory()


def window(seconds: float, term_id: int | None) -> tuple[float, ...]:
    return snapshot.load(at(seconds), interval_s=15.0, term_id=term_id).recent_available_kw


def cycle_on(seconds: float, generation_kw: float | None, *, cycles_of_it: int = 1) -> None:
    """A reading (None: the one before stands) and cycles on it."""
    if generation_kw is not None:
        farm.reading(at(seconds), generation_kw)
    for number in range(cycles_of_it):
        cycles.record(*decide(seconds + 1 + number))


def test_the_available_power_of_former_readings_comes_once_per_reading_oldest_first() -> None:
    term_id = farm.term(at())
    assert window(0, term_id) == ()
    for number in range(25):
        cycle_on(15 * number, 100.0 + number, cycles_of_it=1 + number % 2)
        assert len(window(15 * number + 5, term_id)) == min(number, 20)  # without this reading's own
    assert window(15 * 24 + 5, term_id) == tuple(100.0 + number for number in range(4, 24))
    farm.put_setting("raise_window_readings", 24)
    assert window(15 * 24 + 5, term_id) == tuple(100.0 + number for number in range(1, 24))
    assert window(15 * 24 + 5, None) == ()


def test_a_timer_much_faster_than_the_plant_hides_no_reading() -> None:
    term_id = farm.term(at())
    for number in range(14):
        cycle_on(15 * number, 100.0 + number, cycles_of_it=7)
    picture = snapshot.load(at(15 * 13 + 8), interval_s=2.0, reading_interval_s=15.0, term_id=term_id)
    assert picture.recent_available_kw == tuple(100.0 + number for number in range(13))


def test_a_slow_plant_has_a_window_too() -> None:
    term_id = farm.term(at())
    for number in range(4):
        cycle_on(100 * number, 100.0 + number)
    picture = snapshot.load(at(302), interval_s=15.0, reading_interval_s=100.0, term_id=term_id)
    assert picture.recent_available_kw == (100.0, 101.0, 102.0)


def test_a_reading_without_a_cycle_has_no_available_power_and_ends_nothing() -> None:
    term_id = farm.term(at())
    cycle_on(0, 100)
    farm.reading(at(30), 90.0)
    cycle_on(60, 80)
    assert window(62, term_id) == (100.0,)


@pytest.mark.parametrize("gap_s, seen", [(45, (90.0, 100.0)), (46, ())])
def test_a_gap_between_readings_ends_the_window(gap_s: float, seen: tuple[float, ...]) -> None:
    term_id = farm.term(at())
    cycle_on(0, 90)
    cycle_on(15, 100)
    cycle_on(50, None)  # the old reading, again: no sign of life
    farm.reading(at(15 + gap_s), 100.0)
    assert window(15 + gap_s, term_id) == seen


def test_what_another_scheduler_saw_is_not_counted() -> None:
    cycle_on(0, 90)
    term_id = terms.begin(1, at(10))
    cycle_on(15, 100)
    cycle_on(30, 110)
    assert window(35, term_id) == (100.0,)


def test_a_refused_answer_ends_the_window() -> None:
    term_id = farm.term(at())
    cycle_on(0, 90)
    cycle_on(15, 100)
    with writing() as session:
        session.add(PlantRefusal(refused_at=at(30).utc, kind="test", reason="a test wants it"))
    assert window(31, term_id) == ()
    cycle_on(45, 100)
    assert window(47, term_id) == (90.0, 100.0)


def test_a_surplus_of_a_former_life_did_not_last_until_now() -> None:
    picture, plan = decide()
    memory = CycleMemory(overhead_kw=12.5, surplus_since=at(-20), restart_room_since=at(-10), restart_room_w=1740.0)
    cycles.record(picture, replace(plan, memory=memory))
    assert cycles.memory(db.session, since=at(-60)) == memory
    assert cycles.memory(db.session, since=at(600)) == CycleMemory(overhead_kw=12.5)
    assert cycles.memory(db.session, since=at(600, boot="boot-2")) == CycleMemory(overhead_kw=12.5)


def test_a_reading_is_new_once() -> None:
    farm.reading(at(), 6.0)
    picture, plan = decide()
    assert picture.plant is not None
    assert picture.plant.is_new
    cycles.record(picture, plan)
    picture, _ = decide(15)
    assert picture.plant is not None
    assert not picture.plant.is_new
    farm.reading(at(16), 6.0)
    picture, _ = decide(17)
    assert picture.plant is not None
    assert picture.plant.is_new


def test_the_reasons_for_each_skipped_miner_are_kept_for_a_while_only() -> None:
    picture, plan = decide()
    plan = replace(plan, skipped=(Skip(1, "02:00:00:00:00:01", "held by an operator"),))
    ids = [cycles.record(picture, plan) for _ in range(cycles.KEEP_SKIPPED_CYCLES + 2)]
    kept = [row.id for row in db.session.scalars(db.select(BalanceCycle)) if row.skipped]
    assert kept == ids[2:]
    assert {row.skipped_count for row in db.session.scalars(db.select(BalanceCycle))} == {1}


def test_the_end_of_a_cycle_is_added_to_its_row() -> None:
    picture, plan = decide()
    cycle_id = cycles.record(picture, plan)
    cycles.finish(
        cycle_id, cycles.CycleEnd([farm.change(1), farm.change(2)], failed=1, expected_w=8000, duration_s=1.5)
    )
    row = cycles.latest()
    assert row is not None
    assert (row.changes_count, row.failed_count, row.planned_w, row.duration_s) == (2, 1, 8000.0, 1.5)


# --- why ---


def explained(miner_id: int) -> tuple[str, str, float | None]:
    db.session.rollback()
    found = cycles.explain(farm.mac_of(miner_id).upper())
    return found.decision, found.reason, found.accounted_power_w


def test_before_the_first_cycle_nothing_is_decided() -> None:
    farm.build(1, at())
    assert explained(1) == ("undecided", "no cycle has decided anything yet", None)


def test_every_miner_has_what_the_latest_cycle_decided_for_it_and_why() -> None:
    farm.build(6, at())
    farm.reading(at(), 15.67)
    farm.put(farm.Miner, 1, hold=True)
    farm.put(farm.Miner, 2, managed=False)
    farm.put(farm.Miner, 3, retired=True)
    picture, plan = decide()
    (moved,) = plan.changes
    cycle_id = cycles.record(picture, plan)
    assert explained(1) == ("skipped", "held by an operator", 3000.0)
    assert explained(2) == ("unmanaged", "not managed: PowerHive leaves its preset alone", 3000.0)
    assert explained(3) == ("retired", "retired: it counts nothing and is left alone", 0.0)
    assert explained(moved.miner_id) == ("change", moved.reason, 3000.0)
    change = cycles.explain(moved.mac)
    assert (change.cycle_id, change.sent, change.change) == (cycle_id, True, cycles.change_as_json(moved))
    stays = next(i for i in (4, 5, 6) if i != moved.miner_id)
    assert explained(stays) == ("stays", plan.stays, 3000.0)
    assert plan.stays.startswith("stays: 12.0 kW used, 0.6 kW above the target")


def test_what_was_changed_after_the_cycle_waits_for_the_next_one() -> None:
    farm.build(2, at(), managed=False)
    farm.reading(at(), 9.0)
    cycles.record(*decide())
    farm.put(farm.Miner, 1, managed=True, updated_at=at(5).utc)
    assert explained(1)[:2] == ("undecided", "changed since the latest cycle: the next one decides")
    cycles.record(*decide(15))
    assert explained(1)[0] == "stays"


def test_a_cycle_of_an_older_version_explains_with_the_farms_reason() -> None:
    farm.build(1, at())
    picture, plan = decide()
    cycles.record(picture, replace(plan, stays=""))
    assert explained(1)[:2] == ("stays", plan.reason)


def test_in_observe_a_change_is_explained_as_not_sent() -> None:
    farm.build(1, at(), mode="observe")
    farm.reading(at(), 2.0)
    cycles.record(*decide())
    found = cycles.explain(farm.mac_of(1))
    assert (found.decision, found.sent) == ("change", False)


def test_nobody_explains_a_miner_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="There is no miner"):
        cycles.explain("02:00:00:00:00:99")


def test_cycles_come_newest_first_and_in_pages() -> None:
    ids = [cycles.record(*decide(15 * number)) for number in range(5)]
    assert [row.id for row in cycles.recent(2)] == [ids[4], ids[3]]
    assert [row.id for row in cycles.recent(9, before_id=ids[2], with_decisions=False)] == [ids[1], ids[0]]
    assert cycles.get(ids[1]).reason
    with pytest.raises(NotFound, match="There is no balance cycle 99"):
        cycles.get(99)
