"""The demo: it shows a balanced farm within a minute, and whatever ends it, nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import processes
from tests.conftest import ROOT
from tests.jobs.lab import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("demo")]


class Demo:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = processes.free_port(23080)  # below the ports that outgoing connections take
        self.output = folder.parent / "demo.txt"
        command = [sys.executable, "-m", "demo.run", "--miners", "20", "--port", str(self.port)]
        environment = os.environ | {"POWERHIVE_BIND": "0.0.0.0:1", "POWERHIVE_NONSENSE": "1"}  # must not reach it
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--instance", str(folder)], cwd=ROOT, env=environment, stdout=output, stderr=output
            )

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return "PowerHive runs at" in self.output.read_text()

    def get(self, path: str) -> object:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return json.load(answer)

    def processes_left(self) -> list[str]:
        """Command lines of processes that belong to this demo's folder or started with it."""
        left = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes()
                except OSError:
                    continue
                if f"POWERHIVE_INSTANCE={self.folder}\0".encode() in environment:
                    left.append(entry.name)
        return left


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "instance")
    try:
        wait_until(demo.is_up, within_s=60, what="the demo is up")
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(40)


def test_it_balances_within_a_minute_and_a_second_start_is_quick(demo: Demo, tmp_path: Path) -> None:
    wait_until(lambda: demo.get("/api/balance/events?limit=5"), within_s=60, what="a change")
    status = demo.get("/api/balance/status")
    assert isinstance(status, dict)
    assert (status["mode"], status["managed_miners_count"]) == ("armed", 20)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(40) == 0
    assert demo.processes_left() == []
    again = Demo(tmp_path / "instance")
    try:
        wait_until(again.is_up, within_s=15, what="the second start")
    finally:
        again.process.terminate()
        assert again.process.wait(40) == 0


def test_kill_9_of_the_launcher_leaves_nothing(demo: Demo) -> None:
    assert demo.processes_left()
    demo.process.kill()
    demo.process.wait(5)
    wait_until(lambda: not demo.processes_left(), within_s=25, what="everything has ended")
