"""The description for tests: its document, and what validates against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from app.api.description import document


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of every call."""
    for path, calls in document()["paths"].items():
        for method, operation in calls.items():
            yield method.upper(), path, operation


def bodies(operation: dict[str, Any]) -> dict[str, Any]:
    return operation["requestBody"]["content"]["application/json"] if "requestBody" in operation else {}


def closed(schema: Any) -> Any:
    """The same schema, but an answer with a field that is not described is wrong."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tight = {name: closed(value) for name, value in schema.items()}
    if "properties" in schema and "required" in schema:
        tight.setdefault("additionalProperties", False)
    return tight


def wrong(value: Any, schema: dict[str, Any], *, exactly: bool = False) -> list[str]:
    """What is wrong with a value by a schema of the document; `exactly`: not one field more either."""
    components = document()["components"]
    whole = {**schema, "components": components}
    checker = Draft202012Validator(closed(whole) if exactly else whole, format_checker=FormatChecker())
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in checker.iter_errors(value)]
