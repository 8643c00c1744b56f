"""Fork safety: a busy scheduler, a worker killed every second, and each new worker must answer and write.

Wanted, with 200 simulated miners and intervals of 2 s, over 2 minutes: every replacement answers and writes, no
`locked` error, no job lost, and the master's memory after the second minute within 3 % of that after the first.

    python -m benchmarks.fork_safety [--seconds 120] [--miners 200]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from pathlib import Path

from benchmarks.whole_program import Program, prepared

JOBS = ("plant_poller", "status_poller", "balancer", "telemetry_poller", "discovery", "commands", "meter_check")


class Writers:
    """Clients that write through the JSON API all the time, and note which worker took it."""

    def __init__(self, program: Program, count: int = 3) -> None:
        self.program = program
        self.written: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.dropped = 0  # connections of a worker that was killed meanwhile
        self.slowest_s = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(count)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def _write(self, number: int) -> None:
        turn = 0
        while not self._stop.wait(0.03):
            turn += 1
            began_s = time.monotonic()
            try:
                worker = self.program.set_margin(10.0 + (turn + number) % 3 / 10)
            except urllib.error.HTTPError as error:
                self.refused[str(error.code)] += 1
                error.close()
            except OSError:
                self.dropped += 1
            else:
                self.written[worker] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--miners", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(Path(folder), miners=options.miners, conf="benchmarks/fork_conf.py")
        with prepared(program):
            program.start()
            ok = _measure(program, options.seconds)
            sys.stdout.flush()
    sys.exit(0 if ok else 1)


def _measure(program: Program, seconds: float) -> bool:
    time.sleep(min(10.0, seconds / 4))  # every job has run once
    before = _runs(program)
    replaced: dict[int, float] = {}  # new worker -> seconds until it had written
    late: list[int] = []
    longest_pause: dict[str, float] = dict.fromkeys(JOBS, 0.0)
    half_kb = 0
    with Writers(program) as writers:
        began_s = time.monotonic()
        while (now_s := time.monotonic()) < began_s + seconds:
            victim = min(program.workers())
            known = set(program.workers())
            os.kill(victim, signal.SIGKILL)
            _await_replacement(program, writers, known, replaced, late)
            _watch_jobs(program, longest_pause)
            if not half_kb and now_s > began_s + seconds / 2:
                half_kb = program.resident_kb()
            time.sleep(max(0.0, 1.0 - (time.monotonic() - now_s)))
        took_s = time.monotonic() - began_s
    end_kb = program.resident_kb()
    after = _runs(program)
    log = program.log_path.read_text()
    growth = 100.0 * (end_kb - half_kb) / half_kb
    waits = sorted(replaced.values())
    locked = log.count("database is locked")
    lost = [name for name in JOBS if longest_pause[name] > 3 * _intervals(program)[name] + 8]
    print(f"{len(replaced) + len(late)} workers replaced in {took_s:.0f} s; {len(late)} never wrote")
    if waits:
        print(f"until a new worker had written: median {waits[len(waits) // 2]:.2f} s, longest {waits[-1]:.2f} s")
    print(f"writes: {sum(writers.written.values())} ok, {dict(writers.refused)} refused, {writers.dropped} dropped "
          f"with a killed worker, slowest {writers.slowest_s:.2f} s")  # fmt: skip
    print(f"`database is locked` in the log: {locked}")
    for name in JOBS:
        expected = took_s / _intervals(program)[name]
        print(f"  {name:17} {after[name] - before[name]:4} runs (about {expected:.0f} intervals), longest pause "
              f"{longest_pause[name]:.1f} s")  # fmt: skip
    print(f"master's memory: {half_kb} KiB after half the time, {end_kb} KiB at the end ({growth:+.1f} %)")
    good = not late and not locked and not lost and not writers.refused and growth <= 3.0
    print("as wanted" if good else "NOT as wanted")
    return good


def _await_replacement(
    program: Program, writers: Writers, known: set[int], replaced: dict[int, float], late: list[int]
) -> None:
    """Wait until the worker that takes the dead one's place has written."""
    began_s = time.monotonic()
    newcomer = 0
    while time.monotonic() < began_s + 30:
        new = set(program.workers()) - known
        newcomer = newcomer or (max(new) if new else 0)
        if newcomer and writers.written[str(newcomer)]:
            replaced[newcomer] = time.monotonic() - began_s
            return
        time.sleep(0.02)
    late.append(newcomer)


def _runs(program: Program) -> dict[str, int]:
    return dict.fromkeys(JOBS, 0) | dict(program.rows("SELECT name, runs FROM job_runs"))


def _intervals(program: Program) -> dict[str, float]:
    # `commands` runs each second, but a run without news is stored each 10 s only.
    return dict(program.rows("SELECT name, interval_s FROM job_runs")) | {"commands": 10.0}


def _watch_jobs(program: Program, longest_pause: dict[str, float]) -> None:
    now_s = time.monotonic()  # the same clock in every process of a machine
    for name, finished_s in program.rows("SELECT name, finished_monotonic_s FROM job_runs"):
        longest_pause[name] = max(longest_pause[name], now_s - finished_s)


if __name__ == "__main__":
    main()
