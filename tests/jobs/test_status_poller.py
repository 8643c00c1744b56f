"""One sweep over the miners, with miners that can be told to fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.clients.http import SweepSession
from app.core import presence
from app.core.readings import BoardReading, MinerState, MinerStatus
from app.errors import MinerError, MinerUnauthorized
from app.extensions import db, writing
from app.jobs import runner, status_poller, telemetry_poller
from app.jobs.runner import JobContext
from app.models import BoardSample, Miner, MinerModel, MinerStatusRow, PresetChangeRow
from app.redaction import Secret
from app.store import snapshot, terms
from app.store.polls import PollTarget
from tests.store import farm
from tests.store.own_app import T0, Clock, at, config, context, own_database

MINING = MinerStatus(MinerState.MINING, "mining", running_preset="2300", power_w=2400)
DEAD = MinerError("10.9.0.1 cannot be reached.", reached=False)


class FakeMiners:
    """Miners by address, each with its answer or its error."""

    def __init__(self) -> None:
        self.answers: dict[str, MinerStatus | Exception] = {}
        self.asked: list[str] = []

    def __call__(self, session: SweepSession, target: PollTarget, port: int) -> MinerStatus:
        assert port == 80
        self.asked.append(target.ip)
        answer = self.answers.get(target.ip, MINING)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def miners() -> FakeMiners:
    return FakeMiners()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(status_poller, "stamp", clock)
    monkeypatch.setattr(telemetry_poller, "utcnow", lambda: clock.now.utc)
    return clock


@pytest.fixture
def job(tmp_path: Path, clock: Clock) -> Iterator[JobContext]:
    with own_database(tmp_path):
        yield context(config(tmp_path))


def add(*ips: str, **columns: Any) -> list[int]:
    rows = [
        Miner(mac=f"02:00:00:00:00:{n:02x}", ip=ip, created_at=T0, updated_at=T0, **columns) for n, ip in enumerate(ips)
    ]
    db.session.add_all(rows)
    db.session.commit()
    return [row.id for row in rows]


def status(miner_id: int) -> MinerStatusRow:
    db.session.expire_all()
    return db.session.get_one(MinerStatusRow, miner_id)


def polled(job: JobContext) -> bool:
    db.session.expire_all()
    term = terms.of(job.term_id)
    return term is not None and term.first_full_poll_at is not None


def test_it_says_how_many_answered_and_that_the_first_sweep_was_full(job: JobContext, miners: FakeMiners) -> None:
    add("10.9.0.1", "10.9.0.2")
    miners.answers["10.9.0.1"] = DEAD
    assert not polled(job)
    assert status_poller.run(job, miners) == "1 of 2 miners answered"
    assert polled(job)


def test_a_farm_without_miners_is_polled_in_full(job: JobContext, miners: FakeMiners) -> None:
    assert status_poller.run(job, miners) == "0 of 0 miners answered"
    assert polled(job)


def test_a_miner_is_lost_and_found_and_both_are_logged_once(
    job: JobContext, miners: FakeMiners, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (i,) = add("10.9.0.1")
    status_poller.run(job, miners)
    miners.answers["10.9.0.1"] = DEAD
    for n in range(1, 9):
        clock.now = at(15 * n)
        status_poller.run(job, miners)
    assert not status(i).online
    assert status(i).last_error == str(DEAD)
    assert 1 + 3 + 1 <= len(miners.asked) <= 1 + 3 + 2  # then in every fourth sweep only
    del miners.answers["10.9.0.1"]
    for n in range(9, 13):
        clock.now = at(15 * n)
        status_poller.run(job, miners)
    assert status(i).online
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["offline", "answering again"]


def test_the_first_sweep_of_a_new_term_asks_those_that_were_offline_too(
    job: JobContext, miners: FakeMiners, clock: Clock
) -> None:
    ids = add(*(f"10.9.0.{n}" for n in range(1, 9)))
    for n in range(8):
        db.session.add(MinerStatusRow(miner_id=ids[n], missed_polls=9))
    db.session.commit()
    status_poller.run(job, miners)
    assert len(miners.asked) == 8


def test_time_that_runs_out_is_reported_and_nobody_missed_a_poll(
    job: JobContext, miners: FakeMiners, tmp_path: Path
) -> None:
    (i,) = add("10.9.0.1")
    short = context(job.config, left_s=0.5)
    assert status_poller.run(short, miners) == "0 of 1 miners answered; 1 not asked in time"
    assert miners.asked == []
    assert status(i).missed_polls == 0
    assert not polled(short)
    status_poller.run(job, miners)
    assert status(i).online


@pytest.mark.parametrize(("ip", "word"), [("10.8.0.1", "outside"), ("", "another miner"), ("nonsense", "outside")])
def test_nothing_outside_the_subnets_is_contacted(job: JobContext, miners: FakeMiners, ip: str, word: str) -> None:
    (i,) = add(ip)
    status_poller.run(job, miners)
    assert miners.asked == []
    assert word in (status(i).last_error or "")


def test_a_miner_too_slow_for_any_sweep_does_not_forbid_raises_for_ever(
    job: JobContext, miners: FakeMiners, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, _ = add("10.9.0.1", "10.9.0.2")
    status_poller.run(job, miners)
    again = context(job.config, started=clock.now)
    real = status_poller.fan_out

    def cut_off(ask: Any, items: list[PollTarget], **limits: Any) -> Any:
        replies = real(ask, [item for item in items if item.miner_id != slow], **limits)
        replies.unasked += [item for item in items if item.miner_id == slow]
        return replies

    monkeypatch.setattr(status_poller, "fan_out", cut_off)
    for seconds, full in ((15, False), (58, False), (75, True)):
        clock.now = at(seconds)
        status_poller.run(again, miners)
        assert polled(again) is full


def test_a_refused_key_is_doubted_and_the_miner_asked_without_it(
    job: JobContext, miners: FakeMiners, monkeypatch: pytest.MonkeyPatch
) -> None:
    (i,) = add("10.9.0.1", api_key="k" * 32)
    asked: list[str] = []
    monkeypatch.setattr(runner, "request", asked.append)
    miners.answers["10.9.0.1"] = MINING

    def ask(session: SweepSession, target: PollTarget, port: int) -> MinerStatus:
        if target.api_key is not None:
            raise MinerUnauthorized("10.9.0.1 refused the key (401).")
        return miners(session, target, port)

    status_poller.run(job, ask)
    db.session.expire_all()
    miner = db.session.get_one(Miner, i)
    assert miner.api_key == Secret("k" * 32), "without a key it could not be cut"
    assert (miner.ladder_read_at, miner.adoption_error) == (None, "10.9.0.1 refused the key (401).")
    assert status(i).online
    assert asked == ["discovery"]


def test_a_miner_that_refuses_everybody_has_missed_its_poll(job: JobContext, miners: FakeMiners) -> None:
    (i,) = add("10.9.0.1", api_key="k" * 32)
    miners.answers["10.9.0.1"] = MinerUnauthorized("10.9.0.1 refused (401).")
    status_poller.run(job, miners)
    assert status(i).missed_polls == 1


def test_an_error_of_our_own_costs_one_miner_and_shows(job: JobContext, miners: FakeMiners) -> None:
    a, b = add("10.9.0.1", "10.9.0.2")
    miners.answers["10.9.0.1"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        status_poller.run(job, miners)
    assert not status(a).online
    assert status(b).online


def test_run_by_hand_it_marks_no_term(job: JobContext, miners: FakeMiners) -> None:
    status_poller.run(context(job.config, new_term=False), miners)
    assert not polled(job)


def test_polls_teach_what_a_miner_draws_and_what_its_changes_cost(
    job: JobContext, miners: FakeMiners, clock: Clock
) -> None:
    """From the answers to the plan: half an hour with a change and its restart in it."""
    farm.build(1, at())
    ip = farm.ip_of(1)
    for n in range(120):
        since_change_s = 15.0 * n - 600
        if n == 40:
            clock.now = at(600)
            with writing() as session:
                session.add(
                    PresetChangeRow(
                        miner_id=1, kind="preset", origin="balancer", old_preset="3000", new_preset="2000",
                        old_power_w=3000, new_power_w=2000, reason="", outcome="sent", accepted=True,
                        restart_required=True, restart_accepted=True, recorded=at(600),
                    )
                )  # fmt: skip
                session.get_one(Miner, 1).saved_preset = "2000"
        preset = "3000" if since_change_s < 0 else "2000"
        share = 1.0 if since_change_s < 0 else max(0.0, min(1.0, (since_change_s - 40) / 60))
        restarting = 0 <= since_change_s < 40
        miners.answers[ip] = MinerStatus(
            MinerState.RESTARTING if restarting else MinerState.MINING, "", running_preset=preset,
            power_w=round(0.9 * int(preset) * (0.08 + 0.92 * share)), hashrate_ths=0.95 * int(preset) / 25 * share,
        )  # fmt: skip
        clock.now = at(15.0 * n)
        status_poller.run(job, miners)
        if n in (39, 50):
            assert status(1).power_factor == pytest.approx(0.9, abs=0.002)
    found = snapshot.load(clock.now, interval_s=15).miners[0]
    assert (found.power_factor, found.hashrate_factor) == (0.9, 0.95)
    (switch,) = db.session.get_one(MinerModel, 1).switches
    assert (switch["with_restart"], switch["settle_s"]) == (True, 105.0)
    assert switch["loss_s"] == pytest.approx(70, abs=8)


# --- telemetry -------------------------------------------------------------------------------------------------------


def test_telemetry_samples_the_boards_of_those_that_answer(job: JobContext, miners: FakeMiners, clock: Clock) -> None:
    a, _ = add("10.9.0.1", "10.9.0.2")
    status_poller.run(job, miners)
    boards = tuple(BoardReading(n, "mining") for n in (1, 2, 3))
    miners.answers = {
        "10.9.0.1": MinerStatus(MinerState.MINING, "mining", boards=boards, uptime_s=60),
        "10.9.0.2": MinerError("timed out"),
    }
    assert telemetry_poller.run(job, miners) == "3 boards of 1 of 2 miners"
    assert status(a).uptime_s == 60
    miners.answers["10.9.0.2"] = miners.answers["10.9.0.1"]
    assert telemetry_poller.run(job, miners) == "0 boards of 0 of 0 miners"  # the turn of both is over
    clock.now = at(590)  # a slice before ten minutes are over
    assert telemetry_poller.run(job, miners) == "6 boards of 2 of 2 miners"
    assert db.session.query(BoardSample).count() == 9
    clock.now = at(-5)  # stepped back: what was asked in the future has its turn
    assert telemetry_poller.run(job, miners) == "6 boards of 2 of 2 miners"


def test_telemetry_asks_a_slice_at_a_time_and_one_that_fails_keeps_nobody_from_its_turn(
    job: JobContext, miners: FakeMiners, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"10.9.0.{n}" for n in range(1, 8)]
    add(*addresses)
    status_poller.run(job, miners)
    monkeypatch.setattr(presence, "LEAST_PER_SLICE", 3)
    monkeypatch.setattr(telemetry_poller, "THREADS", 1)
    miners.answers = {"10.9.0.1": MinerError("timed out"), "10.9.0.2": MinerError("timed out")}
    for first, last in ((0, 3), (3, 6), (6, 7), (7, 7)):
        miners.asked.clear()
        telemetry_poller.run(job, miners)
        assert miners.asked == addresses[first:last]


def test_an_error_of_our_own_ends_the_turn_of_the_one_it_is_about_too(job: JobContext, miners: FakeMiners) -> None:
    add("10.9.0.1", "10.9.0.2")
    status_poller.run(job, miners)
    miners.answers = {"10.9.0.1": ZeroDivisionError("odd answer")}
    with pytest.raises(ZeroDivisionError, match="odd answer"):
        telemetry_poller.run(job, miners)
    assert telemetry_poller.run(job, miners) == "0 boards of 0 of 0 miners"


def test_telemetry_leaves_the_rest_to_the_next_run(job: JobContext, miners: FakeMiners) -> None:
    add("10.9.0.1")
    status_poller.run(job, miners)
    assert telemetry_poller.run(context(job.config, left_s=0.1), miners).endswith("1 left for the next run")


@pytest.mark.parametrize(
    ("first", "note"),
    [
        (MINING, "0 boards of 1 of 2 miners; 1 left for the next run"),
        (MinerError("10.9.0.1 did not answer in time."), "0 boards of 0 of 2 miners; 2 left for the next run"),
    ],
    ids=["answered", "cut off"],
)
def test_the_end_of_a_run_ends_the_turn_of_whom_it_asked_and_the_others_come_first_in_the_next(
    first: MinerStatus | MinerError, note: str, job: JobContext, miners: FakeMiners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a slow miner that the end cuts off: else a few of them would have all turns for themselves."""
    add("10.9.0.1", "10.9.0.2")
    status_poller.run(job, miners)
    miners.asked.clear()
    miners.answers = {"10.9.0.1": first}
    monkeypatch.setattr(telemetry_poller, "THREADS", 1)
    with monkeypatch.context() as patched:
        patched.setattr(telemetry_poller, "monotonic_s", lambda: 1e9 if miners.asked else 0.0)
        assert telemetry_poller.run(job, miners) == note
    assert telemetry_poller.run(job, miners) == "0 boards of 1 of 1 miners"
    assert miners.asked == ["10.9.0.1", "10.9.0.2"]
