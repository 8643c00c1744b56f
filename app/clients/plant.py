"""The plant's energy-aggregator API: one call, one well-formed reading in kW, or one PlantError that says why not.

Source: the plant's API description. What is judged here is the form of the answer; whether a reading may drive control
(confidence, age, order, rated power) is judged by `core.plant`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.clients.fields import clean
from app.clients.http import Answer, SweepSession, TransportError
from app.core.readings import PlantReading, SourceKind, SourceReading
from app.errors import PlantError

TOTAL_S = 10.0
CONNECT_S = 4.0  # longer than a miner's: it is reached over the internet
READ_S = 8.0
MAX_SOURCES = 100
MAX_TEXT = 64
MAX_KW = 1_000_000.0  # 1 GW: beyond it the number or the unit is wrong
_KW_PER_UNIT = {"MW": 1000.0, "kW": 1.0}
_SUCCESS = "success"


class PlantClient:
    """Reads one plant. `unit` ("MW" or "kW") is what the answer's `*_mw` numbers really are (one deployment: kW).

    `ca_bundle`: a file with the certificate authority, where the plant has its own; TLS is verified in any case.
    Raises ValueError for an endpoint, key or unit that cannot be used at all. The key is in no repr and no error.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        plant_id: str | None = None,
        unit: str = "MW",
        *,
        total_s: float = TOTAL_S,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        ca_bundle: str | None = None,
    ) -> None:
        if unit not in _KW_PER_UNIT:
            raise ValueError("the plant's unit must be MW or kW")
        key = api_key.strip()
        if not key or not key.isascii() or not key.isprintable():
            raise ValueError("the plant's API key must be printable ASCII and not empty")
        self._url = _with_plant_id(endpoint, plant_id)
        self._key = key
        self._headers = {"Authorization": f"Bearer {key}", "Cache-Control": "no-cache"}
        self._plant_id = plant_id or None
        self._unit = unit
        self._total_s = total_s
        self._connect_s = connect_s
        self._read_s = read_s
        self._ca_bundle = ca_bundle

    def __repr__(self) -> str:
        return f"PlantClient({urlsplit(self._url).netloc}, plant_id={self._plant_id!r}, unit={self._unit!r})"

    def fetch_reading(self) -> PlantReading:
        """Return the newest reading, in kW, UTC; takes at most `total_s` (10 s). Raises PlantError."""
        try:
            with SweepSession(
                connect_s=self._connect_s, read_s=self._read_s, deadline_s=self._total_s, ca_bundle=self._ca_bundle
            ) as session:
                answer = session.call("GET", self._url, headers=self._headers).without(self._key)
            _check_status(answer)
            content = answer.json()
        except TransportError as e:
            if e.kind == "not_json":
                raise PlantError("not_json", _not_json_sentence(answer)) from e
            kind = {"tls": "unreachable", "broken": "unreachable", "invalid": "bad_request"}.get(e.kind, e.kind)
            raise PlantError(kind, f"The plant {e}.") from e
        return parse_reading(content, self._unit, answered_at(answer.headers), plant_id=self._plant_id)


def parse_reading(
    content: Any, unit: str, answered: datetime | None = None, *, plant_id: str | None = None
) -> PlantReading:
    """Return the reading in `content` (the decoded JSON), in kW. `plant_id`: the one that was asked for, if any.

    A source whose status is not `success` may hold anything: its value is then None. Everything else must be as
    described. Raises PlantError (wrong_shape, bad_number) with the name of the field.
    """
    reading = _object(_object(content, "answer").get("reading"), "field reading")
    said_id = clean(reading.get("plant_id"), MAX_TEXT)
    if plant_id and said_id and said_id.casefold() != plant_id.strip().casefold():
        raise PlantError("wrong_shape", f'The answer is about the plant "{said_id}", not the one that was asked for.')
    totals = _object(reading.get("totals"), "field totals")
    for name in ("generation_mw", "consumption_mw"):
        _kw(totals.get(name), f"totals.{name}", unit)
    if totals.get("exported_mw") is not None:
        _number(totals["exported_mw"], "totals.exported_mw")  # may be negative: the plant then imports
    trust = _object(reading.get("trust"), "field trust")
    confidence = _number(trust.get("confidence_score"), "trust.confidence_score")
    if not 0.0 <= confidence <= 1.0:
        raise PlantError("bad_number", "The field trust.confidence_score is not between 0 and 1.")
    generation = _sources(reading.get("generation"), SourceKind.GENERATION, unit)
    consumption = _sources(reading.get("consumption"), SourceKind.CONSUMPTION, unit)
    if not generation:
        raise PlantError("wrong_shape", "The reading names no generation source.")
    if len(generation) + len(consumption) > MAX_SOURCES:
        raise PlantError("wrong_shape", f"The reading names more than {MAX_SOURCES} sources.")
    aggregator_id = reading.get("id")
    return PlantReading(
        plant_id=said_id or (plant_id or ""),
        aggregator_id=aggregator_id if _is_row_id(aggregator_id) else None,
        recorded_at=_timestamp(reading.get("collection_timestamp"), "collection_timestamp"),
        sources=(*generation, *consumption),
        confidence=confidence,
        trust_status=clean(trust.get("status"), MAX_TEXT),
        answered_at=answered,
    )


