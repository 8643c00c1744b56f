"""Sentences that the rules wrote into rows (reasons of cycles and events, notes of jobs), in the reader's language.

Rows keep English: they are written once, by rules that know no reader, and programs read them, too. Each saying
(`app.web.sayings`) becomes a pattern; what it says in another language stands in the catalogue of the pages. A sentence
put together of several is translated part by part; a part that nobody has noted stays as it is. Some of the text comes
from miners and from the plant, so everything here is bounded: the text's length, its parts, how deep they are nested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from string import ascii_lowercase
from typing import NamedTuple

from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol
from babel.support import Translations

from app.web.sayings import SAYINGS
from app.web.sayings.saying import KINDS, Kind, Saying

CATALOGUES = Path(__file__).parents[1] / "translations"
WRITTEN_IN = "en"
MOST_CHARS = 2000
MOST_PARTS = 24
MOST_TRIES = 600  # of a part against the sayings; a long sentence takes some fifty
DEEPEST = 5

_JOINT = re.compile(r"(; |: |, |\. )")
_PLACEHOLDER = re.compile(r"%\(([a-z_]+)\)s")
_TO_FILL = re.compile(r"%(?:\(([a-z_]+)\)s|%)")


def translated(text: str, language: str) -> str:
    """Return `text` in `language`; as it is where the language is English, and what nothing is known of."""
    return text if _stays(text, language) else _put(text, language).text


def unknown_parts(text: str, language: str) -> tuple[str, ...]:
    """Return the parts of `text` that have words in them and stayed as they were."""
    if language == WRITTEN_IN:
        return ()
    return (text,) if _stays(text, language) else _put(text, language).unknown


def _stays(text: str, language: str) -> bool:
    return not text or len(text) > MOST_CHARS or language == WRITTEN_IN


class Put(NamedTuple):
    """A text in another language, and which parts of it were not known."""

    text: str
    unknown: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _put(text: str, language: str) -> Put:
    return phrasebook(language).put(text)


@lru_cache(maxsize=8)
def phrasebook(language: str) -> Phrasebook:
    """Return what is known of a language."""
    return Phrasebook(language)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of a saying, as it is found in a text.

    `literal`: how much of it is no placeholder; `clue`: the longest piece of that, quickly looked for.
    """

    saying: Saying
    form: str
    regex: re.Pattern[str]
    literal: int
    clue: str

    @property
    def initial(self) -> str:
        """The letter that it begins with, small; "" where that is anything else."""
        return self.form[0].lower() if self.form[0].isalpha() else ""


def patterns(sayings: Iterable[Saying]) -> list[Pattern]:
    """Return the patterns of all forms, those that say the most of themselves first."""
    found = [_pattern(saying, form) for saying in sayings for form in saying if form is not None]
    return sorted(found, key=lambda pattern: -pattern.literal)


def _pattern(saying: Saying, form: str) -> Pattern:
    pieces = _PLACEHOLDER.split(_bare(form))
    literals = [piece.replace("%%", "%") for piece in pieces[::2]]
    source = re.escape(literals[0])
    for name, literal in zip(pieces[1::2], literals[1:], strict=True):
        source += f"(?P<{name}>{KINDS[name].value})" + re.escape(literal)
    first = literals[0][:1]
    if first.isalpha():  # a sentence within a sentence begins small
        source = f"[{first.upper()}{first.lower()}]" + source[1:]
    clue = max([literals[0][1:], *literals[1:]], key=len)
    return Pattern(saying, _bare(form), re.compile(source), sum(map(len, literals)), clue)


def _bare(text: str) -> str:
    return text.removesuffix(".")


