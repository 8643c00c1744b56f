"""A real gunicorn with PowerHive's own hooks and gate, but jobs that only write down what they do.

`Lab(folder).start()` starts it with `tests/jobs/lab_conf.py`; `tests/jobs/lab_app.py` holds its jobs and pages.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = {
    "POWERHIVE_PLANT_API_KEY": "plant-key-for-tests",
    "POWERHIVE_SUBNETS": "127.0.9.0/30",
    "POWERHIVE_LOG_LEVEL": "INFO",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PATIENCE = 5  # times as long on a busy machine


def wait_until(check: Callable[[], Any], *, within_s: float, what: str) -> Any:
    """Return the first true answer of `check`. `within_s`: on an idle machine; a busy one is given more."""
    ends = time.monotonic() + PATIENCE * within_s
    while time.monotonic() < ends:
        answer = check()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE} x {within_s} s")


@dataclass
class Master:
    """One gunicorn master of the lab."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str, timeout_s: float = 5.0) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout_s) as answer:
            return json.load(answer)

    def serves(self) -> bool:
        try:
            self.get("/lab/pid", 1.0)
        except OSError:
            return False
        return True

    def workers(self) -> list[int]:
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ends(self, within_s: float) -> int:
        """Return its exit status."""
        return self.process.wait(within_s)

    def log(self) -> str:
        return self.log_path.read_text()


@dataclass
class Lab:
    """An instance folder on which any number of masters may be started."""

    folder: Path
    masters: list[Master] = field(default_factory=list)

    @property
    def diary(self) -> Path:
        return self.folder / "diary.jsonl"

    def entries(self, what: str | None = None) -> list[dict[str, Any]]:
        """What the jobs wrote down: {"what", "pid", "s" (monotonic)}."""
        if not self.diary.exists():
            return []
        lines = [json.loads(line) for line in self.diary.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if what is None or line["what"] == what]

    def environment(self, **settings: str) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("POWERHIVE_")}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return own | SETTINGS | {"POWERHIVE_INSTANCE": str(self.folder), "PYTHONPATH": path} | settings

    def migrate(self) -> None:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
        subprocess.run(command, cwd=ROOT, env=self.environment(), check=True, capture_output=True)

    def launch(self, jobs: str, *, conf: str = "tests/jobs/lab_conf.py", port: int = 0, **settings: str) -> Master:
        """Start a master whose table holds the named jobs of `lab_app`; do not wait for it."""
        port = port or free_port()
        log_path = self.folder / f"gunicorn-{len(self.masters)}.log"
        env = self.environment(POWERHIVE_BIND=f"127.0.0.1:{port}", LAB_JOBS=jobs, LAB_DIARY=str(self.diary), **settings)
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", conf], cwd=ROOT, env=env, stdout=log, stderr=log
            )
        master = Master(process, port, log_path)
        self.masters.append(master)
        return master

    def start(self, jobs: str, **settings: str) -> Master:
        """Start a master and wait until it serves."""
        master = self.launch(jobs, **settings)
        try:
            wait_until(master.serves, within_s=10, what="the lab serves")
        except AssertionError:
            raise AssertionError(master.log()) from None
        return master

    def close(self) -> None:
        for master in self.masters:
            if master.process.poll() is None:
                master.signal(signal.SIGKILL)
                master.process.wait(5)


@contextmanager
def a_lab(folder: Path) -> Iterator[Lab]:
    lab = Lab(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    lab.migrate()
    try:
        yield lab
    finally:
        lab.close()
