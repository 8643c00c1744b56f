"""One picture for people and programs: the latest cycle's row (never computed again), counts, and what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ScalarSelect, bindparam, func, select
from sqlalchemy.orm import defer

from app.core.meter_roles import Contradiction
from app.core.plant import age_s
from app.core.readings import MinerState, Stamp
from app.core.types import BalanceStatus, Outcome, Settings
from app.extensions import UtcDateTime, db
from app.models import (
    BalanceCycle,
    JobRun,
    Miner,
    MinerStatusRow,
    OtherHost,
    PlantReadingRow,
    PlantRefusal,
    PlantSource,
    PresetChangeRow,
)
from app.store import fleet_counts, meter_roles
from app.store import settings as settings_store
from app.store.fleet_counts import FleetCounts
from app.store.freshness import Look

CYCLE_LATE_S = 60.0  # four balance intervals: then the balancer itself is in trouble
JOB_SLACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the plant, or the lack of one, that could not drive control, and why."""

    refused_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class JobState:
    """One periodic part: `age_s` since it last started, None if it never did."""

    name: str
    interval_s: float
    age_s: float | None
    started_at: datetime | None
    ok: bool | None
    failures_in_a_row: int
    last_error: str | None
    note: str | None

    @property
    def late(self) -> bool:
        return self.age_s is None or self.age_s > 3 * self.interval_s + JOB_SLACK_S


@dataclass(frozen=True, slots=True)
class StatusBoard:
    """What dashboard and `/api/balance/status` show. Rows are read only."""

    settings: Settings
    cycle: BalanceCycle | None
    cycle_age_s: float | None
    reading: PlantReadingRow | None
    reading_age_s: float | None
    counts: FleetCounts
    jobs: tuple[JobState, ...]
    last_refusal: Refusal | None  # only where it is newer than the newest trusted reading
    refusals_24h: int  # answers of the plant, or the lack of one, that could not drive control
    sources: tuple[PlantSource, ...]  # generation first, then by name
    contradictions: tuple[Contradiction, ...]  # meters whose role is wrong by what they measure: nothing is raised
    drawn_twice_kw: float | None = None  # see `core.formula.drawn_twice_kw`

    @property
    def cycle_late(self) -> bool:
        """The balancer has not decided for a while, so its last decision says nothing about now."""
        return self.cycle_age_s is not None and self.cycle_age_s > CYCLE_LATE_S

    @property
    def status(self) -> BalanceStatus:
        """The latest cycle's own status; STALE where that cycle is too old to speak for now."""
        if self.cycle is None:
            return BalanceStatus.NO_DATA
        return BalanceStatus.STALE if self.cycle_late else BalanceStatus(self.cycle.status)

    @property
    def reason(self) -> str:
        if self.cycle is None:
            return "Nothing has been decided yet: the balancer has not run, or the plant has not answered."
        if self.cycle_late:
            return f"The balancer is not running; its last decision was: {self.cycle.reason}"
        return self.cycle.reason

    @property
    def expected_consumption_w(self) -> float:
        """The managed miners' accounted power once what the latest cycle sent has happened, in W."""
        if self.cycle is None:
            return 0.0
        return self.cycle.planned_w if self.cycle.sent else self.cycle.current_w


_CYCLE = (
    select(BalanceCycle)
    .options(defer(BalanceCycle.planned), defer(BalanceCycle.skipped))
    .order_by(BalanceCycle.id.desc())
    .limit(1)
)
_READING = (
    select(PlantReadingRow)
    .options(defer(PlantReadingRow.sources))
    .order_by(PlantReadingRow.recorded_at.desc())
    .limit(1)
)
_SOURCES = select(PlantSource).order_by(PlantSource.kind.desc(), PlantSource.name)


def _latest_changes(*outcomes: Outcome, failing: bool = False) -> ScalarSelect[int]:
    """How many miners' latest change ended so; `failing`: only of miners that are in failure as well."""
    change = PresetChangeRow
    ended = select(func.count()).select_from(change).join(Miner, Miner.id == change.miner_id)
    if failing:
        ended = ended.join(MinerStatusRow, MinerStatusRow.miner_id == change.miner_id)
        ended = ended.where(MinerStatusRow.online.is_(True), MinerStatusRow.state == MinerState.FAILURE)
    return ended.where(change.is_latest, change.outcome.in_(outcomes), Miner.retired.is_(False)).scalar_subquery()


