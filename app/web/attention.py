"""What needs attention, in sentences that lead to their cure. The worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flask import url_for

from app.core.plant import MISSING
from app.core.types import Mode, Override
from app.models import PlantSource
from app.store.fleet_counts import FleetCounts
from app.store.headlines import SilentMiner
from app.store.status_board import JobState, StatusBoard
from app.web import formats
from app.web.words import gettext as _
from app.web.words import ngettext

SHOWN_MINERS = 3
LONGEST_ERROR = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One line. `level`: bad or warn; `cure`: address of the page that cures it; `age_s` counts on in the page."""

    level: str
    text: str
    cure: str
    age_s: float | None = field(default=None, repr=False)  # ages are no news: the version is made of the repr


def problems(board: StatusBoard, silent: Sequence[SilentMiner]) -> list[Problem]:
    """Return everything an operator should look at, from what is at hand."""
    found = [*_plant(board), *_jobs(board), *_farm(board), *_models(board.counts), *_miners(board.counts, silent)]
    return sorted(found, key=lambda problem: problem.level != "bad")


def _setup(anchor: str) -> str:
    return url_for("setup.index", _anchor=anchor)


def _plant(board: StatusBoard) -> Iterator[Problem]:
    age_s, settings, refusal = board.reading_age_s, board.settings, board.last_refusal
    if age_s is None:
        yield Problem("bad", _("The plant has given no usable reading yet"), _setup("plant"))
    elif age_s > settings.lost_after_s:
        yield Problem("bad", _("The plant is lost: its last usable reading is old"), _setup("plant"), age_s)
    elif age_s > settings.stale_after_s:
        yield Problem("warn", _("The plant's reading is stale: nothing is raised"), _setup("plant"), age_s)
    roles = url_for("settings.sources")
    for contradiction in board.contradictions:
        yield Problem("bad", f"{formats.said(contradiction.sentence)}. {formats.said(contradiction.advice)}", roles)
    if board.drawn_twice_kw is not None and board.cycle is not None and board.cycle.available_kw <= 0:
        text = _(
            "Nothing is left for the managed miners: what PowerHive does not manage takes %(foreign)s kW of "
            "%(generated)s kW. If one of its meters contains the miners, say so",
            foreign=formats.number(board.cycle.foreign_kw, 1),
            generated=formats.number(board.cycle.generation_kw, 1),
        )  # fmt: skip
        yield Problem("bad", text, roles)
    if refusal is not None:
        yield Problem(
            "warn",
            _("The plant's newest answer was refused: %(why)s", why=formats.said(refusal.reason)),
            _setup("plant"),
        )
    for source in board.sources:
        if source.role != "retired" and source.status not in ("success", "unknown"):
            yield Problem("bad" if source.kind == "generation" else "warn", _failed(source), roles)


def _failed(source: PlantSource) -> str:
    if source.status == MISSING:
        return _("Plant source %(name)s is missing in the plant's answer", name=source.name)
    return _("Plant source %(name)s does not answer: %(status)s", name=source.name, status=source.status)


def _jobs(board: StatusBoard) -> Iterator[Problem]:
    if not board.jobs:
        text = _("No job has run yet: PowerHive only shows, nothing is polled or balanced")
        yield Problem("bad", text, _setup("jobs"))
    if board.jobs and all(job.late for job in board.jobs):
        text = _("No job is running: nothing is polled or balanced until PowerHive's scheduler is started again")
        ages_s = [job.age_s for job in board.jobs if job.age_s is not None]
        yield Problem("bad", text, _setup("jobs"), min(ages_s, default=None))
        return
    for job in board.jobs:
        if job.failures_in_a_row:
            yield Problem("bad", _failing(job), _cure_of_job(job.name))
        elif job.late:
            text = _("Job %(job)s has not run, though it should every %(interval)s s",
                     job=job.name, interval=f"{job.interval_s:g}")  # fmt: skip
            yield Problem("bad", text, _cure_of_job(job.name), job.age_s)


def _failing(job: JobState) -> str:
    times = formats.number(job.failures_in_a_row)
    text = ngettext(
        "Job %(job)s has failed once", "Job %(job)s has failed %(times)s times in a row", job.failures_in_a_row,
        job=job.name, times=times,
    )  # fmt: skip
    return f"{text}: {job.last_error[:LONGEST_ERROR]}" if job.last_error else text


def _cure_of_job(name: str) -> str:
    if name in ("status", "telemetry", "discovery", "commands"):
        return _setup("miners")
    return _setup("plant") if name == "plant" else url_for("cycles.index")


