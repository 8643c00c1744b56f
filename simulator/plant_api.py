"""GET /data/latest of the simulated energy aggregator, with everything that is known to go wrong (plant/README.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from simulator.faults import Fault, said
from simulator.http_server import Reply, Request, json_reply, text_reply
from simulator.plant import Collection, SimPlant, SourceReading, stamp

Json = dict[str, Any]

PATH = "/data/latest"
HTML = (
    "<!DOCTYPE html><html><head><title>Application error</title></head><body><h1>Application error</h1></body></html>"
)


class PlantApi:
    """Answers for one plant; its ``handle`` is called in the loop's thread."""

    def __init__(self, plant: SimPlant) -> None:
        self.plant = plant

    def handle(self, request: Request) -> Reply:
        """One request, through the plant's faults."""
        plant = self.plant
        with plant.lock:
            plant.requests += 1
            if request.path != PATH:
                return json_reply({"error": "not found"}, 404)
            if request.method != "GET":
                return json_reply({"error": "method not allowed"}, 405)
            disturbed = self._before(request)
            return self._after(request, self._answer(request) if disturbed is None else disturbed)

    def _before(self, request: Request) -> Reply | None:
        faults = self.plant.faults
        if faults.take("close", request):
            return Reply(delivery="reset")
        if faults.take("hang", request):
            return Reply(delivery="hang")
        for name, status in (("http401", 401), ("http400", 400), ("http500", 500)):
            if fault := faults.take(name, request):
                return json_reply({"error": "simulated"}, int(fault.number("status", status)))
        if faults.take("redirect", request):
            return Reply(307, headers=(("Location", f"{PATH}?said={quote(said(request))}"),))
        if faults.take("html", request):
            return text_reply(HTML, content_type="text/html")
        if faults.take("null", request):
            return json_reply({"reading": None})
        if faults.take("deep", request):
            return Reply(200, b"[" * 200_000)
        return None

    def _after(self, request: Request, reply: Reply) -> Reply:
        faults = self.plant.faults
        if fault := faults.take("date_skew", request):
            at = self.plant.clock.utc() + timedelta(seconds=fault.number("seconds", 300.0))
            reply = replace(reply, headers=(*reply.headers, ("Date", format_datetime(at, usegmt=True))))
        if faults.take("truncated", request):
            return replace(reply, delivery="truncated")
        if faults.take("trickle", request):
            return replace(reply, delivery="trickle")
        if fault := faults.take("slow", request):
            return replace(reply, delay_s=fault.number("seconds", 3.0))
        return reply

    def _answer(self, request: Request) -> Reply:
        plant = self.plant
        if request.headers.get("authorization", "") != f"Bearer {plant.spec.key}":
            return json_reply({"error": "invalid or missing API key"}, 401)
        if request.query.get("plant_id", plant.spec.plant_id) != plant.spec.plant_id:
            return json_reply({"error": "unknown plant_id"}, 400)
        collection = plant.latest
        if plant.faults.take("frozen_timestamp", request):
            collection = replace(collection, number=plant.held.number, at=plant.held.at)
        if plant.faults.take("frozen_values", request):
            collection = replace(collection, generation=plant.held.generation, consumption=plant.held.consumption)
        if fault := plant.faults.take("doubled", request):
            collection = _multiplied(collection, fault)
        if fault := plant.faults.take("clock_ahead", request):
            collection = replace(collection, at=collection.at + timedelta(seconds=fault.number("seconds", 120.0)))
        if fault := plant.faults.take("clock_behind", request):
            collection = replace(collection, at=collection.at - timedelta(seconds=fault.number("seconds", 120.0)))
        return json_reply({"reading": self._spoilt(request, self._reading(collection))})

    def _reading(self, collection: Collection) -> Json:
        per_unit = 1000.0 if self.plant.unit == "MW" else 1.0
        generation, consumption = collection.generation_kw, collection.consumption_kw
        failed = [
            name
            for name, source in {**collection.generation, **collection.consumption}.items()
            if source.status != "success"
        ]
        summary = f"No answer from {', '.join(failed)}" if failed else "All sources answered within 2 s"
        return {
            "id": collection.number,
            "plant_id": self.plant.spec.plant_id,
            "collection_timestamp": stamp(collection.at),
            "generation": _sources(collection, collection.generation, per_unit),
            "consumption": _sources(collection, collection.consumption, per_unit),
            "totals": {
                "generation_mw": round(generation / per_unit, 7),
                "consumption_mw": round(consumption / per_unit, 7),
                "exported_mw": round((generation - consumption) / per_unit, 7),
            },
            "trust": {"confidence_score": 0.9 if failed else 0.97, "status": "trusted", "summary": summary},
        }

    def _spoilt(self, request: Request, reading: Json) -> Json:
        faults = self.plant.faults
        if fault := faults.take("untrusted", request):
            reading["trust"] = {
                "confidence_score": fault.number("confidence", 0.5),
                "status": "untrusted",
                "summary": "Sources disagree",
            }
        if faults.take("echo", request):
            words = f"asked with {said(request)}"
            reading["trust"] = {"confidence_score": 0.1, "status": words, "summary": words}
        if faults.take("nan", request):
            _first(reading["generation"])["value_mw"] = reading["totals"]["generation_mw"] = float("nan")
        if faults.take("negative", request):
            _first(reading["generation"])["value_mw"] = reading["totals"]["generation_mw"] = -1.25
        if faults.take("strings", request):
            _each_number(reading, str)
        if faults.take("nulls", request):
            _each_number(reading, lambda _value: None)
        for name, part in (
            ("missing_totals", "totals"), ("missing_trust", "trust"), ("missing_consumption", "consumption"),
        ):  # fmt: skip
            if faults.take(name, request):
                del reading[part]
        return reading


def _sources(collection: Collection, sources: Mapping[str, SourceReading], per_unit: float) -> Json:
    return {
        name: {
            "source_timestamp": stamp(collection.at - timedelta(milliseconds=120 + 90 * place)),
            "status": source.status,
            "value_mw": round(source.value_kw / per_unit, 7),
        }
        for place, (name, source) in enumerate(sources.items())
    }


def _multiplied(collection: Collection, fault: Fault) -> Collection:
    factor, which = fault.number("factor", 2.0), fault.args.get("which", "generation")

    def times(sources: Mapping[str, SourceReading]) -> dict[str, SourceReading]:
        return {name: replace(source, value_kw=source.value_kw * factor) for name, source in sources.items()}

    if which in ("generation", "all"):
        collection = replace(collection, generation=times(collection.generation))
    if which in ("consumption", "all"):
        collection = replace(collection, consumption=times(collection.consumption))
    return collection


def _first(sources: Json) -> Json:
    source: Json = next(iter(sources.values()))
    return source


def _each_number(reading: Json, change: Callable[[float], object]) -> None:
    for part in ("generation", "consumption"):
        for source in reading[part].values():
            source["value_mw"] = change(source["value_mw"])
    for name, value in reading["totals"].items():
        reading["totals"][name] = change(value)
