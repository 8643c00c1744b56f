"""`python -m benchmarks.live.one JOB FOLDER`: one live run, in a process of its own; writes FOLDER/<name>.json.

The simulator and its truth are in this process, PowerHive (gunicorn, its jobs and pages) is a child of it.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.live.farm import METERED, LiveFarm
from benchmarks.live.foresight import most_share, river
from benchmarks.live.scenarios import SCENARIOS, Scenario
from benchmarks.live.score import Sample, score
from benchmarks.whole_program import Program
from demo import processes
from simulator.demo import Topology

MARGIN_PERCENT = 10.0
COLLECTED_SHARE = 8 / 15  # the plant collects every 8 s and is read every 15 s
FIRST_PORT = 28_600
SERVER_PATIENCE_S = 120.0  # until it answers: many programs start at the same time


class Stop(BaseException):
    """Somebody asked this run to end."""


_stopping = threading.Event()


def _stop(_number: int, _frame: object) -> None:
    """Leave what is being waited for. Raised within some callback of Python's own the exception is lost: `_go_on`."""
    if not _stopping.is_set():
        _stopping.set()
        raise Stop


def _go_on() -> None:
    if _stopping.is_set():
        raise Stop


@dataclass(frozen=True)
class Job:
    """One run. `number` keeps addresses and ports of parallel runs apart; `minutes` None: the scenario's own time.

    `settings`: run-time settings of PowerHive that win over the scenario's; of them only the margin moves the budget.
    """

    number: int
    scenario: str
    miners: int
    policy: str
    seed: int = 7
    topology: Topology = "foreign"
    interval_s: float = 15.0
    warm_up_s: float = 210.0
    minutes: float | None = None
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.number:02}-{self.scenario.replace(', ', '-').replace(' ', '-')}-{self.miners}-{self.policy}"

    @property
    def margin_percent(self) -> float:
        return self.settings.get("safety_margin_percent", MARGIN_PERCENT)

    def plot(self) -> Scenario:
        """Return the scenario as this job wants it."""
        scenario = SCENARIOS[self.scenario]
        return scenario if self.minutes is None else scenario.lasting(self.minutes)


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Start everything, let the scenario happen, stop everything; return what was seen and what it was worth."""
    farm = LiveFarm.of(
        job.plot(), job.miners, seed=job.seed, topology=job.topology, margin_percent=job.margin_percent,
        base_ip=f"127.{200 + job.number}.0.1", collect_every_s=COLLECTED_SHARE * job.interval_s,
    )  # fmt: skip
    with farm.simulator:
        program = Program(
            folder, miners=job.miners, interval_s=job.interval_s, patience_s=SERVER_PATIENCE_S,
            port=processes.free_port(FIRST_PORT + 20 * job.number),
            more_env={"POWERHIVE_TELEMETRY_INTERVAL_S": "600", "POWERHIVE_DISCOVERY_INTERVAL_S": "300",
                      "POWERHIVE_WORKERS": "1"},
        )  # fmt: skip
        try:
            program.connect(farm.simulator.where())
            _go_on()
            program.call("-m", "benchmarks.live.seed", json.dumps(_wishes(job, farm)))
            _go_on()
            program.start()
            watch = _Watch(farm, program, job.warm_up_s)
            watch.run()
        finally:
            program.close()
        return _result(job, watch)


def _wishes(job: Job, farm: LiveFarm) -> dict[str, Any]:
    settings = {**farm.scenario.settings, **job.settings}
    settings |= {"policy": job.policy, "safety_margin_percent": job.margin_percent}
    return {"miners": job.miners, "metered": job.topology in METERED, "max_presets": farm.max_presets(),
            "settings": settings}  # fmt: skip


class _Watch:
    """Second by second: do what is due, note the truth. `began_s`: the monotonic moment of the scenario's second 0."""

    def __init__(self, farm: LiveFarm, program: Program, warm_up_s: float) -> None:
        self.farm, self.program = farm, program
        self.warm_up_s = warm_up_s
        self.began_s = 0.0
        self.warm_up: list[Sample] = []
        self.samples: list[Sample] = []
        self.events: list[tuple[float, str]] = []

    def run(self) -> None:
        self.farm.let_the_river_run(self.warm_up_s)
        self.began_s = time.monotonic() + self.warm_up_s
        for second in range(-int(self.warm_up_s), int(self.farm.scenario.length_s)):
            time.sleep(max(0.0, self.began_s + second - time.monotonic()))
            _go_on()
            at_s = time.monotonic() - self.began_s
            self.events += [(round(at_s, 1), what) for what in self.farm.act(second)]
            (self.samples if second >= 0 else self.warm_up).append(self.farm.sample(at_s))
            server = self.program.server
            if server is not None and server.poll() is not None:
                raise RuntimeError(f"PowerHive ended by itself with status {server.returncode}")


def _result(job: Job, watch: _Watch) -> dict[str, Any]:
    farm = watch.farm
    changes = _rows(watch, "preset_changes", (
        "recorded_monotonic_s", "finished_monotonic_s", "miner_id", "kind", "old_preset", "new_preset", "old_power_w",
        "new_power_w", "outcome", "attempt", "error_message", "reason",
    ))  # fmt: skip
    cycles = _rows(watch, "balance_cycles", (
        "decided_monotonic_s", "target_w", "current_w", "planned_w", "available_kw", "data_age_s", "emergency",
        "changes_count", "failed_count", "duration_s", "reason",
    ))  # fmt: skip
    outcomes = Counter(change["outcome"] for change in changes if change["recorded_s"] >= 0)
    allowed, ways = river(farm)
    days = job.miners * farm.scenario.length_s / 86_400.0
    return {
        "job": asdict(job),
        "score": asdict(score(watch.samples, farm.truth, farm.load, farm.scenario.falls_s())),
        "foresight": most_share(farm.truth, ways, allowed),
        "outcomes": dict(outcomes),
        "changes_per_miner_day": outcomes.total() / days,
        "farm": {"load": asdict(farm.load), "steps": farm.truth.steps},
        "sample_fields": Sample._fields,
        "warm_up": watch.warm_up,
        "samples": watch.samples,
        "events": watch.events,
        "cycles": cycles,
        "changes": changes,
    }


def _rows(watch: _Watch, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows of PowerHive's database; its monotonic moments as seconds of the scenario (`..._s`)."""
    query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY id"
    with closing(sqlite3.connect(watch.program.folder / "powerhive.db", timeout=10)) as connection:
        found = [dict(zip(columns, row, strict=True)) for row in connection.execute(query)]
    for row in found:
        for name in [name for name in row if name.endswith("_monotonic_s")]:
            moment_s = row.pop(name)
            row[name.replace("_monotonic", "")] = None if moment_s is None else round(moment_s - watch.began_s, 2)
    return found


def main() -> int:
    """Run the job of the command line; whatever goes wrong is said in its file."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when
    job, folder = Job(**json.loads(sys.argv[1])), Path(sys.argv[2])
    instance = folder / job.name
    instance.mkdir(parents=True)
    try:
        result = run(job, instance)
    except Stop:
        return 1
    except Exception as error:  # noqa: BLE001 - one run's defect must not hide the others' rows
        result = {"job": asdict(job), "failed": f"{type(error).__name__}: {error}"}
    partial = folder / f"{job.name}.part"
    partial.write_text(json.dumps(result))
    partial.rename(folder / f"{job.name}.json")
    return 1 if "failed" in result else 0


if __name__ == "__main__":
    sys.exit(main())
