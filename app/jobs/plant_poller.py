"""The plant poller: fetch -> judge -> store, then the balancer. What is refused never reaches it (SPEC 3)."""

from __future__ import annotations

from collections.abc import Callable

from app.clients.plant import TOTAL_S, PlantClient
from app.clock import stamp
from app.core import plant
from app.core.plant import AdmittedReading, Bounds, Refused, Unchanged
from app.core.readings import PlantReading
from app.errors import PlantError
from app.jobs import runner
from app.jobs.runner import JobContext
from app.store import readings, settings, terms


def run(context: JobContext, fetch: Callable[[], PlantReading] | None = None) -> str:
    """Read the plant once; `fetch` stands in for the plant's API in tests.

    A refused reading, or none, is a stored fact and no failure of this job: the dashboard shows it with its reason,
    and the last good reading stays in force until it is stale, then lost.
    """
    try:
        reading = (fetch or _client(context).fetch_reading)()
    except PlantError as error:
        readings.record_refusal(error.kind, str(error), stamp().utc)
        return f"no reading: {error}"
    received = stamp()
    verdict = plant.admit(
        reading,
        readings.source_memories(),
        readings.previous(),
        received=received,
        bounds=Bounds(rated_kw=context.config.plant_rated_kw),
    )
    if isinstance(verdict, Unchanged):
        return f"nothing newer than the reading of {verdict.recorded_at:%H:%M:%S} UTC"
    if isinstance(verdict, Refused):
        readings.record_refusal(
            verdict.kind,
            verdict.reason,
            received.utc,
            recorded_at=reading.recorded_at,
            sources=verdict.sources,
            measured=verdict.measured,
        )
        return f"refused: {verdict.reason}"
    return _admitted(context, verdict)


def _admitted(context: JobContext, reading: AdmittedReading) -> str:
    readings.record(reading)
    if plant.is_fresh(reading.age_at_receipt_s, reading.frozen_s, settings.load()):
        terms.note_fresh_reading(context.term_id, reading.received.utc)
    runner.request("balancer")
    return (
        f"{reading.generation_kw:.0f} kW generated, {reading.container_kw:.0f} kW consumed, "
        f"{reading.age_at_receipt_s:.0f} s old"
    )


def _client(context: JobContext) -> PlantClient:
    config = context.config
    return PlantClient(
        config.plant_endpoint,
        config.plant_api_key.reveal(),
        config.plant_id or None,
        config.plant_power_unit,
        total_s=min(TOTAL_S, context.deadline.left_s()),
    )
