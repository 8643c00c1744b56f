"""A simulated farm with the real PowerHive on it: the simulator here, PowerHive in a process that can be killed.

The operator's deeds are made as the pages make them: through `app.store`, from another process than the acting one.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app import create_app
from app.clock import utcnow
from app.config import load
from app.core.readings import SourceRole
from app.extensions import db
from app.store import commands, fleet, miner_models, plant_history, settings
from demo import processes
from simulator import FarmSpec, OtherHost, PlantSpec, SimMiner, Simulator, demo_farm
from simulator.demo import Topology
from simulator.miner import PASSWORD
from tests.long.journal import Journal, Samples, Timeline

ROOT = Path(__file__).resolve().parent.parent.parent
WHO = "long test"
SETTINGS = {"surplus_lasts_s": 10, "restart_room_lasts_s": 30, "cooldown_s": 30, "lost_after_s": 90}


@dataclass(frozen=True)
class Scale:
    """How large and how quick. Intervals in seconds; `time_scale` makes restarts and ramps quicker, nothing else."""

    miners: int = 48
    time_scale: float = 2.0
    plant_interval_s: float = 5.0
    status_interval_s: float = 10.0
    collect_s: float = 3.0


DEFAULT_SCALE = Scale()


class TestedFarm:
    """What a scenario disturbs. Everything it does is in the journal."""

    __test__ = False

    def __init__(self, folder: Path, topology: Topology, seed: int, scale: Scale = DEFAULT_SCALE) -> None:
        self.folder, self.topology, self.seed, self.scale = folder, topology, seed, scale
        self.chance = random.Random(seed)
        spec = demo_farm(scale.miners, base_ip=f"127.{70 + seed % 100}.0.1")
        spec = replace(spec, others=[OtherHost("stock")])
        self.simulator = Simulator(
            FarmSpec(spec.miners, spec.others, spec.timing, spec.base_ip),
            PlantSpec(collection_interval_s=scale.collect_s),
            topology=topology, seed=seed, time_scale=scale.time_scale,
        )  # fmt: skip
        self.process: subprocess.Popen[str] | None = None
        self.journal = self._empty_journal()
        self.samples = Samples(self.simulator, self.journal)

    # --- life ---

    @contextmanager
    def running(self) -> Iterator[TestedFarm]:
        """Found, decided and armed; whatever happens, nothing of it is left running."""
        with self.simulator:
            try:
                self._prepare()
                yield self
            finally:
                self.samples.stop()
                self.end_acting(signal.SIGKILL)

    def _empty_journal(self) -> Journal:
        managed = {miner.mac: Timeline.of(False) for miner in self.simulator.miners}
        held = {miner.mac: Timeline.of(False) for miner in self.simulator.miners}
        aliases = {miner.model.alias for miner in self.simulator.miners}
        none: dict[str, Timeline[int | None]] = {alias: Timeline.of(None) for alias in aliases}
        return Journal(Timeline.of("observe"), Timeline.of("none"), none, managed, held)

    def _prepare(self) -> None:
        facts = {
            "PLANT_ENDPOINT": self.simulator.plant_url, "PLANT_API_KEY": self.simulator.plant_key, "SIMULATED": "true",
            "SUBNETS": ",".join(self.simulator.subnets), "MINER_PORT": str(self.simulator.miner_port),
            "UNLOCK_PASSWORD": PASSWORD, "LOG_LEVEL": "INFO", "INSTANCE": str(self.folder),
            "PLANT_RATED_KW": f"{self.simulator.plant.mean_generation_kw * 1.3:.0f}",
            "PLANT_INTERVAL_S": f"{self.scale.plant_interval_s:g}",
            "BALANCE_INTERVAL_S": f"{self.scale.plant_interval_s:g}",
            "STATUS_INTERVAL_S": f"{self.scale.status_interval_s:g}",
            "TELEMETRY_INTERVAL_S": "30", "DISCOVERY_INTERVAL_S": "10",
        }  # fmt: skip
        self.env = {f"POWERHIVE_{name}": value for name, value in facts.items()}
        self.app = create_app(load(self.env, self.folder))
        with self.app.app_context():
            db.create_all()
            db.session.remove()
        self.simulator.plant.set_generation_kw(self.simulator.plant.mean_generation_kw)
        self.samples.take()
        self.samples.start()
        self.start_acting()
        wanted = len(self.simulator.miners)
        self.wait(lambda: self.asked("SELECT count(*) FROM miners WHERE ladder_read_at IS NOT NULL") == wanted, 90)
        self.wait(lambda: self.asked("SELECT count(*) FROM plant_sources") >= 3, 30)
        self._decide()

    def _decide(self) -> None:
        metered = self.topology in ("miners", "mixed")
        if metered:
            self.operator(lambda: plant_history.set_role("container_1", SourceRole.MINERS, WHO, utcnow()))
            time.sleep(self.scale.plant_interval_s + 2 * self.scale.collect_s)
        self.operator(lambda: settings.change_many(SETTINGS, WHO, None, utcnow()))
        models = sorted(self.journal.max_w)
        without = self.chance.choice(models)
        for alias in models:
            if alias != without:
                self.set_max_preset(alias, self.choices(alias)[-2])
        miners = self.simulator.miners
        odd = self.chance.sample(miners, 7)
        for miner in miners:
            if miner not in odd[:4]:
                self.set_managed(miner, True)
        for miner in odd[4:]:
            self.set_hold(miner, True)
        self.journal.note(f"no max preset for {without}")
        self.set_mode("armed")

    def start_acting(self) -> None:
        log = (self.folder / "powerhive.log").open("a")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("POWERHIVE_")}
        command = [sys.executable, "-m", "tests.long.acting"]
        with log:
            self.process = processes.start(
                command, cwd=ROOT, env=clean | self.env, on_orphaned=signal.SIGKILL, stderr=log
            )
        self.journal.acted.append([time.monotonic(), float("inf")])

    def end_acting(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.process = None
        self.journal.acted[-1][1] = time.monotonic()

    # --- the operator ---

    def operator(self, deed: Callable[[], Any]) -> Any:
        with self.app.app_context():
            try:
                return deed()
            finally:
                db.session.remove()

    def set_mode(self, mode: str) -> None:
        with self.journal.mode.becoming(mode):
            self.operator(lambda: settings.change("mode", mode, WHO, None, utcnow()))

    def set_override(self, kind: str) -> None:
        with self.journal.override.becoming(str(commands.OVERRIDES[kind])):
            self.operator(lambda: commands.enqueue(kind, by=WHO, now=utcnow()))

    def set_margin(self, percent: float) -> None:
        self.operator(lambda: settings.change("safety_margin_percent", percent, WHO, None, utcnow()))

    def set_lost_action(self, action: str) -> None:
        self.operator(lambda: settings.change("plant_lost_action", action, WHO, None, utcnow()))

    def set_managed(self, miner: SimMiner, managed: bool) -> None:
        with self.journal.managed[miner.mac].becoming(managed):
            self.operator(lambda: fleet.set_managed(managed, utcnow(), macs=[miner.mac], who=WHO))

    def set_hold(self, miner: SimMiner, hold: bool) -> None:
        with self.journal.held[miner.mac].becoming(hold):
            self.operator(lambda: fleet.set_hold(miner.mac, hold, utcnow(), who=WHO))

    def set_max_preset(self, alias: str, preset: str | None) -> None:
        model = next(m.model for m in self.simulator.miners if m.model.alias == alias)
        watts = None if preset is None else model.preset(preset).power_w
        with self.journal.max_w[alias].becoming(watts):
            self.operator(lambda: miner_models.set_max_preset(alias, preset, who=WHO, now=utcnow()))

    def order_preset(self, miner: SimMiner, preset: str) -> None:
        """By hand; what a limit refuses at once is refused here, too, and nothing comes of it."""
        self.journal.orders.append((time.monotonic(), miner.mac, preset))
        self.operator(lambda: commands.enqueue_preset(miner.mac, preset, by=WHO, now=utcnow()))

    def choices(self, alias: str) -> list[str]:
        """The tuned presets of a model that run on the stock supply, lowest first."""
        model = next(m.model for m in self.simulator.miners if m.model.alias == alias)
        return [p.name for p in model.steps() if p.tuned and not p.modded_psu_required]

    # --- what is asked of the database, as it is ---

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.database, timeout=10)) as connection:
            return connection.execute(query).fetchall()

    def asked(self, query: str) -> Any:
        return self.rows(query)[0][0]

    @property
    def database(self) -> Path:
        return self.folder / "powerhive.db"

    def wait(self, check: Callable[[], bool], within_s: float) -> float | None:
        """Wait until it is so; return after how many seconds, None where it was not to be."""
        begun = time.monotonic()
        while time.monotonic() - begun < within_s:
            if check():
                return time.monotonic() - begun
            time.sleep(0.5)
        return None
