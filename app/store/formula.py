"""The plant's sources as the formula counts them: their values, roles, and what the meters say of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select

from app.core import formula as rules
from app.core.formula import Books, Formula, MeterLoad
from app.core.meter_roles import Contradiction, Judgement, moves_apart
from app.core.plant import age_s
from app.core.readings import SourceKind, SourceRole, Stamp
from app.core.types import Settings
from app.extensions import db
from app.models import BalanceCycle, PlantReadingRow, PlantSource
from app.store import meter_roles, plant_history, readings
from app.store import settings as settings_store


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source: `counted_kw` None where the newest reading does not count it; `wanted`: the role being looked at."""

    row: PlantSource
    role: SourceRole
    wanted: SourceRole
    counted_kw: float | None
    judged: Judgement | None
    contradiction: Contradiction | None


@dataclass(frozen=True, slots=True)
class Picture:
    """The formula in numbers. `now` and `then` are None before the first reading; `then`: with the roles looked at."""

    lines: tuple[SourceLine, ...]
    settings: Settings
    reading: PlantReadingRow | None
    reading_age_s: float | None
    has_cycle: bool
    now: Formula | None
    then: Formula | None
    contradictions: tuple[Contradiction, ...]
    drawn_twice_kw: float | None = None  # with the roles looked at; see `core.formula.drawn_twice_kw`

    @property
    def differs(self) -> bool:
        """Whether other roles than those in force are looked at."""
        return any(line.role is not line.wanted for line in self.lines)


def picture(now: Stamp, wanted: Mapping[int, str]) -> Picture:
    """Return the picture with the roles in force and with those `wanted` by source id; unfit ones do not count."""
    reading = db.session.scalars(select(PlantReadingRow).order_by(PlantReadingRow.recorded_at.desc()).limit(1)).first()
    settings = settings_store.load()
    books = _books()
    contradictions = meter_roles.contradictions()
    verdicts = meter_roles.verdicts()
    wrong = {name: found for found in contradictions for name in found.names}
    counted = {} if reading is None else {(s["kind"], s["name"]): s["counted_kw"] for s in reading.sources}
    lines = []
    for row in plant_history.sources():
        role, is_meter = meter_roles.role_of(row), row.kind == SourceKind.CONSUMPTION
        lines.append(
            SourceLine(
                row=row,
                role=role,
                wanted=_fit(row, wanted.get(row.id), role),
                counted_kw=counted.get((row.kind, row.name)),
                judged=verdicts.get(row.name) if is_meter else None,
                contradiction=wrong.get(row.name) if is_meter else None,
            )
        )
    found = Picture(
        lines=tuple(lines),
        settings=settings,
        reading=reading,
        reading_age_s=None if reading is None else age_s(reading.age_at_receipt_s, reading.received, now),
        has_cycle=books is not None,
        now=None,
        then=None,
        contradictions=contradictions,
    )
    return found if reading is None else _with_formulas(found, reading, books or Books())


def _with_formulas(found: Picture, reading: PlantReadingRow, books: Books) -> Picture:
    meters = [line for line in found.lines if line.row.kind == SourceKind.CONSUMPTION]

    def of(roles: dict[str, SourceRole], of_books: Books) -> Formula:
        loads = readings.counted_loads(reading.sources, roles)
        return rules.formula(reading.generation_kw, loads, of_books, found.settings)

    now = of({line.row.name: line.role for line in meters}, books)
    same_meters = all((line.role is SourceRole.MINERS) == (line.wanted is SourceRole.MINERS) for line in meters)
    then_books = books if same_meters else replace(books, overhead_kw=None)
    loads = (MeterLoad(line.wanted, line.counted_kw or 0.0, moves_apart(line.judged)) for line in meters)
    return replace(
        found,
        now=now,
        then=of({line.row.name: line.wanted for line in meters}, then_books),
        drawn_twice_kw=rules.drawn_twice_kw(
            reading.generation_kw, loads, books, counts_unmanaged=found.settings.count_unmanaged
        ),
    )


def _books() -> Books | None:
    cycle = BalanceCycle
    query = select(cycle.current_w, cycle.unmanaged_w, cycle.overhead_kw).order_by(cycle.id.desc()).limit(1)
    row = db.session.execute(query).first()
    return None if row is None else Books(row.current_w / 1000.0, row.unmanaged_w / 1000.0, row.overhead_kw)


def _fit(row: PlantSource, role: str | None, present: SourceRole) -> SourceRole:
    allowed = plant_history.ROLES[SourceKind(row.kind)]
    return SourceRole(role) if role is not None and role in set(allowed) else present
