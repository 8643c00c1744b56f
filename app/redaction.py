"""Keep secrets out of the log and out of stored error texts."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_SHAPES = (
    (re.compile(r"(?i)(bearer\s+)[^\s'\",}]+"), r"\1***"),
    (re.compile(r"(?i)((?:x-api-key|api[_-]?key|password|unlock_pass(?:word)?|\bpw|token)['\"]?\s*[:=]\s*['\"]?)"
                r"[^\s'\",}&]+"), r"\1***"),
    (re.compile(r"ph_[A-Za-z0-9_-]{40,}"), "ph_***"),
    (re.compile(r"(://[^\s:/@]*:)[^\s@/]+@"), r"\1***@"),
)  # fmt: skip


class Redactor:
    """Replaces known secrets, and what looks like one, by `***`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        # Whole words only: the firmware's default password is a word of the language.
        self._known = re.compile("|".join(rf"(?<!\w){re.escape(secret)}(?!\w)" for secret in known)) if known else None

    def clean(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._known is not None:
            text = self._known.sub("***", text)
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        return text


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and takes the secrets out of the result."""

    def __init__(self, fmt: str, redactor: Redactor) -> None:
        super().__init__(fmt)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.clean(super().format(record))
