"""One row per cycle, also when nothing is to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.core import plan as planning
from app.core.types import BalanceStatus, CycleMemory, Plan, Skip, Snapshot
from app.extensions import db
from app.models import BalanceCycle, MinerStatusRow
from app.store import cycles, snapshot
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
    assert [r.accounted_power_w for r in db.session.scalars(db.select(MinerStatusRow))] == [3000.0] * 3


def test_memory_is_handed_from_row_to_row() -> None:
    picture, plan = decide()
    memory = CycleMemory(overhead_kw=12.5, surplus_since=at(-20), restart_room_since=at(-10), restart_room_w=1740.0)
    cycles.record(picture, replace(plan, memory=memory))
    assert snapshot.load(at(5), interval_s=15.0).memory == memory
    cycles.record(picture, replace(plan, memory=CycleMemory()))
    assert cycles.memory(db.session) == CycleMemory()


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
