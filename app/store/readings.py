"""The plant's readings as they come in: what is remembered of its sources, what was admitted, what was refused."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session, scoped_session

from app.core import plant
from app.core.plant import MISSING, AdmittedReading, CountedSource, LoadByRole, PreviousReading, SourceMemory
from app.core.readings import SourceKind, SourceReading, SourceRole, Stamp
from app.core.types import PlantView, Settings
from app.extensions import db, writing
from app.models import PlantReadingRow, PlantRefusal, PlantSource
from app.store import meter_roles
from app.store import settings as settings_store

log = logging.getLogger(__name__)

BY_REAPPEARANCE = "PowerHive: it answers again"  # who gave a retired source the role foreign
_NEWEST_LOOKED_AT = 8  # rows in which the previous fresh reading is looked for
_TEXT = 64  # length of a source's name and status


def source_memories() -> list[SourceMemory]:
    """Return what is known of every source the plant ever named."""
    return [
        SourceMemory(
            name=row.name,
            kind=SourceKind(row.kind),
            role=meter_roles.role_of(row),
            last_value_kw=row.last_value_kw,
            last_good=_stamp(row),
        )
        for row in db.session.scalars(select(PlantSource))
    ]


def previous() -> PreviousReading | None:
    """Return the newest trusted reading, for the next one to be judged against; None before the first."""
    row = db.session.scalars(_newest(1)).first()
    if row is None:
        return None
    answered = [SourceReading(s["name"], SourceKind(s["kind"]), s["value_kw"], s["status"]) for s in row.sources]
    return PreviousReading(row.recorded_at, plant.good_values(answered), row.unchanged_since)


def record(admitted: AdmittedReading) -> int:
    """Store a trusted reading and what it says of its sources, in one transaction; return the row's id.

    Rows dated later go: `admit` lets an earlier timestamp pass only where the newest ones lie in the future by every
    clock, and they would be shown as the newest for as long.
    """
    with writing() as session:
        later = session.execute(delete(PlantReadingRow).where(PlantReadingRow.recorded_at > admitted.recorded_at))
        known = session.scalars(
            select(PlantReadingRow.id).where(PlantReadingRow.recorded_at == admitted.recorded_at)
        ).first()
        if known is not None:
            return known
        back = _last_refusal_is_newer(session)
        row = _reading_row(admitted)
        session.add(row)
        _remember(session, admitted.sources, admitted.measured, admitted.received.utc)
        session.flush()
        reading_id = row.id
    if getattr(later, "rowcount", 0):
        log.warning("the plant's clock ran ahead: readings dated in the future were removed")
    if back:
        log.warning("the plant's readings are trusted again")
    return reading_id


def record_refusal(
    kind: str,
    reason: str,
    now: datetime,
    *,
    recorded_at: datetime | None = None,
    sources: Iterable[SourceReading] = (),
    measured: Stamp | None = None,
) -> None:
    """Store an answer that must not drive control, or the lack of one, and why.

    `sources` and `measured`: what `core.plant.Refused` carries, remembered as of an admitted reading.
    """
    with writing() as session:
        first = not _last_refusal_is_newer(session)
        session.add(PlantRefusal(refused_at=now, recorded_at=recorded_at, kind=kind[:32], reason=reason))
        if measured is not None:
            _remember(session, sources, measured, now)
    if first:
        log.warning("no trusted plant reading: %s", reason)


def plant_view(now: Stamp, settings: Settings | None = None) -> PlantView | None:
    """Return the newest trusted reading with its age, for a snapshot; None before the first.

    `settings` None: those in force. `is_new` is for the snapshot's loader to say.
    """
    rows = list(db.session.scalars(_newest(_NEWEST_LOOKED_AT)))
    if not rows:
        return None
    newest = rows[0]
    load = load_by_role(newest.sources, todays_roles())
    return PlantView(
        reading_id=newest.id,
        recorded_at=newest.recorded_at,
        generation_kw=newest.generation_kw,
        container_kw=newest.container_kw,
        foreign_kw=load.foreign_kw,
        miners_meter_kw=load.miners_meter_kw,
        miners_meter_ok=load.miners_meter_ok,
        age_s=plant.age_s(newest.age_at_receipt_s, newest.received, now),
        frozen_s=_frozen_s(newest),
        generation_doubtful=newest.generation_doubtful,
        over_generation_twice=_over_generation_twice(rows, settings or settings_store.load()),
        newer_refused=_last_refusal_is_newer(db.session),
        contradicted=tuple(found.sentence for found in meter_roles.contradictions()),
    )


def todays_roles() -> dict[str, SourceRole]:
    """Return the role that each consumption source has now, by name."""
    sources = db.session.scalars(select(PlantSource).where(PlantSource.kind == SourceKind.CONSUMPTION))
    return {source.name: meter_roles.role_of(source) for source in sources}


def load_by_role(sources: Iterable[dict[str, Any]], today: Mapping[str, SourceRole]) -> LoadByRole:
    """Sum up a stored reading's consumption sources in the roles they have now: a new role acts in the next cycle."""
    return plant.by_role(counted_loads(sources, today))


