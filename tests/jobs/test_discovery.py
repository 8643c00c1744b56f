"""Discovery with a network that can be told what is where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.core.readings import MinerIdentity, Preset
from app.errors import MinerError, MinerUnauthorized, NotVnish
from app.extensions import db
from app.jobs import discovery, runner
from app.jobs.discovery import Progress
from app.jobs.runner import JobContext
from app.models import Miner, OtherHost
from app.redaction import Secret
from tests.store.own_app import T0, config, context, own_database

LADDER = (Preset("1100", 1100, 53.0, tuned=True), Preset("2300", 2300, 95.0, tuned=True))
SILENT = MinerError("cannot be reached", reached=False)
HOUR = timedelta(hours=1)


def identity(n: int, **changes: object) -> MinerIdentity:
    whole = MinerIdentity(f"02:00:00:00:00:{n:02x}", "", "s19jpro", "Antminer S19j Pro", "1.2.6", "sha256d", "GH/s")
    return replace(whole, **changes)  # type: ignore[arg-type]


class FakeNetwork:
    """Hosts by address. `keys` are those that the miners accept; `password` what unlocks them."""

    def __init__(self) -> None:
        self.hosts: dict[str, MinerIdentity | Exception] = {}
        self.password = "admin"
        self.unlock_error: MinerError | None = None
        self.ladder_error: MinerError | None = None
        self.keys: set[str] = set()
        self.keeps_keys = True
        self.numbers = itertools.count(1)  # a generator would not bear two threads
        self.scanned: list[str] = []
        self.asked: list[str] = []
        self.unlocked: list[str] = []

    def scan(self, hosts: Sequence[str], port: int) -> list[str]:
        self.scanned += hosts
        return [host for host in hosts if host in self.hosts]

    def identify(self, session: SweepSession, address: MinerAddress) -> MinerIdentity:
        self.asked.append(address.ip)
        answer = self.hosts.get(address.ip, SILENT)
        if isinstance(answer, Exception):
            raise answer
        return replace(answer, ip=address.ip)

    def adopt(self, session: SweepSession, address: MinerAddress, password: str, mac: str) -> str:
        self.unlocked.append(address.ip)
        if self.unlock_error is not None:
            raise self.unlock_error
        if password != self.password:
            raise MinerUnauthorized("refused to unlock with this password (403).")
        key = f"{next(self.numbers):032x}"
        if self.keeps_keys:
            self.keys.add(key)
        return key

    def read_ladder(self, session: SweepSession, address: MinerAddress, algorithm: str) -> tuple[Preset, ...]:
        if address.api_key not in self.keys:
            raise MinerUnauthorized("refused to list its presets (401).")
        if self.ladder_error is not None:
            raise self.ladder_error
        return LADDER

    def read_saved_preset(self, session: SweepSession, address: MinerAddress) -> str | None:
        return "2300"


class Now:
    def __init__(self) -> None:
        self.utc = T0

    def __call__(self) -> datetime:
        return self.utc


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def progress() -> Progress:
    return Progress()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    now = Now()
    monkeypatch.setattr(discovery, "utcnow", now)
    return now


@pytest.fixture
def job(tmp_path: Path, now: Now) -> Iterator[JobContext]:
    with own_database(tmp_path):
        yield context(config(tmp_path, SUBNETS="10.9.0.0/28"))


@pytest.fixture
def asked_for() -> Iterator[list[str]]:
    names: list[str] = []
    runner.answer_requests(names.append)
    yield names
    runner.answer_requests(None)


def miner(n: int) -> Miner:
    db.session.expire_all()
    return db.session.query(Miner).filter_by(mac=f"02:00:00:00:00:{n:02x}").one()


def others() -> dict[str, OtherHost]:
    db.session.expire_all()
    return {host.ip: host for host in db.session.query(OtherHost)}


def test_a_new_miner_is_adopted_and_its_presets_are_read(
    job: JobContext, network: FakeNetwork, progress: Progress, asked_for: list[str]
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    note = discovery.run(job, network, progress)
    assert note == "1 miners and 0 other hosts at 14 addresses; 1 new; 1 adopted; 1 ladders read"
    found = miner(1)
    assert (found.ip, found.managed, found.saved_preset, found.ladder_read_at) == ("10.9.0.3", False, "2300", T0)
    assert found.api_key in {Secret(key) for key in network.keys}
    assert [p.name for p in found.presets] == ["1100", "2300"]
    assert asked_for == []
    discovery.run(job, network, progress)
    assert network.unlocked == ["10.9.0.3"]  # once is enough


def test_it_reads_the_presets_again_each_hour_and_when_told(job: JobContext, network: FakeNetwork, now: Now) -> None:
    progress = Progress()
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(job, network, progress)
    for after, read in ((HOUR / 2, False), (HOUR, True), (HOUR * 1.5, False)):
        now.utc = T0 + after
        assert ("ladders read" in discovery.run(job, network, progress)) is read
    miner(1).ladder_read_at = None  # a preset was refused as unknown
    db.session.commit()
    assert "ladders read" in discovery.run(job, network, progress)
    now.utc = T0 - HOUR  # a clock stepped back
    assert "ladders read" in discovery.run(job, network, progress)


def test_a_miner_s_own_password_wins(job: JobContext, network: FakeNetwork, progress: Progress, now: Now) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    network.password = "secret"
    assert "1 refused" in discovery.run(job, network, progress)
    discovery.run(job, network, progress)
    assert network.unlocked == ["10.9.0.3"]  # left in peace
    miner(1).unlock_password = "secret"
    db.session.commit()
    discovery.run(job, network, progress)  # at once
    assert miner(1).api_key is not None
    assert miner(1).adoption_error is None


def test_a_refused_password_is_tried_ever_less_often(
    job: JobContext, network: FakeNetwork, progress: Progress, now: Now
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    network.password = "secret"
    waits = []
    for _ in range(6):
        discovery.run(job, network, progress)
        retry_at = miner(1).adoption_retry_at
        assert retry_at is not None
        waits.append((retry_at - now.utc).total_seconds())
        now.utc = retry_at
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    assert "refused to unlock" in (miner(1).adoption_error or "")
    network.password = "admin"
    discovery.run(job, network, progress)
    assert miner(1).api_key is not None


def test_the_lock_out_a_miner_names_is_kept(
    job: JobContext, network: FakeNetwork, progress: Progress, now: Now
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    network.unlock_error = MinerUnauthorized("too many tries (429)", retry_after_s=1800)
    discovery.run(job, network, progress)
    assert miner(1).adoption_retry_at == T0 + timedelta(seconds=1800)
    network.unlock_error = None
    now.utc = T0 - 10 * HOUR  # a time so far ahead is no lock-out, but a clock stepped back
    discovery.run(job, network, progress)
    assert miner(1).api_key is not None


@pytest.mark.parametrize(("answered", "stored"), [(True, True), (False, False)])
def test_a_miner_that_does_not_answer_has_refused_nothing(
    job: JobContext, network: FakeNetwork, progress: Progress, *, answered: bool, stored: bool
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    network.unlock_error = MinerError("unlocked without giving a token", answered=answered)
    discovery.run(job, network, progress)
    assert (miner(1).adoption_error is not None) is stored
    network.unlock_error = None
    miner(1).adoption_retry_at = None
    db.session.commit()
    discovery.run(job, network, progress)
    assert miner(1).api_key is not None


def test_a_dead_key_is_replaced_once(job: JobContext, network: FakeNetwork, progress: Progress) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(job, network, progress)
    network.keys.clear()
    miner(1).ladder_read_at = None
    db.session.commit()
    discovery.run(job, network, progress)
    assert miner(1).api_key in {Secret(key) for key in network.keys}
    assert len(network.unlocked) == 2


def test_a_key_that_is_refused_at_once_is_no_reason_to_loop(
    job: JobContext, network: FakeNetwork, progress: Progress
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    network.keeps_keys = False
    discovery.run(job, network, progress)
    assert network.unlocked == ["10.9.0.3"]
    assert (miner(1).api_key, miner(1).adoption_retry_at) == (None, T0 + timedelta(seconds=300))
    network.keeps_keys = True
    miner(1).adoption_retry_at = None
    db.session.commit()
    discovery.run(job, network, progress)
    assert miner(1).api_key is not None


def test_presets_that_cannot_be_read_cost_no_key(job: JobContext, network: FakeNetwork, progress: Progress) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    network.ladder_error = MinerError("did not answer in time")
    discovery.run(job, network, progress)
    assert (miner(1).api_key is not None, miner(1).ladder_read_at) == (True, None)
    discovery.run(job, network, progress)
    network.ladder_error = None
    discovery.run(job, network, progress)
    assert miner(1).ladder_read_at == T0
    assert len(network.unlocked) == 1


def test_a_miner_that_moved_is_the_same_miner(job: JobContext, network: FakeNetwork, progress: Progress) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(job, network, progress)
    key = miner(1).api_key
    network.hosts = {"10.9.0.9": identity(1), "10.9.0.3": identity(2)}
    discovery.run(job, network, progress)
    assert (miner(1).ip, miner(1).api_key, miner(2).ip) == ("10.9.0.9", key, "10.9.0.3")
    assert others() == {}


def test_two_miners_with_one_mac_keep_the_first_and_note_the_other(
    job: JobContext, network: FakeNetwork, progress: Progress
) -> None:
    network.hosts["10.9.0.9"] = identity(1)
    discovery.run(job, network, progress)
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(job, network, progress)
    assert miner(1).ip == "10.9.0.9"
    assert others()["10.9.0.3"].draws_power
    assert "10.9.0.9" in others()["10.9.0.3"].note
    network.hosts["10.9.0.9"] = MinerError("did not answer in time")  # for a moment
    discovery.run(job, network, progress)
    assert miner(1).ip == "10.9.0.9"
    del network.hosts["10.9.0.9"]  # gone: it had moved after all
    discovery.run(job, network, progress)
    assert miner(1).ip == "10.9.0.3"
    assert others() == {}


def test_a_collision_is_seen_across_slices_too(
    job: JobContext, network: FakeNetwork, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SLICE_HOSTS", 4)
    network.hosts["10.9.0.13"] = identity(1)
    discovery.run(job, network, progress)
    network.hosts["10.9.0.1"] = identity(1)
    discovery.run(job, network, progress)
    assert miner(1).ip == "10.9.0.13"
    network.hosts["10.9.0.13"] = NotVnish("stock", firmware="Bitmain stock")
    discovery.run(job, network, progress)
    assert miner(1).ip == "10.9.0.1"


def test_a_miner_without_a_mac_is_listed_and_left_alone(
    job: JobContext, network: FakeNetwork, progress: Progress
) -> None:
    network.hosts["10.9.0.3"] = identity(1, mac=None)
    discovery.run(job, network, progress)
    assert db.session.query(Miner).count() == 0
    assert others()["10.9.0.3"].draws_power
    assert network.unlocked == []
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(job, network, progress)
    assert others() == {}
    network.hosts["10.9.0.3"] = identity(1, mac=None)  # a known one that forgets it is no second load
    discovery.run(job, network, progress)
    assert others() == {}


@pytest.mark.parametrize(
    ("firmware", "draws"), [("Bitmain stock", True), ("Braiins OS", True), ("other", False), ("unknown", False)]
)
def test_other_hosts_are_listed_and_left_alone(
    job: JobContext, network: FakeNetwork, progress: Progress, firmware: str, *, draws: bool
) -> None:
    network.hosts["10.9.0.3"] = NotVnish("10.9.0.3 is none", firmware=firmware)
    assert discovery.run(job, network, progress).startswith("0 miners and 1 other hosts")
    assert others()["10.9.0.3"].draws_power is draws
    assert network.unlocked == []


def test_nothing_outside_the_subnets_is_contacted(job: JobContext, network: FakeNetwork, progress: Progress) -> None:
    network.hosts = {"10.9.0.3": identity(1), "10.9.0.4": identity(2)}
    discovery.run(job, network, progress)
    db.session.query(Miner).filter_by(mac="02:00:00:00:00:01").update({"ip": "10.8.0.1", "ladder_read_at": None})
    db.session.commit()
    network.asked.clear()
    del network.hosts["10.9.0.3"]
    discovery.run(job, network, progress)
    assert network.asked == ["10.9.0.4"]
    assert set(network.scanned) == {f"10.9.0.{n}" for n in range(1, 15)}
    network.hosts["10.9.0.5"] = identity(1)
    discovery.run(job, network, progress)
    assert miner(1).ip == "10.9.0.5"


def test_a_retired_miner_is_seen_but_not_cared_for(
    job: JobContext, network: FakeNetwork, progress: Progress, now: Now
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(job, network, progress)
    db.session.query(Miner).update({"retired": True, "ladder_read_at": None})
    db.session.commit()
    now.utc = T0 + HOUR
    assert "ladders" not in discovery.run(job, network, progress)
    assert (miner(1).retired, miner(1).last_seen_at) == (True, T0 + HOUR)


def test_a_large_network_is_scanned_over_several_runs(
    job: JobContext, network: FakeNetwork, progress: Progress, asked_for: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SLICE_HOSTS", 4)
    network.hosts = {f"10.9.0.{n}": identity(n) for n in range(1, 15)}
    with monkeypatch.context() as short:
        short.setattr(discovery._Run, "left_s", lambda self: 9.0 if len(network.scanned) < 8 else 2.0)
        assert discovery.run(job, network, progress).endswith("the round goes on")
    assert network.scanned == [f"10.9.0.{n}" for n in range(1, 9)]
    assert asked_for == ["discovery"]
    discovery.run(job, network, progress)
    assert network.scanned == [f"10.9.0.{n}" for n in range(1, 15)]
    assert db.session.query(Miner).filter(Miner.api_key.is_not(None)).count() == 14


def test_without_time_it_does_nothing_and_asks_for_nothing(
    job: JobContext, network: FakeNetwork, progress: Progress, asked_for: list[str]
) -> None:
    network.hosts["10.9.0.3"] = identity(1)
    discovery.run(context(job.config, left_s=0.1), network, progress)
    assert (network.scanned, asked_for) == ([], [])


def test_an_error_of_our_own_costs_one_host_and_shows(
    job: JobContext, network: FakeNetwork, progress: Progress
) -> None:
    network.hosts = {"10.9.0.3": ZeroDivisionError(), "10.9.0.4": identity(2)}
    with pytest.raises(ZeroDivisionError):
        discovery.run(job, network, progress)
    assert miner(2).api_key is not None


def test_other_algorithms_are_adopted_too(job: JobContext, network: FakeNetwork, progress: Progress) -> None:
    network.hosts["10.9.0.3"] = identity(1, algorithm="scrypt", hr_measure="MH/s", model_alias="l9")
    discovery.run(job, network, progress)
    found = miner(1).model
    assert found is not None
    assert (found.algorithm, miner(1).hr_measure) == ("scrypt", "MH/s")
    assert miner(1).api_key is not None
