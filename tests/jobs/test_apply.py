"""The one door to a miner."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app import clock
from app.core.types import ChangeKind
from app.errors import PowerHiveError
from app.extensions import db, writing
from app.jobs import apply as door
from app.jobs.apply import Result
from app.jobs.runner import JobContext
from app.models import Command, Miner, MinerStatusRow
from app.redaction import Secret
from app.store import changes as change_store
from app.store.changes import Intent
from tests.store import farm
from tests.store.farm import FakeHands
from tests.store.own_app import config, context, own_database

STOP, START = ChangeKind.STOP, ChangeKind.START


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobContext]:
    with own_database(tmp_path):
        yield context(config(tmp_path), started=clock.stamp())


def apply(job: JobContext, hands: FakeHands, *changes: Any) -> list[Result]:
    return door.apply(changes, farm.context(), job, hands=hands)


def stopped_by_us(miner_id: int) -> None:
    farm.put(Miner, miner_id, stopped_by_us_at=clock.utcnow())


def test_a_cut_is_sent_and_its_row_says_so(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    hands = FakeHands()
    (result,) = apply(job, hands, farm.change(1))
    assert hands.calls == [("set_preset", 1, "2000")]
    assert result.effective
    assert farm.row_of(1).outcome == "sent"


def test_the_restart_a_miner_asks_for_follows_at_once(job: JobContext) -> None:
    farm.build(100, clock.stamp())
    hands = FakeHands(ask_restart=set(range(1, 61)))
    results = apply(job, hands, *[farm.change(i) for i in range(1, 101)])
    assert all(result.effective for result in results)
    assert sorted(hands.made("restart")) == list(range(1, 61))
    for miner_id in (1, 60):
        calls = [name for name, who, _ in hands.calls if who == miner_id]
        assert calls == ["set_preset", "restart"]
    assert {row.restart_accepted for row in farm.rows()[:60]} == {True}


@pytest.mark.parametrize(
    "how, outcome, effective, accepted",
    [
        ("refuse", "failed", False, False),
        ("dead", "failed", False, False),
        ("hang", "unknown", False, None),
        ("refuse_restart", "failed", False, True),
        ("hang_restart", "unknown", False, True),
    ],
)
def test_what_a_miner_does_not_do_is_told_apart(
    job: JobContext, how: str, outcome: str, effective: bool, accepted: bool | None
) -> None:
    farm.build(2, clock.stamp())
    hands = FakeHands(**{how: {1}}, ask_restart={1})
    results = apply(job, hands, farm.change(1), farm.change(2))
    by_id = {result.change.miner_id: result for result in results}
    assert (by_id[1].outcome, by_id[1].effective) == (outcome, effective)
    assert by_id[2].effective  # one miner's error ends that change only
    row = farm.row_of(1)
    assert (row.outcome, row.accepted) == (outcome, accepted)
    assert row.error_message


def test_a_restart_that_is_owed_is_sent_even_if_the_miner_no_longer_asks(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    apply(job, FakeHands(ask_restart={1}, refuse_restart={1}), farm.change(1))
    _let_time_pass(40)
    hands = FakeHands()
    (result,) = apply(job, hands, farm.change(1))
    assert hands.made("restart") == [1]
    assert result.effective


@pytest.mark.parametrize("state", ["stopped", "shutting-down"])
def test_a_miner_that_stands_still_is_never_restarted(job: JobContext, state: str) -> None:
    """A restart would start it: what a technician stopped stays stopped, whatever is owed or asked for (SPEC 5.7)."""
    farm.build(1, clock.stamp())
    apply(job, FakeHands(ask_restart={1}, refuse_restart={1}), farm.change(1))
    _let_time_pass(40)
    farm.put(MinerStatusRow, 1, state=state)
    hands = FakeHands(ask_restart={1})
    (result,) = apply(job, hands, farm.change(1))
    assert [call for call, _, _ in hands.calls] == ["set_preset"]
    assert result.effective


def test_an_unknown_preset_has_the_ladder_read_again(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    farm.put(Miner, 1, ladder_read_at=clock.utcnow())
    (result,) = apply(job, FakeHands(unknown_preset={1}), farm.change(1))
    assert result.outcome == "failed"
    assert farm.miner(1).ladder_read_at is None


def test_a_dead_key_is_replaced_once(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    hands = FakeHands(dead_key={1})
    (result,) = apply(job, hands, farm.change(1))
    assert [name for name, _, _ in hands.calls] == ["set_preset", "identify", "adopt", "set_preset"]
    assert result.effective
    assert farm.miner(1).api_key == Secret("n" * 32)


def test_another_miner_at_the_address_is_neither_adopted_nor_commanded(job: JobContext) -> None:
    farm.build(2, clock.stamp())
    hands = FakeHands(dead_key={1}, swapped={1: 2})
    (result,) = apply(job, hands, farm.change(1))
    assert [name for name, _, _ in hands.calls] == ["set_preset", "identify"]
    assert result.outcome == "failed"
    assert "Another miner (02:00:00:00:00:02)" in (result.sentence or "")


def test_a_refused_password_is_left_in_peace_for_as_long_as_the_miner_says(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    hands = FakeHands(dead_key={1}, wrong_password={1})
    (result,) = apply(job, hands, farm.change(1))
    assert (result.outcome, hands.made("adopt")) == ("failed", [1])
    retry_at = farm.miner(1).adoption_retry_at
    assert retry_at is not None
    assert retry_at > clock.utcnow() + timedelta(seconds=800)
    _let_time_pass(40)
    apply(job, hands, farm.change(1))
    assert hands.made("adopt") == [1]


def test_a_stop_stops_and_a_start_sets_and_reads_back_first(job: JobContext) -> None:
    farm.build(2, clock.stamp())
    stopped_by_us(2)
    hands = FakeHands()
    apply(job, hands, farm.change(1, None, kind=STOP), farm.change(2, "1500", kind=START))
    assert [call for call in hands.calls if call[1] == 1] == [("stop", 1, None)]
    assert [name for name, who, _ in hands.calls if who == 2] == ["set_preset", "read_saved_preset", "start"]
    assert farm.miner(2).saved_preset == "1500"


def test_a_miner_that_did_not_save_its_lowest_preset_is_not_started(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    stopped_by_us(1)
    hands = FakeHands(forget={1}, saved={1: "3000"})
    (result,) = apply(job, hands, farm.change(1, "1500", kind=START))
    assert hands.made("start") == []
    assert result.outcome == "failed"
    assert "3000 instead of 1500" in str(result.sentence)


def test_cuts_go_first_in_the_order_of_the_plan_and_raises_in_groups(job: JobContext) -> None:
    farm.build(20, clock.stamp(), running="2000")
    hands = FakeHands()
    raises = [farm.change(i, "2500", old="2000") for i in range(1, 18)]
    cuts = [farm.change(19, None, kind=STOP, old="2000"), farm.change(18, "1500", old="2000")]
    results = apply(job, hands, *raises, *cuts)
    assert all(result.effective for result in results)
    assert {who for _, who, _ in hands.calls[:2]} == {18, 19}
    assert [row.miner_id for row in farm.rows()[:2]] == [19, 18]
    for begin in (2, 10):  # the order of the plan, eight at a time
        assert {who for _, who, _ in hands.calls[begin : begin + 8]} == set(range(begin - 1, begin + 7))
    assert farm.rows()[2].total_before_w == 9000.0 - 1970.0 - 500.0


def test_what_the_door_refuses_is_not_sent(job: JobContext) -> None:
    farm.build(2, clock.stamp())
    farm.put(Miner, 1, ip="192.168.1.7")
    farm.put(Miner, 2, hold=True)
    hands = FakeHands()
    results = apply(job, hands, farm.change(1), farm.change(2))
    assert hands.calls == []
    assert ["outside" in str(results[0].sentence), "held" in str(results[1].sentence)] == [True, True]
    assert [result.outcome for result in results] == [None, None]


def test_what_is_not_sent_in_time_fails_as_not_sent_and_raises_are_not_even_tried(tmp_path: Path) -> None:
    with own_database(tmp_path):
        job = context(config(tmp_path), left_s=0.5, started=clock.stamp())
        farm.build(2, clock.stamp(), running="2000")
        hands = FakeHands()
        (result,) = apply(job, hands, farm.change(1, "1500", old="2000"), farm.change(2, "2500", old="2000"))
        assert hands.calls == []
        assert (result.change.miner_id, result.sentence) == (1, "not sent: out of time")
        assert [row.miner_id for row in farm.rows()] == [1]


def test_the_cooldown_counts_from_the_call_and_not_from_the_wait_before_it(
    job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many miners hang an intent waits for a thread; the next change must not come the sooner for it."""
    now = clock.stamp()
    farm.build(2, now)
    monkeypatch.setattr(door, "CUT_THREADS", 1)
    hands = FakeHands()

    def slow(session: Any, address: Any, preset: str) -> Any:
        time.sleep(0.3)
        return FakeHands.set_preset(hands, session, address, preset)

    monkeypatch.setattr(hands, "set_preset", slow)
    apply(job, hands, farm.change(1), farm.change(2))
    first, second = farm.rows()
    assert 0.3 <= first.recorded.elapsed_s(second.recorded) < 5


