"""The whole program as `make demo` starts it, disturbed for minutes: whatever it puts out gives no secret away."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app import create_app
from app.clock import utcnow
from app.config import load
from app.extensions import db
from app.models import Miner, PlantRefusal, PresetChangeRow
from tests import canaries
from tests.canaries import Search
from tests.conftest import ROOT
from tests.demo_process import Demo
from tests.jobs.lab import wait_until
from tests.long.control_door import ControlDoor, Disturber, database_held
from tests.long.person import Person

MINUTES = 3.0
MINERS = 40
ADMIN, ADMIN_PASSWORD = "ana", "canary-of-the-admin-3e5b"
HOLDERS = ("secret_key", "data_key", "powerhive.toml")
"""Where secrets are kept, and so no output: the two keys, and the settings that the operator (here the demo) wrote."""

RUNNING = (
    ["status"], ["jobs", "list"], ["jobs", "run", "discovery"], ["balance", "--dry-run"], ["poll"], ["scan"],
    ["secrets", "rotate"], ["user", "list"], ["token", "list"], ["user", "add", ADMIN],
)  # fmt: skip
STOPPED = (
    ["status"], ["poll"], ["scan"], ["jobs", "run", "telemetry_poller"], ["balance"], ["secrets", "rotate"],
    ["secrets", "forget", "--yes"], ["user", "disable", "nobody"], ["db", "current"],
)  # fmt: skip


class Run:
    """One demo, whoever looks at it, and the search in what they see."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.door = ControlDoor(demo.control_url)
        self.app = create_app(load({}, demo.folder))
        self.nobody = Person(demo.url)
        self.admin = Person(demo.url)
        self.programs: list[Person] = []
        self.macs = cycle(miner["mac"] for miner in self.door.miners())
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.search = Search({
            "the plant's key": canaries.PLANT_KEY, "the fleet's password": canaries.UNLOCK_PASSWORD,
            "a miner's own password": canaries.OWN_PASSWORD, "the session key": canaries.FLASK_KEY,
            "the data key": canaries.DATA_KEY, "the admin's password": ADMIN_PASSWORD,
        })  # fmt: skip
        self._waiting: list[tuple[str, str]] = []

    # --- what is put out

    def saw(self, kind: str, where: str, answer: str) -> None:
        """Keep an output until it is looked at, with every secret known that was there when it was made."""
        self.kinds[kind] += 1
        self._waiting.append((f"{kind}: {where}", answer))

    def learn(self) -> None:
        """Hear from the miners what they gave out up to now."""
        for mac, secrets in self.door.secrets().items():
            self.search.know({f"{secret} of {mac}": secret for secret in secrets})

    def look(self) -> None:
        """Search what was seen since the last time."""
        for where, content in self._waiting:
            self.search.text(where, content)
        self._waiting.clear()

    def flask(self, *words: str, given: str = "") -> tuple[str, str]:
        """Run `flask ...` as the operator does; its output and errors."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *words],
            cwd=ROOT, env=os.environ | {"POWERHIVE_INSTANCE": str(self.demo.folder)}, input=given,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.stdout, done.stderr

    def command(self, *words: str, given: str = "") -> None:
        self.saw("command", " ".join(words), "\n".join(self.flask(*words, given=given)))

    def every_page(self) -> None:
        """Everything that can be asked for, by everybody who can ask; then everything that is refused."""
        mac = next(self.macs)
        for who, person in (("nobody", self.nobody), ("admin", self.admin), *(("token", p) for p in self.programs)):
            for path, answer in canaries.every_answer(self.app, person.ask, mac=mac):
                self.saw(f"answer to {who}", path, answer)
                self.statuses[f"{answer[:3]} to {who}"] += 1
                assert who != "admin" or "\nSet-Cookie:" not in answer, "its cookie changes: search for the new one"
            for what, answer in canaries.every_refusal(self.app, person.ask):
                self.saw(f"refusal to {who}", what, answer)

    def files(self) -> None:
        """Every file of the instance folder, the database with its journals too, and the log."""
        for path in sorted(self.demo.folder.rglob("*")):
            if path.is_file() and path.name not in HOLDERS:
                self.kinds["file"] += 1
                self.search.files(iter([path]))
        self.kinds["log"] += 1
        self.search.files(iter([self.demo.output]))

    # --- how secrets come to be

    def set_up(self) -> None:
        """A user, a log-in, two tokens, and a miner with a password of its own.

        Exactly this is not searched: the answers by which the log-in sets its cookie, the page and the command that
        show a new token this once, and the header `Set-Cookie` by which the cookie changes until the rounds begin.
        """
        self.command("user", "add", ADMIN, "--role", "admin", "--password-stdin", given=f"{ADMIN_PASSWORD}\n")
        self.admin.log_in(ADMIN, ADMIN_PASSWORD)
        made = self.admin.ask("POST", "/account/tokens", data={"name": "page", "scope": "write", "days": "1"})
        shown, told = self.flask("token", "add", ADMIN, "command", "--scope", "read")
        self.saw("command", "token add", told)
        for key in (_token_in(made), _token_in(shown)):
            self.programs.append(Person(self.demo.url, token=key))
            self.search.know({f"the token {key[:7]}": key})
        self.give_a_miner_its_own_password()
        for _ in range(MINERS):
            self.step(f"/miners/{next(self.macs)}/inspection", "303")  # what miners say of themselves is kept as text
        self.step("/api/discovery/scan", "202", json={})
        self.admin.ask("GET", "/")  # shows what was flashed; now the cookie is as it stays
        self.search.know({"the cookie": self.admin.cookie(), "the log-in's key": self.admin.session_key(self.app)})

    def give_a_miner_its_own_password(self) -> None:
        """A technician sets it on the miner, the operator on its page; the next command finds the old key dead."""
        mac = max(self.door.miners(), key=lambda miner: miner["power_w"])["mac"]
        before = self.key_of(mac)
        self.door.miner_fault(mac, "lost_key", password=canaries.OWN_PASSWORD)
        self.step(f"/miners/{mac}/unlock-password", "303", data={"unlock_password": canaries.OWN_PASSWORD})
        self.door.post("/plant/generation", {"factor": 0.3})  # so that every miner is commanded
        wait_until(lambda: self.key_of(mac) not in ("", before), within_s=150, what="adopted by its own password")
        self.door.post("/plant/generation", {"factor": 1.0})
        assert self.key_of(mac) in self.door.secrets()[mac]

    def step(self, path: str, status: str, **given: object) -> None:
        answer = self.admin.ask("POST", path, **given)
        assert answer.startswith(status), answer[:300]
        lines = [line for line in answer.splitlines() if not line.startswith("Set-Cookie:")]
        self.saw("answer to admin", path, "\n".join(lines))

    def key_of(self, mac: str) -> str:
        with self.app.app_context():
            key = db.session.scalars(select(Miner).filter_by(mac=mac)).one().api_key
            db.session.remove()
        return key.reveal() if key else ""

    # --- what shows that it was no idle run

    def keys_in_use(self) -> int:
        """How many miners PowerHive commands with a key that we search for."""
        given_out = self.door.secrets()
        return sum(self.key_of(mac) in secrets for mac, secrets in given_out.items())

    def count(self, question: object) -> int:
        with self.app.app_context():
            counted = db.session.scalar(question)  # type: ignore[call-overload]
            db.session.remove()
        return int(counted)


def _token_in(text: str) -> str:
    found = re.search(r"ph_[A-Za-z0-9_-]{40,}", text)
    assert found, "no token was shown"
    return found[0]


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    yield
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    canaries.plant_in(tmp_path / "instance")
    simulator = ["--plant-key", canaries.PLANT_KEY, "--miner-password", canaries.UNLOCK_PASSWORD, "--stock", "1",
                 "--other", "2"]  # fmt: skip
    demo = Demo(tmp_path / "instance", "--log-level", "DEBUG", miners=MINERS, simulator=simulator)
    try:
        wait_until(demo.is_up, within_s=180, what="the demo is up")
        yield demo
    finally:
        demo.end()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.xdist_group("demo")
def test_a_whole_demo_under_faults_gives_no_secret_away(demo: Demo) -> None:
    run = Run(demo)
    run.set_up()
    disturber, first_workers, killed = Disturber(run.door), demo.workers(), 0
    ends_s = time.monotonic() + MINUTES * 60
    with disturber.raging():
        rounds = 0
        while time.monotonic() < ends_s or rounds < 3:
            run.every_page()
            if rounds == 0:
                killed = min(first_workers)
                os.kill(killed, signal.SIGKILL)
                for words in RUNNING:
                    run.command(*words)
                run.command("replay", "--from", (utcnow() - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M"))
            if rounds == 1:
                with database_held(demo.folder / "powerhive.db"):
                    run.every_page()
            run.learn()
            run.look()
            run.files()
            rounds += 1
    run.every_page()
    workers, keys = demo.workers(), run.keys_in_use()
    run.learn()
    assert demo.end() == 0
    for words in STOPPED:
        run.command(*words)
    _look_at_the_rest(run)
    failed = run.count(select(func.count(PresetChangeRow.id)).where(PresetChangeRow.error_message.is_not(None)))
    refusals = run.count(select(func.count(PlantRefusal.kind.distinct())))
    print(f"{run.search.searched:,} outputs, {run.search.characters:,} characters, {len(run.search.secrets)} secrets")
    print(dict(run.kinds), dict(run.statuses), dict(disturber.made))
    print(f"{keys} miners with keys searched for, {failed} failed changes, {refusals} kinds of refused readings")
    assert sorted(set(run.search.leaks)) == []
    assert sum(run.kinds.values()) == run.search.searched > 2_000
    assert min(run.kinds[kind] for kind in ("answer to admin", "answer to token", "refusal to nobody")) > 80
    assert run.statuses["200 to admin"] > 0.9 * run.kinds["answer to admin"]
    assert len(workers) == len(first_workers) == 2, "the killed worker was replaced"
    assert killed not in workers
    assert keys > MINERS * 0.8, "PowerHive commanded with keys that were searched for"
    assert failed > 5
    assert refusals > 5


def _look_at_the_rest(run: Run) -> None:
    """Search what the stopped program leaves; where secrets are kept, the same search finds them."""
    run.search.know({"the new data key": (run.demo.folder / "data_key").read_text().strip()})
    run.look()
    run.files()
    held = Search(run.search.secrets)
    held.files(run.demo.folder / name for name in HOLDERS)
    found = {leak.partition(" in ")[0] for leak in held.leaks}
    assert found >= {"the plant's key", "the fleet's password", "the session key", "the new data key"}
    assert b"DEBUG" in run.demo.output.read_bytes()
