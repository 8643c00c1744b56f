"""The balance cycles: one row per cycle, also when nothing is to do. Pages show these rows and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session, defer, scoped_session

from app.core import metering, river
from app.core.readings import Stamp
from app.core.types import CycleMemory, Origin, Plan, PlantView, PresetChange, Settings, Skip, Snapshot
from app.errors import NotFound
from app.extensions import db, writing
from app.models import BalanceCycle, MinerStatusRow, PlantReadingRow
from app.store import fleet

KEEP_SKIPPED_CYCLES = 120  # half an hour; 3,000 reasons in every row of a year would be 500 GB
LOOK_BACK_CYCLES = 20
SPARE = 2  # readings looked at per one that is wanted: some have no cycle
ACCOUNTED_STEP_W = 0.5  # a smaller difference is not worth a write


def memory(session: Session | scoped_session[Any], since: Stamp | None = None) -> CycleMemory:
    """Return what the newest cycle handed on; the empty memory before the first one.

    `since`: when the acting scheduler took over. A surplus seen before that did not last until now: nobody looked.
    """
    cycle = BalanceCycle  # its columns only: the plan and the skipped miners of a large farm are 500 KB of JSON
    query = select(
        cycle.overhead_kw,
        cycle.surplus_since_at, cycle.surplus_since_monotonic_s, cycle.surplus_since_boot_id,
        cycle.restart_room_since_at, cycle.restart_room_since_monotonic_s, cycle.restart_room_since_boot_id,
        cycle.restart_room_w, cycle.decided_at, cycle.decided_monotonic_s, cycle.decided_boot_id,
        cycle.reoptimised_at, cycle.reoptimised_monotonic_s, cycle.reoptimised_boot_id,
    )  # fmt: skip
    row = session.execute(query.order_by(cycle.id.desc()).limit(1)).first()
    if row is None:
        return CycleMemory()
    if since is not None and not _after(Stamp(row[8], row[9], row[10]), since):
        return CycleMemory(overhead_kw=row[0])
    return CycleMemory(
        overhead_kw=row[0],
        surplus_since=_stamp(*row[1:4]),
        restart_room_since=_stamp(*row[4:7]),
        restart_room_w=row[7],
        reoptimised_at=_stamp(row.reoptimised_at, row.reoptimised_monotonic_s, row.reoptimised_boot_id),
    )


def _after(decided: Stamp, since: Stamp) -> bool:
    return decided.boot_id == since.boot_id and since.elapsed_s(decided) > 0


@dataclass(frozen=True, slots=True)
class Window:
    """How many readings before the newest are wanted, and how far apart readings and balances are (s)."""

    readings: int
    reading_interval_s: float
    interval_s: float


def recent_available_kw(
    session: Session | scoped_session[Any], plant: PlantView | None, settings: Settings, since: Stamp | None, of: Window
) -> tuple[float, ...]:
    """Return the available power of the readings before `plant`'s, oldest first, one per reading (its newest cycle's).

    Only those since the acting scheduler took over (`since`), and only back to the last gap in which nobody saw what
    the river did (`river.longest_gap_s`). None where the plant's newest answer was refused.
    """
    if plant is None or plant.newer_refused or since is None:
        return ()
    seen = _newest_cycles(session, of)
    reading = PlantReadingRow
    rows = session.execute(
        select(reading.id, reading.received_at, reading.received_monotonic_s, reading.received_boot_id)
        .where(reading.id <= plant.reading_id)
        .order_by(reading.id.desc())
        .limit(SPARE * (of.readings + 1))
    )
    gap_s = river.longest_gap_s(settings, of.reading_interval_s)
    found: list[float] = []
    later: Stamp | None = None
    for reading_id, at, monotonic_s, boot_id in rows:
        received = Stamp(at, monotonic_s, boot_id)
        if later is not None and received.elapsed_s(later) > gap_s:
            break
        later = received
        if reading_id == plant.reading_id or reading_id not in seen:
            continue
        available_kw, decided = seen[reading_id]
        if len(found) == of.readings or not _after(decided, since):
            break
        found.append(available_kw)
    return tuple(reversed(found))


def _newest_cycles(session: Session | scoped_session[Any], of: Window) -> dict[int, tuple[float, Stamp]]:
    """Return the available power by the newest cycle of each of the latest readings, and when it was decided.

    By the cycles' own order: looking them up by reading would take an index that nothing else needs.
    """
    per_reading = 2 + math.ceil(of.reading_interval_s / of.interval_s)
    cycle = BalanceCycle
    rows = session.execute(
        select(cycle.reading_id, cycle.available_kw, cycle.decided_at, cycle.decided_monotonic_s, cycle.decided_boot_id)
        .order_by(cycle.id.desc())
        .limit(per_reading * (of.readings + 1))
    )
    seen: dict[int, tuple[float, Stamp]] = {}
    for reading_id, available_kw, at, monotonic_s, boot_id in rows:
        if reading_id is not None:
            seen.setdefault(reading_id, (available_kw, Stamp(at, monotonic_s, boot_id)))
    return seen


def _stamp(at: datetime | None, monotonic_s: float | None, boot_id: str | None) -> Stamp | None:
    return None if at is None or monotonic_s is None or boot_id is None else Stamp(at, monotonic_s, boot_id)


def with_is_new(session: Session | scoped_session[Any], plant: PlantView) -> PlantView:
    """Return the view with `is_new` set: no cycle has used this reading before."""
    used = session.scalars(select(BalanceCycle.reading_id).order_by(BalanceCycle.id.desc()).limit(LOOK_BACK_CYCLES))
    return replace(plant, is_new=plant.reading_id not in set(used))


def latest() -> BalanceCycle | None:
    """Return the newest cycle, None before the first one. Its plan and skipped miners are read only when asked for."""
    query = select(BalanceCycle).options(defer(BalanceCycle.planned), defer(BalanceCycle.skipped))
    return db.session.scalars(query.order_by(BalanceCycle.id.desc()).limit(1)).first()


def recent(limit: int = 100, *, before_id: int | None = None, with_decisions: bool = True) -> list[BalanceCycle]:
    """Return the latest cycles, newest first; `before_id` continues an earlier list.

    `with_decisions` False: their plans and skipped miners are read only when asked for.
    """
    query = select(BalanceCycle).order_by(BalanceCycle.id.desc()).limit(limit)
    if not with_decisions:
        query = query.options(defer(BalanceCycle.planned), defer(BalanceCycle.skipped))
    if before_id is not None:
        query = query.where(BalanceCycle.id < before_id)
    return list(db.session.scalars(query))


def get(cycle_id: int) -> BalanceCycle:
    """Return one cycle with all that it decided.

    Raises:
        NotFound: no such cycle.
    """
    row = db.session.get(BalanceCycle, cycle_id) if 0 < cycle_id < 2**63 else None
    if row is None:
        raise NotFound(f"There is no balance cycle {cycle_id}.")
    return row


class Decision(StrEnum):
    """What a cycle decided for one miner."""

    CHANGE = "change"
    SKIPPED = "skipped"
    STAYS = "stays"
    UNMANAGED = "unmanaged"
    RETIRED = "retired"
    UNDECIDED = "undecided"  # no cycle yet, or none since something about this miner was changed


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the latest cycle (`cycle_id`, None: there is none) decided for one miner, and why.

    `change`: as the cycle's row keeps it (`change_as_json`); `sent`: whether it went out (armed, or an operator's).
    `accounted_power_w`: what the miner counts with in the balance, None where no cycle has counted it.
    """

    mac: str
    decision: Decision
    reason: str
    accounted_power_w: float | None
    change: dict[str, Any] | None = None
    sent: bool = False
    cycle_id: int | None = None
    decided_at: datetime | None = None


