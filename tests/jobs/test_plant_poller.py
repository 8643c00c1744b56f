"""One tick of the plant poller, bad answers first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.readings import PlantReading, SourceKind, SourceReading
from app.errors import PlantError
from app.extensions import db
from app.jobs import plant_poller, runner
from app.jobs.runner import JobContext
from app.models import PlantReadingRow, PlantRefusal
from app.store import readings, terms
from tests.store.own_app import Clock, at, config, context, own_database

READING = PlantReading(
    plant_id="rio-claro",
    aggregator_id=1,
    recorded_at=at(0).utc,
    sources=(
        SourceReading("north", SourceKind.GENERATION, 3161.0, "success"),
        SourceReading("box", SourceKind.CONSUMPTION, 423.0, "success"),
    ),
    confidence=0.97,
    trust_status="trusted",
    answered_at=at(4).utc,
)


class FakePlant:
    """A plant that can be told what to answer."""

    def __init__(self) -> None:
        self.answer: PlantReading | Exception = READING

    def __call__(self) -> PlantReading:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobContext]:
    with own_database(tmp_path):
        yield context(config(tmp_path, PLANT_RATED_KW="4000"))


@pytest.fixture
def plant() -> FakePlant:
    return FakePlant()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(at(4))
    monkeypatch.setattr(plant_poller, "stamp", clock)
    return clock


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The jobs that were asked for."""
    names: list[str] = []
    runner.answer_requests(names.append)
    yield names
    runner.answer_requests(None)


def seen_fresh(job: JobContext) -> bool:
    db.session.expire_all()
    term = terms.of(job.term_id)
    assert term is not None
    return term.first_fresh_reading_at is not None


LOSSES: list[tuple[PlantReading | Exception, str]] = [
    (PlantError("timeout", "The plant did not answer in time."), "timeout"),
    (PlantError("unauthorized", "The plant refused the API key (401)."), "unauthorized"),
    (replace(READING, confidence=0.5), "confidence"),
    (replace(READING, recorded_at=at(120).utc), "future"),
    (replace(READING, sources=(replace(READING.sources[0], value_kw=3_161_000.0),)), "above_rated"),
    (replace(READING, sources=(READING.sources[0], replace(READING.sources[1], status="x"))), "source_unknown"),
]


@pytest.mark.parametrize(("answer", "kind"), LOSSES, ids=[kind for _, kind in LOSSES])
def test_what_is_refused_is_stored_with_its_reason_and_the_next_good_one_counts(
    job: JobContext, plant: FakePlant, clock: Clock, asked: list[str], answer: PlantReading | Exception, kind: str
) -> None:
    plant.answer = answer
    note = plant_poller.run(job, plant)
    refusal = db.session.query(PlantRefusal).one()
    assert refusal.kind == kind
    assert refusal.reason in note
    assert readings.plant_view(clock.now) is None
    assert asked == []
    assert not seen_fresh(job)

    plant.answer = READING
    assert plant_poller.run(job, plant) == "3161 kW generated, 423 kW consumed, 4 s old"
    assert asked == ["balancer"]
    assert seen_fresh(job)


def test_a_timestamp_that_stands_still_grows_old(
    job: JobContext, plant: FakePlant, clock: Clock, asked: list[str]
) -> None:
    plant_poller.run(job, plant)
    clock.now = at(64)
    plant.answer = replace(READING, answered_at=at(64).utc)
    assert plant_poller.run(job, plant) == "nothing newer than the reading of 14:30:15 UTC"
    assert asked == ["balancer"]
    assert db.session.query(PlantReadingRow).count() == 1
    view = readings.plant_view(clock.now)
    assert view is not None
    assert view.age_s == 64


def test_an_old_reading_is_stored_but_is_not_fresh(job: JobContext, plant: FakePlant, clock: Clock) -> None:
    plant.answer = replace(READING, answered_at=at(46).utc)
    plant_poller.run(job, plant)
    assert not seen_fresh(job)
    plant.answer = replace(READING, recorded_at=at(61).utc, answered_at=at(62).utc)
    plant_poller.run(job, plant)
    assert seen_fresh(job)


@pytest.mark.parametrize("wall", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_local_clock_an_hour_off_loses_nothing(
    job: JobContext, plant: FakePlant, clock: Clock, wall: timedelta
) -> None:
    for seconds in (4, 19, 34):
        clock.now = at(seconds, wall=wall)
        plant.answer = replace(READING, recorded_at=at(seconds - 4).utc, answered_at=at(seconds).utc)
        plant_poller.run(job, plant)
    assert db.session.query(PlantRefusal).count() == 0
    view = readings.plant_view(at(35, wall=wall))
    assert view is not None
    assert view.age_s == 5
    assert seen_fresh(job)


def test_a_clock_stepped_in_mid_run_changes_no_age(job: JobContext, plant: FakePlant, clock: Clock) -> None:
    plant_poller.run(job, plant)
    view = readings.plant_view(at(24, wall=timedelta(hours=-1)))
    assert view is not None
    assert view.age_s == 24


def test_run_by_hand_it_marks_no_term(tmp_path: Path, plant: FakePlant, clock: Clock, job: JobContext) -> None:
    plant_poller.run(context(job.config, new_term=False), plant)
    assert not seen_fresh(job)
    assert readings.plant_view(clock.now) is not None


def test_a_bug_is_no_refusal(job: JobContext, plant: FakePlant) -> None:
    plant.answer = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        plant_poller.run(job, plant)
    assert db.session.query(PlantRefusal).count() == 0


def test_the_client_is_made_of_the_settings(job: JobContext) -> None:
    assert "energy-aggregator.fly.dev" in repr(plant_poller._client(job))
    assert job.config.plant_api_key.reveal() not in repr(plant_poller._client(job))
