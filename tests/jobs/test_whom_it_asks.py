"""Whom the jobs talk to, and who is shown a secret: only addresses in the subnets, and a key only its own miner."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.core.readings import Preset
from app.extensions import db
from app.jobs import commands, discovery, status_poller, telemetry_poller
from app.jobs.discovery import Progress
from app.jobs.runner import JobContext
from app.models import Command, Miner
from app.redaction import Secret
from app.store import commands as orders
from tests.jobs.test_discovery import FakeNetwork, identity
from tests.store.own_app import T0, config, context, own_database

KEY, PASSWORD = "k" * 32, "its own password"


class WatchedNetwork(FakeNetwork):
    """Notes which secret was shown at which address."""

    def __init__(self) -> None:
        super().__init__()
        self.password = PASSWORD
        self.hidden: set[str] = set()  # answers, but the scan does not reach it this time
        self.shown: list[tuple[str, str]] = []

    def scan(self, hosts: list[str], port: int) -> list[str]:  # type: ignore[override]
        return [host for host in super().scan(hosts, port) if host not in self.hidden]

    def adopt(self, session: SweepSession, address: MinerAddress, password: str, mac: str) -> str:
        self.shown.append((address.ip, password))
        return super().adopt(session, address, password, mac)

    def read_ladder(self, session: SweepSession, address: MinerAddress, algorithm: str) -> tuple[Preset, ...]:
        self.shown.append((address.ip, address.api_key or ""))
        return super().read_ladder(session, address, algorithm)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine at which nobody ever calls."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.setblocking(False)
        yield opened


@pytest.fixture
def job(tmp_path: Path, listener: socket.socket) -> Iterator[JobContext]:
    with own_database(tmp_path):
        port = str(listener.getsockname()[1])
        yield context(config(tmp_path, SUBNETS="10.9.0.0/29", MINER_PORT=port))


def add(ip: str, n: int = 1) -> Miner:
    miner = Miner(mac=f"02:00:00:00:00:{n:02x}", ip=ip, api_key=Secret(KEY), unlock_password=Secret(PASSWORD),
                  created_at=T0, updated_at=T0)  # fmt: skip
    db.session.add(miner)
    db.session.commit()
    return miner


@pytest.mark.parametrize("ip", ["127.0.0.1", "localhost", "::1", "127.1", ""])
def test_a_row_outside_the_subnets_is_asked_by_no_job(job: JobContext, listener: socket.socket, ip: str) -> None:
    """The configuration changed, or somebody wrote into the database: the row is there, and nobody calls."""
    miner = add(ip)
    db.session.add(Command(kind=orders.INSPECT, miner_id=miner.id, created_at=T0, created_by="test", arguments={}))
    db.session.commit()

    class Nobody(FakeNetwork):
        def scan(self, hosts: list[str], port: int) -> list[str]:  # type: ignore[override]
            return []

    real = discovery._Network()
    nobody = Nobody()
    for name in ("identify", "adopt", "read_ladder", "read_saved_preset"):
        setattr(nobody, name, getattr(real, name))
    status_poller.run(job)
    telemetry_poller.run(job)
    discovery.run(job, nobody, Progress())
    commands.run(job)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_who_has_taken_over_an_address_is_shown_neither_key_nor_password(job: JobContext) -> None:
    network, progress = WatchedNetwork(), Progress()
    network.hosts["10.9.0.3"] = identity(2)  # another one by now
    network.hidden.add("10.9.0.3")
    for key in (Secret(KEY), None):
        db.session.query(Miner).delete()
        add("10.9.0.3").api_key = key
        db.session.commit()
        discovery.run(job, network, progress)
    assert network.shown == []
    assert network.unlocked == []


def test_who_answers_with_another_s_mac_never_gets_that_one_s_secrets(job: JobContext) -> None:
    network, progress = WatchedNetwork(), Progress()
    network.keys.add(KEY)
    add("10.9.0.3")
    network.hosts = {"10.9.0.3": identity(1), "10.9.0.2": identity(1), "10.9.0.4": identity(1)}
    for _ in range(3):
        discovery.run(job, network, progress)
    network.hidden.add("10.9.0.3")  # slow for a moment: the impostors alone are seen
    discovery.run(job, network, progress)
    assert {ip for ip, _ in network.shown} == {"10.9.0.3"}


def test_each_miner_gets_a_key_of_its_own(job: JobContext) -> None:
    network = WatchedNetwork()
    network.password = "admin"
    network.hosts = {f"10.9.0.{n}": identity(n) for n in range(1, 7)}
    discovery.run(job, network, Progress())
    keys = [miner.api_key for miner in db.session.query(Miner)]
    assert len(set(keys)) == len(keys) == 6
    assert None not in keys
