"""A 30 % drop of the plant: how long from the stored reading to the last command, and what does the farm draw then?

300 simulated miners, real jobs in this process, 5 % of the miners dead from one moment to the next: half of them refuse
the connection, half take it and never answer. Prints one line of JSON and ends by itself.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import create_app
from app.clients import miner as miner_client
from app.clock import stamp, utcnow
from app.config import load
from app.extensions import db, writing
from app.jobs import balancer, discovery, plant_poller, status_poller
from app.jobs.runner import Deadline, JobContext
from app.models import BalanceCycle, Miner, MinerModel, ModelPreset, PlantSource, PresetChangeRow, SettingRow
from app.store import terms
from simulator.farm import FarmSpec
from simulator.miner import PASSWORD
from simulator.server import Simulator

DISCOVERY_TRIES = 30


@dataclass
class TimedHands:
    """The real hands, with the moment each command left."""

    left_at: list[tuple[float, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Any:
        real = getattr(miner_client, name)

        def call(*args: Any) -> Any:
            with self._lock:
                self.left_at.append((time.monotonic(), name))
            return real(*args)

        return call


def main() -> int:
    cli = argparse.ArgumentParser(description="seconds from a stored reading to the last command")
    cli.add_argument("--miners", type=int, default=300)
    cli.add_argument("--drop", type=float, default=0.30)
    cli.add_argument("--dead", type=float, default=0.05)
    cli.add_argument("--settle", type=float, default=90.0, help="seconds until the farm's power is read again")
    args = cli.parse_args()
    with tempfile.TemporaryDirectory() as folder, Simulator(FarmSpec.of(args.miners)) as simulator:
        print(json.dumps(measure(simulator, Path(folder), args)))
    return 0


def measure(simulator: Simulator, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Set the farm up, let the plant drop, run one cycle, and tell how it went."""
    environ = {
        "PLANT_ENDPOINT": simulator.plant_url, "PLANT_API_KEY": simulator.plant_key, "LOG_LEVEL": "ERROR",
        "SUBNETS": ",".join(simulator.subnets), "MINER_PORT": str(simulator.miner_port), "UNLOCK_PASSWORD": PASSWORD,
        "SIMULATED": "true",
    }  # fmt: skip
    config = load({f"POWERHIVE_{name}": value for name, value in environ.items()}, folder)
    app = create_app(config)
    logging.disable(logging.CRITICAL)
    with app.app_context():
        db.create_all()
        term_id = terms.begin(1, stamp())

        def job(span_s: float = 12.0) -> JobContext:
            return JobContext(config, Deadline(span_s), stamp(), term_id)

        enough_kw = simulator.farm.max_power_w / 1000 / 0.85
        simulator.plant.set_generation_kw(enough_kw)
        discover(job, args.miners)
        arm()
        read_plant(simulator, job)
        with writing() as session:
            for source in session.scalars(db.select(PlantSource).where(PlantSource.kind == "consumption")):
                source.role = "miners"  # these meters contain the miners
        status_poller.run(job())
        read_plant(simulator, job)
        balancer.cycle(job())
        before_kw = simulator.farm.draw_w() / 1000
        dead = kill(simulator, args.dead)
        simulator.plant.set_generation_kw(enough_kw * (1 - args.drop))
        read_plant(simulator, job)
        hands, stored_at = TimedHands(), time.monotonic()
        note = balancer.cycle(job(), hands)
        took_s = time.monotonic() - stored_at
        return result(simulator, args, hands, stored_at) | {
            "cycle_s": round(took_s, 2),
            "dead": dead,
            "before_kw": round(before_kw, 1),
            "note": note,
        }


def discover(job: Any, count: int) -> None:
    for _ in range(DISCOVERY_TRIES):
        discovery.run(job())
        db.session.rollback()
        if db.session.scalar(db.select(db.func.count(Miner.id)).where(Miner.ladder_read_at.is_not(None))) == count:
            return
    raise SystemExit("the discovery did not find and adopt every miner")


def arm() -> None:
    """The highest tuned preset of every model, all miners managed, mode armed."""
    with writing() as session:
        for model in session.scalars(db.select(MinerModel)):
            rungs = session.scalars(
                db.select(ModelPreset).where(
                    ModelPreset.model_id == model.id,
                    ModelPreset.firmware_power_w.is_not(None),
                    ModelPreset.modded_psu_required.is_(False),
                )
            )
            model.max_preset = max(rungs, key=lambda rung: rung.firmware_power_w or 0).name
        for miner in session.scalars(db.select(Miner)):
            miner.managed = True
        session.merge(SettingRow(name="mode", value="armed"))


def read_plant(simulator: Simulator, job: Any) -> None:
    """Fetch a collection that is newer than the last one."""
    time.sleep(1.1)
    simulator.plant.collect()
    plant_poller.run(job())


def kill(simulator: Simulator, share: float) -> int:
    chosen = list(range(0, len(simulator.miners), max(1, round(1 / share)))) if share > 0 else []
    for number, index in enumerate(chosen):
        simulator.set_fault(index, "offline" if number % 2 else "hang")
    return len(chosen)


def result(simulator: Simulator, args: argparse.Namespace, hands: TimedHands, stored_at: float) -> dict[str, Any]:
    db.session.rollback()
    cycle = db.session.scalars(db.select(BalanceCycle).order_by(BalanceCycle.id.desc()).limit(1)).one()
    rows = list(db.session.scalars(db.select(PresetChangeRow).where(PresetChangeRow.cycle_id == cycle.id)))
    outcomes = {outcome: sum(row.outcome == outcome for row in rows) for outcome in {row.outcome for row in rows}}
    at = utcnow().isoformat(timespec="seconds")
    time.sleep(args.settle)
    return {
        "benchmark": "cycle",
        "at": at,
        "miners": args.miners,
        "last_command_after_s": round(max((left - stored_at for left, _ in hands.left_at), default=0.0), 2),
        "commands": len(hands.left_at),
        "changes": len(rows),
        "outcomes": outcomes,
        "restarts": sum(name == "restart" for _, name in hands.left_at),
        "available_kw": round(cycle.available_kw, 1),
        "target_kw": round(cycle.target_w / 1000, 1),
        "planned_kw": round(cycle.planned_w / 1000, 1),
        "drawn_after_settling_kw": round(simulator.farm.draw_w() / 1000, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