def test_a_miner_that_was_never_reached_keeps_its_attempts(job: JobContext) -> None:
    """One that reboots is dark for a minute: its tries must not be used up when it is back at full load."""
    farm.build(1, clock.stamp())
    for _ in range(3):
        apply(job, FakeHands(dead={1}), farm.change(1, None, kind=STOP))
    assert {row.attempt for row in farm.rows()} == {1}
    (result,) = apply(job, FakeHands(), farm.change(1, None, kind=STOP))
    assert result.effective


def test_a_stop_waits_for_the_restart_of_a_change_that_is_being_sent(
    job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The balancer's stop meets an operator's preset: the restart must not come after it and start the miner again."""
    farm.build(1, clock.stamp())
    hands = FakeHands(ask_restart={1})
    preset, stop = farm.change(1), farm.change(1, None, kind=STOP)
    first = change_store.begin(preset, farm.context(), clock.stamp(), reachable=lambda _: True)
    second = change_store.begin(stop, farm.context(), clock.stamp(), reachable=lambda _: True)
    assert isinstance(first, Intent)
    assert isinstance(second, Intent)
    saved = threading.Event()

    def slowly(session: Any, address: Any, preset: str) -> Any:
        saved.set()
        time.sleep(0.3)
        return FakeHands.set_preset(hands, session, address, preset)

    monkeypatch.setattr(hands, "set_preset", slowly)
    hand = door._Hand(hands, door._Sessions(None, None), job.config, time.monotonic() + 5)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as pool:
        sending = pool.submit(hand.carry_out, first)
        saved.wait(5)
        stopping = pool.submit(hand.carry_out, second)
        assert sending.result().effective
        assert stopping.result().effective
    assert [call for call, _, _ in hands.calls] == ["set_preset", "restart", "stop"]


def test_without_a_row_nothing_is_sent(job: JobContext, monkeypatch: pytest.MonkeyPatch) -> None:
    farm.build(1, clock.stamp())
    monkeypatch.setattr(change_store, "begin_many", _full_disk)
    hands = FakeHands()
    with pytest.raises(PowerHiveError, match="nothing was sent"):
        apply(job, hands, farm.change(1))
    assert hands.calls == []


def test_a_disk_that_fills_meanwhile_does_not_stop_what_has_its_row(
    job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.build(5, clock.stamp())
    monkeypatch.setattr(change_store, "finish", _full_disk)
    hands = FakeHands()
    with pytest.raises(PowerHiveError, match="5 changes is not stored"):
        apply(job, hands, *[farm.change(i) for i in range(1, 6)])
    assert len(hands.calls) == 5
    monkeypatch.undo()
    door.recover(job)
    assert {row.outcome for row in farm.rows()} == {"unknown"}


def test_a_defect_of_ours_comes_out_after_everything_else_is_stored(job: JobContext) -> None:
    farm.build(3, clock.stamp())
    with pytest.raises(ZeroDivisionError):
        apply(job, FakeHands(broken={2}), *[farm.change(i) for i in range(1, 4)])
    assert [row.outcome for row in farm.rows()] == ["sent", "unknown", "sent"]


def test_the_start_of_a_term_settles_changes_and_commands(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    now = clock.stamp()
    change_store.begin(farm.change(1), farm.context(now), now, reachable=lambda _: True)
    with writing() as session:
        session.add(Command(kind="scan", status="running", created_at=now.utc, created_by="a test"))
    assert door.recover(job) == "1 changes and 1 commands had been interrupted"
    assert farm.row_of(1).outcome == "unknown"
    assert db.session.scalars(db.select(Command.status)).one() == "failed"


def _full_disk(*_args: Any, **_more: Any) -> Any:
    raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def _let_time_pass(seconds: float) -> None:
    """Make every change older, on both clocks."""
    with writing() as session:
        for row in session.scalars(db.select(change_store.PresetChangeRow)):
            row.recorded = farm.earlier(row.recorded, seconds)
