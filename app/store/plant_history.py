"""What the plant gave and took: readings over time, its sources and their roles."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, scoped_session

from app.core.audit import Action
from app.core.readings import SourceKind, SourceRole
from app.errors import ChangedMeanwhile, Conflict, NotFound, SettingError
from app.extensions import db, writing
from app.models import PlantReadingRow, PlantSource
from app.store import audit, meter_roles, slots
from app.store.slots import Grid

log = logging.getLogger(__name__)

ROLES = {
    SourceKind.CONSUMPTION: (SourceRole.FOREIGN, SourceRole.MINERS, SourceRole.RETIRED),
    SourceKind.GENERATION: (SourceRole.GENERATION, SourceRole.RETIRED),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading, or the mean of all readings of one time step (its sources are those of the last one). kW."""

    id: int
    plant_id: str
    generation_kw: float
    container_kw: float
    available_kw: float
    sources: list[dict[str, Any]]
    recorded_at: datetime


def latest() -> Reading | None:
    """Return the newest trusted reading, or None."""
    return next(iter(history(1)), None)


def history(
    limit: int = 100, since: datetime | None = None, until: datetime | None = None, step_s: int | None = None
) -> list[Reading]:
    """Return readings with since <= recorded_at < until, newest first; with `step_s` the means of such steps."""
    if step_s is not None:
        return _steps(limit, since, until, step_s)
    query = select(PlantReadingRow).where(*_between(since, until))
    query = query.order_by(PlantReadingRow.recorded_at.desc()).limit(limit)
    return [
        Reading(
            id=row.id,
            plant_id=row.plant_id,
            generation_kw=row.generation_kw,
            container_kw=row.container_kw,
            available_kw=row.available_kw,
            sources=row.sources,
            recorded_at=row.recorded_at,
        )
        for row in db.session.scalars(query)
    ]


def goes_on(since: datetime | None, until: datetime) -> bool:
    """Whether there are readings with since <= recorded_at < until."""
    return db.session.scalar(select(PlantReadingRow.id).where(*_between(since, until)).limit(1)) is not None


def sources() -> list[PlantSource]:
    """Return every source of the plant, generation first, then by name."""
    return list(db.session.scalars(select(PlantSource).order_by(PlantSource.kind.desc(), PlantSource.name)))


def set_role(name: str, role: str, who: str, now: datetime, kind: str | None = None) -> PlantSource:
    """Say what a source measures. Where a generator and a container share a name, `kind` tells which one.

    To say the same role again overrules a verdict of the meters against it: only later readings may judge it anew.

    Raises:
        NotFound: no such source.
        SettingError: no such role.
        Conflict: the role does not fit the kind of source.
    """
    if role not in set(SourceRole):
        raise SettingError("role", f"role must be one of {', '.join(SourceRole)}; got {role[:60]!r}.")
    with writing() as session:
        query = select(PlantSource).where(PlantSource.name == name).order_by(PlantSource.kind)  # consumption first
        found = [s for s in session.scalars(query) if kind is None or s.kind == kind]
        if not found:
            raise NotFound(f"There is no plant source {name[:64]}.")
        source = next((s for s in found if role in ROLES[SourceKind(s.kind)]), None)
        if source is None:
            allowed = ", ".join(ROLES[SourceKind(found[0].kind)])
            raise Conflict(f"{name} is a {found[0].kind} source: its role can be {allowed}.")
        _say_role(session, source, role, who, now)
    return source


def set_roles(wanted: Mapping[int, str], seen: Mapping[int, str], who: str, now: datetime) -> list[PlantSource]:
    """Say what several sources measure, by their ids, all or none; return those whose role changed.

    `seen`: the roles that whoever decides looked at. A role that is only confirmed for the first time is noted, too:
    then somebody has said it. It does not overrule what the meter says: that takes `set_role`.

    Raises:
        NotFound: no such source.
        Conflict: a role does not fit the kind of source.
        ChangedMeanwhile: a source has neither the role seen nor the one wanted.
    """
    with writing() as session:
        rows = {row.id: row for row in session.scalars(select(PlantSource).where(PlantSource.id.in_(wanted)))}
        for source_id, role in wanted.items():
            if source_id not in rows:
                raise NotFound("There is no such plant source any more.")
            source = rows[source_id]
            if role not in ROLES[SourceKind(source.kind)]:
                allowed = ", ".join(ROLES[SourceKind(source.kind)])
                raise Conflict(f"{source.name} is a {source.kind} source: its role can be {allowed}.")
        theirs = [row.name for key, row in rows.items() if row.role not in (wanted[key], seen.get(key))]
        if theirs:
            raise ChangedMeanwhile(theirs, f"Somebody else gave another role meanwhile: {', '.join(theirs)}.")
        changed = [row for key, row in rows.items() if row.role != wanted[key]]
        for row in changed:
            _say_role(session, row, wanted[row.id], who, now)
        for row in rows.values():
            if row.role_changed_at is None:
                row.role_changed_at, row.role_changed_by = now, who
    return changed


