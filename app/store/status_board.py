"""One picture for people and programs: the latest cycle's row (never computed again), counts, and what is broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import aliased, defer, lazyload

from app.core.meter_roles import Contradiction
from app.core.plant import age_s
from app.core.types import BalanceStatus, Outcome, Settings, Stamp
from app.extensions import db
from app.models import (
    BalanceCycle,
    JobRun,
    Miner,
    MinerModel,
    MinerStatusRow,
    OtherHost,
    PlantReadingRow,
    PlantRefusal,
    PresetChangeRow,
)
from app.store import meter_roles
from app.store import settings as settings_store

CYCLE_LATE_S = 60.0  # four balance intervals: then the balancer itself is in trouble
JOB_SLACK_S = 60.0


@dataclass(frozen=True, slots=True)
class FleetCounts:
    """How the fleet is, without retired miners. Powers and hashrates as measured, of online miners only."""

    total: int = 0
    online: int = 0
    offline: int = 0
    managed: int = 0
    held: int = 0
    failing: int = 0
    stopped: int = 0
    stopped_by_us: int = 0
    not_applied: int = 0  # miners whose latest change failed, was not applied, or got no answer
    other_firmware: int = 0
    hashrate_ths: float = 0.0
    measured_power_w: float = 0.0
    efficiency_w_per_ths: float = 0.0  # of hashing miners whose power is known; 0 = unknown


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
    last_refusal: PlantRefusal | None  # only where it is newer than the newest trusted reading
    refusals_24h: int  # answers of the plant, or the lack of one, that could not drive control
    contradictions: tuple[Contradiction, ...]  # meters whose role is wrong by what they measure: nothing is raised

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


def load(now: Stamp) -> StatusBoard:
    """Read the picture; ten queries, whatever the fleet's size."""
    cycle = db.session.scalars(
        select(BalanceCycle)
        .options(defer(BalanceCycle.planned), defer(BalanceCycle.skipped))
        .order_by(BalanceCycle.id.desc())
        .limit(1)
    ).one_or_none()
    reading = db.session.scalars(
        select(PlantReadingRow)
        .options(defer(PlantReadingRow.sources))
        .order_by(PlantReadingRow.recorded_at.desc())
        .limit(1)
    ).one_or_none()
    refusal = db.session.scalars(select(PlantRefusal).order_by(PlantRefusal.id.desc()).limit(1)).one_or_none()
    if refusal is not None and reading is not None and refusal.refused_at <= reading.received_at:
        refusal = None
    yesterday = now.utc - timedelta(days=1)
    return StatusBoard(
        settings=settings_store.load(),
        cycle=cycle,
        cycle_age_s=None if cycle is None else cycle.decided.elapsed_s(now),
        reading=reading,
        reading_age_s=None if reading is None else age_s(reading.age_at_receipt_s, reading.received, now),
        counts=_counts(now.utc),
        jobs=job_states(now),
        last_refusal=refusal,
        refusals_24h=db.session.scalar(select(func.count(PlantRefusal.id)).where(PlantRefusal.refused_at > yesterday))
        or 0,
        contradictions=meter_roles.contradictions(),
    )


def job_states(now: Stamp) -> tuple[JobState, ...]:
    """Return every periodic part that ever ran, by name."""
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
        for job in db.session.scalars(select(JobRun).order_by(JobRun.name))
    )


def offline_miners(limit: int) -> list[Miner]:
    """Return miners that do not answer, managed ones first, the longest silent first."""
    query = select(Miner).outerjoin(Miner.status).options(lazyload(Miner.model))
    query = query.where(Miner.retired.is_(False), func.coalesce(MinerStatusRow.online, False).is_(False))
    return list(db.session.scalars(query.order_by(Miner.managed.desc(), Miner.last_seen_at, Miner.id).limit(limit)))


def _started_age_s(job: JobRun, now: Stamp) -> float | None:
    if job.started_at is None:
        return None
    boot, monotonic_s = job.started_boot_id or "unknown", job.started_monotonic_s or 0.0
    return Stamp(utc=job.started_at, monotonic_s=monotonic_s, boot_id=boot).elapsed_s(now)


def _counts(now: datetime) -> FleetCounts:
    held_now = and_(Miner.hold, or_(Miner.hold_until.is_(None), Miner.hold_until > now))
    online = func.coalesce(MinerStatusRow.online, False).is_(True)
    stopped = and_(online, MinerStatusRow.state == "stopped")
    sha256 = and_(online, or_(MinerModel.id.is_(None), MinerModel.algorithm == "sha256d"))
    weighed = and_(sha256, MinerStatusRow.power_w > 0, MinerStatusRow.hashrate_ths > 0)
    newer = aliased(PresetChangeRow)
    superseded = exists().where(newer.miner_id == PresetChangeRow.miner_id, newer.id > PresetChangeRow.id)
    not_applied = (
        select(func.count(PresetChangeRow.id))
        .where(PresetChangeRow.outcome.in_([Outcome.NOT_APPLIED, Outcome.FAILED]), ~superseded)
        .scalar_subquery()
    )
    others = select(func.count(OtherHost.ip)).where(OtherHost.draws_power.is_(True)).scalar_subquery()
    row = db.session.execute(
        select(
            func.count(Miner.id),
            func.coalesce(func.sum(case((online, 1), else_=0)), 0),
            func.coalesce(func.sum(case((Miner.managed, 1), else_=0)), 0),
            func.coalesce(func.sum(case((held_now, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(online, MinerStatusRow.state == "failure"), 1), else_=0)), 0),
            func.coalesce(func.sum(case((stopped, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(stopped, Miner.stopped_by_us_at.is_not(None)), 1), else_=0)), 0),
            func.coalesce(func.sum(case((sha256, MinerStatusRow.hashrate_ths), else_=0)), 0),
            func.coalesce(func.sum(case((online, MinerStatusRow.power_w), else_=0)), 0),
            func.coalesce(func.sum(case((weighed, MinerStatusRow.power_w), else_=0)), 0),
            func.coalesce(func.sum(case((weighed, MinerStatusRow.hashrate_ths), else_=0)), 0),
            not_applied,
            others,
        )
        .select_from(Miner)
        .outerjoin(Miner.status)
        .outerjoin(Miner.model)
        .where(Miner.retired.is_(False))
    ).one()
    total, up, managed, held, failing, stopped_now, stopped_by_us, *rest = row
    hashrate, power, weighed_w, weighed_ths, missed, foreign = rest
    return FleetCounts(
        total=total,
        online=up,
        offline=total - up,
        managed=managed,
        held=held,
        failing=failing,
        stopped=stopped_now,
        stopped_by_us=stopped_by_us,
        not_applied=missed,
        other_firmware=foreign,
        hashrate_ths=float(hashrate),
        measured_power_w=float(power),
        efficiency_w_per_ths=float(weighed_w) / float(weighed_ths) if weighed_ths else 0.0,
    )
