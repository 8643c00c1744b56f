"""The demo as a process of its own, as `make demo` starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from demo import processes
from tests import running
from tests.conftest import ROOT


class Demo:
    """`python -m demo.run` on a folder; `simulator`: options of its simulator."""

    def __init__(self, folder: Path, *options: str, miners: int = 20, simulator: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = processes.free_port(23080)  # below the ports that outgoing connections take
        self.output = folder.parent / "demo.txt"
        command = [sys.executable, "-m", "demo.run", "--miners", str(miners), "--port", str(self.port), *options]
        environment = os.environ | {"POWERHIVE_BIND": "0.0.0.0:1", "POWERHIVE_NONSENSE": "1"}  # must not reach it
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--instance", str(folder), "--", *simulator],
                cwd=ROOT, env=environment, stdout=output, stderr=output,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        """Where the simulator's control API is, once the demo is up."""
        found = re.search(r"break things on purpose: (\S+)", self.output.read_text())
        assert found
        return found[1]

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return "PowerHive runs at" in self.output.read_text()

    def get(self, path: str) -> object:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - our own address
            return json.load(answer)

    def end(self) -> int:
        """Ask it to end, and return its status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(40)

    def processes_left(self) -> list[int]:
        """The processes that belong to this demo's folder or started with it."""
        return running.with_setting(f"POWERHIVE_INSTANCE={self.folder}\0")

    def workers(self) -> set[int]:
        """The processes that serve pages: children of a process of this demo that belongs to it, too."""
        ours = set(self.processes_left())
        return {pid for pid in ours if _parent_of(pid) in ours}


def _parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
