"""/metrics: what the dashboard shows, for Prometheus. Nothing is computed here: the same picture as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask import Blueprint, Response

from app import clock
from app.core.types import BalanceStatus, Mode
from app.store import status_board
from app.store.status_board import StatusBoard

bp = Blueprint("metrics", __name__)
MIMETYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One measure: `values` by their label (written as in the format, "" for none). What is not known is not there."""

    name: str
    meaning: str
    values: dict[str, float | None]


@bp.get("/metrics")
def metrics() -> Response:
    """Return the farm's numbers in Prometheus' text format; a number that nobody knows is left out."""
    board = status_board.load(clock.stamp())
    return Response("".join(_lines(_metrics(board))), content_type=MIMETYPE)


def _metrics(board: StatusBoard) -> list[Metric]:
    cycle, reading, counts = board.cycle, board.reading, board.counts
    seen = cycle or reading
    jobs = {f'{{job="{job.name}"}}': job for job in board.jobs}
    miners = {
        "all": counts.total, "online": counts.online, "offline": counts.offline, "managed": counts.managed,
        "held": counts.held, "failing": counts.failing, "not_applied": counts.not_applied,
    }  # fmt: skip
    return [
        _one("generation_kilowatts", "What all turbines give", None if seen is None else seen.generation_kw),
        _one("container_kilowatts", "What the plant's meters see", None if seen is None else seen.container_kw),
        _one("available_kilowatts", "Generation without other loads", None if seen is None else seen.available_kw),
        _one("target_watts", "What the managed miners may draw", None if cycle is None else cycle.target_w),
        _one("current_watts", "Accounted power of the managed miners", None if cycle is None else cycle.current_w),
        _one("unmanaged_watts", "Draw of known unmanaged miners", None if cycle is None else cycle.unmanaged_w),
        _one("measured_watts", "What online miners report to draw", counts.measured_power_w),
        _one("hashrate_terahashes_per_second", "What online miners hash", counts.hashrate_ths),
        _one("safety_margin_percent", "Share of the available power that stays unused",
             board.settings.safety_margin_percent),
        _one("reading_age_seconds", "Age of the newest trusted reading", board.reading_age_s),
        _one("cycle_age_seconds", "Since the balance last decided", board.cycle_age_s),
        _one("refused_readings_24h", "Answers of the plant refused in 24 h", board.refusals_24h),
        Metric("miners", "Miners by what they are",
               {f'{{is="{name}"}}': float(count) for name, count in miners.items()}),
        Metric("mode", "1 for the mode in force",
               {f'{{mode="{mode}"}}': float(mode == board.settings.mode) for mode in Mode}),
        Metric("status", "1 for the status of the farm",
               {f'{{status="{status}"}}': float(status == board.status) for status in BalanceStatus}),
        Metric("job_age_seconds", "Since a periodic part last began", {name: job.age_s for name, job in jobs.items()}),
        Metric("job_ok", "1 where a part's last run went well",
               {name: None if job.ok is None else float(job.ok) for name, job in jobs.items()}),
    ]  # fmt: skip


def _one(name: str, meaning: str, value: float | None) -> Metric:
    return Metric(name, meaning, {"": value})


def _lines(measures: list[Metric]) -> Iterator[str]:
    for name, meaning, values in measures:
        yield f"# HELP powerhive_{name} {meaning}.\n# TYPE powerhive_{name} gauge\n"
        for label, value in values.items():
            if value is not None:
                yield f"powerhive_{name}{label} {value}\n"
