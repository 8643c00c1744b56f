"""What is kept of the plant's answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core import plant
from app.core.plant import AdmittedReading, Refused, Verdict
from app.core.readings import PlantReading, SourceKind, SourceReading, SourceRole, Stamp
from app.extensions import db
from app.models import PlantReadingRow, PlantRefusal, PlantSource
from app.store import plant_history, readings
from tests.store.own_app import T0, at, own_database

GENERATION, CONSUMPTION = SourceKind.GENERATION, SourceKind.CONSUMPTION


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def answer(seconds: float, *, generation: float = 3000.0, box: float | None = 200.0, **changes: Any) -> PlantReading:
    moment = at(seconds).utc
    box_source = SourceReading("box", CONSUMPTION, box, "success" if box is not None else "timeout")
    sources = (SourceReading("north", GENERATION, generation, "success"), box_source)
    return replace(PlantReading("rio-claro", 7, moment, sources, 0.97, "trusted", moment), **changes)


def judged(reading: PlantReading, received: Stamp) -> Verdict:
    return plant.admit(reading, readings.source_memories(), readings.previous(), received=received)


def take(reading: PlantReading, received: Stamp | None = None) -> Verdict:
    """Do with one answer what the poller does."""
    received = received or replace(
        at(), utc=reading.recorded_at, monotonic_s=1000 + (reading.recorded_at - T0).total_seconds()
    )
    verdict = judged(reading, received)
    if isinstance(verdict, AdmittedReading):
        readings.record(verdict)
    elif isinstance(verdict, Refused):
        readings.record_refusal(
            verdict.kind, verdict.reason, received.utc,
            recorded_at=reading.recorded_at, sources=verdict.sources, measured=verdict.measured,
        )  # fmt: skip
    return verdict


def source(name: str) -> PlantSource:
    return next(s for s in plant_history.sources() if s.name == name)


def count(table: type[Any]) -> int:
    return db.session.query(table).count()


def test_nothing_is_known_before_the_first_reading() -> None:
    assert readings.plant_view(at()) is None
    assert readings.previous() is None
    assert readings.source_memories() == []


def test_a_reading_comes_back_as_it_was_with_its_age() -> None:
    take(answer(0))
    view = readings.plant_view(at(10))
    assert view is not None
    assert (view.generation_kw, view.container_kw, view.foreign_kw, view.miners_meter_kw) == (3000, 200, 200, None)
    assert (view.recorded_at, view.age_s, view.frozen_s) == (T0, 10.0, 0.0)
    row = plant_history.latest()
    assert row is not None
    assert row.available_kw == 2800
    assert row.sources[1] == {
        "name": "box", "kind": "consumption", "role": "foreign", "value_kw": 200.0, "status": "success",
        "counted_kw": 200.0,
    }  # fmt: skip


def test_the_same_timestamp_twice_is_one_row() -> None:
    first = judged(answer(0), at())
    assert isinstance(first, AdmittedReading)
    assert readings.record(first) == readings.record(first)
    assert count(PlantReadingRow) == 1


def test_a_source_that_fails_keeps_its_last_good_value_and_recovers() -> None:
    take(answer(0))
    assert isinstance(take(answer(15, box=None)), AdmittedReading)
    assert (source("box").status, source("box").last_value_kw, source("box").last_good_at) == ("timeout", 200, T0)
    refusal = take(answer(700, box=None))
    assert isinstance(refusal, Refused)
    assert refusal.kind == "source_failed"
    assert source("north").last_good_at == at(700).utc  # the others are remembered all the same
    take(answer(715, box=210))
    assert (source("box").status, source("box").last_value_kw) == ("success", 210)
    assert isinstance(take(answer(1300, box=None)), AdmittedReading)


def test_a_refused_first_reading_lists_the_source_so_that_it_can_be_retired() -> None:
    assert isinstance(take(answer(0, box=None)), Refused)
    assert (source("box").role, source("box").status) == ("foreign", "timeout")
    plant_history.set_role("box", "retired", "ana", T0)
    verdict = take(answer(15, box=None))
    assert isinstance(verdict, AdmittedReading)
    assert verdict.container_kw == 0


def test_a_source_that_the_answer_lacks_is_missing() -> None:
    take(answer(0))
    whole = answer(15)
    take(replace(whole, sources=whole.sources[:1]))
    assert source("box").status == "missing"


def test_a_retired_source_that_answers_again_is_foreign_and_says_so() -> None:
    take(answer(0))
    plant_history.set_role("box", "retired", "ana", T0)
    take(answer(15, box=None))
    assert source("box").role == "retired"
    take(answer(30))
    assert (source("box").role, source("box").role_changed_by) == ("foreign", readings.BY_REAPPEARANCE)
    assert isinstance(take(answer(700, box=None)), Refused)  # its failure is one again
    plant_history.set_role("box", "retired", "ana", T0)
    assert isinstance(take(answer(715, box=None)), AdmittedReading)


def test_a_damaged_role_is_foreign_load() -> None:
    take(answer(0))
    source("box").role = "nonsense"
    db.session.commit()
    assert {m.role for m in readings.source_memories()} == {SourceRole.GENERATION, SourceRole.FOREIGN}


def test_a_generator_and_a_container_may_share_a_name() -> None:
    whole = answer(0)
    take(replace(whole, sources=(*whole.sources, SourceReading("north", CONSUMPTION, 5.0, "success"))))
    assert sorted((s.name, s.kind) for s in plant_history.sources()) == [
        ("box", "consumption"), ("north", "consumption"), ("north", "generation"),
    ]  # fmt: skip


def test_frozen_values_are_counted_across_rows() -> None:
    for minute in range(12):
        take(answer(60 * minute))
    view = readings.plant_view(at(661))
    assert view is not None
    assert (view.frozen_s, view.age_s) == (660, 1)
    take(answer(720, generation=3000.5))
    thawed = readings.plant_view(at(720))
    assert thawed is not None
    assert thawed.frozen_s == 0


@pytest.mark.parametrize(
    ("boxes", "seconds", "twice"),
    [
        ([(0, 3100.0)], 0, False),
        ([(0, 3100.0), (15, 3101.0)], 15, True),
        ([(0, 3100.0), (15, 2000.0)], 15, False),
        ([(0, 3100.0), (15, 2000.0), (30, 3100.0)], 30, False),
        ([(0, 3100.0), (60, 3101.0)], 60, False),  # the first was no longer fresh
    ],
)
def test_an_emergency_needs_two_fresh_readings(
    boxes: list[tuple[float, float]], seconds: float, *, twice: bool
) -> None:
    for moment, box in boxes:
        take(answer(moment, box=box))
    view = readings.plant_view(at(seconds))
    assert view is not None
    assert view.over_generation_twice is twice


def test_an_old_answer_is_no_fresh_one_for_the_emergency() -> None:
    take(answer(0, box=3100, answered_at=at(100).utc), at(100))
    take(answer(15, box=3101, answered_at=at(115).utc), at(115))
    view = readings.plant_view(at(115))
    assert view is not None
    assert not view.over_generation_twice


def test_rows_dated_in_the_future_go_once_the_plant_s_clock_is_right_again() -> None:
    ahead = answer(3600)
    assert isinstance(take(ahead, at(0, wall=at(3600).utc - T0)), AdmittedReading)
    assert isinstance(take(answer(15)), AdmittedReading)
    view = readings.plant_view(at(15))
    assert view is not None
    assert view.recorded_at == at(15).utc
    assert count(PlantReadingRow) == 1


def test_loss_and_recovery_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    take(answer(0))
    for seconds in (15, 30, 45):
        readings.record_refusal("timeout", "The plant did not answer in time.", at(seconds).utc)
    assert [r.getMessage() for r in caplog.records] == ["no trusted plant reading: The plant did not answer in time."]
    assert count(PlantRefusal) == 3
    caplog.clear()
    take(answer(60))
    take(answer(75))
    assert [r.getMessage() for r in caplog.records] == ["the plant's readings are trusted again"]


def test_a_new_role_acts_on_the_reading_in_force() -> None:
    take(answer(0))
    before = readings.plant_view(at(1))
    plant_history.set_role("box", "miners", "ana", T0)
    after = readings.plant_view(at(1))
    assert before is not None
    assert after is not None
    assert (before.foreign_kw, before.miners_meter_kw) == (200.0, None)
    assert (after.foreign_kw, after.miners_meter_kw, after.miners_meter_ok) == (0.0, 200.0, True)


def test_a_failed_source_given_the_role_retired_counts_no_longer_at_once() -> None:
    take(answer(0))
    take(answer(15, box=None))
    plant_history.set_role("box", "retired", "ana", T0)
    view = readings.plant_view(at(16))
    assert view is not None
    assert view.foreign_kw == 0.0
