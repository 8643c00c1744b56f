"""What a request's body may be, written once: an object of known fields with plain values.

Malformed bodies are 400, values that are not allowed 422; the sentence names the field and what it may be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any, NoReturn

from flask import request
from werkzeug.exceptions import BadRequest, UnprocessableEntity

REASON_LENGTH = 300
DIGITS_THAT_FIT = 15  # longer whole numbers become floats: no setting is that large, and `int` has no bounds


def read(allowed: Collection[str], required: Collection[str] = (), *, may_be_empty: bool = False) -> dict[str, Any]:
    """Return the request's JSON object.

    Raises:
        BadRequest: not JSON, not an object, an unknown or missing field, or nothing to change.
    """
    raw = request.get_data(cache=False)
    body = _parse(raw) if raw.strip() or not may_be_empty else {}
    if not isinstance(body, dict):
        raise BadRequest(f"The body must be a JSON object with the fields {_names(allowed)}.")
    if unknown := [name for name in body if name not in allowed]:
        raise BadRequest(f"Unknown field {unknown[0][:60]!r}; the fields are {_names(allowed)}.")
    if missing := [name for name in required if name not in body]:
        raise BadRequest(f"The field {missing[0]!r} is missing; the fields are {_names(allowed)}.")
    if not body and not may_be_empty:
        raise BadRequest(f"The body is empty; the fields are {_names(allowed)}.")
    return body


def refuse(field: str, allowed: str, value: Any) -> NoReturn:
    """Answer 422: this field does not take that value."""
    shown = repr(value)
    raise UnprocessableEntity(f"{field} must be {allowed}; got {shown if len(shown) <= 60 else shown[:57] + '...'}.")


def text(body: dict[str, Any], field: str, longest: int, *, empty: bool = True) -> str | None:
    """Return a text field without outer blanks; absent and null are None."""
    value = body.get(field)
    if value is None:
        return None
    allowed = f"a text of up to {longest} characters without control characters"
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        refuse(field, allowed, value)
    if not empty and not value.strip():
        refuse(field, "a text that is not empty", value)
    return value.strip()


def reason(body: dict[str, Any]) -> str | None:
    """Return the optional reason for a command."""
    return text(body, "reason", REASON_LENGTH) or None


def boolean(body: dict[str, Any], field: str) -> bool:
    """Return a field that must be true or false."""
    value = body.get(field)
    if not isinstance(value, bool):
        refuse(field, "true or false", value)
    return value


def whole_number(body: dict[str, Any], field: str, lowest: int, highest: int) -> int | None:
    """Return a whole number within its bounds; absent and null are None."""
    number_ = number(body, field, lowest, highest, words="a whole number")
    if number_ is not None and number_ != int(number_):
        refuse(field, f"a whole number from {lowest} to {highest}, or null", body[field])
    return None if number_ is None else int(number_)


def number(
    body: dict[str, Any], field: str, lowest: float, highest: float, *, words: str = "a number", name: str = ""
) -> float | None:
    """Return a finite number within its bounds; absent and null are None. `name`: how messages call the field."""
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        refuse(name or field, f"{words} from {lowest:g} to {highest:g}, or null", value)
    if not lowest <= value <= highest:
        refuse(name or field, f"{words} from {lowest:g} to {highest:g}, or null", value)
    return float(value)


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), parse_int=_whole, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, _Twice) else "it is not valid JSON in UTF-8"
        raise BadRequest(f"The body cannot be read: {detail}.") from error


class _Twice(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"the field {twice[:60]!r} comes twice")
    return result


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= DIGITS_THAT_FIT else float(digits)


def _names(fields: Collection[str]) -> str:
    return ", ".join(fields)