class Phrasebook:
    """The sayings in one language."""

    def __init__(self, language: str, sayings: Iterable[Saying] = SAYINGS) -> None:
        self._catalogue: NullTranslations = Translations.load(CATALOGUES, [language])
        locale = Locale.parse(language)
        self._signs = {ord("."): get_decimal_symbol(locale), ord(","): get_group_symbol(locale)}
        self._patterns = patterns(sayings)
        self._by_initial: dict[str, list[Pattern]] = {}

    def put(self, text: str) -> Put:
        """Return the text with what is known of it in this language."""
        return self._in_parts(text, _Effort(), 0)

    def _in_parts(self, text: str, effort: _Effort, depth: int) -> Put:
        """Return the text put part by part: from each joint on, the longest part that is known as a whole."""
        parts = _JOINT.split(text)
        if len(parts) > 2 * MOST_PARTS or depth > DEEPEST:
            return Put(text, _words(text))
        done, begin = "", 0
        unknown: tuple[str, ...] = ()
        while begin < len(parts):
            end, found = self._longest(parts, begin, effort, depth)
            done += found.text + "".join(parts[end : end + 1])
            unknown += found.unknown
            begin = end + 1
        return Put(done, unknown)

    def _longest(self, parts: list[str], begin: int, effort: _Effort, depth: int) -> tuple[int, Put]:
        """Return where the longest part from `begin` on ends that is known, best with nothing unknown in it, and it."""
        best: tuple[int, Put] | None = None
        for end in range(len(parts), begin, -2):
            found = self._as_a_whole("".join(parts[begin:end]), effort, depth)
            if found is not None and not found.unknown:
                return end, found
            if found is not None and best is None:
                best = end, found
        return best or (begin + 1, Put(parts[begin], _words(parts[begin])))

    def _as_a_whole(self, text: str, effort: _Effort, depth: int) -> Put | None:
        """Return the text as the saying that leaves nothing of it unknown, else as the most telling one, else None."""
        if effort.is_spent():
            return None
        bare = _bare(text)
        best: Put | None = None
        for pattern in self._beginning_like(bare):
            match = pattern.regex.fullmatch(bare) if pattern.clue in bare else None
            found = None if match is None else self._filled(pattern, match, effort, depth)
            if found is not None and not found.unknown:
                best = found
                break
            best = best or found
        return None if best is None else Put(best.text + text[len(bare) :], best.unknown)

    def _beginning_like(self, text: str) -> list[Pattern]:
        initial = text[:1].lower()
        if initial not in self._by_initial:
            if initial not in ascii_lowercase:  # nobody's first letter: what miners say may begin with anything
                initial = ""
            self._by_initial[initial] = [p for p in self._patterns if p.initial in ("", initial)]
        return self._by_initial[initial]

    def _filled(self, pattern: Pattern, match: re.Match[str], effort: _Effort, depth: int) -> Put | None:
        """Return the saying in this language with its values; None where one of them is not what it has to be."""
        texts: dict[str, str] = {}
        unknown: tuple[str, ...] = ()
        for name, value in match.groupdict().items():
            put = self._value(KINDS[name], value, effort, depth)
            if put is None:
                return None
            texts[name] = put.text
            unknown += put.unknown
        wanted = _bare(self._wanted(pattern.saying, match))
        said = _TO_FILL.sub(lambda place: texts[place[1]] if place[1] else "%", wanted)
        if pattern.initial and match[0][0] != pattern.form[0]:
            said = said[:1].swapcase() + said[1:]
        return Put(said, unknown)

    def _wanted(self, saying: Saying, match: re.Match[str]) -> str:
        if saying.many is None:
            return self._catalogue.gettext(saying.one)
        count = match["count"].replace(",", "")
        return self._catalogue.ngettext(saying.one, saying.many, int(count) if count.isdigit() else 2)

    def _value(self, kind: Kind, value: str, effort: _Effort, depth: int) -> Put | None:
        if kind is Kind.NUMBER:
            return Put(value.translate(self._signs))
        if kind is Kind.LIST:
            before, joint, last = value.rpartition(" and ")
            return Put(f"{before} {self._catalogue.gettext('and')} {last}" if joint else value)
        if kind in (Kind.NAME, Kind.TEXT, Kind.ADDRESS):
            return Put(value)
        put = self._in_parts(value, effort, depth + 1)
        if kind in (Kind.WORD, Kind.UNIT):
            return Put(value if put.unknown else put.text)
        return None if kind is Kind.PHRASE and put.unknown else put


class _Effort:
    """How much may still be tried for one text."""

    def __init__(self) -> None:
        self._tries_left = MOST_TRIES

    def is_spent(self) -> bool:
        self._tries_left -= 1
        return self._tries_left < 0


def _words(text: str) -> tuple[str, ...]:
    return (text,) if any(map(str.isalpha, text)) else ()