def explain(mac: str) -> Explanation:
    """Return what the latest cycle decided for one miner (MAC in any case), and why.

    Raises:
        NotFound: no such miner.
    """
    miner = fleet.get(mac)
    return explain_each([miner])[miner.mac]


class Subject(Protocol):
    """A miner, or what a list shows of it."""

    @property
    def mac(self) -> str: ...
    @property
    def managed(self) -> bool: ...
    @property
    def retired(self) -> bool: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def accounted_power_w(self) -> float | None: ...


def explain_each(miners: Sequence[Subject]) -> dict[str, Explanation]:
    """Return what the latest cycle decided for each of these miners, by MAC."""
    cycle = db.session.execute(_LATEST).first()
    decided = _Decided({}, {}) if cycle is None else _decided(str(db.engine.url), cycle.id, cycle.recorded_at)
    return {
        miner.mac: _explanation(miner, cycle, decided.changes.get(miner.mac), decided.skips.get(miner.mac))
        for miner in miners
    }


_LATEST = (
    select(BalanceCycle.id, BalanceCycle.recorded_at, BalanceCycle.reason, BalanceCycle.stays, BalanceCycle.sent)
    .order_by(BalanceCycle.id.desc())
    .limit(1)
)


class _Decided(NamedTuple):
    """The changes that a cycle planned, and why it passed the others over, by MAC."""

    changes: dict[str, dict[str, Any]]
    skips: dict[str, str]


