"""The check of the meters' roles, once a minute."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.readings import SourceRole
from app.jobs import meter_check
from app.jobs.runner import JobContext
from app.store import meter_roles, plant_history
from tests.core.meter_model import steady
from tests.store import meters
from tests.store.own_app import Clock, at, config, context, own_database

NOW = at(7200)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobContext]:
    monkeypatch.setattr(meter_check, "stamp", Clock(NOW))
    with own_database(tmp_path):
        yield context(config(tmp_path))


def test_without_meters_there_is_nothing_to_check(job: JobContext) -> None:
    assert meter_check.run(job) == "no meter to check"


def test_its_note_says_what_each_meter_is(job: JobContext) -> None:
    meters.sources(box=SourceRole.MINERS, mill=SourceRole.FOREIGN, new=SourceRole.FOREIGN)
    meters.hour(NOW, box=meters.contains_all, mill=steady(90.0, 0.5))
    box, mill, new = meter_check.run(job).split("; ")
    assert box.startswith("box: contains (it follows the miners, slope 1.0")
    assert mill.startswith("mill: apart (it does not follow the miners, slope ")
    assert new == "new: undecided (too few readings yet)"


def test_a_contradiction_is_logged_when_it_comes_and_when_it_goes(
    job: JobContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    meters.sources(box=SourceRole.FOREIGN)
    meters.hour(NOW, box=meters.contains_all)
    for _ in range(3):
        meter_check.run(job)
    assert len(caplog.records) == 1
    assert "box has the role foreign, but follows the miners" in caplog.text
    caplog.clear()
    with meters.writing() as session:  # the wiring was changed: it reads next to nothing
        for row in session.query(meters.PlantReadingRow):
            row.sources = [{**source, "value_kw": 3.0} for source in row.sources]
    meter_check.run(job)
    assert [record.getMessage() for record in caplog.records] == ["the role of box is not contradicted any more"]


def test_a_role_that_the_operator_mends_is_no_news(job: JobContext, caplog: pytest.LogCaptureFixture) -> None:
    meters.sources(box=SourceRole.FOREIGN)
    meters.hour(NOW, box=meters.contains_all)
    meter_check.run(job)
    plant_history.set_role("box", "miners", "ana", NOW.utc)
    caplog.clear()
    assert "contains" in meter_check.run(job)
    assert meter_roles.contradictions() == ()
    assert caplog.records == []
