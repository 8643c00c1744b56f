"""The tables of the live bench."""

from __future__ import annotations

from typing import Any

from benchmarks.live.table import HEAD, losses, table

GOOD: dict[str, Any] = {
    "job": {"scenario": "steps", "miners": 60, "policy": "economic"},
    "score": {
        "share": 85.04, "share_off": 84.0, "above_target_kwh": 0.123, "above_available_kwh": 0.02,
        "reached_s": [21.2, None], "longest_above_s": 22.0,
        "lost_switching": 5.0, "lost_unused": 6.0, "lost_allocation": 0.5, "lost_above": 3.46,
    },
    "foresight": 95.96,
    "changes_per_miner_day": 123.4,
    "outcomes": {"confirmed": 9, "not_applied": 1, "sent": 2, "superseded": 3},
}  # fmt: skip
BAD = {"job": {"scenario": "ramp", "miners": 300, "policy": "stepwise"}, "failed": "ValueError: a | b\nand more"}


def test_a_row_per_run_and_a_failed_one_says_why() -> None:
    lines = table([GOOD, BAD]).splitlines()
    assert lines[2] == (
        "| steps | 60 | economic | 85.0 | 96.0 | 84.0 | 0.12 | 0.02 | 21 / not | 22 | 123 | 9 / 0 / 1 / 5 |"
    )
    assert lines[3].startswith("| ramp | 300 | stepwise | failed: ValueError: a / b and more |")
    assert {line.count("|") for line in lines} == {len(HEAD) + 1}


def test_losses_are_told_of_runs_that_ended() -> None:
    lines = losses([BAD, GOOD]).splitlines()
    assert lines[2:] == ["| steps | 60 | economic | 5.0 | 6.0 | 0.5 | 3.5 |"]
