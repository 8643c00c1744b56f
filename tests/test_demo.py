"""The demo: it shows a balanced farm within a minute, and whatever ends it, nothing of it stays."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo_process import Demo
from tests.jobs.lab import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("demo")]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "instance")
    try:
        wait_until(demo.is_up, within_s=60, what="the demo is up")
        yield demo
    finally:
        demo.end()


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
        assert again.end() == 0


def test_kill_9_of_the_launcher_leaves_nothing(demo: Demo) -> None:
    assert demo.processes_left()
    demo.process.kill()
    demo.process.wait(5)
    wait_until(lambda: not demo.processes_left(), within_s=25, what="everything has ended")
