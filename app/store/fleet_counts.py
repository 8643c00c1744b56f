"""How the fleet is, in one walk over it: counted per miner model and running preset, summed here.

The statements are built once: the dashboard asks every five seconds, and building them costs more than running them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Row, and_, bindparam, case, func, or_, select

from app.extensions import UtcDateTime, db
from app.models import Miner, MinerModel, MinerStatusRow, ModelPreset


@dataclass(frozen=True, slots=True)
class ModelCount:
    """How many miners of one miner model something is so of."""

    alias: str
    name: str
    miners: int


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
    failed: int = 0  # miners whose latest change failed
    unapplied: int = 0  # miners whose latest change was not applied
    failing_too: int = 0  # of those two, miners that are in failure as well
    other_firmware: int = 0
    unknown_model: int = 0
    hashrate_ths: float = 0.0
    measured_power_w: float = 0.0
    efficiency_w_per_ths: float = 0.0  # of hashing miners whose power is known; 0 = unknown
    without_max_preset: tuple[ModelCount, ...] = ()
    above_max: tuple[ModelCount, ...] = ()  # managed, online, and running more watts than their max preset

    @property
    def not_applied(self) -> int:
        """Miners whose latest change failed or was not applied."""
        return self.failed + self.unapplied

    @property
    def in_trouble(self) -> int:
        """Miners in failure, or whose latest change failed or was not applied: each of them once."""
        return self.failing + self.not_applied - self.failing_too


def _sum(condition: Any, value: Any = 1) -> Any:
    return func.coalesce(func.sum(case((condition, value), else_=0)), 0)


_online = func.coalesce(MinerStatusRow.online, False).is_(True)
_stopped = and_(_online, MinerStatusRow.state == "stopped")
_held = and_(Miner.hold, or_(Miner.hold_until.is_(None), Miner.hold_until > bindparam("now", type_=UtcDateTime)))
_weighed = and_(_online, MinerStatusRow.power_w > 0, MinerStatusRow.hashrate_ths > 0)
_GROUPS = (
    select(
        Miner.model_id,
        MinerStatusRow.running_preset,
        func.count(Miner.id).label("total"),
        _sum(_online).label("online"),
        _sum(Miner.managed).label("managed"),
        _sum(_held).label("held"),
        _sum(and_(_online, MinerStatusRow.state == "failure")).label("failing"),
        _sum(_stopped).label("stopped"),
        _sum(and_(_stopped, Miner.stopped_by_us_at.is_not(None))).label("stopped_by_us"),
        _sum(and_(_online, Miner.managed, MinerStatusRow.state != "stopped")).label("moved"),
        _sum(_online, MinerStatusRow.hashrate_ths).label("hashrate_ths"),
        _sum(_online, MinerStatusRow.power_w).label("power_w"),
        _sum(_weighed, MinerStatusRow.power_w).label("weighed_w"),
        _sum(_weighed, MinerStatusRow.hashrate_ths).label("weighed_ths"),
    )
    .select_from(Miner)
    .outerjoin(MinerStatusRow, MinerStatusRow.miner_id == Miner.id)
    .where(Miner.retired.is_(False))
    .group_by(Miner.model_id, MinerStatusRow.running_preset)
)
_LADDERS = select(
    MinerModel.id, MinerModel.alias, MinerModel.name, MinerModel.algorithm, MinerModel.max_preset,
    ModelPreset.name.label("preset"), ModelPreset.firmware_power_w,
).outerjoin(ModelPreset, ModelPreset.model_id == MinerModel.id).order_by(MinerModel.name, MinerModel.id)  # fmt: skip
_SUMMED = ("total", "online", "managed", "held", "failing", "stopped", "stopped_by_us")


# The last counts that had a mark, of each database: a process serves one, tests serve many.
_known: WeakKeyDictionary[Engine, tuple[str, FleetCounts]] = WeakKeyDictionary()


def load(
    now: datetime,
    mark: str | None = None,
    *,
    failed: int = 0,
    unapplied: int = 0,
    failing_too: int = 0,
    other_firmware: int = 0,
) -> FleetCounts:
    """Count the fleet; two queries, whatever its size. What is not of the fleet's own tables is passed on.

    `mark`, where given, stands for the rows that are counted (`freshness.Look.fleet`): the same mark, the same counts.
    """
    counts = _counted(now) if mark is None else _counted_once(now, mark)
    return replace(counts, failed=failed, unapplied=unapplied, failing_too=failing_too, other_firmware=other_firmware)


def _counted_once(now: datetime, mark: str) -> FleetCounts:
    known = _known.get(db.engine)
    if known is None or known[0] != mark:
        known = _known[db.engine] = (mark, _counted(now))
    return known[1]


def _counted(now: datetime) -> FleetCounts:
    groups = db.session.execute(_GROUPS, {"now": now}).all()
    models: dict[int, list[Row[Any]]] = {}
    rungs: Iterable[Row[Any]] = db.session.execute(_LADDERS)
    for row in rungs:
        models.setdefault(row.id, []).append(row)
    sha256 = [g for g in groups if g.model_id not in models or models[g.model_id][0].algorithm == "sha256d"]
    weighed_ths = float(sum(g.weighed_ths for g in sha256))
    summed = {name: int(sum(getattr(g, name) for g in groups)) for name in _SUMMED}
    return FleetCounts(
        **summed,
        offline=summed["total"] - summed["online"],
        unknown_model=sum(g.total for g in groups if g.model_id is None),
        hashrate_ths=float(sum(g.hashrate_ths for g in sha256)),
        measured_power_w=float(sum(g.power_w for g in groups)),
        efficiency_w_per_ths=float(sum(g.weighed_w for g in sha256)) / weighed_ths if weighed_ths else 0.0,
        without_max_preset=_named(models, Counter(_without_max(groups, models))),
        above_max=_named(models, Counter(_above_max(groups, models))),
    )


def _named(models: Mapping[int, list[Row[Any]]], miners: Mapping[int, int]) -> tuple[ModelCount, ...]:
    return tuple(
        ModelCount(rungs[0].alias, rungs[0].name, miners[model_id])
        for model_id, rungs in models.items()
        if miners.get(model_id)
    )


def _without_max(groups: Iterable[Row[Any]], models: Mapping[int, list[Row[Any]]]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for group in groups:
        if group.model_id in models and models[group.model_id][0].max_preset is None:
            found[group.model_id] += group.total
    return found


def _above_max(groups: Iterable[Row[Any]], models: Mapping[int, list[Row[Any]]]) -> dict[int, int]:
    """By the model's merged ladder; each machine's own is the balancer's business."""
    found: Counter[int] = Counter()
    for group in groups:
        watts = {row.preset: row.firmware_power_w for row in models.get(group.model_id, [])}
        top_w = watts.get(models[group.model_id][0].max_preset) if watts else None
        running_w = watts.get(group.running_preset)
        if top_w is not None and running_w is not None and running_w > top_w:
            found[group.model_id] += group.moved
    return found
