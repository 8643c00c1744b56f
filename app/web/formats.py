"""How figures, ages and moments look to the reader, in the language and zone of the request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from babel import Locale
from babel.dates import format_datetime, get_timezone
from babel.numbers import get_decimal_symbol, get_group_symbol
from flask import Flask, g, has_request_context

from app.web import sentences
from app.web.language import language, locale
from app.web.language import zone as zone_of_reader
from app.web.words import gettext as _

NO_VALUE = "\N{EN DASH}"
STATUS_CLASS = {"OK": "ok", "WARNING": "warn", "OVER_TARGET": "bad", "STALE": "stale", "NO_DATA": "stale"}


def install(app: Flask) -> None:
    """Teach the templates our formats."""
    app.jinja_env.filters.update(
        number=number, signed=signed, kw_of_w=kw_of_w, age=age, moment=moment, iso=iso, utc=utc, first_up=first_up,
        said=said, outcome=outcome, status=status, mode=mode,
        at=at, translated=translated,
    )  # fmt: skip


def number(value: float | None, digits: int = 0) -> str:
    """`1,234.5`, or `1.234,5` in Portuguese; None is a dash, and no number is shown as minus zero."""
    if value is None:
        return NO_VALUE
    text = f"{value:,.{digits}f}"
    if text[0] == "-" and not text.strip("-0.,"):
        text = text[1:]
    marks = _marks_of_reader()
    return text.translate(marks) if marks else text


def signed(value: float, digits: int = 0) -> str:
    """As `number`, with its sign before it: `+500`, `−450`."""
    return ("\N{MINUS SIGN}" if value < 0 else "+") + number(abs(value), digits)


def kw_of_w(power_w: float | None, digits: int = 1) -> str:
    """Watts shown as kW."""
    return number(None if power_w is None else power_w / 1000, digits)


def age(seconds: float | None) -> str:
    """`7 s`, `3 min`, `5 h`, `2 d` in every language; app.js counts on in the same words."""
    if seconds is None:
        return NO_VALUE
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h" if whole < 172_800 else f"{whole // 86_400} d"


def moment(value: datetime | None) -> str:
    """`23 Nov 18:05:09`, at the reader's local time."""
    if value is None:
        return NO_VALUE
    return _local(value.replace(microsecond=0), zone_of_reader(), str(locale()))


def minute(value: datetime) -> str:
    """`23 Nov 18:05`, at the reader's local time."""
    return _local(value.replace(second=0, microsecond=0), zone_of_reader(), str(locale()), "d MMM HH:mm")


def iso(value: datetime | None) -> str:
    """For `<time datetime>` and for programs: `2026-11-23T18:05:09Z`."""
    return "" if value is None else value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(value: datetime | None) -> str:
    """`2026-11-23 18:05:09 UTC`, for whoever points at a local time."""
    return NO_VALUE if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def at(epoch_s: float) -> datetime:
    """The moment of an epoch in seconds."""
    return datetime.fromtimestamp(epoch_s, UTC)


def first_up(text: str) -> str:
    """The sentence with a capital at its beginning, the rest untouched."""
    return text[:1].upper() + text[1:]


def said(text: str | None) -> str:
    """A sentence that the rules wrote into a row, in the reader's language and with a capital."""
    return first_up(translated(text))


def translated(text: str | None) -> str:
    """A sentence of the rules, the jobs or an error in the reader's language, beginning as it does."""
    return sentences.translated(text or "", str(locale()))


def outcome(word: str) -> tuple[str, str]:
    """Return (words for people, CSS class) of a change's outcome."""
    return outcomes().get(word, (word, "stale"))


def outcomes() -> Mapping[str, tuple[str, str]]:
    """Every outcome of a change: (words for people, CSS class)."""
    return _outcomes(language())


@lru_cache(maxsize=8)
def _outcomes(_language: str) -> Mapping[str, tuple[str, str]]:
    """A list of events asks fifty times for the seven words that its reader's language has."""
    return {
        "sending": (_("on its way"), "wait"),
        "sent": (_("sent, not yet confirmed"), "wait"),
        "unknown": (_("no answer, being checked"), "wait"),
        "failed": (_("failed"), "bad"),
        "confirmed": (_("confirmed"), "ok"),
        "not_applied": (_("not applied"), "bad"),
        "superseded": (_("replaced by a newer one"), "stale"),
    }


def status(word: str) -> str:
    """The balance's status in words for people."""
    words = {
        "OK": _("OK"),
        "WARNING": _("WARNING"),
        "OVER_TARGET": _("OVER TARGET"),
        "STALE": _("STALE"),
        "NO_DATA": _("NO DATA"),
    }
    return words.get(word, word.replace("_", " "))


def mode(word: str) -> str:
    """The mode in one word for people."""
    return {"observe": _("observe"), "armed": _("armed"), "off": _("off")}.get(word, word)


def _marks_of_reader() -> dict[int, str]:
    """Return what the reader writes for our points and commas; nothing where it is the same.

    Looked up once per request: a list has two hundred numbers.
    """
    if not has_request_context():
        return {}
    found: dict[int, str] | None = g.get("number_marks")
    if found is None:
        reader = locale()
        found = g.number_marks = _marks(reader.language, reader.territory)
    return found


@lru_cache(maxsize=8)
def _marks(language: str, territory: str | None) -> dict[int, str]:
    found = Locale(language, territory)
    marks = {ord("."): get_decimal_symbol(found), ord(","): get_group_symbol(found)}
    return {sign: mark for sign, mark in marks.items() if chr(sign) != mark}


@lru_cache(maxsize=4096)
def _local(value: datetime, zone: str, name: str, pattern: str = "d MMM HH:mm:ss") -> str:
    local = value.astimezone(get_timezone(zone))
    return format_datetime(local, pattern, locale=Locale.parse(name)).replace(".", "")
