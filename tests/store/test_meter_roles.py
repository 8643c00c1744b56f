"""What is read of the last hour, what is kept of it, and how the operator has the last word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.meter_roles import Contradiction, judge_all
from app.core.metering import MeterVerdict
from app.core.readings import SourceRole, Stamp
from app.extensions import db, writing
from app.models import BalanceCycle, PlantReadingRow, PlantSource
from app.store import meter_roles, plant_history, readings
from tests.core.meter_model import HOUR_S, steady
from tests.store import meters
from tests.store.own_app import at, own_database

FOREIGN, MINERS = SourceRole.FOREIGN, SourceRole.MINERS
NOW = at(7200)


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def check(now: Stamp = NOW) -> tuple[Contradiction, ...]:
    """Do what the job does."""
    seen = meter_roles.evidence(now)
    meter_roles.record(judge_all(seen.meters, seen.draws), seen, now.utc)
    db.session.rollback()
    return meter_roles.contradictions()


def twice(now: Stamp = NOW) -> None:
    meters.sources(box=FOREIGN)
    meters.hour(now, box=meters.contains_all)


def again(now: Stamp) -> None:
    """The next hour, after the one of `twice`."""
    meters.hour(now, box=meters.contains_all)


def test_without_data_there_is_nothing_to_say() -> None:
    assert check() == ()
    meters.sources(box=FOREIGN)
    assert check() == ()
    row = db.session.query(PlantSource).filter_by(name="box").one()
    assert (row.verdict, row.check_note, row.checked_at) == (None, "too few readings yet", NOW.utc)


def test_the_hour_is_read_on_one_clock() -> None:
    twice()
    seen = meter_roles.evidence(NOW)
    (meter,) = seen.meters
    assert len(meter.readings) == HOUR_S / 15
    first_s, last_s = meter.readings[0][0], meter.readings[-1][0]
    assert (NOW.monotonic_s - last_s, last_s - first_s) == (5.0, HOUR_S - 15)
    assert abs(seen.draws[-1].at_s - NOW.monotonic_s) < 1
    assert (seen.accounted_kw, seen.newest_kw) == (105.0, {"box": 90.0})  # managed and unmanaged


def test_miners_counted_twice_are_kept_with_their_effect_and_reach_the_plan() -> None:
    twice()
    (found,) = check()
    assert (found.names, found.effect_kw, found.decided_at) == (("box",), 105.0, NOW.utc)
    view = readings.plant_view(NOW)
    assert view is not None
    assert view.contradicted == (found.sentence,)
    assert meter_roles.verdicts()["box"].slope == pytest.approx(1.04, abs=0.08)


def test_a_meter_of_something_else_in_the_role_miners_is_kept_with_its_effect() -> None:
    meters.sources(mill=MINERS)
    meters.hour(NOW, mill=steady(90.0, 0.5))
    (found,) = check()
    assert (found.names, found.role, found.effect_kw) == (("mill",), MINERS, 90.0)


def test_right_roles_are_kept_without_a_word() -> None:
    meters.sources(box=MINERS, mill=FOREIGN)
    meters.hour(NOW, box=meters.contains_all, mill=steady(90.0, 0.5))
    assert check() == ()
    kept = {name: (one.verdict, one.effect_kw) for name, one in meter_roles.verdicts().items()}
    assert kept == {"box": (MeterVerdict.CONTAINS, 0.0), "mill": (MeterVerdict.APART, 0.0)}


def test_a_new_role_begins_anew_and_the_old_readings_decide_for_it() -> None:
    twice()
    check()
    plant_history.set_role("box", "miners", "ana", NOW.utc)
    assert meter_roles.contradictions() == ()
    assert meter_roles.verdicts() == {}
    check()
    assert meter_roles.verdicts()["box"].verdict is MeterVerdict.CONTAINS


def test_an_operator_who_says_the_role_again_silences_it_until_later_readings_decide() -> None:
    twice()
    check()
    plant_history.set_role("box", "foreign", "ana", NOW.utc)
    assert meter_roles.contradictions() == ()
    assert check(at(7260)) == ()
    again(at(7200 + HOUR_S))
    assert [found.names for found in check(at(7200 + HOUR_S))] == [("box",)]


def test_saying_a_role_that_nothing_contradicts_silences_nothing() -> None:
    twice()
    plant_history.set_role("box", "foreign", "ana", NOW.utc)
    assert len(check()) == 1


def test_a_verdict_that_was_on_its_way_when_the_operator_spoke_is_void() -> None:
    twice()
    check()
    seen = meter_roles.evidence(NOW)
    judged = judge_all(seen.meters, seen.draws)
    plant_history.set_role("box", "foreign", "ana", NOW.utc)
    meter_roles.record(judged, seen, NOW.utc)
    assert meter_roles.contradictions() == ()


def test_two_containers_are_one_contradiction() -> None:
    meters.sources(a=FOREIGN, b=FOREIGN)
    meters.hour(
        NOW, a=lambda at_s: 1.04 * meters.MINERS.kw(at_s, 0, 20) + 2, b=lambda t: 1.04 * meters.MINERS.kw(t, 20) + 2
    )
    (found,) = check()
    assert (found.names, found.effect_kw) == (("a", "b"), 105.0)
    plant_history.set_role("a", "miners", "ana", NOW.utc)
    assert meter_roles.contradictions() == ()


def test_an_hour_that_tells_nothing_leaves_the_verdict_with_the_effect_of_now() -> None:
    twice()
    check()
    later = at(7200 + 7200)
    with writing() as session:
        session.add(meters.cycle(later, 60.0, current_kw=60.0))
    (found,) = check(later)
    assert (found.effect_kw, found.decided_at) == (65.0, NOW.utc)


def test_what_was_read_before_a_reboot_has_no_common_clock_with_now() -> None:
    twice()
    assert check(at(7200, boot="boot-2")) == ()


def test_a_source_without_success_and_cycles_of_an_older_version_are_left_out() -> None:
    twice()
    with writing() as session:
        rows = session.scalars(db.select(PlantReadingRow).order_by(PlantReadingRow.id)).all()
        for row in rows[:40]:
            row.sources = [{**source, "status": "timeout"} for source in row.sources]
        for row in session.scalars(db.select(BalanceCycle).order_by(BalanceCycle.id).limit(30)):
            row.reported_w = row.known_miners = None
    seen = meter_roles.evidence(NOW)
    assert len(seen.meters[0].readings) == HOUR_S / 15 - 40
    assert len(seen.draws) == HOUR_S / 15 - 30
    assert len(check()) == 1


def test_damaged_verdicts_are_none() -> None:
    twice()
    check()
    with writing() as session:
        row = session.scalars(db.select(PlantSource).filter_by(name="box")).one()
        row.verdict, row.judged_role = "perhaps", "owner"
    assert meter_roles.contradictions() == ()
    assert len(check()) == 1


def test_a_retired_meter_is_not_judged_and_contradicts_nothing() -> None:
    twice()
    check()
    plant_history.set_role("box", "retired", "ana", NOW.utc)
    assert check(at(7260)) == ()
    assert meter_roles.evidence(NOW).meters == ()
