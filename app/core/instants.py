"""Times as people and programs write them: RFC 3339, or its beginning; without a zone they are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|z|[+-]\d\d:\d\d)?)?", re.ASCII)


def read(text: str) -> datetime | None:
    """Return the time that `text` names, in UTC; None where it names none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
