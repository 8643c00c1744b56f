"""What a replay finds in the database: readings, cycles, settings as they were, and the farm at the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.core import plan as planning
from app.core import replay
from app.core.readings import MinerState, SourceKind
from app.core.replay import Recording
from app.core.types import MinerView, Mode, Outcome
from app.errors import Conflict
from app.extensions import db, writing
from app.models import MinerSample, PlantReadingRow, PlantSource, PresetChangeRow
from app.store import cycles, recorded, settings, snapshot
from tests import factories
from tests.store import farm
from tests.store.own_app import at, own_database

LATER = at(86_400)


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def load(since_s: float = 0.0, until_s: float = 3600.0) -> Recording:
    db.session.rollback()
    return recorded.load(at(since_s).utc, at(until_s).utc, LATER, interval_s=15.0, reading_interval_s=60.0)


def sampled(miner_id: int, seconds: float, preset: str | None = "3000", **values: Any) -> None:
    known: dict[str, Any] = {"state": "mining", "power_w": 3000, "hashrate_ths": 120.0}
    with writing() as session:
        session.add(MinerSample(miner_id=miner_id, recorded_at=at(seconds).utc, preset=preset, **(known | values)))


def changed(miner_id: int, seconds: float, old: str | None, new: str | None, **values: Any) -> None:
    known: dict[str, Any] = {"kind": "preset", "origin": "balancer", "outcome": Outcome.CONFIRMED, "accepted": True}
    with writing() as session:
        factories.a_newer_change_follows(miner_id)
        session.add(
            PresetChangeRow(miner_id=miner_id, old_preset=old, new_preset=new, old_power_w=0, new_power_w=0,
                            reason="a test wants it", recorded=at(seconds), **(known | values))
        )  # fmt: skip


def begin(**facts: Any) -> MinerView:
    """How the one miner began at second 1,000."""
    farm.reading(at(1000), 30.0)
    (view,) = load(1000, 1600).miners
    return view


def test_readings_and_cycles_of_the_span_come_in_order_of_time() -> None:
    farm.build(2, at())
    for number in range(4):
        farm.reading(at(15 * number), 30.0 + number)
        picture = snapshot.load(at(15 * number + 1), interval_s=15.0)
        cycles.record(picture, planning.plan(picture))
    found = load(15, 45)
    assert [(r.at_s, r.age_s, r.generation_kw, r.foreign_kw) for r in found.readings] == [(0, 0, 31, 0), (15, 0, 32, 0)]
    assert [(c.at_s, c.available_kw, c.target_w, c.accounted_w) for c in found.cycles] == [
        (1, 31.0, pytest.approx(27_900.0), 6000.0),
        (16, 32.0, pytest.approx(28_800.0), 6000.0),
    ]
    assert (found.span_s, found.interval_s, found.reading_interval_s) == (30.0, 15.0, 60.0)
    assert (found.sweeps, found.drawn_w) == (0, None)


def test_there_must_be_readings_and_managed_miners() -> None:
    farm.build(1, at())
    with pytest.raises(Conflict, match=r"There is no plant reading from 2026-11-20 14:30:15 to 2026-11-20 15:30:15"):
        load()
    farm.reading(at(5), 30.0)
    assert len(load().readings) == 1
    farm.put(farm.Miner, 1, managed=False)
    with pytest.raises(Conflict, match="No miner is managed"):
        load()
    farm.put(farm.Miner, 1, managed=True, retired=True)
    with pytest.raises(Conflict, match="No miner is managed"):
        load()


def test_a_reading_that_came_in_after_the_span_is_not_in_it() -> None:
    farm.build(1, at())
    farm.put(PlantReadingRow, farm.reading(at(3595), 30.0), received_at=at(3600).utc)
    with pytest.raises(Conflict, match="no plant reading"):
        load()


def test_meters_count_in_the_roles_they_have_today() -> None:
    farm.build(1, at())
    meter = {"name": "C1", "kind": SourceKind.CONSUMPTION, "role": "foreign", "value_kw": 12.0, "status": "success",
             "counted_kw": 12.0}  # fmt: skip
    reading_id = farm.reading(at(5), 30.0)
    farm.put(PlantReadingRow, reading_id, sources=[meter], foreign_kw=12.0)
    assert load().readings[0].foreign_kw == 12.0
    with writing() as session:
        session.add(PlantSource(name="C1", kind=SourceKind.CONSUMPTION, role="miners"))
    assert load().readings[0].foreign_kw == 0.0


def test_a_reading_that_came_earlier_by_a_stepped_clock_is_passed_over() -> None:
    farm.build(1, at())
    first, second = farm.reading(at(30), 30.0), farm.reading(at(45), 31.0)
    farm.put(PlantReadingRow, second, received_at=at(20).utc)
    farm.put(PlantReadingRow, first, unchanged_since=at(-600).utc)
    (only,) = load().readings
    assert (only.generation_kw, only.frozen_s) == (30.0, 630.0)


def test_settings_are_those_that_were_in_force() -> None:
    farm.build(1, at())
    farm.reading(at(5), 30.0)
    farm.put_setting("mode", "observe")
    settings.change("safety_margin_percent", 20.0, "test", None, at(-60).utc)
    settings.change("mode", "armed", "test", None, at(600).utc)
    settings.change("safety_margin_percent", 5.0, "test", None, at(1200).utc)
    settings.change("farm_limit_kw", 9.0, "test", None, at(7200).utc)
    found = [(when, s.mode, s.safety_margin_percent, s.farm_limit_kw) for when, s in load().settings]
    assert found == [
        (0.0, Mode.OBSERVE, 20.0, None),
        (600.0, Mode.ARMED, 20.0, None),
        (1200.0, Mode.ARMED, 5.0, None),
    ]


def test_changes_that_miners_took_on_are_counted_and_those_by_hand_told_apart() -> None:
    farm.build(2, at())
    farm.reading(at(5), 30.0)
    changed(1, -10, "3000", "2500")
    changed(1, 10, "2500", "2000")
    changed(2, 10, "3000", "2500", outcome=Outcome.FAILED, accepted=False)
    changed(2, 60, "3000", "2500", outcome=Outcome.UNKNOWN, accepted=None)
    changed(2, 120, "3000", "2500", outcome=Outcome.CONFIRMED, accepted=None)
    changed(2, 180, "2500", "2000", outcome=Outcome.NOT_APPLIED, origin="operator")
    assert (load().switches, load().by_hand) == (3, 1)
    farm.put(farm.Miner, 2, managed=False)
    assert (load().switches, load().by_hand) == (1, 0)


def test_what_the_miners_measured_is_the_mean_of_their_sweeps() -> None:
    farm.build(3, at())
    farm.put(farm.Miner, 3, managed=False)
    farm.reading(at(5), 30.0)
    for sweep, power_w in enumerate((3000, 2000)):
        for miner_id in (1, 2, 3):
            sampled(miner_id, 300 * sweep + 1, power_w=power_w, hashrate_ths=power_w / 25)
    sampled(1, 4000)
    found = load()
    assert (found.sweeps, found.drawn_w, found.hashed_ths) == (2, 5000.0, 200.0)


# --- the farm at the beginning, second 1,000 ---


@pytest.mark.parametrize(
    ("history", "preset", "state", "guessed"),
    [
        ([], "3000", MinerState.MINING, 1),
        ([("sample", 800, "2500", "mining")], "2500", MinerState.MINING, 0),
        ([("sample", 100, "2500", "mining"), ("sample", 1300, "2000", "mining")], "2000", MinerState.MINING, 0),
        ([("change", 10, "2500", "2000")], "2000", MinerState.MINING, 0),
        ([("change", 400, "3000", "2000"), ("sample", 800, "2500", "mining")], "2500", MinerState.MINING, 0),
        ([("change", 790, "3000", "2000"), ("sample", 800, "3000", "mining")], "2000", MinerState.MINING, 0),
        ([("sample", 800, "2500", "mining"), ("change", 900, "2500", "1500")], "1500", MinerState.MINING, 0),
        ([("change", 1200, "1500", "2000")], "1500", MinerState.MINING, 0),
        ([("change", 1200, "1500", "2000"), ("sample", 1100, "1500", "mining")], "1500", MinerState.MINING, 0),
        ([("change", 1050, "2500", "2000"), ("sample", 1100, "2000", "mining")], "2500", MinerState.MINING, 0),
        ([("stop", 500, "1500", None)], "3000", MinerState.STOPPED, 0),
        ([("stop", 500, "1500", None), ("start", 900, None, "1500")], "1500", MinerState.MINING, 0),
        ([("start", 1200, None, "1500")], "3000", MinerState.STOPPED, 0),
        ([("sample", 800, "2500", "stopped")], "2500", MinerState.STOPPED, 0),
        ([("sample", 800, "2500", "failure")], "2500", MinerState.MINING, 0),
    ],
)
def test_a_miner_begins_where_its_last_change_or_sample_left_it(
    history: list[tuple[Any, ...]], preset: str, state: MinerState, guessed: int
) -> None:
    farm.build(1, at())
    for kind, seconds, one, two in history:
        if kind == "sample":
            sampled(1, seconds, one, state=two)
        else:
            changed(1, seconds, one, two, kind={"change": "preset"}.get(kind, kind))
    view = begin()
    assert (view.running_preset, view.state) == (preset, state)
    assert view.stopped_by_us is any(kind == "stop" for kind, *_ in history[-1:])
    assert (view.last_change, view.cooldown_left_s, view.silent_s) == (None, 0.0, None)
    assert load(1000, 1600).guessed == guessed


def test_a_miner_that_stands_still_today_and_left_no_trace_stands_still() -> None:
    farm.build(1, at())
    farm.put(farm.MinerStatusRow, 1, state="stopped")
    assert begin().state is MinerState.STOPPED


def test_a_change_that_its_miner_refused_says_nothing() -> None:
    farm.build(1, at())
    changed(1, 500, "3000", "2000", outcome=Outcome.FAILED, accepted=False)
    assert begin().running_preset == "3000"


def test_where_samples_are_kept_a_miner_without_any_was_silent() -> None:
    farm.build(2, at())
    farm.put(farm.MinerStatusRow, 2, accounted_power_w=3000.0)
    farm.reading(at(1000), 30.0)
    sampled(1, 1100)
    one, two = load(1000, 1600).miners
    assert (one.silent_s, one.measured_power_w, one.measured_hashrate_ths) == (None, 3000.0, 120.0)
    assert (two.silent_s, two.state, two.last_accounted_w) == (recorded.SILENT_S, MinerState.STOPPED, 3000.0)
    assert load(1000, 1600).guessed == 0


def test_todays_silence_throttling_and_cooldown_are_not_those_of_then() -> None:
    farm.build(1, at())
    farm.put(farm.MinerStatusRow, 1, throttled_percent=50, missed_polls=9)
    changed(1, 86_399, "3000", "2500")
    view = begin()
    assert (view.silent_s, view.throttled_percent, view.cooldown_left_s) == (None, None, 0.0)
    assert view.running_preset == "3000", "its first change after the beginning tells what was before it"


def test_a_recorded_hour_can_be_replayed_as_it_is_loaded() -> None:
    farm.build(3, at(), running="2500")
    term_id = farm.term(at())
    for number in range(40):
        farm.reading(at(15 * number), 9.0 if number < 20 else 12.0)
        picture = snapshot.load(at(15 * number + 1), interval_s=15.0, term_id=term_id)
        cycles.record(picture, planning.plan(picture))
    was = load(0, 600)
    really, replayed = replay.really(was), replay.replay(was)
    assert really.hours == pytest.approx(600 / 3600, rel=0.01)
    assert really.accounted_kwh == pytest.approx(7.5 / 6, rel=0.01), "nothing was sent in this test"
    assert replayed.accounted_kwh > really.accounted_kwh
    assert replayed.switches > 0


def test_the_number_of_queries_does_not_grow_with_the_farm() -> None:
    farm.build(30, at())
    for number in range(30):
        farm.reading(at(5 + number), 30.0)
        changed(number + 1, 2, "3000", "2500")
        sampled(number + 1, 1)
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    load()
    event.remove(db.engine, "before_cursor_execute", note)
    assert len([statement for statement in seen if statement.startswith("SELECT")]) < 30


def test_no_read_transaction_stays_open_while_the_replay_computes() -> None:
    farm.build(1, at())
    farm.reading(at(5), 30.0)
    load()
    assert not db.session.registry().in_transaction()
