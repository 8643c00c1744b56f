"""A short life with canary secrets everywhere: no page, answer, log line, command or file gives one away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.clock import stamp, utcnow
from app.config import Config, load
from app.extensions import db
from app.instance_folder import new_data_key
from app.jobs import scheduler
from app.jobs.runner import JobRunner
from app.models import Miner
from app.redaction import Secret
from app.store import commands, fleet, terms
from simulator import FAST, FarmSpec, MinerSpec, PlantSpec, Simulator
from tests import canaries
from tests.canaries import Search

JOBS = ("plant_poller", "discovery", "status_poller", "balancer", "telemetry_poller", "commands", "meter_check")
COMMANDS = (["status"], ["jobs", "list"], ["balance", "--dry-run"], ["poll"], ["scan"], ["jobs", "run", "discovery"])
MINERS = 4


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    yield
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    miners = [MinerSpec("s19jpro", password=canaries.UNLOCK_PASSWORD) for _ in range(MINERS)]
    plant = PlantSpec(constant_kw=14.0, key=canaries.PLANT_KEY, collection_interval_s=1)
    with Simulator(FarmSpec(miners, timing=FAST, base_ip="127.32.0.1"), plant) as running:
        running.miners[1].auth.password = canaries.OWN_PASSWORD
        for n, miner in enumerate(running.miners):
            miner.auth.api_keys[canaries.miner_key(n)] = f"PowerHive {miner.mac}"
        yield running


@pytest.fixture
def installation(simulator: Simulator, tmp_path: Path) -> Config:
    canaries.plant_in(tmp_path)
    given = {
        "PLANT_API_KEY": canaries.PLANT_KEY, "PLANT_ENDPOINT": simulator.plant_url, "LOG_LEVEL": "DEBUG",
        "SUBNETS": "127.32.0.0/28", "MINER_PORT": str(simulator.miner_port),
        "UNLOCK_PASSWORD": canaries.UNLOCK_PASSWORD,
    }  # fmt: skip
    return load({f"POWERHIVE_{name}": value for name, value in given.items()}, tmp_path)


def secrets_of(config: Config) -> dict[str, str]:
    return {
        "the plant's key": canaries.PLANT_KEY, "the fleet's password": canaries.UNLOCK_PASSWORD,
        "a miner's own password": canaries.OWN_PASSWORD, "the session key": canaries.FLASK_KEY,
        "the data key": canaries.DATA_KEY, **{f"the key of miner {n}": canaries.miner_key(n) for n in range(MINERS)},
    }  # fmt: skip


def live(app: Flask, config: Config, simulator: Simulator) -> None:
    """Everything once, then everything with faults: jobs, orders, an inspection, a lost key."""
    with app.app_context():
        runner = JobRunner(app, config, term_id=terms.begin(1, stamp()))
    for name in JOBS:
        runner.run(scheduler.job(name, config))
    with app.app_context():
        own = db.session.query(Miner).filter_by(mac=simulator.miners[1].mac).one()
        fleet.set_unlock_password(own.mac, canaries.OWN_PASSWORD, utcnow(), who="test")
        for miner in simulator.miners:
            commands.enqueue(commands.INSPECT, by="test", now=utcnow(), miner_id=_id_of(miner.mac))
        db.session.remove()
    for name in JOBS:
        runner.run(scheduler.job(name, config))
    for index, fault in enumerate(("http500", "garbage", "reject", "truncated")):
        simulator.set_fault(index, fault)
    for fault in ("http401", "html", "strings"):
        simulator.plant.set_fault(fault)
        for name in JOBS:
            runner.run(scheduler.job(name, config))
        simulator.plant.clear_faults()
    simulator.clear_faults()
    simulator.miners[0].auth.forget_keys("somebody else's")
    for name in JOBS:
        runner.run(scheduler.job(name, config))


def _id_of(mac: str) -> int:
    return db.session.query(Miner.id).filter_by(mac=mac).scalar()  # type: ignore[no-any-return]


@pytest.mark.timeout(180)
def test_a_whole_life_gives_no_secret_away(
    installation: Config, simulator: Simulator, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(installation)
    search = Search(secrets_of(installation))
    with app.app_context():
        db.create_all()
        db.session.remove()
    live(app, installation, simulator)
    with app.app_context():
        held = {m.api_key for m in db.session.query(Miner)}
        assert {Secret(canaries.miner_key(n)) for n in (1, 2, 3)} <= held, "the canaries were in use"
        db.session.remove()
    client = app.test_client()
    ask = canaries.in_process(client)
    for where, answer in (*canaries.every_answer(app, ask), *canaries.every_refusal(app, ask)):
        search.text(where, answer)
    for words in (*COMMANDS, ["secrets", "rotate"], ["--help"]):
        done = app.test_cli_runner().invoke(args=list(words))
        search.text(f"flask {' '.join(words)}", f"{done.output}\n{done.exception!r}")
    app.testing = False
    monkeypatch.setattr("app.store.status_board.load", _fails_with(app, installation))
    for path in ("/", "/api/status", "/api/miners", "/miners"):
        search.text(f"a failing {path}", client.get(path).text)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    out, err = capfd.readouterr()
    assert len(err) > 5_000, "the log was written"
    assert "Traceback" in err
    search.text("stdout", out)
    search.text("the log", err)
    search.files(path for path in installation.instance.iterdir() if path.name not in ("secret_key", "data_key"))
    print(f"{search.searched} outputs, {search.characters} characters")
    assert search.leaks == []
    assert search.searched > 60


def _fails_with(app: Flask, config: Config) -> object:
    """A failure that has the settings and the miners in its hands."""

    def load(*_: object, **__: object) -> object:
        miners = db.session.query(Miner).all()
        raise RuntimeError(f"provoked with {config} {[vars(m) for m in miners]} {config.plant_api_key} {app.config}")

    return load


def test_the_search_would_find_a_leak() -> None:
    search = Search({"it": "canary"})
    for content in ("a canary", "yranac", "Y2FuYXJ5", "nothing"):
        search.text(content, content)
    assert len(search.leaks) == 3


def test_a_peer_s_answers_with_secrets_in_them_are_cleaned(
    installation: Config, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peers that say back what they were asked with, in every text of every answer."""
    from app.clients.http import Answer, SweepSession

    call = SweepSession.call

    def echoed(self: SweepSession, method: str, url: str, **given: object) -> Answer:
        answer = call(self, method, url, **given)  # type: ignore[arg-type]
        headers = given.get("headers") or {}
        sent = headers.get("x-api-key", "") or headers.get("Authorization", "").removeprefix("Bearer ")  # type: ignore[attr-defined]
        if not sent or "unlock" in url or "apikeys" in url:
            return answer
        said = f'"{sent}'.encode()
        return Answer(answer.status, answer.headers, answer.body.replace(b'"turbine', said).replace(b'"Antminer', said))

    monkeypatch.setattr(SweepSession, "call", echoed)
    app = create_app(installation)
    with app.app_context():
        db.create_all()
        db.session.remove()
    live(app, installation, simulator)
    search = Search(secrets_of(installation))
    for path, answer in canaries.every_answer(app, canaries.in_process(app.test_client())):
        search.text(path, answer)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    search.files(path for path in installation.instance.iterdir() if path.name not in ("secret_key", "data_key"))
    assert search.leaks == []


def test_after_a_lost_data_key_the_miners_are_adopted_anew(installation: Config, simulator: Simulator) -> None:
    app = create_app(installation)
    with app.app_context():
        db.create_all()
        db.session.remove()
    live(app, installation, simulator)
    with app.app_context():
        db.engine.dispose()
    lost = create_app(replace(installation, data_keys=(Secret(new_data_key()),)))
    runner = JobRunner(lost, installation)
    with lost.app_context():
        assert [m.api_key for m in db.session.query(Miner)] == [None] * MINERS
        own = simulator.miners[1].mac
        for _ in range(2):
            runner.run(scheduler.job("discovery", installation))
            fleet.set_unlock_password(own, canaries.OWN_PASSWORD, utcnow(), who="test")  # the operator enters it again
        found = {m.mac: m.api_key for m in db.session.query(Miner)}
        expected = {simulator.miners[n].mac: Secret(canaries.miner_key(n)) for n in (1, 2, 3)}
        assert {mac: found[mac] for mac in expected} == expected
        db.session.remove()
        db.engine.dispose()
