"""The key a caller may give an order, so that a repetition after a lost answer orders nothing twice."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from app.store.command_keys import Once

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,200}")


def read(wanted: dict[str, Any]) -> Once | None:
    """Return the request's key with a digest of what it asks for (address and body); None where it gives none.

    Raises:
        BadRequest: the key is empty, too long, or not of visible ASCII characters.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise BadRequest(f"{HEADER} must be 1 to 200 visible ASCII characters without blanks; a UUID is one.")
    asked = json.dumps([request.method, request.path, wanted], sort_keys=True)
    return Once(key, hashlib.sha256(asked.encode()).hexdigest())