@lru_cache(maxsize=4)
def _decided(_database: str, cycle_id: int, _recorded_at: datetime) -> _Decided:
    """Return what a cycle decided. Written once; 3,000 changes or reasons take 5 ms to parse."""
    query = select(BalanceCycle.planned, BalanceCycle.skipped).where(BalanceCycle.id == cycle_id)
    planned, skipped = db.session.execute(query).one()
    return _Decided({change["mac"]: change for change in planned}, {skip["mac"]: skip["reason"] for skip in skipped})


def _explanation(
    miner: Subject,
    cycle: Row[int, datetime, str, str, bool] | None,
    change: dict[str, Any] | None,
    skip: str | None,
) -> Explanation:
    power_w = miner.accounted_power_w
    if miner.retired:
        return Explanation(miner.mac, Decision.RETIRED, "retired: it counts nothing and is left alone", 0.0)
    if not miner.managed:
        return Explanation(miner.mac, Decision.UNMANAGED, "not managed: PowerHive leaves its preset alone", power_w)
    if cycle is None:
        return Explanation(miner.mac, Decision.UNDECIDED, "no cycle has decided anything yet", power_w)
    decided: tuple[Decision, str] = (Decision.STAYS, cycle.stays or cycle.reason)
    if change is not None:
        decided = Decision.CHANGE, change["reason"]
    elif skip is not None:
        decided = Decision.SKIPPED, skip
    elif miner.updated_at > cycle.recorded_at:
        decided = Decision.UNDECIDED, "changed since the latest cycle: the next one decides"
    return Explanation(
        miner.mac,
        *decided,
        accounted_power_w=power_w,
        change=change,
        sent=change is not None and (cycle.sent or change["origin"] == Origin.OPERATOR),
        cycle_id=cycle.id,
        decided_at=cycle.recorded_at,
    )


def record(snapshot: Snapshot, plan: Plan) -> int:
    """Store what this cycle saw and decided, and what every miner counts with; return the row's id.

    Written before anything is sent. Raises `sqlalchemy.exc.OperationalError` where the database cannot be written.
    """
    row = _row(snapshot, plan)
    with writing() as session:
        session.add(row)
        session.flush()
        cycle_id = row.id
        session.execute(
            update(BalanceCycle).where(BalanceCycle.id == cycle_id - KEEP_SKIPPED_CYCLES).values(skipped=[])
        )
        _store_accounted(session, snapshot, plan.remembered)
    return cycle_id


@dataclass(frozen=True, slots=True)
class CycleEnd:
    """What became of a cycle's plan. `changes`: every change decided, in all its rounds.

    `failed`: how many were refused, got no answer or were stopped at the door. `expected_w`: what the managed miners
    count with once what was sent has happened.
    """

    changes: Sequence[PresetChange]
    failed: int
    expected_w: float
    duration_s: float


