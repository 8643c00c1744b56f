"""What status and telemetry polls leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.core.readings import BoardReading, FanReading, MinerState, MinerStatus
from app.extensions import db
from app.models import BoardSample, Miner, MinerModel, MinerSample, MinerStatusRow, PresetChangeRow
from app.store import polls
from app.store.polls import Sweep, Turns
from tests.store.own_app import T0, at, own_database

BOARDS = tuple(BoardReading(n, "mining", 800, 33.0, 500.0, 13000, 60, 70, 0, 1, 125) for n in (1, 2, 3))
MINING = MinerStatus(
    MinerState.MINING,
    "mining",
    running_preset="2300",
    power_w=2400,
    hashrate_ths=99.5,
    pcb_temp_c=60,
    chip_temp_c=70,
    fans=tuple(FanReading(n, 5000, ok=True) for n in (1, 2, 3, 4)),
    boards=BOARDS,
)


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def add_miners(count: int, **columns: Any) -> list[int]:
    miners = [
        Miner(
            mac=f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}",
            ip=f"10.9.{n >> 8}.{n & 255}",
            created_at=T0,
            updated_at=T0,
            **columns,
        )
        for n in range(1, count + 1)
    ]
    db.session.add_all(miners)
    db.session.commit()
    return [m.id for m in miners]


def sweep(
    seconds: float, answered: dict[int, MinerStatus] | None = None, missed: dict[int, str] | None = None
) -> Turns:
    return polls.record_sweep(polls.targets(), Sweep(answered or {}, missed or {}), at(seconds))


def row(miner_id: int) -> MinerStatusRow:
    db.session.expire_all()
    found = db.session.get(MinerStatusRow, miner_id)
    assert found is not None
    return found


def test_a_poll_becomes_the_latest_status() -> None:
    (i,) = add_miners(1)
    assert sweep(0, {i: MINING}) == Turns()  # a new miner did not come back
    found = row(i)
    assert (found.state, found.running_preset, found.power_w, found.hashrate_ths) == ("mining", "2300", 2400, 99.5)
    assert (found.online, found.missed_polls, found.polled_at, found.polled_monotonic_s) == (True, 0, T0, 1000)
    assert found.boards[0]["power_w"] == 800
    assert found.fans[3] == {"fan": 4, "rpm": 5000, "ok": True}


def test_unknown_power_is_stored_as_unknown() -> None:
    (i,) = add_miners(1)
    sweep(0, {i: MINING})
    sweep(15, {i: replace(MINING, power_w=None, hashrate_ths=None)})
    assert (row(i).power_w, row(i).hashrate_ths) == (None, None)


def test_three_missed_polls_make_it_offline_and_one_answer_brings_it_back() -> None:
    (i,) = add_miners(1)
    sweep(0, {i: MINING})
    for n, seconds in enumerate((15, 30), start=1):
        assert sweep(seconds, missed={i: "cannot be reached"}) == Turns()
        assert (row(i).online, row(i).missed_polls, row(i).last_error) == (True, n, "cannot be reached")
    assert sweep(45, missed={i: "cannot be reached"}).lost == ("02:00:00:00:00:01 (10.9.0.1)",)
    assert not row(i).online
    assert row(i).power_w == 2400  # the last one, of when `polled_at` says
    assert sweep(60, missed={i: "cannot be reached"}) == Turns()  # said once
    assert sweep(75, {i: MINING}).back == ("02:00:00:00:00:01 (10.9.0.1)",)
    assert (row(i).online, row(i).missed_polls, row(i).last_error) == (True, 0, None)


def test_who_was_not_asked_missed_nothing_but_a_minute_of_silence_counts() -> None:
    (i,) = add_miners(1)
    sweep(0, {i: MINING})
    sweep(15)
    assert (row(i).online, row(i).missed_polls) == (True, 0)
    assert len(sweep(61).lost) == 1
    assert (row(i).online, row(i).missed_polls) == (False, 0)
    sweep(75, {i: MINING})
    assert row(i).online


def test_a_stepped_wall_clock_makes_nobody_silent() -> None:
    (i,) = add_miners(1)
    sweep(0, {i: MINING})
    stepped = at(15, wall=timedelta(hours=1))
    assert polls.record_sweep(polls.targets(), Sweep({}, {}), stepped) == Turns()
    assert row(i).online


def test_retired_miners_are_no_targets() -> None:
    add_miners(1, retired=True)
    assert polls.targets() == []


def test_targets_tell_how_to_ask() -> None:
    db.session.add(MinerModel(id=1, alias="l9", name="L9", algorithm="scrypt", created_at=T0))
    (i,) = add_miners(1, api_key="k" * 32, hr_measure="MH/s", model_id=1)
    (target,) = polls.targets()
    assert (target.hr_measure, target.algorithm, target.change_on_way) == ("MH/s", "scrypt", False)
    assert "kkkk" not in repr(target)
    change = {
        "kind": "preset",
        "origin": "balancer",
        "old_power_w": 1,
        "new_power_w": 2,
        "reason": "",
        "recorded": at(),
    }
    db.session.add(PresetChangeRow(miner_id=i, outcome="sent", **change))
    db.session.commit()
    assert polls.targets()[0].change_on_way


def test_a_change_is_confirmed_by_the_poll_that_reads_it_back() -> None:
    (i,) = add_miners(1)
    db.session.add(
        PresetChangeRow(
            miner_id=i,
            kind="preset",
            origin="balancer",
            old_preset="2500",
            new_preset="2300",
            old_power_w=2500,
            new_power_w=2300,
            reason="",
            outcome="sent",
            accepted=True,
            recorded=at(),
        )
    )
    db.session.commit()
    sweep(15, {i: replace(MINING, running_preset="2500")})
    db.session.expire_all()
    assert db.session.query(PresetChangeRow).one().outcome == "sent"
    sweep(30, {i: MINING})
    db.session.expire_all()
    assert db.session.query(PresetChangeRow).one().outcome == "confirmed"


def test_history_gets_one_sample_each_five_minutes() -> None:
    (i,) = add_miners(1)
    for n in range(41):  # T0 is 15 s after a full interval
        sweep(15 * n, {i: MINING})
    samples = db.session.query(MinerSample).order_by(MinerSample.recorded_at).all()
    assert [(s.recorded_at - T0).total_seconds() for s in samples] == [0, 285, 585]
    assert (samples[0].preset, samples[0].power_w) == ("2300", 2400)
    assert db.session.get_one(Miner, i).last_seen_at == samples[-1].recorded_at


def test_uptime_stays_when_a_poll_does_not_tell_it() -> None:
    (i,) = add_miners(1)
    sweep(0, {i: MINING})
    polls.record_boards({i: replace(MINING, uptime_s=3600)}, T0)
    sweep(15, {i: MINING})
    assert row(i).uptime_s == 3600
    sweep(30, {i: replace(MINING, uptime_s=60)})
    assert row(i).uptime_s == 60


def test_boards_are_asked_for_by_turns_whatever_came_of_it() -> None:
    a, b, c, d = add_miners(4)
    sweep(0, {a: MINING, b: MINING, d: MINING})  # c is not online

    def turns() -> list[tuple[int, datetime | None]]:
        return [(turn.miner_id, turn.asked_at) for turn in polls.board_turns()]

    assert turns() == [(a, None), (b, None), (d, None)]
    assert polls.record_boards({a: MINING}, T0) == 3
    assert polls.record_boards({}, T0 + timedelta(minutes=1), failed=[b]) == 0
    assert turns() == [(d, None), (a, T0), (b, T0 + timedelta(minutes=1))]
    assert c not in [miner_id for miner_id, _ in turns()]
    assert db.session.query(BoardSample).count() == 3


def test_two_boards_of_one_number_are_one_row() -> None:
    (i,) = add_miners(1)
    assert polls.record_boards({i: replace(MINING, boards=(BOARDS[0], BOARDS[0]))}, T0) == 1
    assert polls.record_boards({i: replace(MINING, boards=())}, T0) == 0


def test_a_sweep_of_any_size_takes_a_handful_of_statements() -> None:
    ids = add_miners(200)
    sweep(0, dict.fromkeys(ids, MINING))
    statements: list[str] = []

    @event.listens_for(db.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    sweep(15, dict.fromkeys(ids, MINING))
    event.remove(db.engine, "before_cursor_execute", _note)
    assert len(statements) <= 20
