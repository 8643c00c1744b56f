"""What the meters say of their roles: the evidence of the last hour, and the verdicts in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app.core import formula
from app.core import meter_roles as rules
from app.core.formula import Books, MeterLoad
from app.core.meter_roles import Contradiction, Judged, Judgement, Meter
from app.core.metering import LONGEST_GAP_S, WINDOW_S, Draw, MeterVerdict
from app.core.readings import SourceKind, SourceRole, Stamp
from app.core.types import Settings
from app.extensions import db, writing
from app.models import BalanceCycle, PlantReadingRow, PlantSource

MOST_READINGS, MOST_CYCLES = 1_800, 4_000  # of an hour at the shortest intervals, so that no index is needed
JUDGED_ROLES = (SourceRole.FOREIGN, SourceRole.MINERS)
NOTE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Evidence:
    """The last hour: what each meter read and what the miners drew, on one clock.

    `accounted_kw`: what all known miners count with now. `newest_kw`: the last good value of each meter.
    """

    meters: tuple[Meter, ...]
    draws: tuple[Draw, ...]
    reading_id: int
    accounted_kw: float
    newest_kw: Mapping[str, float]


def role_of(row: PlantSource) -> SourceRole:
    """Return a source's role. A damaged one must not stop the poller: what nobody knows is foreign load."""
    return SourceRole(row.role) if row.role in set(SourceRole) else SourceRole.FOREIGN


def evidence(now: Stamp) -> Evidence:
    """Return what the hour before `now` says. Only this boot's: across boots there is no common clock."""
    sources = [row for row in _sources() if role_of(row) in JUDGED_ROLES]
    readings: dict[str, list[tuple[float, float]]] = {row.name: [] for row in sources}
    after = {row.name: row.judged_after_id or 0 for row in sources}
    newest_id = 0
    for reading_id, at_s, values in _readings(now):
        newest_id = max(newest_id, reading_id)
        for name, value_kw in values.items():
            if name in readings and reading_id > after[name]:
                readings[name].append((at_s, value_kw))
    draws, accounted_kw = _draws(now)
    return Evidence(
        meters=tuple(Meter(row.name, role_of(row), sorted(readings[row.name])) for row in sources),
        draws=draws,
        reading_id=newest_id,
        accounted_kw=accounted_kw,
        newest_kw={row.name: row.last_value_kw or 0.0 for row in sources},
    )


def record(found: Mapping[str, Judged], seen: Evidence, now: datetime) -> None:
    """Keep what was found. A role that changed meanwhile makes its verdict void, see `core.meter_roles.standing`."""
    with writing():
        rows = {row.name: row for row in _sources() if role_of(row) in JUDGED_ROLES}
        before = [_judgement(row) for row in rows.values()]
        standing = rules.standing(before)
        after = [
            rules.updated(one, found[one.name], seen.reading_id, now, stands=one.name in standing)
            for one in before
            if one.name in found
        ]
        for one in after:
            meter_kw = sum(seen.newest_kw.get(name, 0.0) for name in one.together)
            _write(rows[one.name], replace(one, effect_kw=rules.effect_kw(one, meter_kw, seen.accounted_kw)))
            rows[one.name].checked_at = now
            rows[one.name].check_note = found[one.name].finding.reason[:NOTE_LENGTH]


def contradictions(sources: Iterable[PlantSource] | None = None) -> tuple[Contradiction, ...]:
    """Return the meters whose role is wrong by what they measured. `sources`: as already loaded, saves a query."""
    rows = _sources() if sources is None else [row for row in sources if row.kind == SourceKind.CONSUMPTION]
    return rules.contradictions([_judgement(row) for row in rows])


def drawn_twice_kw(
    generation_kw: float, sources: Iterable[PlantSource], cycle: BalanceCycle, settings: Settings
) -> float | None:
    """Return `core.formula.drawn_twice_kw` by the roles in force, the newest values and the books of this cycle."""
    rows = [row for row in sources if row.kind == SourceKind.CONSUMPTION]
    standing = rules.standing([_judgement(row) for row in rows])
    return formula.drawn_twice_kw(
        generation_kw,
        (MeterLoad(role_of(row), row.last_value_kw or 0.0, rules.moves_apart(standing.get(row.name))) for row in rows),
        Books(cycle.current_w / 1000.0, cycle.unmanaged_w / 1000.0),
        counts_unmanaged=settings.count_unmanaged,
    )


