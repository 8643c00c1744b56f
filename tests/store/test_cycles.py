"""One row per cycle, also when nothing is to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.core import plan as planning
from app.core.types import BalanceStatus, CycleMemory, Plan, Skip, Snapshot
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
    for number in range(15):
        cycle_on(15 * number, 100.0 + number, cycles_of_it=1 + number % 2)
        assert len(window(15 * number + 5, term_id)) == min(number, 11)  # without this reading's own
    assert window(15 * 14 + 5, term_id) == tuple(100.0 + number for number in range(3, 14))
    farm.put_setting("raise_window_readings", 3)
    assert window(15 * 14 + 5, term_id) == (112.0, 113.0)
    assert window(15 * 14 + 5, None) == ()


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
