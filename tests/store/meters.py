"""An hour of readings and cycles in the database, as the meters and miners of `tests.core.meter_model` made them."""

from __future__ import annotations

from typing import Any

from app.core.readings import SourceRole, Stamp
from app.extensions import writing
from app.models import BalanceCycle, PlantReadingRow, PlantSource
from tests.core.meter_model import HOUR_S, Load, Miners, read
from tests.store.farm import earlier

READING_AGE_S = 3.0
MINERS = Miners()


def contains_all(at_s: float) -> float:
    """A meter that contains every miner, and some fans."""
    return 1.04 * MINERS.kw(at_s) + 4.0


def sources(**roles: SourceRole) -> None:
    """Write consumption sources in these roles, and a generator."""
    with writing() as session:
        session.add(PlantSource(name="UG1", kind="generation", role="generation", status="success"))
        for name, role in roles.items():
            session.add(PlantSource(name=name, kind="consumption", role=role, status="success", last_value_kw=90.0))


def hour(now: Stamp, **loads: Load) -> None:
    """Write the hour that ends at `now`: what meters of these loads read, and what the miners reported."""
    values = {name: read(load) for name, load in loads.items()}
    with writing() as session:
        for number, (at_s, _) in enumerate(next(iter(values.values()))):
            measured = earlier(now, HOUR_S - at_s)
            read_by = [_source(name, of[number][1]) for name, of in values.items()]
            session.add(reading(measured, [_source("UG1", 300.0, "generation"), *read_by]))
        for draw in MINERS.draws():
            if draw.at_s <= HOUR_S:
                session.add(cycle(earlier(now, HOUR_S - draw.at_s), draw.power_kw, draw.miners))


def _source(name: str, value_kw: float, kind: str = "consumption", status: str = "success") -> dict[str, Any]:
    role = "generation" if kind == "generation" else "foreign"
    return {"name": name, "kind": kind, "role": role, "value_kw": value_kw, "status": status, "counted_kw": value_kw}


def reading(measured: Stamp, values: list[dict[str, Any]]) -> PlantReadingRow:
    """Return the row of a reading that came in a few seconds after it was measured."""
    return PlantReadingRow(
        recorded_at=measured.utc, generation_kw=300.0, container_kw=90.0, foreign_kw=90.0, available_kw=210.0,
        confidence=0.99, sources=values, unchanged_since=measured.utc, age_at_receipt_s=READING_AGE_S,
        received=earlier(measured, -READING_AGE_S),
    )  # fmt: skip


def cycle(decided: Stamp, reported_kw: float | None, known_miners: int = 40, current_kw: float = 100.0) -> BalanceCycle:
    """Return the row of a cycle in which the miners reported this."""
    return BalanceCycle(
        recorded_at=decided.utc, mode="armed", policy="economic", status="OK", reason="", generation_kw=300.0,
        container_kw=90.0, foreign_kw=90.0, overhead_kw=0.0, available_kw=210.0, safety_margin_percent=10.0,
        target_w=1e5, current_w=1000.0 * current_kw, unmanaged_w=5000.0, delta_w=0.0, planned_w=1e5, cut_capacity_w=0.0,
        raise_room_w=0.0, decided=decided, known_miners=known_miners,
        reported_w=None if reported_kw is None else 1000.0 * reported_kw,
    )  # fmt: skip