def verdicts() -> dict[str, Judgement]:
    """Return the verdicts in force by the name of the consumption source."""
    return rules.standing([_judgement(row) for row in _sources()])


def newest_reading_id() -> int:
    """Return the id of the newest reading; 0 before the first."""
    return db.session.scalar(select(func.max(PlantReadingRow.id))) or 0


# --- inside ----------------------------------------------------------------------------------------------------------


def _sources() -> Iterable[PlantSource]:
    return db.session.scalars(
        select(PlantSource).where(PlantSource.kind == SourceKind.CONSUMPTION).order_by(PlantSource.name)
    ).all()


def _readings(now: Stamp) -> Iterable[tuple[int, float, dict[str, float]]]:
    """Return id, the moment of measurement (s) and the good values (kW) of the readings of the last hour."""
    reading = PlantReadingRow
    query = select(
        reading.id, reading.received_at, reading.received_monotonic_s, reading.received_boot_id,
        reading.age_at_receipt_s, reading.sources,
    ).where(
        reading.id > newest_reading_id() - MOST_READINGS, reading.received_boot_id == now.boot_id
    )  # fmt: skip
    for row in db.session.execute(query):
        age_s = Stamp(*row[1:4]).elapsed_s(now) + row.age_at_receipt_s
        if age_s <= WINDOW_S:
            yield row.id, now.monotonic_s - age_s, _good_values(row.sources)


def _good_values(sources: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    return {
        source["name"]: source["value_kw"]
        for source in sources
        if source["kind"] == SourceKind.CONSUMPTION and source["status"] == "success" and source["value_kw"] is not None
    }


def _draws(now: Stamp) -> tuple[tuple[Draw, ...], float]:
    """Return what the miners drew in the cycles of the last hour, oldest first, and what they count with now (kW)."""
    cycle = BalanceCycle
    newest = select(func.max(cycle.id)).scalar_subquery()
    query = select(
        cycle.decided_at, cycle.decided_monotonic_s, cycle.decided_boot_id, cycle.reported_w, cycle.known_miners,
        cycle.current_w, cycle.unmanaged_w,
    ).where(cycle.id > newest - MOST_CYCLES, cycle.decided_boot_id == now.boot_id).order_by(cycle.id)  # fmt: skip
    draws: list[Draw] = []
    accounted_kw = 0.0
    for row in db.session.execute(query):
        accounted_kw = (row.current_w + row.unmanaged_w) / 1000.0
        age_s = Stamp(*row[:3]).elapsed_s(now)
        if age_s > WINDOW_S + LONGEST_GAP_S or row.reported_w is None:
            continue
        draw = Draw(now.monotonic_s - age_s, row.reported_w / 1000.0, row.known_miners or 0)
        if not draws or draw.at_s > draws[-1].at_s:
            draws.append(draw)
    return tuple(draws), accounted_kw


def _judgement(row: PlantSource) -> Judgement:
    return Judgement(
        name=row.name,
        role=role_of(row),
        verdict=MeterVerdict(row.verdict) if row.verdict in set(MeterVerdict) else None,
        slope=row.slope,
        effect_kw=row.effect_kw or 0.0,
        judged_role=SourceRole(row.judged_role) if row.judged_role in set(SourceRole) else None,
        together=tuple(row.judged_together or ()),
        reading_id=row.judged_reading_id or 0,
        after_id=row.judged_after_id,
        decided_at=row.decided_at,
    )


def _write(row: PlantSource, judgement: Judgement) -> None:
    row.verdict = judgement.verdict
    row.slope = judgement.slope
    row.effect_kw = judgement.effect_kw
    row.judged_role = judgement.judged_role
    row.judged_together = list(judgement.together)
    row.judged_reading_id = judgement.reading_id
    row.decided_at = judgement.decided_at