def _farm(board: StatusBoard) -> Iterator[Problem]:
    counts, settings = board.counts, board.settings
    if settings.override is not Override.NONE:
        stop = settings.override is Override.STOP
        text = _("Stop all is in force until Resume") if stop else _("All to minimum is in force until Resume")
        yield Problem("bad", text, url_for("dashboard.index", _anchor="orders"))
    if settings.mode is Mode.OFF and counts.managed:
        text = _("The mode is off: nothing is cut even if the water falls")
        yield Problem("warn", text, url_for("dashboard.index", _anchor="mode-form"))
    if not counts.total:
        yield Problem("warn", _("No miner has been found yet"), _setup("miners"))
    elif not counts.managed:
        text = _("No miner is managed: PowerHive moves none until you say which")
        yield Problem("warn", text, _setup("managed"))
    yield from _changes(counts)
    yield from _stopped(counts)
    if counts.other_firmware:
        text = ngettext(
            "%(shown)s miner runs another firmware: it draws power and cannot be commanded",
            "%(shown)s miners run another firmware: they draw power and cannot be commanded",
            counts.other_firmware, shown=formats.number(counts.other_firmware),
        )  # fmt: skip
        yield Problem("warn", text, url_for("miners.other_hosts"))
    if counts.unknown_model:
        text = ngettext(
            "%(shown)s miner is of an unknown model: it is not touched",
            "%(shown)s miners are of an unknown model: they are not touched",
            counts.unknown_model, shown=formats.number(counts.unknown_model),
        )  # fmt: skip
        yield Problem("warn", text, url_for("miners.index", problem="no_model"))


def _changes(counts: FleetCounts) -> Iterator[Problem]:
    if counts.failed:
        text = ngettext(
            "%(shown)s miner did not take the last change: it failed",
            "%(shown)s miners did not take the last change: it failed",
            counts.failed, shown=formats.number(counts.failed),
        )  # fmt: skip
        yield Problem("bad", text, url_for("miners.index", problem="failed"))
    if counts.unapplied:
        text = ngettext(
            "%(shown)s miner did not take the last change: it was sent, but not applied",
            "%(shown)s miners did not take the last change: it was sent, but not applied",
            counts.unapplied, shown=formats.number(counts.unapplied),
        )  # fmt: skip
        yield Problem("bad", text, url_for("miners.index", problem="unapplied"))
    if counts.failing:
        text = ngettext("%(shown)s miner in failure", "%(shown)s miners in failure", counts.failing,
                        shown=formats.number(counts.failing))  # fmt: skip
        yield Problem("bad", text, url_for("miners.index", state="failing"))


def _stopped(counts: FleetCounts) -> Iterator[Problem]:
    if counts.stopped_by_us:
        text = ngettext(
            "%(shown)s miner is stopped by PowerHive, to start again when there is room",
            "%(shown)s miners are stopped by PowerHive, to start again when there is room",
            counts.stopped_by_us, shown=formats.number(counts.stopped_by_us),
        )  # fmt: skip
        yield Problem("warn", text, url_for("miners.index", problem="stopped_by_us"))
    if counts.stopped > counts.stopped_by_us:
        strangers = counts.stopped - counts.stopped_by_us
        text = ngettext(
            "%(shown)s miner stopped by somebody else: PowerHive will not start it",
            "%(shown)s miners stopped by somebody else: PowerHive will not start them",
            strangers, shown=formats.number(strangers),
        )  # fmt: skip
        yield Problem("warn", text, url_for("miners.index", problem="stopped_by_others"))


def _models(counts: FleetCounts) -> Iterator[Problem]:
    for found in counts.above_max:
        text = ngettext(
            "%(model)s: %(shown)s miner runs above the max preset",
            "%(model)s: %(shown)s miners run above the max preset",
            found.miners, model=found.name, shown=formats.number(found.miners),
        )  # fmt: skip
        yield Problem("bad", text, url_for("miners.index", model=found.alias, managed="1", problem="above_max"))
    for found in counts.without_max_preset:
        text = ngettext(
            "%(model)s has no max preset: its %(shown)s miner is not touched",
            "%(model)s has no max preset: its %(shown)s miners are not touched",
            found.miners, model=found.name, shown=formats.number(found.miners),
        )  # fmt: skip
        yield Problem("warn", text, url_for("miner_models.index", _anchor=found.alias))


def _miners(counts: FleetCounts, silent: Sequence[SilentMiner]) -> Iterator[Problem]:
    shown = silent[:SHOWN_MINERS]
    for miner in shown:
        name = f"{miner.label} ({miner.ip})" if miner.label else miner.ip
        there = url_for("miners.one", mac=miner.mac)
        yield Problem("bad" if miner.managed else "warn", _("Miner %(name)s is offline", name=name), there)
    rest = counts.offline - len(shown)
    if rest > 0:
        text = ngettext("%(shown)s more miner is offline", "%(shown)s more miners are offline", rest,
                        shown=formats.number(rest))  # fmt: skip
        yield Problem("warn", text, url_for("miners.index", state="offline"))
