"""Keep secrets out of the log, of reprs and of stored error texts; keep what a peer says from forging a log line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

_SHAPES = (
    (re.compile(r"(?i)(bearer\s+)[^\s'\",}]+"), r"\1***"),
    (re.compile(r"(?i)((?:x-api-key|api[_-]?key|password|unlock_pass(?:word)?|\bpw|token)['\"]?\s*[:=]\s*['\"]?)"
                r"[^\s'\",}&]+"), r"\1***"),
    (re.compile(r"ph_[A-Za-z0-9_-]{40,}"), "ph_***"),
    (re.compile(r"(://[^\s:/@]*:)[^\s@/]+@"), r"\1***@"),
)  # fmt: skip


class Secret:
    """A text that shows as `***` wherever it is printed by mistake."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one call that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)


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

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        lines = super().formatException(ei).splitlines()
        return "\n".join("    " + one_line(line) for line in lines)


def one_line(text: str) -> str:
    """Return the text with everything that could break or turn its line (newlines, escapes, bidi marks) written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
