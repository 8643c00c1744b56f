"""The plant: readings over time, its sources and what they measure. All powers in kW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify

from app import clock
from app.api import answers, body, listing, query
from app.api.blueprint import bp
from app.core.meter_roles import Judgement
from app.core.metering import MeterVerdict
from app.core.readings import SourceKind, SourceRole
from app.models import PlantSource
from app.store import meter_roles, plant_history
from app.store.plant_history import Reading


@bp.get("/plant/latest")
def latest_reading() -> Response:
    """Return the newest trusted reading, or null."""
    reading = plant_history.latest()
    return jsonify(None if reading is None else _reading(reading))


@bp.get("/plant/history")
def readings() -> Response:
    """Return readings, newest first; `step` (seconds) asks for the means of such steps.

    A step is the mean of readings spread evenly over it, so that a month costs no more than an hour.
    """
    limit, since, until, step_s = query.limit(), query.instant("since"), query.instant("until"), query.step_s()

    def answered() -> Response:
        found = plant_history.history(limit, since, until, step_s)
        more = bool(found) and plant_history.goes_on(since, found[-1].recorded_at)
        return listing.answer(found, more, _reading, lambda last: {"until": answers.instant(last.recorded_at)})

    return listing.by_mark(plant_history.mark(), answered)


@bp.get("/plant/sources")
def sources() -> Response:
    """Return every generator and metered container the plant ever named, and whether it does what its role says."""
    verdicts, contradicted = meter_roles.verdicts(), _contradicted()
    shown = [_source(source, verdicts, contradicted) for source in plant_history.sources()]
    return listing.by_content(jsonify(shown))


@bp.patch("/plant/sources/<path:name>")
def change_source(name: str) -> Response:
    """Say what a source measures. `kind` tells apart a generator and a container of one name.

    To say the same role again overrules what the meter says against it, until later readings decide anew.
    """
    wanted = body.read(("role", "kind"), ("role",))
    role, kind = wanted["role"], wanted.get("kind")
    if not isinstance(role, str) or role not in set(SourceRole):
        body.refuse("role", f"one of {', '.join(SourceRole)}", role)
    if kind is not None and (not isinstance(kind, str) or kind not in set(SourceKind)):
        body.refuse("kind", f"one of {', '.join(SourceKind)}", kind)
    source = plant_history.set_role(name, role, answers.who(), clock.utcnow(), kind)
    return jsonify(_source(source, meter_roles.verdicts(), _contradicted()))


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "id": reading.id,
        "plant_id": reading.plant_id,
        "total_generation": reading.generation_kw,
        "total_container_consumption": reading.container_kw,
        "available_power": reading.available_kw,
        "generation_sources": _of_kind(reading, SourceKind.GENERATION),
        "consumption_sources": _of_kind(reading, SourceKind.CONSUMPTION),
        "recorded_at": answers.instant(reading.recorded_at),
    }


def _of_kind(reading: Reading, kind: SourceKind) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in source.items() if name != "kind"}
        for source in reading.sources
        if source.get("kind") == kind
    ]


def _contradicted() -> dict[str, str]:
    """Return what is wrong with its role by the name of the meter."""
    return {name: found.sentence for found in meter_roles.contradictions() for name in found.names}


def _source(
    source: PlantSource, verdicts: Mapping[str, Judgement], contradicted: Mapping[str, str]
) -> dict[str, Any]:
    is_meter = source.kind == SourceKind.CONSUMPTION
    judged = verdicts.get(source.name) if is_meter else None
    return {
        "name": source.name,
        "kind": source.kind,
        "role": source.role,
        "last_value_kw": source.last_value_kw or 0.0,
        "status": source.status,
        "last_good_at": answers.instant(source.last_good_at),
        # whether the meter contains the miners, by what it measured; null for a generator
        "verdict": (judged.verdict if judged else MeterVerdict.UNDECIDED) if is_meter else None,
        "slope": judged.slope if judged else None,
        "judged_together": list(judged.together) if judged else [],
        "effect_kw": judged.effect_kw if judged else 0.0,
        "decided_at": answers.instant(judged.decided_at if judged else None),
        "checked_at": answers.instant(source.checked_at),
        "check_note": source.check_note,
        "contradiction": contradicted.get(source.name) if is_meter else None,
    }