def _say_role(session: scoped_session[Any] | Session, source: PlantSource, role: str, who: str, now: datetime) -> None:
    audit.note(session, who, Action.SOURCE, source.name, now, old={"role": source.role}, new={"role": role})
    if source.role != role:
        source.role, source.role_changed_at, source.role_changed_by = role, now, who
        source.judged_after_id = None
    elif source.kind == SourceKind.CONSUMPTION and _is_contradicted(source.name):
        source.judged_after_id = meter_roles.newest_reading_id()
        log.warning("%s says again that %s is %s, against what it measures", who, source.name, role)


def _is_contradicted(name: str) -> bool:
    return any(name in found.names for found in meter_roles.contradictions())


def _between(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(PlantReadingRow.recorded_at >= since)
    if until is not None:
        conditions.append(PlantReadingRow.recorded_at < until)
    return conditions


def mark() -> tuple[Any, ...]:
    """Return what changes whenever the history does: rows are only added, or removed at either end."""
    oldest = db.session.scalar(select(PlantReadingRow.id).order_by(PlantReadingRow.recorded_at).limit(1))
    newest = select(PlantReadingRow.id, PlantReadingRow.recorded_at, PlantReadingRow.received_at)
    row = db.session.execute(newest.order_by(PlantReadingRow.recorded_at.desc()).limit(1)).one_or_none()
    return (oldest, *(row or ()))


def _steps(limit: int, since: datetime | None, until: datetime | None, step_s: int) -> list[Reading]:
    """The `limit` steps up to the newest reading; a step without a reading is left out."""
    grid = _grid(limit, since, until, step_s)
    if grid is None:
        return []
    numbers = slots.numbers()
    step = slots.step_of(numbers).label("step")
    at, dialect = PlantReadingRow.recorded_at, db.engine.dialect.name
    first = slots.first_of(numbers, PlantReadingRow.id, at, dialect, *_between(since, until))
    means = (
        select(
            step,
            func.max(PlantReadingRow.id).label("last_id"),
            func.avg(PlantReadingRow.generation_kw).label("generation_kw"),
            func.avg(PlantReadingRow.container_kw).label("container_kw"),
            func.avg(PlantReadingRow.available_kw).label("available_kw"),
        )
        .select_from(numbers.join(PlantReadingRow, PlantReadingRow.id == first))
        .group_by(step)
        .subquery()
    )
    query = select(
        means.c.step, means.c.last_id, means.c.generation_kw, means.c.container_kw, means.c.available_kw,
        PlantReadingRow.plant_id, PlantReadingRow.sources,
    ).join(PlantReadingRow, PlantReadingRow.id == means.c.last_id).order_by(means.c.step.desc())  # fmt: skip
    return [
        Reading(
            id=row.last_id,
            plant_id=row.plant_id,
            generation_kw=row.generation_kw,
            container_kw=row.container_kw,
            available_kw=row.available_kw,
            sources=row.sources,
            recorded_at=datetime.fromtimestamp(grid.first_s + int(row.step) * step_s, UTC),
        )
        for row in db.session.execute(query, grid.values)
    ]


def _grid(limit: int, since: datetime | None, until: datetime | None, step_s: int) -> Grid | None:
    """The steps that the answer can have: from its oldest reading on, and no more than `limit` of them."""
    within = select(PlantReadingRow.recorded_at).where(*_between(since, until)).limit(1)
    newest = db.session.scalar(within.order_by(PlantReadingRow.recorded_at.desc()))
    oldest = db.session.scalar(within.order_by(PlantReadingRow.recorded_at))
    if newest is None or oldest is None:
        return None
    last = int(newest.timestamp()) // step_s
    first = max(int(oldest.timestamp()) // step_s, last - limit + 1)
    return Grid(first * step_s, step_s, last - first + 1)
