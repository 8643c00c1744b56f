"""The description as people read it: calls by topic, with fields as rows. All of it is in the document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.api.description import document
from app.api.description.words import Schema


@dataclass(frozen=True, slots=True)
class Field:
    """One field or parameter. `kind`: type and bounds in words; `depth`: how deep it lies in its record."""

    name: str
    kind: str
    meaning: str
    required: bool
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    parameters: tuple[Field, ...]
    takes: tuple[Field, ...]
    given: tuple[tuple[str, str], ...]  # name of an example and its JSON
    answers: tuple[Field, ...]
    example: str
    statuses: tuple[tuple[str, str], ...]


@cache
def groups() -> dict[str, tuple[Call, ...]]:
    """Return every call by topic, in the document's order."""
    found: dict[str, list[Call]] = {}
    for path, calls in document()["paths"].items():
        for method, operation in calls.items():
            found.setdefault(operation["tags"][0], []).append(_call(path, method, operation))
    return {topic: tuple(of_topic) for topic, of_topic in found.items()}


def _call(path: str, method: str, operation: Schema) -> Call:
    responses = operation["responses"]
    content = next(iter(responses["200" if "200" in responses else "202"]["content"].values()))
    body = operation.get("requestBody", {"content": {"application/json": {"schema": {}, "examples": {}}}})
    taken = body["content"]["application/json"]
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=operation.get("description", ""),
        parameters=tuple(
            Field(f"{each['name']} ({each['in']})", _kind(each["schema"]), each["description"],
                  each.get("required", False))
            for each in operation.get("parameters", ())
        ),
        takes=tuple(_fields(taken["schema"])),
        given=tuple((name, _json(each["value"])) for name, each in taken["examples"].items()),
        answers=tuple(_fields(content["schema"])),
        example=content["example"] if isinstance(content["example"], str) else _json(content["example"]),
        statuses=tuple((status, each["description"]) for status, each in responses.items()),
    )  # fmt: skip


def _fields(schema: Schema, depth: int = 0) -> Iterator[Field]:
    """The fields of a record, those of the records inside it below their own."""
    schema = _record(schema)
    for name, field in schema.get("properties", {}).items():
        yield Field(name, _kind(field), _meaning(field), name in schema.get("required", ()), depth)
        yield from _fields(field, depth + 1)


def _record(schema: Schema) -> Schema:
    """The record behind a reference, a list of records, or a record that may be null."""
    if "anyOf" in schema:
        return _record(schema["anyOf"][0])
    if schema.get("type") == "array":
        return _record(schema["items"])
    return _named(schema) if "$ref" in schema else schema


def _named(schema: Schema) -> Schema:
    found: Schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _meaning(schema: Schema) -> str:
    return str(schema.get("description") or _record(schema).get("description", ""))


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return f"{_kind(schema['anyOf'][0])} or null"
    if "$ref" in schema:
        return "object"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if types[0] == "array":
        return f"list of {_kind(schema['items'])}"
    words = " or ".join("time" if schema.get("format") == "date-time" and t == "string" else t for t in types)
    if "enum" in schema:
        return " | ".join("null" if value is None else str(value) for value in schema["enum"])
    if "minimum" in schema:
        words += f" from {schema['minimum']:g}" + (f" to {schema['maximum']:g}" if "maximum" in schema else "")
    return words + (f", up to {schema['maxLength']} characters" if "maxLength" in schema else "")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