def answered_at(headers: Mapping[str, str]) -> datetime | None:
    """Return the plant's own clock when it answered (Date, plus Age where a cache did), None without a good one."""
    try:
        date = parsedate_to_datetime(headers["Date"])
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
        age = headers.get("Age", "")
        return date + timedelta(seconds=int(age)) if age.isascii() and age.isdigit() and len(age) < 9 else date
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


# --- inside ----------------------------------------------------------------------------------------------------------


def _with_plant_id(endpoint: str, plant_id: str | None) -> str:
    """Return the endpoint with `plant_id` in its query, whatever else is there kept."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ValueError("the plant's endpoint must be http(s)://host/path without user or password")
    if not plant_id:
        return endpoint
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k != "plant_id"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("plant_id", plant_id)]), fragment=""))


def _check_status(answer: Answer) -> None:
    status = answer.status
    if status == 200:
        return
    if 300 <= status < 400:
        raise PlantError("redirect", f"The plant answered with a redirect ({status}), which is not followed.")
    if status in (401, 403):
        raise PlantError("unauthorized", f"The plant refused the API key ({status}).")
    if status == 400:
        raise PlantError("bad_request", "The plant refused the request (400): check the plant id.")
    raise PlantError("http_error", f"The plant answered with HTTP status {status}.")


def _not_json_sentence(answer: Answer) -> str:
    if answer.body.lstrip()[:1] == b"<":
        return "The plant answered with a web page instead of JSON."
    if not answer.body.strip():
        return "The plant answered with nothing."
    return "The plant's answer is not valid JSON: cut short, or with numbers that do not exist."


def _object(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise PlantError("wrong_shape", f"The {name} is {_kind(value)}, not an object.")


def _kind(value: Any) -> str:
    if value is None:
        return "missing or null"
    return {bool: "true or false", str: "text", list: "a list", dict: "an object"}.get(type(value), "a number")


def _number(value: Any, name: str) -> float:
    """Return a finite number; text, booleans and null are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PlantError("bad_number", f"The field {name} is {_kind(value)}, not a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PlantError("bad_number", f"The field {name} is not a finite number.")
    return number


def _kw(value: Any, name: str, unit: str) -> float:
    """Return a power in kW, which is never negative and never beyond MAX_KW."""
    power_kw = _number(value, name) * _KW_PER_UNIT[unit]
    if power_kw < 0:
        raise PlantError("bad_number", f"The field {name} is negative.")
    if power_kw > MAX_KW:
        raise PlantError("bad_number", f"The field {name} is impossibly large.")
    return abs(power_kw)  # -0.0


def _sources(value: Any, kind: SourceKind, unit: str) -> list[SourceReading]:
    sources = []
    names: set[str] = set()
    for raw_name, item in _object(value, f"field {kind.value}").items():
        name = clean(raw_name, MAX_TEXT)
        if not name or name in names:
            raise PlantError("wrong_shape", f"The field {kind.value} has a source without a name of its own.")
        names.add(name)
        sources.append(_source(name, {} if item is None else _object(item, f"field {kind.value}.{name}"), kind, unit))
    return sources


def _source(name: str, item: dict[str, Any], kind: SourceKind, unit: str) -> SourceReading:
    status = clean(item.get("status"), MAX_TEXT) or "missing"
    value_kw: float | None
    try:
        value_kw = _kw(item.get("value_mw"), f"{kind.value}.{name}.value_mw", unit)
    except PlantError:
        if status == _SUCCESS:
            raise
        value_kw = None
    try:
        stamp = _timestamp(item.get("source_timestamp"), "source_timestamp")
    except PlantError:
        stamp = None  # nothing is decided by it
    return SourceReading(name=name, kind=kind, value_kw=value_kw, status=status, source_timestamp=stamp)


def _timestamp(value: Any, name: str) -> datetime:
    """Return an RFC 3339 time as aware UTC. A time without an offset is refused: nobody knows what it means."""
    if not isinstance(value, str):
        raise PlantError("wrong_shape", f"The field {name} is {_kind(value)}, not a time.")
    try:
        stamp = datetime.fromisoformat(value.strip().replace("z", "Z"))
        if stamp.tzinfo is None:
            raise PlantError("wrong_shape", f"The field {name} has no time zone.")
        return stamp.astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise PlantError("wrong_shape", f"The field {name} is not a time that can be read.") from e


def _is_row_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
