"""Curves for charts: means by step, gaps, thinned moments, and a cost that does not grow with the span."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.extensions import db
from app.store import plant_curve
from app.store.plant_curve import Grid
from tests import factories

FIRST_S = 1_795_000_000 // 60 * 60


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(FIRST_S, UTC) + timedelta(seconds=seconds)


def reading(seconds: float, generation_kw: float, container_kw: float = 40.0) -> None:
    factories.reading(recorded_at=at(seconds), generation_kw=generation_kw, container_kw=container_kw)


def test_a_step_is_the_mean_of_its_slots_and_an_empty_one_is_not_there(context: None) -> None:
    for seconds, kw in ((0.0, 100.0), (15.0, 200.0), (29.999, 900.0), (90.0, 400.0)):
        reading(seconds, kw)
    found = plant_curve.readings(Grid(FIRST_S, 30, 4, slots=2))
    assert found == {0: (150.0, 40.0), 3: (400.0, 40.0)}


def test_the_edges_of_the_grid_are_half_open(context: None) -> None:
    for seconds, kw in ((-0.001, 1.0), (0.0, 2.0), (59.999, 3.0), (60.0, 4.0)):
        reading(seconds, kw)
    assert plant_curve.readings(Grid(FIRST_S, 30, 2)) == {0: (2.0, 40.0), 1: (3.0, 40.0)}


def test_cycles_tell_available_target_and_consumption_in_kw(context: None) -> None:
    factories.cycle(recorded_at=at(5), available_kw=3160.0, target_w=2_844_000.0, current_w=2_500_000.0)
    factories.cycle(recorded_at=at(20), available_kw=3140.0, target_w=2_826_000.0, current_w=2_520_000.0)
    assert plant_curve.cycles(Grid(FIRST_S, 30, 1, slots=2)) == {0: (3150.0, 2835.0, 2510.0)}


def test_changes_are_thinned_to_the_first_of_each_slot(context: None) -> None:
    miner = factories.miner(1, label="C1-01")
    for seconds, new in ((10, "1500"), (20, "2800"), (70, None)):
        factories.change(miner, recorded_at=at(seconds), new_preset=new, kind="preset" if new else "stop")
    found = plant_curve.changes(Grid(FIRST_S, 60, 3))
    assert [(moment.at, moment.what) for moment in found] == [
        (at(10), "C1-01 2300 → 1500"),
        (at(70), "C1-01 2300 → stop"),
    ]


def test_refusals_tell_their_reason(context: None) -> None:
    factories.refusal(refused_at=at(3), reason="no answer within 10 s")
    factories.refusal(refused_at=at(4), reason="wrong shape")
    found = plant_curve.refusals(Grid(FIRST_S, 30, 2))
    assert [(moment.at, moment.what) for moment in found] == [(at(3), "no answer within 10 s")]


def test_a_month_looks_at_as_few_rows_as_an_hour(context: None) -> None:
    """By the plan of the database: every slot is a search by index, nothing is scanned."""
    raw = db.session.connection().connection.driver_connection
    assert raw is not None
    for statement in (plant_curve._means("readings", "sqlite"), plant_curve._means("cycles", "sqlite")):
        compiled = statement.compile(dialect=db.engine.dialect)
        steps = raw.execute(f"EXPLAIN QUERY PLAN {compiled}", [0] * len(compiled.positiontup or ())).fetchall()
        words = [step[3] for step in steps]
        assert not [w for w in words if w.startswith("SCAN") and "slots" not in w and "CONSTANT" not in w], words
        assert any("USING COVERING INDEX" in w or "USING INDEX" in w for w in words), words
