"""To ask one miner for everything, because an operator wants to know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import clock
from app.clients.http import SweepSession
from app.core.inspection import ChipReading, Inspection
from app.errors import MinerError
from app.extensions import db
from app.jobs import commands as job_module
from app.jobs.runner import JobContext
from app.models import Command, Miner
from app.store import commands, inspections
from app.store.polls import PollTarget
from tests.store import farm
from tests.store.farm import FakeHands
from tests.store.own_app import config, context, own_database

TOLD = Inspection((ChipReading(1, 0, 57, 490.0, 244.4, 0, "grey"),), '{"summary": {}}')


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobContext]:
    with own_database(tmp_path):
        farm.build(1, clock.stamp())
        yield context(config(tmp_path), started=clock.stamp())


class Asked:
    """Stands in for the miners."""

    def __init__(self, error: MinerError | None = None) -> None:
        self.addresses: list[str] = []
        self._error = error

    def __call__(self, _session: SweepSession, target: PollTarget, _port: int) -> Inspection:
        self.addresses.append(target.ip)
        if self._error is not None:
            raise self._error
        return TOLD


def order() -> int:
    return commands.enqueue_inspection(farm.mac_of(1), by="Ana", now=clock.utcnow())


def told(command_id: int) -> tuple[str, str | None]:
    db.session.rollback()
    command = db.session.get(Command, command_id)
    assert command is not None
    return command.status, command.result


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"retired": True}, "retired"),
        ({"api_key": None}, "has not opened it"),
        ({"ip": ""}, "no address in the configured subnets"),
        ({"ip": "192.0.2.1"}, "no address in the configured subnets"),
    ],
)
def test_nobody_is_contacted_that_may_not_be(job: JobContext, values: dict[str, object], sentence: str) -> None:
    command_id = order()
    farm.put(Miner, 1, **values)
    asked = Asked()
    job_module.carry_out(job, FakeHands(), asked)
    assert asked.addresses == []
    status, result = told(command_id)
    assert status == "failed"
    assert sentence in str(result)


def test_a_silent_miner_fails_the_order_and_keeps_what_it_told_before(job: JobContext) -> None:
    inspections.record(1, TOLD, clock.utcnow())
    command_id = order()
    job_module.carry_out(job, FakeHands(), Asked(MinerError("Miner 10.9.0.2 did not answer.")))
    assert told(command_id) == ("failed", "Miner 10.9.0.2 did not answer.")
    assert inspections.of(1) is not None


def test_what_it_tells_takes_the_place_of_what_it_told(job: JobContext) -> None:
    for _ in range(2):
        command_id = order()
        job_module.carry_out(job, FakeHands(), Asked())
        assert told(command_id)[0] == "done"
    found = inspections.of(1)
    assert found is not None
    assert found.answers == TOLD.answers
    assert found.chips[0]["temp_c"] == 57


def test_an_order_still_open_is_not_given_twice(job: JobContext) -> None:
    assert order() == order()
