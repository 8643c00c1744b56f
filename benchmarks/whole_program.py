"""The whole program on a simulated farm, for measurements: started, asked, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from demo import processes

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Program:
    """A simulated farm and PowerHive on it, in a folder of its own."""

    folder: Path
    miners: int = 200
    interval_s: float = 2.0
    conf: str = "gunicorn.conf.py"
    port: int = 0
    more_env: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 20.0  # until it answers for the first time
    env: dict[str, str] = field(default_factory=dict)
    simulator: subprocess.Popen[str] | None = None
    server: subprocess.Popen[str] | None = None

    @property
    def log_path(self) -> Path:
        return self.folder / "powerhive.log"

    def prepare(self) -> None:
        """Start the simulator, make the database, find the miners and arm the farm.

        The simulator gives way to the program: real miners do not compute on PowerHive's processor.
        """
        ports = [processes.free_port(28_080 + 10 * n) for n in range(4)]
        self.port = ports[3]
        command = ["nice", "-n", "19", sys.executable, "-m", "simulator"]
        command += ["--miners", str(self.miners), "--base-ip", "127.60.0.1"]
        for name, port in zip(("--port", "--plant-port", "--control-port"), ports, strict=False):
            command += [name, str(port)]
        command += ["--collect-every", "2"]
        self.simulator = processes.start(
            command, cwd=ROOT, env=_scrubbed(), on_orphaned=signal.SIGKILL, stdout=subprocess.PIPE
        )
        assert self.simulator.stdout is not None
        self.connect(json.loads(self.simulator.stdout.readline()))
        self.call("-m", "demo.seed", str(self.miners))

    def connect(self, facts: Mapping[str, Any]) -> None:
        """Make the database of a program for the simulator that `facts` describe (`Simulator.where`)."""
        interval = f"{self.interval_s:g}"
        self.env = _scrubbed() | {
            "POWERHIVE_INSTANCE": str(self.folder),
            "POWERHIVE_SIMULATED": "true",
            "POWERHIVE_PLANT_ENDPOINT": facts["plant_url"],
            "POWERHIVE_PLANT_API_KEY": facts["plant_key"],
            "POWERHIVE_PLANT_ID": facts["plant_id"],
            "POWERHIVE_SUBNETS": ",".join(facts["subnets"]),
            "POWERHIVE_MINER_PORT": str(facts["miner_port"]),
            "POWERHIVE_PLANT_INTERVAL_S": interval,
            "POWERHIVE_BALANCE_INTERVAL_S": interval,
            "POWERHIVE_STATUS_INTERVAL_S": interval,
            "POWERHIVE_TELEMETRY_INTERVAL_S": "10",
            "POWERHIVE_DISCOVERY_INTERVAL_S": "10",
            "POWERHIVE_BIND": f"127.0.0.1:{self.port}",
            **self.more_env,
        }
        self.call("-m", "flask", "--app", "wsgi", "db", "upgrade")

    def call(self, *arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=self.env, check=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "gunicorn", "-c", self.conf]
        with self.log_path.open("a") as log:
            self.server = processes.start(command, cwd=ROOT, env=self.env, on_orphaned=signal.SIGTERM, stderr=log)
        ends_s = time.monotonic() + self.patience_s
        while time.monotonic() < ends_s:
            try:
                self.ask("/healthz")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"PowerHive did not start; see {self.log_path}")

    def kill(self) -> None:
        """Kill -9 of the master; return when its workers are gone too (the port is free)."""
        assert self.server is not None
        children = self.workers()
        self.server.kill()
        self.server.wait()
        ends_s = time.monotonic() + 15
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < ends_s:
            time.sleep(0.05)

    def workers(self) -> list[int]:
        assert self.server is not None
        pid = self.server.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def resident_kb(self) -> int:
        """Memory of the master that no other process shares, in KiB (shared pages move when a worker is forked)."""
        assert self.server is not None
        lines = Path(f"/proc/{self.server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str = "GET") -> tuple[Any, str]:
        """Return (answer, which worker answered)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own address
                text = answer.read().decode()
                return (json.loads(text) if text[:1] in "{[n" else text), answer.headers.get("X-Worker", "")
        except HTTPException as error:
            raise ConnectionError(f"the answer broke off: {error!r}") from error

    def set_margin(self, percent: float) -> str:
        return self.ask("/api/settings/safety-margin", {"safety_margin_percent": percent}, "PATCH")[1]

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "powerhive.db", timeout=10)) as connection:
            return connection.execute(query, arguments).fetchall()

    def close(self) -> None:
        if self.server is not None:
            processes.stop(self.server, patience_s=30)
        if self.simulator is not None:
            processes.stop(self.simulator, patience_s=5)


def _scrubbed() -> dict[str, str]:
    """The environment without the operator's own PowerHive."""
    return {key: value for key, value in os.environ.items() if not key.startswith("POWERHIVE_")}


@contextmanager
def prepared(program: Program) -> Iterator[Program]:
    """A prepared program; whatever happens, nothing of it is left running."""
    try:
        program.prepare()
        yield program
    finally:
        program.close()
