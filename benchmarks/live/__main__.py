"""Run scenarios live, all at the same time, and print what the miners really hashed for what the river gave.

`python -m benchmarks.live [--miners 60 300] [--scenarios steps ramp] [--policies economic stepwise] [--out FOLDER]`.
For a look while working on it: `--minutes 2 --warm-up-s 30`. Each run is a simulator and a PowerHive of its own on
loopback, at real time and with its real 15 s intervals: about 18 minutes, however many. The words of the table are
defined in `benchmarks/live/score.py`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from app.core import settings
from app.errors import SettingError
from benchmarks.live.one import Job
from benchmarks.live.runs import ROOT, ended
from benchmarks.live.scenarios import SCENARIOS
from benchmarks.live.table import losses, table
from simulator.demo import Topology

MOST_RUNS = 50  # each has a 127.x of its own
MOST_MINERS = 3000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where a run failed or was stopped, 2 where it cannot be run at all."""
    args = _parser().parse_args(arguments)
    jobs = _jobs(args)
    results: dict[str, dict[str, Any]] = {}
    with _folder(args.out) as folder, closing(ended(jobs, folder, args.parallel or len(jobs), _stopping())) as found:
        for job, result in found:
            results[job.name] = result
            print(f"{job.name} has ended, {len(jobs) - len(results)} to go", file=sys.stderr, flush=True)
    rows = [results.get(job.name) or {"job": asdict(job), "failed": "stopped before its end"} for job in jobs]
    print(table(rows))
    print("\nWhat is missing to 100, in % of the bound:\n")
    print(losses(rows))
    return 1 if any("failed" in row for row in rows) else 0


def _stopping() -> threading.Event:
    """Return what is set when somebody asks the bench to end."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _parser() -> argparse.ArgumentParser:
    cli = argparse.ArgumentParser(
        prog="python -m benchmarks.live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    policies = settings.SPECS["policy"].choices
    cli.add_argument("--miners", type=_within(int, 1, MOST_MINERS), nargs="+", default=[60])
    cli.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    cli.add_argument("--policies", nargs="+", choices=policies, default=policies)
    cli.add_argument("--minutes", type=_within(float, 0.05, 600),
                     help="squeeze each scenario into this time (default: its own)")  # fmt: skip
    cli.add_argument("--warm-up-s", type=_within(float, 0, 3600), default=Job.warm_up_s,
                     help="seconds before the scenario (default 210: raises need 12 readings)")  # fmt: skip
    cli.add_argument("--interval-s", type=_within(float, 2, 300), default=Job.interval_s,
                     help="of plant, balancer and status poller (default 15)")  # fmt: skip
    cli.add_argument("--topology", choices=get_args(Topology), default=Job.topology,
                     help="foreign (default): no meter contains the miners; miners: container_1 does")  # fmt: skip
    cli.add_argument("--seed", type=int, default=Job.seed, help="of the miners' spread and of who breaks")
    cli.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="further run-time settings")
    cli.add_argument("--parallel", type=_within(int, 1, MOST_RUNS),
                     help="at most so many runs at the same time (default: all)")  # fmt: skip
    cli.add_argument("--out", type=Path, help="keep each run's JSON, log and database here, outside the repository")
    return cli


def _within(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least:g} to {most:g}, not {text}")
        return value

    number.__name__ = kind.__name__  # argparse names it where it is no number at all
    return number


def _jobs(args: argparse.Namespace) -> list[Job]:
    wished = _settings(args.set)
    runs = len(args.miners) * len(args.scenarios) * len(args.policies)
    if runs > MOST_RUNS:
        raise _wrong(f"{runs} runs are too many: at most {MOST_RUNS} have addresses of their own")
    return [
        Job(number, scenario, miners, policy, args.seed, args.topology, args.interval_s, args.warm_up_s, args.minutes,
            wished)
        for number, (miners, scenario, policy) in enumerate(
            (miners, scenario, policy)
            for miners in args.miners for scenario in args.scenarios for policy in args.policies
        )
    ]  # fmt: skip


def _settings(words: Sequence[str]) -> dict[str, Any]:
    """Return the settings of `name=value` words; ends the program where one is none of PowerHive's."""
    wished = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        try:
            wished[name] = settings.check(name, value)
        except SettingError as error:
            raise _wrong(f"--set {word}: {error}") from None
    return wished


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="powerhive-live-") as temporary:
            yield Path(temporary)
        return
    out = out.absolute()
    if out.is_relative_to(ROOT):
        raise _wrong(f"--out must lie outside the repository, not {out}")
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise _wrong(f"--out must be a new or an empty folder, not {out}")
    yield out


def _wrong(sentence: str) -> SystemExit:
    print(sentence, file=sys.stderr)
    return SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())
