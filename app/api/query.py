"""What a request's query may be, written once: limits, times, numbers.

Anything else is 400 with a sentence, also an empty value (`limit=`): it is a mistake more often than a wish.
"""

from __future__ import annotations

import re
from datetime import datetime

from flask import request
from werkzeug.exceptions import BadRequest

from app.core import instants

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
LARGEST_ID = 2**63 - 1
LONGEST_STEP_S = 31 * 86_400
_WHOLE = re.compile(r"[0-9]{1,19}")


def limit(default: int = DEFAULT_LIMIT) -> int:
    """Return how many rows are asked for, 1 to 1000."""
    return whole("limit", 1, MAX_LIMIT, default)


def whole(name: str, lowest: int, highest: int, default: int) -> int:
    """Return a whole number of the query, or its default."""
    found = optional_whole(name, lowest, highest)
    return default if found is None else found


def optional_whole(name: str, lowest: int, highest: int) -> int | None:
    """Return a whole number of the query, None where it is absent."""
    text = request.args.get(name)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text) or not lowest <= int(text) <= highest:
        raise BadRequest(f"{name} must be a whole number from {lowest} to {highest}; got {text[:40]!r}.")
    return int(text)


def before() -> int | None:
    """Return the id that the list goes on before: a list is read on with the id of its last row."""
    return optional_whole("before", 1, LARGEST_ID)


def step_s() -> int | None:
    """Return the length of the time steps asked for, None for single rows."""
    return optional_whole("step", 1, LONGEST_STEP_S)


def instant(name: str) -> datetime | None:
    """Return a time of the query as UTC; without a zone it is taken as UTC."""
    text = request.args.get(name)
    if text is None:
        return None
    if "T" in text:
        text = text.replace(" ", "+")  # an unescaped + of the zone arrives as a blank
    found = instants.read(text)
    if found is None:
        raise BadRequest(f"{name} must be a time like 2026-11-23T18:00:00Z (RFC 3339); got {text[:40]!r}.")
    return found


def boolean(name: str) -> bool | None:
    """Return true/false of the query, None where it is absent."""
    text = request.args.get(name)
    if text is None:
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise BadRequest(f"{name} must be true or false; got {text[:40]!r}.")
    return text.lower() in ("true", "1")
