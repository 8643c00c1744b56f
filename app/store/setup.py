"""What the setup assistant tells from the rows: how far this installation is. Nothing is remembered as "done"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import defer

from app.core.meter_roles import Contradiction
from app.core.plant import age_s
from app.core.readings import SourceKind, Stamp
from app.core.types import Mode, Settings
from app.extensions import db
from app.models import (
    BalanceCycle,
    JobRun,
    Miner,
    MinerModel,
    OperatorRecord,
    OtherHost,
    PlantReadingRow,
    PlantRefusal,
    PlantSource,
    SettingChange,
)
from app.store import cycles, job_runs, meter_roles, miner_models, plant_history, records, status_board
from app.store import settings as settings_store

LOOK_BACK = timedelta(days=1)  # longer observation is not looked at: it is enough by far


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One miner model that has miners."""

    model: MinerModel
    miners: int
    managed: int


@dataclass(frozen=True, slots=True)
class Observed:
    """The cycles that only observed since the mode was last changed, at most a day of them."""

    cycles: int = 0
    with_changes: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """The miners found so far, without retired ones. `not_adopted`: those whose key could not be had."""

    models: tuple[ModelFacts, ...] = ()
    without_model: int = 0
    not_adopted: int = 0
    other_firmware: int = 0

    @property
    def miners(self) -> int:
        return sum(one.miners for one in self.models) + self.without_model

    @property
    def managed(self) -> int:
        return sum(one.managed for one in self.models)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the assistant's steps follow from. `refusal`: only where it is newer than the newest reading."""

    settings: Settings
    reading: PlantReadingRow | None
    reading_age_s: float | None
    refusal: PlantRefusal | None
    meters: tuple[PlantSource, ...]
    contradictions: tuple[Contradiction, ...]
    drawn_twice_kw: float | None  # see `core.formula.drawn_twice_kw`; None also where reading or cycle are old
    fleet: Fleet
    scan: JobRun | None
    cycle: BalanceCycle | None
    observed: Observed
    records: Mapping[str, OperatorRecord]


def facts(now: Stamp) -> Facts:
    """Read it all: eleven queries, whatever the fleet's size."""
    reading = db.session.scalars(
        select(PlantReadingRow)
        .options(defer(PlantReadingRow.sources))
        .order_by(PlantReadingRow.recorded_at.desc())
        .limit(1)
    ).first()
    refusal = db.session.scalars(select(PlantRefusal).order_by(PlantRefusal.id.desc()).limit(1)).first()
    if refusal is not None and reading is not None and refusal.refused_at <= reading.received_at:
        refusal = None
    settings, cycle = settings_store.load(), cycles.latest()
    meters = tuple(row for row in plant_history.sources() if row.kind == SourceKind.CONSUMPTION)
    return Facts(
        settings=settings,
        reading=reading,
        reading_age_s=None if reading is None else age_s(reading.age_at_receipt_s, reading.received, now),
        refusal=refusal,
        meters=meters,
        contradictions=meter_roles.contradictions(meters),
        drawn_twice_kw=status_board.drawn_twice_kw(reading, cycle, meters, settings, now),
        fleet=_fleet(),
        scan=job_runs.of("discovery"),
        cycle=cycle,
        observed=_observed(now.utc),
        records=records.newest(),
    )


def _fleet() -> Fleet:
    others = select(func.count(OtherHost.ip)).where(OtherHost.draws_power.is_(True)).scalar_subquery()
    managed = func.sum(case((Miner.managed.is_(True), 1), else_=0))
    not_adopted = func.sum(case((Miner.adoption_error.is_not(None), 1), else_=0))
    query = select(Miner.model_id, func.count(Miner.id), managed, not_adopted, others)
    rows = {row[0]: row for row in db.session.execute(query.where(Miner.retired.is_(False)).group_by(Miner.model_id))}
    models = sorted(miner_models.all_models(), key=lambda model: model.name.casefold())
    first = next(iter(rows.values()), None)
    return Fleet(
        models=tuple(ModelFacts(one, rows[one.id][1], int(rows[one.id][2])) for one in models if one.id in rows),
        without_model=rows[None][1] if None in rows else 0,
        not_adopted=sum(int(row[3]) for row in rows.values()),
        other_firmware=(db.session.scalar(select(others)) if first is None else first[4]) or 0,
    )


def _observed(now: datetime) -> Observed:
    changed = select(func.max(SettingChange.changed_at)).where(SettingChange.name == "mode").scalar_subquery()
    cycle = BalanceCycle
    query = select(
        func.count(cycle.id), func.coalesce(func.sum(case((cycle.changes_count > 0, 1), else_=0)), 0),
        func.min(cycle.recorded_at),
    ).where(
        cycle.mode == Mode.OBSERVE, cycle.recorded_at > now - LOOK_BACK,
        cycle.recorded_at > func.coalesce(changed, now - LOOK_BACK),
    )  # fmt: skip
    return Observed(*db.session.execute(query).one())
