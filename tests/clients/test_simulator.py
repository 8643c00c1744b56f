"""The clients against the simulated farm: adopt, read, change, lose and get back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clients.plant import PlantClient
from app.errors import MinerError, MinerUnauthorized
from simulator.server import Simulator

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def sim():
    with Simulator(3, time_scale=20) as running:
        yield running


@pytest.fixture
def session():
    with SweepSession(3, read_s=1, deadline_s=1.5) as opened:
        yield opened


def test_a_miner_is_adopted_read_changed_lost_and_found(sim, session):
    address = MinerAddress(sim.miners[0].ip, sim.miner_port)
    identity = miner.identify(session, address)
    assert identity.mac
    with pytest.raises(MinerUnauthorized):
        miner.read_ladder(session, address, identity.algorithm)

    key = miner.adopt(session, address, sim.miners[0].spec.password, identity.mac)
    assert key == miner.adopt(session, address, sim.miners[0].spec.password, identity.mac)
    address = replace(address, api_key=key)

    ladder = miner.read_ladder(session, address, identity.algorithm)
    lowest = ladder[0]
    assert lowest.firmware_power_w
    assert lowest.hashrate_ths
    assert miner.set_preset(session, address, lowest.name).accepted
    assert miner.check_saved_preset(session, address, lowest.name)
    miner.restart(session, address)
    status = miner.read_status(session, address, identity.hr_measure, identity.algorithm, with_flags=True, detail=True)
    assert status.restart_required is not None
    assert status.boards
    with pytest.raises(MinerError) as refused:
        miner.set_preset(session, address, "no such preset")
    assert refused.value.answered

    sim.set_fault(0, "hang")
    with pytest.raises(MinerError) as silent:
        miner.read_status(session, address, identity.hr_measure, identity.algorithm)
    assert not silent.value.answered
    sim.clear_faults(0)
    assert miner.read_status(session, address, identity.hr_measure, identity.algorithm).raw_state


@pytest.mark.parametrize("fault", ["garbage", "truncated", "html", "http500", "close", "trickle"])
def test_a_faulty_miner_is_an_error_until_it_is_well_again(sim, session, fault):
    address = MinerAddress(sim.miners[1].ip, sim.miner_port)
    sim.set_fault(1, fault)
    with pytest.raises(MinerError):
        miner.read_status(session, address, "GH/s", "sha256d")
    sim.clear_faults(1)
    assert miner.read_status(session, address, "GH/s", "sha256d").raw_state


def test_the_plant_is_read(sim):
    where = sim.where()
    reading = PlantClient(sim.plant_url, sim.plant_key, where["plant_id"], where["plant_unit"]).fetch_reading()
    assert reading.plant_id == where["plant_id"]
    assert reading.answered_at is not None
    assert all(source.good for source in reading.sources)
