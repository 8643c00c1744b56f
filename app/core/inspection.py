"""All that a miner tells of itself when it is asked for everything: its chips, and its answers without secrets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_ANSWERS = 16_000  # characters
MAX_TEXT = 300  # of one value
MAX_DEPTH = 12
HIDDEN = "***"
CUT = "\n… cut here: the answers are longer than is kept"

# Field names whose values are secrets, or tell whose coins are mined: pool users, workers, wallets.
_SECRET = re.compile(r"pass|^pw|key|token|secret|auth|user|worker|wallet|login|account|cookie|session", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(://)[^\s/@]*@")


@dataclass(frozen=True, slots=True)
class ChipReading:
    """One chip. `grade` as the firmware says: grey is good, orange weak, red bad. None: no reading."""

    board: int
    chip: int
    temp_c: int | None
    frequency_mhz: float | None
    hashrate_ghs: float | None
    errors: int | None
    grade: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one miner told. `answers`: JSON as text, without secrets, at most `MAX_ANSWERS` characters."""

    chips: tuple[ChipReading, ...]
    answers: str


def as_text(answers: Any) -> str:
    """Return answers as readable JSON without secrets; too long ones are cut, and say so."""
    text = json.dumps(without_secrets(answers), indent=1, default=str)
    return text if len(text) <= MAX_ANSWERS else text[: MAX_ANSWERS - len(CUT)] + CUT


def without_secrets(value: Any, depth: int = 0) -> Any:
    """Return decoded JSON with `***` for each value whose field's name says that it is a secret."""
    if depth > MAX_DEPTH:
        return HIDDEN
    if isinstance(value, dict):
        return {
            str(name)[:MAX_TEXT]: HIDDEN if _SECRET.search(str(name)) and item else without_secrets(item, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _CREDENTIALS.sub(rf"\1{HIDDEN}@", value[:MAX_TEXT])
    return value
