"""Many live runs at the same time, each in a process of its own: what one does or how it ends concerns no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.live.one import Job
from demo import processes

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 60.0  # until a run that was asked to end has stopped its PowerHive


def ended(
    jobs: Sequence[Job], folder: Path, parallel: int, stopping: threading.Event
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Run the jobs, so many at a time, and give each with its result when it ends.

    Once `stopping` is set, or nobody wants to know any more, what still runs is stopped.
    """
    waiting, running = list(jobs), list[tuple[Job, subprocess.Popen[str]]]()
    try:
        while (waiting or running) and not stopping.is_set():
            while waiting and len(running) < parallel:
                job = waiting.pop(0)
                running.append((job, _start(job, folder)))
            stopping.wait(0.2)
            for job, process in [entry for entry in running if entry[1].poll() is not None]:
                running.remove((job, process))
                yield job, result_of(job, folder, process.returncode)
    finally:
        for _, process in running:
            process.terminate()
        for _, process in running:
            processes.stop(process, patience_s=PATIENCE_S)


def _start(job: Job, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.live.one", json.dumps(asdict(job)), str(folder)]
    with _log(job, folder).open("w") as log:
        return processes.start(
            command, cwd=ROOT, env=os.environ, on_orphaned=signal.SIGTERM, stdout=log.fileno(), stderr=log
        )


def result_of(job: Job, folder: Path, status: int) -> dict[str, Any]:
    """Return what a run that has ended left behind; without a result the last thing it said."""
    try:
        result: dict[str, Any] = json.loads((folder / f"{job.name}.json").read_text())
    except (OSError, ValueError):
        last = _log(job, folder).read_text().strip().splitlines()[-1:] or ["it said nothing"]
        return {"job": asdict(job), "failed": f"ended with status {status}: {last[0]}"}
    return result


def _log(job: Job, folder: Path) -> Path:
    return folder / f"{job.name}.log"