def finish(cycle_id: int, end: CycleEnd) -> None:
    """Add to a cycle's row what became of it."""
    with writing() as session:
        session.execute(
            update(BalanceCycle)
            .where(BalanceCycle.id == cycle_id)
            .values(
                planned=[change_as_json(change) for change in end.changes],
                changes_count=len(end.changes),
                failed_count=end.failed,
                planned_w=end.expected_w,
                duration_s=end.duration_s,
            )
        )


def _row(snapshot: Snapshot, plan: Plan) -> BalanceCycle:
    settings, passed_on = snapshot.settings, plan.memory
    surplus, room, exchanged = passed_on.surplus_since, passed_on.restart_room_since, passed_on.reoptimised_at
    reported_w, known_miners = metering.reported_w(snapshot.miners, plan.accounted, settings)
    return BalanceCycle(
        recorded_at=snapshot.now.utc,
        reading_id=None if snapshot.plant is None else snapshot.plant.reading_id,
        mode=settings.mode,
        policy=settings.policy,
        override=settings.override,
        status=plan.status,
        reason=plan.reason,
        stays=plan.stays,
        emergency=plan.emergency,
        sent=plan.send,
        generation_kw=plan.generation_kw,
        container_kw=plan.container_kw,
        foreign_kw=plan.foreign_kw,
        overhead_kw=passed_on.overhead_kw,
        available_kw=plan.available_kw,
        safety_margin_percent=settings.safety_margin_percent,
        target_w=plan.target_w,
        current_w=plan.current_w,
        unmanaged_w=plan.unmanaged_w,
        delta_w=plan.delta_w,
        planned_w=plan.planned_w,
        cut_capacity_w=plan.cut_capacity_w,
        raise_room_w=plan.raise_room_w,
        data_age_s=plan.data_age_s,
        changes_count=len(plan.changes),
        skipped_count=len(plan.skipped),
        planned=[change_as_json(change) for change in plan.changes],
        skipped=[skip_as_json(skip) for skip in plan.skipped],
        decided=snapshot.now,
        surplus_since_at=None if surplus is None else surplus.utc,
        surplus_since_monotonic_s=None if surplus is None else surplus.monotonic_s,
        surplus_since_boot_id=None if surplus is None else surplus.boot_id,
        restart_room_since_at=None if room is None else room.utc,
        restart_room_since_monotonic_s=None if room is None else room.monotonic_s,
        restart_room_since_boot_id=None if room is None else room.boot_id,
        restart_room_w=passed_on.restart_room_w,
        reoptimised_at=None if exchanged is None else exchanged.utc,
        reoptimised_monotonic_s=None if exchanged is None else exchanged.monotonic_s,
        reoptimised_boot_id=None if exchanged is None else exchanged.boot_id,
        reported_w=reported_w,
        known_miners=known_miners,
    )


def change_as_json(change: PresetChange) -> dict[str, Any]:
    """Return a decided change as a cycle's row keeps it (W)."""
    return {
        "miner_id": change.miner_id,
        "mac": change.mac,
        "kind": str(change.kind),
        "old_preset": change.old_preset,
        "new_preset": change.new_preset,
        "old_power_w": round(change.old_power_w, 1),
        "new_power_w": round(change.new_power_w, 1),
        "reason": change.reason,
        "origin": str(change.origin),
    }


def skip_as_json(skip: Skip) -> dict[str, Any]:
    """Return why a miner was not moved as a cycle's row keeps it."""
    return {"mac": skip.mac, "reason": skip.reason}


def _store_accounted(session: scoped_session[Any], snapshot: Snapshot, accounted: Mapping[int, float]) -> None:
    """Write the accounted W that differ from the last ones: what a miner counts with once it falls silent."""
    before = {miner.id: miner.last_accounted_w for miner in snapshot.miners}
    changed = [
        {"which": miner_id, "watts": power_w}
        for miner_id, power_w in accounted.items()
        if (last_w := before.get(miner_id)) is None or abs(last_w - power_w) >= ACCOUNTED_STEP_W
    ]
    if changed:
        statement = update(MinerStatusRow).where(MinerStatusRow.miner_id == bindparam("which"))
        statement = statement.values(accounted_power_w=bindparam("watts"))
        session.connection().execute(statement, changed)
