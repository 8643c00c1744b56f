"""Live runs: a tiny one gives a whole row, one that crashes takes no other with it, and nothing of them stays."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.live.__main__ import main
from benchmarks.live.one import Job
from benchmarks.live.runs import ended, result_of
from benchmarks.live.table import table
from tests import running
from tests.conftest import ROOT
from tests.jobs.lab import wait_until

TINY = ("--miners", "6", "--scenarios", "flapping", "--interval-s", "2", "--warm-up-s", "2", "--minutes", "0.1")


def processes_of(folder: Path) -> list[int]:
    """Return the processes whose PowerHive lives in that folder."""
    return running.with_setting(f"POWERHIVE_INSTANCE={folder}/")


@pytest.mark.xdist_group("live")
def test_a_tiny_run_gives_a_row_and_one_that_crashes_says_why(tmp_path: Path) -> None:
    tiny = Job(40, "flapping", 6, "economic", interval_s=2.0, warm_up_s=2.0, minutes=0.1)
    lost = Job(41, "no such scenario", 6, "economic")
    found = ended([lost, tiny], tmp_path, 2, threading.Event())
    results: dict[int, dict[str, Any]] = {job.number: result for job, result in found}
    assert results[41]["failed"] == "KeyError: 'no such scenario'"
    worth = results[40]["score"]
    numbers = [value for value in worth.values() if isinstance(value, float)]
    assert all(math.isfinite(value) for value in numbers)
    assert 0 < worth["share"] < 105
    assert len(results[40]["samples"]) == 6
    assert results[40]["cycles"]
    assert len(table(list(results.values())).splitlines()) == 4
    assert processes_of(tmp_path) == []


@pytest.mark.long
@pytest.mark.xdist_group("live")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_gets_a_table_and_no_process_stays(tmp_path: Path, how: signal.Signals) -> None:
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks.live", *TINY, "--minutes", "10", "--out", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as bench:
        wait_until(lambda: list(folder.glob("*/powerhive.log")), within_s=60, what="PowerHive is started")
        bench.send_signal(how)
        told, _ = bench.communicate(timeout=60)
    assert bench.returncode == 1
    assert "stopped before its end" in told
    assert processes_of(folder) == []


def test_a_run_that_left_nothing_is_known_by_its_last_words(tmp_path: Path) -> None:
    job = Job(0, "steps", 60, "economic")
    (tmp_path / f"{job.name}.log").write_text("first\nKilled\n")
    assert result_of(job, tmp_path, -9)["failed"] == "ended with status -9: Killed"
    (tmp_path / f"{job.name}.log").write_text("")
    assert result_of(job, tmp_path, 1)["failed"] == "ended with status 1: it said nothing"


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--set", "horizon_s=1"], "horizon_s must be a whole number from 300 to 14400"),
        (["--set", "nonsense=1"], "nonsense is not a setting"),
        (["--miners", "0"], "must be 1 to 3000"),
        (["--miners", "many"], "invalid int value: 'many'"),
        (["--interval-s", "1"], "must be 2 to 300"),
        (["--policies", "best"], "invalid choice: 'best'"),
        (["--miners", *["60"] * 30, "--policies", "economic", "stepwise"], "300 runs are too many"),
        (["--out", str(ROOT / "benchmarks")], "outside the repository"),
        (["--out", "/proc/self/task"], "a new or an empty folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_said_at_once(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    assert sentence in capsys.readouterr().err


def test_further_settings_reach_the_run_as_numbers() -> None:
    from benchmarks.live.__main__ import _jobs, _parser

    words = ["--scenarios", "ramp", "--policies", "economic", "--set", "horizon_s=600", "last_resort=hold"]
    jobs = _jobs(_parser().parse_args(words))
    assert [job.settings for job in jobs] == [{"horizon_s": 600, "last_resort": "hold"}]
    assert jobs[0].margin_percent == 10.0


def test_another_margin_is_another_budget() -> None:
    assert Job(0, "steps", 60, "economic", settings={"safety_margin_percent": 25.0}).margin_percent == 25.0