def counted_loads(sources: Iterable[dict[str, Any]], today: Mapping[str, SourceRole]) -> list[CountedSource]:
    """Return a stored reading's consumption sources, each in the role that `today` gives it.

    A retired one that is in the reading all the same has answered: load that nobody here controls.
    """
    counted = []
    for source in sources:
        role, good = today.get(source["name"]), source["status"] == "success" and source["value_kw"] is not None
        if source["kind"] != SourceKind.CONSUMPTION or (role is SourceRole.RETIRED and not good):
            continue
        counted.append(
            CountedSource(
                name=source["name"],
                kind=SourceKind.CONSUMPTION,
                role=SourceRole.MINERS if role is SourceRole.MINERS else SourceRole.FOREIGN,
                value_kw=source["value_kw"],
                status=source["status"],
                counted_kw=source["counted_kw"],
                good=good,
            )
        )
    return counted


# --- inside ----------------------------------------------------------------------------------------------------------

AnySession = Session | scoped_session[Any]


def _newest(limit: int) -> Select[PlantReadingRow]:
    return select(PlantReadingRow).order_by(PlantReadingRow.recorded_at.desc()).limit(limit)




def _stamp(row: PlantSource) -> Stamp | None:
    if row.last_good_at is None or row.last_good_monotonic_s is None or row.last_good_boot_id is None:
        return None
    return Stamp(row.last_good_at, row.last_good_monotonic_s, row.last_good_boot_id)


def _frozen_s(row: PlantReadingRow) -> float:
    return plant.frozen_s(row.recorded_at, row.unchanged_since)


def _over_generation_twice(rows: list[PlantReadingRow], settings: Settings) -> bool:
    """Measured consumption above measured generation on the newest reading and on the fresh one before it.

    Fresh at its receipt; and the one before was still fresh when the newest came in, so that a blip of an hour ago and
    one of now are two, not one that lasts.
    """
    newest = rows[0]
    if not newest.over_generation or not _fresh_at(newest, newest.received, settings):
        return False
    before = next((row for row in rows[1:] if _fresh_at(row, row.received, settings)), None)
    return before is not None and before.over_generation and _fresh_at(before, newest.received, settings)


def _fresh_at(row: PlantReadingRow, moment: Stamp, settings: Settings) -> bool:
    return plant.is_fresh(plant.age_s(row.age_at_receipt_s, row.received, moment), _frozen_s(row), settings)


def _last_refusal_is_newer(session: AnySession) -> bool:
    """Tell whether the latest thing the plant brought was a refusal."""
    refused_at = session.scalar(select(PlantRefusal.refused_at).order_by(PlantRefusal.id.desc()).limit(1))
    received_at = session.scalar(select(PlantReadingRow.received_at).order_by(PlantReadingRow.id.desc()).limit(1))
    return refused_at is not None and (received_at is None or refused_at > received_at)


def _reading_row(admitted: AdmittedReading) -> PlantReadingRow:
    return PlantReadingRow(
        plant_id=admitted.plant_id[:120],
        aggregator_id=admitted.aggregator_id,
        recorded_at=admitted.recorded_at,
        generation_kw=admitted.generation_kw,
        container_kw=admitted.container_kw,
        foreign_kw=admitted.foreign_kw,
        miners_meter_kw=admitted.miners_meter_kw,
        miners_meter_ok=admitted.miners_meter_ok,
        available_kw=admitted.available_kw,
        generation_doubtful=admitted.generation_doubtful,
        over_generation=admitted.over_generation,
        confidence=admitted.confidence,
        sources=[
            {
                "name": s.name,
                "kind": s.kind.value,
                "role": s.role.value,
                "value_kw": s.value_kw,
                "status": s.status,
                "counted_kw": s.counted_kw,
            }
            for s in admitted.sources
        ],
        unchanged_since=admitted.unchanged_since,
        age_at_receipt_s=admitted.age_at_receipt_s,
        received=admitted.received,
    )


def _remember(
    session: AnySession, sources: Iterable[SourceReading | CountedSource], measured: Stamp, now: datetime
) -> None:
    """Keep status and last good value of each source; a known one that is not among them is missing."""
    rows = {(row.kind, row.name): row for row in session.scalars(select(PlantSource))}
    for row in rows.values():
        row.status = MISSING
    for source in sources:
        row = rows.get((source.kind.value, source.name)) or _new_source(session, source.name, source.kind)
        row.status = source.status[:_TEXT]
        if source.good:
            row.last_value_kw = source.value_kw
            row.last_good_at = measured.utc
            row.last_good_monotonic_s = measured.monotonic_s
            row.last_good_boot_id = measured.boot_id
            _revive(row, now)
    session.flush()


def _new_source(session: AnySession, name: str, kind: SourceKind) -> PlantSource:
    row = PlantSource(name=name, kind=kind.value, role=_first_role(kind))
    session.add(row)
    return row


def _first_role(kind: str) -> str:
    return SourceRole.GENERATION.value if kind == SourceKind.GENERATION else SourceRole.FOREIGN.value


def _revive(row: PlantSource, now: datetime) -> None:
    """Say that a retired source counts again, so that its next failure is one and the page tells the truth."""
    if row.role != SourceRole.RETIRED:
        return
    row.role, row.role_changed_at, row.role_changed_by = _first_role(row.kind), now, BY_REAPPEARANCE
    log.warning("the retired plant source %s answers again and counts as %s", row.name, row.role)
