"""The two tables of the live bench, from the runs' results (`benchmarks/live/one.py`), as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]

HEAD = ("scenario", "miners", "policy", "% of bound", "foresight, at most", "(off anywhere)", "above target kWh",
        "above available kWh", "fall to target s", "longest above s", "changes/miner-day",
        "confirmed / failed / not applied / other")  # fmt: skip
LOSSES = ("scenario", "miners", "policy", "switching", "unused watts", "allocation", "above target")
NAMED = ("confirmed", "failed", "not_applied")


def table(results: Sequence[Result]) -> str:
    """Return one row per run; a run that failed says why."""
    return _markdown(HEAD, [_row(result) for result in results])


def losses(results: Sequence[Result]) -> str:
    """Return what is missing to 100 %, by cause, in % of the bound."""
    return _markdown(LOSSES, [_losses(result) for result in results if "failed" not in result])


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _row(result: Result) -> list[str]:
    if "failed" in result:
        reason = " ".join(str(result["failed"]).split()).replace("|", "/")
        return [*_name(result), f"failed: {reason}"] + [""] * (len(HEAD) - 4)
    worth, outcomes = result["score"], result["outcomes"]
    reached = " / ".join("not" if seconds is None else f"{seconds:.0f}" for seconds in worth["reached_s"])
    counts = [outcomes.get(name, 0) for name in NAMED]
    return [
        *_name(result),
        f"{worth['share']:.1f}",
        f"{result['foresight']:.1f}",
        f"{worth['share_off']:.1f}",
        f"{worth['above_target_kwh']:.2f}",
        f"{worth['above_available_kwh']:.2f}",
        reached or "-",
        f"{worth['longest_above_s']:.0f}",
        f"{result['changes_per_miner_day']:.0f}",
        " / ".join(str(count) for count in [*counts, sum(outcomes.values()) - sum(counts)]),
    ]


def _losses(result: Result) -> list[str]:
    names = ("lost_switching", "lost_unused", "lost_allocation", "lost_above")
    return [*_name(result), *(f"{result['score'][name]:z.1f}" for name in names)]


def _name(result: Result) -> list[str]:
    job = result["job"]
    return [job["scenario"], str(job["miners"]), job["policy"]]
