"""What operators order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import clock
from app.extensions import db
from app.jobs import commands as job_module
from app.jobs import runner
from app.jobs.runner import JobContext
from app.models import Command, Miner, MinerModel
from app.store import commands
from tests.store import farm
from tests.store.farm import FakeHands
from tests.store.own_app import config, context, own_database


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobContext]:
    with own_database(tmp_path):
        yield context(config(tmp_path), started=clock.stamp())


@pytest.fixture
def asked() -> Iterator[list[str]]:
    names: list[str] = []
    runner.answer_requests(names.append)
    yield names
    runner.answer_requests(None)


def order(kind: str, miner_id: int | None = None, **arguments: object) -> int:
    return commands.enqueue(
        kind, by="Ana", now=clock.utcnow(), reason="a test", miner_id=miner_id, arguments=dict(arguments)
    )


def told(command_id: int) -> tuple[str, str | None]:
    db.session.rollback()
    command = db.session.get(Command, command_id)
    assert command is not None
    return command.status, command.result


def test_without_orders_nothing_happens(job: JobContext) -> None:
    assert job_module.carry_out(job, FakeHands()) == "nothing to do"


@pytest.mark.parametrize("mode", ["armed", "observe", "off"])
def test_a_preset_by_hand_is_sent_in_every_mode(job: JobContext, mode: str) -> None:
    farm.build(1, clock.stamp(), mode=mode)
    command_id = order("preset", 1, preset="2000")
    hands = FakeHands()
    assert job_module.carry_out(job, hands) == "1 orders carried out, 0 failed"
    assert hands.calls == [("set_preset", 1, "2000")]
    assert told(command_id)[0] == "done"
    row = farm.row_of(1)
    assert (row.origin, row.command_id, row.reason) == ("operator", command_id, "by hand (Ana): a test")
    assert (row.old_preset, row.old_power_w, row.new_power_w) == ("3000", 3000.0, 2000.0)


def test_a_held_miner_obeys_its_operator_and_may_be_raised_without_plant_data(job: JobContext) -> None:
    farm.build(1, clock.stamp(), running="2000", managed=False)
    farm.put(Miner, 1, hold=True)
    order("preset", 1, preset="2500")
    hands = FakeHands()
    job_module.carry_out(job, hands)
    assert hands.calls == [("set_preset", 1, "2500")]


@pytest.mark.parametrize(
    "model, values, preset, sentence",
    [
        (Miner, {"managed": False}, "2000", "only managed or held"),
        (MinerModel, {"max_preset": "2000"}, "2500", "above the max preset"),
        (MinerModel, {"max_preset": None}, "2000", "no max preset"),
        (Miner, {}, "9000", "not in this miner's ladder"),
    ],
)
def test_the_hard_limits_hold_for_people_too(
    job: JobContext, model: type, values: dict[str, object], preset: str, sentence: str
) -> None:
    farm.build(1, clock.stamp())
    farm.put(model, 1, **values)
    command_id = order("preset", 1, preset=preset)
    hands = FakeHands()
    job_module.carry_out(job, hands)
    status, result = told(command_id)
    assert hands.calls == []
    assert status == "failed"
    assert sentence in str(result)


def test_a_second_preset_within_the_cooldown_is_refused(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    first, second = order("preset", 1, preset="2000"), order("preset", 1, preset="1500")
    hands = FakeHands()
    job_module.carry_out(job, hands)
    assert (told(first)[0], told(second)[0]) == ("done", "failed")
    assert "cooldown" in str(told(second)[1])
    assert len(hands.calls) == 1


@pytest.mark.parametrize("how, words", [("refuse", "did not take"), ("hang", "is not known yet")])
def test_what_the_miner_did_is_told(job: JobContext, how: str, words: str) -> None:
    farm.build(1, clock.stamp())
    command_id = order("preset", 1, preset="2000")
    job_module.carry_out(job, FakeHands(**{how: {1}}))
    status, result = told(command_id)
    assert status == "failed"
    assert words in str(result)


def test_a_scan_and_the_buttons_ask_the_other_jobs(job: JobContext, asked: list[str]) -> None:
    ids = [order(kind) for kind in ("scan", "all_to_minimum", "stop_all", "resume")]
    job_module.carry_out(job, FakeHands())
    assert asked == ["discovery", "balancer", "balancer", "balancer"]
    assert [told(command_id)[0] for command_id in ids] == ["done"] * 4


@pytest.mark.parametrize("mode, words", [("armed", "follows the plant again"), ("observe", "until it is armed")])
def test_resume_says_what_it_means_in_this_mode(job: JobContext, asked: list[str], mode: str, words: str) -> None:
    farm.build(1, clock.stamp(), mode=mode)
    command_id = order("resume")
    job_module.carry_out(job, FakeHands())
    assert words in str(told(command_id)[1])


def test_an_order_that_makes_no_sense_fails_and_the_next_one_is_carried_out(job: JobContext, asked: list[str]) -> None:
    farm.build(1, clock.stamp())
    bad, good = order("preset", None, preset="2000"), order("scan")
    job_module.carry_out(job, FakeHands())
    assert (told(bad)[0], told(good)[0]) == ("failed", "done")


def test_a_defect_of_ours_closes_the_order_and_comes_out(job: JobContext) -> None:
    farm.build(1, clock.stamp())
    command_id = order("preset", 1, preset="2000")
    with pytest.raises(ZeroDivisionError):
        job_module.carry_out(job, FakeHands(broken={1}))
    assert told(command_id)[0] == "failed"


def test_what_there_is_no_time_for_waits(tmp_path: Path) -> None:
    with own_database(tmp_path):
        command_id = order("scan")
        job_module.carry_out(context(config(tmp_path), left_s=1.0, started=clock.stamp()), FakeHands())
        assert told(command_id)[0] == "waiting"
