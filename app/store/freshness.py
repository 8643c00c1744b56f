"""Whether anything can have changed since somebody looked: one small query instead of the whole picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal, select, true

from app.extensions import db
from app.models import (
    AuditEntry,
    BalanceCycle,
    Command,
    JobRun,
    PlantReadingRow,
    PlantRefusal,
    PresetChangeRow,
)

LOOK_ANEW_S = 15  # what only the passing of time changes (a plant that falls silent) is seen that late at most
# Jobs whose runs say nothing: what commands and the plant brought are rows of their own, boards are not on show.
SILENT_JOBS = ("commands", "plant_poller", "telemetry_poller")


_ONE = select(literal(1).label("one")).subquery()  # a row even where no job has ever run
_BY_PEOPLE = (AuditEntry, Command)
_BY_JOBS = (BalanceCycle, PlantReadingRow, PlantRefusal, PresetChangeRow)
_SEEN = (
    select(
        JobRun,
        select(Command.status).order_by(Command.id.desc()).limit(1).scalar_subquery(),
        *(select(func.max(table.id)).scalar_subquery() for table in (*_BY_PEOPLE, *_BY_JOBS)),
    )
    .select_from(_ONE.outerjoin(JobRun, true()))
    .order_by(JobRun.name)
)


@dataclass(frozen=True, slots=True)
class Look:
    """What one query sees: texts that stand for everything else, and the jobs they were made of.

    `mark` stands for all that the dashboard shows; `fleet` for the miners' own rows, which readings, cycles and intents
    leave as they are (but for the note that a stop is ours: counted with the end of the run that sent it). So a full
    answer every second, while presets change, need not count 3,000 miners each time.
    """

    mark: str
    fleet: str
    jobs: tuple[JobRun, ...]


def look(now: datetime) -> Look:
    """Return a mark that is another one whenever a job has ended or a row was written that the dashboard shows.

    Failures in a row are news of any job, that a run ended of those that are not silent. Polls and confirmations change
    rows in place, inside runs of their jobs; people's changes leave audit entries.
    """
    rows = db.session.execute(_SEEN).all()
    jobs = tuple(row[0] for row in rows if row[0] is not None)
    runs = [
        (job.name, job.failures_in_a_row, None if job.name in SILENT_JOBS else job.finished_at)
        for job in jobs
    ]
    newest, by_people = tuple(rows[0][1:]), 1 + len(_BY_PEOPLE)  # before the ids: the newest command's status
    fleet = f"{runs!r} {newest[:by_people]!r} {int(now.timestamp()) // LOOK_ANEW_S}"
    return Look(_mark(f"{fleet} {newest[by_people:]!r}"), _mark(fleet), jobs)


def _mark(seen: str) -> str:
    return hashlib.sha256(seen.encode()).hexdigest()[:10]
