"""What the lists of events and cycles take from the query string: filters, local times, a place in the list.

A bad value gets a sentence beside its field and nothing is listed: a filter that is not obeyed would mislead.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import flask_babel
from flask import request

from app.core import instants
from app.store.keyset import LARGEST_ID, Page, Place
from app.web.words import gettext as _

LONGEST_TEXT = 80
_ID = re.compile(r"[0-9]{1,19}", re.ASCII)
_ZONE = re.compile(r"[T ].*(Z|[+-]\d\d:\d\d)$", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class Filters:
    """The filters of a request as written. `errors`: a sentence per field that cannot be obeyed."""

    errors: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a text to look for, without outer blanks."""
        found = self._read(name)
        if len(found) > LONGEST_TEXT or not found.isprintable():
            self.errors[name] = _("Write at most %(count)s characters, without control characters.", count=LONGEST_TEXT)
            return ""
        return found

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """Return one of `allowed`, "" for any."""
        found = self._read(name)
        if found and found not in allowed:
            self.errors[name] = _("Choose one of these.")
            return ""
        return found

    def number(self, name: str) -> int | None:
        """Return the number of a row, None where none is given."""
        found = self._read(name)
        if not found:
            return None
        if not _ID.fullmatch(found) or not 0 < int(found) <= LARGEST_ID:
            self.errors[name] = _("Write a whole number from 1 on.")
            return None
        return int(found)

    def moment(self, name: str) -> datetime | None:
        """Return a time in UTC, written in the reader's zone (or with a zone of its own)."""
        found = self._read(name)
        if not found:
            return None
        moment = _utc(found)
        if moment is None:
            self.errors[name] = _("Write a time like 2026-11-23T18:00; this is none: %(text)s", text=found[:40])
        return moment

    @property
    def query(self) -> dict[str, str]:
        """The query string again: what was written, without a place in the list."""
        return {name: text for name, text in self.written.items() if text}

    def used(self, *names: str) -> bool:
        """Whether any of these was written."""
        return any(self.written.get(name) for name in names)

    def local(self, name: str) -> str:
        """Return a time as an input of type datetime-local takes it; "" where it is none."""
        moment = _utc(self.written.get(name, ""))
        return "" if moment is None else flask_babel.to_user_timezone(moment).strftime("%Y-%m-%dT%H:%M")

    def pager(self, found: Page[Any]) -> dict[str, dict[str, Any]]:
        """Return the query strings of the pages of newer and older rows, where there are any."""
        links: dict[str, dict[str, Any]] = {}
        if found.newer:
            links["newest"] = dict(self.query)
        if found.newer and found.rows:
            links["newer"] = self.query | {"after": found.rows[0].id}
        if found.older:
            links["older"] = self.query | {"before": found.rows[-1].id}
        return links

    def _read(self, name: str) -> str:
        self.written[name] = found = request.args.get(name, "").strip()
        return found


def place() -> Place:
    """Return the place in the list; what is none is its beginning."""
    return Place(before=_id("before"), after=_id("after"))


def _id(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if _ID.fullmatch(text) and 0 < int(text) <= LARGEST_ID else None


def _utc(text: str) -> datetime | None:
    if _ZONE.search(text):
        return instants.read(text)
    found = instants.read(text)
    try:
        return None if found is None else flask_babel.to_utc(found.replace(tzinfo=None)).replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None
