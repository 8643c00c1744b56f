"""Discovery, status, telemetry and plant pollers against the simulator on loopback: the real clients, no fakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.extensions import db
from app.jobs import discovery, plant_poller, status_poller, telemetry_poller
from app.jobs.discovery import Progress
from app.jobs.runner import JobContext
from app.models import Miner, MinerModel, MinerStatusRow, OtherHost
from app.store import plant_history, polls
from simulator import FAST, FarmSpec, MinerSpec, Simulator
from simulator.farm import OtherHost as SimulatedHost
from tests.store.own_app import config, context, own_database

SUBNET = "127.31.0.0/28"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    miners = [MinerSpec(model) for model in ("s19jpro", "s19jpro", "s19", "s19", "s21pro", "s21pro")]
    others = [SimulatedHost("stock"), SimulatedHost("other_json")]
    with Simulator(FarmSpec(miners, others, timing=FAST, base_ip="127.31.0.1")) as running:
        yield running


@pytest.fixture
def job(sim: Simulator, tmp_path: Path) -> Iterator[JobContext]:
    environ = {
        "SUBNETS": SUBNET, "MINER_PORT": str(sim.miner_port), "PLANT_ENDPOINT": sim.plant_url,
        "PLANT_API_KEY": sim.plant_key,
    }  # fmt: skip
    with own_database(tmp_path):
        yield context(config(tmp_path, **environ))


def again(job: JobContext) -> JobContext:
    return context(job.config)


def test_a_farm_is_found_adopted_and_polled_and_a_miner_lost_and_found(sim: Simulator, job: JobContext) -> None:
    note = discovery.run(job, progress=Progress())
    assert note.startswith("6 miners and 2 other hosts at 14 addresses; 6 new; 6 adopted; 6 ladders read")
    found = {m.mac: m for m in db.session.query(Miner)}
    assert set(found) == {m.mac.lower() for m in sim.miners}
    assert all(m.presets and m.saved_preset and not m.managed for m in found.values())
    assert {m.alias for m in db.session.query(MinerModel)} == {"s19jpro", "s19", "s21pro"}
    assert {h.draws_power for h in db.session.query(OtherHost).filter_by(firmware="Bitmain stock")} == {True}

    assert status_poller.run(again(job)) == "6 of 6 miners answered"
    assert all(s.online and s.running_preset for s in db.session.query(MinerStatusRow))

    sim.set_fault(0, "offline")
    for _ in range(3):
        assert status_poller.run(again(job)) == "5 of 6 miners answered"
    assert [t.presence.missed_polls for t in polls.targets()].count(3) == 1
    sim.clear_faults()
    assert status_poller.run(again(job)) == "6 of 6 miners answered"


def test_telemetry_and_plant(sim: Simulator, job: JobContext) -> None:
    discovery.run(job, progress=Progress())
    status_poller.run(again(job))
    assert telemetry_poller.run(again(job)).endswith("boards of 6 of 6 miners")
    assert "kW generated" in plant_poller.run(again(job))
    latest = plant_history.latest()
    assert latest is not None
    assert latest.generation_kw > 0


def test_a_miner_with_a_password_of_its_own_waits_for_it(sim: Simulator, job: JobContext) -> None:
    progress = Progress()
    sim.miners[0].auth.password = "other"
    assert "1 refused to be adopted" in discovery.run(job, progress=progress)
    locked = db.session.query(Miner).filter_by(mac=sim.miners[0].mac.lower()).one()
    locked.unlock_password = "other"
    db.session.commit()
    assert "1 adopted" in discovery.run(again(job), progress=progress)


def test_a_miner_that_moved_is_found_again(sim: Simulator, job: JobContext) -> None:
    progress = Progress()
    discovery.run(job, progress=progress)
    mac, old_ip = sim.miners[0].mac.lower(), sim.miners[0].ip
    sim.change_ip(0, "127.31.0.12")
    assert status_poller.run(again(job)) == "5 of 6 miners answered"
    assert discovery.run(again(job), progress=progress).startswith("6 miners and 2 other hosts at 14 addresses")
    moved = db.session.query(Miner).filter_by(mac=mac).one()
    assert (moved.ip, old_ip) == ("127.31.0.12", "127.31.0.1")
    assert db.session.query(Miner).count() == 6
    assert status_poller.run(again(job)) == "6 of 6 miners answered"
