"""What is broken, in sentences that name the cure's page. The worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.types import Override
from app.models import Miner
from app.store.status_board import StatusBoard

SHOWN_MINERS = 6


@dataclass(frozen=True, slots=True)
class Problem:
    """One line. `level`: bad or warn; `endpoint` and `values` lead to the cure; `age_s` counts on in the page."""

    level: str
    text: str
    endpoint: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    age_s: float | None = None


def problems(
    board: StatusBoard, offline: Sequence[Miner], without_max_preset: Sequence[tuple[str, str, int]]
) -> list[Problem]:
    """Return everything an operator should look at, from what is at hand."""
    found = [*_plant(board), *_jobs(board), *_farm(board), *_miners(board, offline), *_models(without_max_preset)]
    return sorted(found, key=lambda problem: problem.level != "bad")


def _plant(board: StatusBoard) -> Iterator[Problem]:
    refusal = board.last_refusal
    if board.reading_age_s is None:
        yield Problem("bad", "The plant has given no usable reading yet")
    elif board.reading_age_s > board.settings.lost_after_s:
        yield Problem("bad", "The plant is lost: its last usable reading is old", age_s=board.reading_age_s)
    elif board.reading_age_s > board.settings.stale_after_s:
        yield Problem("warn", "The plant's reading is stale: nothing is raised", age_s=board.reading_age_s)
    for contradiction in board.contradictions:
        yield Problem("bad", f"{contradiction.sentence}. {contradiction.advice}")
    if refusal is not None:
        yield Problem("warn", f"The plant's newest answer was refused: {refusal.reason}")


def _jobs(board: StatusBoard) -> Iterator[Problem]:
    if not board.jobs:
        yield Problem("bad", "No job has run yet: PowerHive only shows, nothing is polled or balanced")
    for job in board.jobs:
        if job.failures_in_a_row:
            error = f": {job.last_error}" if job.last_error else ""
            yield Problem("bad", f"Job {job.name} has failed {_times(job.failures_in_a_row)}{error}")
        elif job.late:
            yield Problem("bad", f"Job {job.name} has not run, though it should every {job.interval_s:g} s",
                          age_s=job.age_s)  # fmt: skip


def _farm(board: StatusBoard) -> Iterator[Problem]:
    counts, override = board.counts, board.settings.override
    if override is not Override.NONE:
        what = "Stop all" if override is Override.STOP else "All to minimum"
        yield Problem("bad", f"{what}, ordered by an operator, is in force until resume (POST /api/balance/resume)")
    if counts.not_applied:
        yield Problem("bad", f"{_count(counts.not_applied, 'miner')} did not take the last change", "events.index")
    if counts.stopped_by_us:
        verb = "is" if counts.stopped_by_us == 1 else "are"
        text = f"{_count(counts.stopped_by_us, 'miner')} {verb} stopped by PowerHive, to start again when there is room"
        yield Problem("warn", text, "miners.index", (("state", "stopped"),))
    if counts.stopped > counts.stopped_by_us:
        number = counts.stopped - counts.stopped_by_us
        them = "it" if number == 1 else "them"
        text = f"{_count(number, 'miner')} stopped by somebody else: PowerHive will not start {them}"
        yield Problem("warn", text, "miners.index", (("state", "stopped"),))
    if counts.failing:
        yield Problem("bad", f"{_count(counts.failing, 'miner')} in failure", "miners.index", (("state", "failing"),))
    if counts.other_firmware:
        verb = "runs" if counts.other_firmware == 1 else "run"
        text = f"{_count(counts.other_firmware, 'miner')} {verb} another firmware and cannot be commanded"
        yield Problem("warn", text)


def _miners(board: StatusBoard, offline: Sequence[Miner]) -> Iterator[Problem]:
    for miner in offline[:SHOWN_MINERS]:
        name = f"{miner.label} ({miner.ip})" if miner.label else miner.ip
        level = "bad" if miner.managed else "warn"
        yield Problem(level, f"Miner {name} is offline", "miners.index", (("q", miner.mac),))
    rest = board.counts.offline - len(offline[:SHOWN_MINERS])
    if rest > 0:
        yield Problem("warn", f"{_count(rest, 'more miner')} offline", "miners.index", (("state", "offline"),))


def _models(without_max_preset: Sequence[tuple[str, str, int]]) -> Iterator[Problem]:
    for _, name, total in without_max_preset:
        verb = "is" if total == 1 else "are"
        text = f"{name} has no max preset: its {_count(total, 'miner')} {verb} not touched"
        yield Problem("warn", text, "miner_models.index")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times in a row"