_newest_refusal = select(func.max(PlantRefusal.id)).scalar_subquery()
_SCALARS = select(
    _latest_changes(Outcome.FAILED).label("failed"),
    _latest_changes(Outcome.NOT_APPLIED).label("unapplied"),
    _latest_changes(Outcome.FAILED, Outcome.NOT_APPLIED, failing=True).label("failing_too"),
    select(func.count(OtherHost.ip)).where(OtherHost.draws_power.is_(True)).scalar_subquery().label("other_firmware"),
    select(func.count(PlantRefusal.id))
    .where(PlantRefusal.refused_at > bindparam("yesterday", type_=UtcDateTime))
    .scalar_subquery()
    .label("refusals_24h"),
    select(PlantRefusal.refused_at).where(PlantRefusal.id == _newest_refusal).scalar_subquery().label("refused_at"),
    select(PlantRefusal.reason).where(PlantRefusal.id == _newest_refusal).scalar_subquery().label("refusal"),
)


def load(now: Stamp, look: Look | None = None) -> StatusBoard:
    """Read the picture; eight queries, whatever the fleet's size. `look`: saves the jobs' and, mostly, the counts'."""
    cycle = db.session.scalars(_CYCLE).one_or_none()
    reading = db.session.scalars(_READING).one_or_none()
    found = db.session.execute(_SCALARS, {"yesterday": now.utc - timedelta(days=1)}).one()
    sources = tuple(db.session.scalars(_SOURCES))
    refused = found.refused_at is not None and (reading is None or found.refused_at > reading.received_at)
    settings = settings_store.load()
    return StatusBoard(
        settings=settings,
        cycle=cycle,
        cycle_age_s=None if cycle is None else cycle.decided.elapsed_s(now),
        reading=reading,
        reading_age_s=None if reading is None else age_s(reading.age_at_receipt_s, reading.received, now),
        counts=fleet_counts.load(
            now.utc,
            None if look is None else look.fleet,
            failed=found.failed,
            unapplied=found.unapplied,
            failing_too=found.failing_too,
            other_firmware=found.other_firmware,
        ),
        jobs=job_states(now, None if look is None else look.jobs),
        last_refusal=Refusal(found.refused_at, found.refusal) if refused else None,
        refusals_24h=found.refusals_24h,
        sources=sources,
        contradictions=meter_roles.contradictions(sources),
        drawn_twice_kw=drawn_twice_kw(reading, cycle, sources, settings, now),
    )


def drawn_twice_kw(
    reading: PlantReadingRow | None,
    cycle: BalanceCycle | None,
    sources: Iterable[PlantSource],
    settings: Settings,
    now: Stamp,
) -> float | None:
    """Return what is drawn where meters seem to contain the miners; None where reading or cycle do not speak of now."""
    if reading is None or age_s(reading.age_at_receipt_s, reading.received, now) > settings.stale_after_s:
        return None
    if cycle is None or cycle.decided.elapsed_s(now) > CYCLE_LATE_S:
        return None
    return meter_roles.drawn_twice_kw(reading.generation_kw, sources, cycle, settings)


def job_states(now: Stamp, jobs: Sequence[JobRun] | None = None) -> tuple[JobState, ...]:
    """Return every periodic part that ever ran, by name. `jobs`: their rows in that order, where already loaded."""
    return tuple(
        JobState(
            name=job.name,
            interval_s=job.interval_s,
            age_s=_started_age_s(job, now),
            started_at=job.started_at,
            ok=job.ok,
            failures_in_a_row=job.failures_in_a_row,
            last_error=job.last_error,
            note=job.note,
        )
        for job in (db.session.scalars(select(JobRun).order_by(JobRun.name)) if jobs is None else jobs)
    )


def _started_age_s(job: JobRun, now: Stamp) -> float | None:
    if job.started_at is None:
        return None
    boot, monotonic_s = job.started_boot_id or "unknown", job.started_monotonic_s or 0.0
    return Stamp(utc=job.started_at, monotonic_s=monotonic_s, boot_id=boot).elapsed_s(now)
