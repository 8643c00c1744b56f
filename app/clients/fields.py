"""Values of any type out of a peer's JSON, turned into something safe: unknown is None (or empty), never an error."""

from __future__ import annotations

import math
import re
from typing import Any

_NUMBER = re.compile(r"\s*([-+]?\d{1,15}(?:\.\d{1,15})?)\s*", re.ASCII)


def clean(value: Any, limit: int = 120) -> str:
    """Return at most `limit` printable characters of a text, "" for anything else."""
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value[: limit * 4] if c.isprintable()).strip()[:limit].strip()


def as_object(value: Any) -> dict[str, Any]:
    """Return the object, {} for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any, most: int) -> list[tuple[int, Any]]:
    """Return (index, item) of the first `most` items of a list, none for anything else."""
    return list(enumerate(value[:most])) if isinstance(value, list) else []


def first_of(first: dict[str, Any], second: dict[str, Any], name: str) -> Any:
    """Return the field from the first object that has it and not null."""
    return second.get(name) if first.get(name) is None else first[name]


def flag(value: Any) -> bool | None:
    """Return true or false, None for anything else."""
    return value if isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """Return a finite number, from a text of digits too; None for anything else."""
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        return float(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def within(value: Any, low: float, high: float) -> float | None:
    """Return a number of low..high; None for anything else."""
    found = number(value)
    return found if found is not None and low <= found <= high else None


def whole(value: Any, low: int, high: int) -> int | None:
    """Return a number of low..high rounded to a whole one; None for anything else."""
    found = within(value, low, high)
    return None if found is None else round(found)
