"""Every page, read in Portuguese, has no English left: no sentence that was not wrapped, no reason of the rules."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.pages import PAGES

ENGLISH = re.compile(
    r"\b(?:the|and|is|are|was|were|has|have|had|not|none|of|with|without|from|this|that|for|by|to|at|than|nothing|yet|"
    r"miners?|plant|reading|readings|used|stopped|managed|held|above|below|reason|target|why|when|what|show|save|"
    r"never|always|all|any|seconds|page|next|older|newer)\b",
    re.IGNORECASE,
)
SPOKEN_ATTRIBUTES = {"title", "alt", "aria-label", "placeholder", "data-loading", "data-lost", "data-label"}
WITHOUT_WORDS = {"script", "style", "code", "pre"}
EMPTY = {"meta", "link", "input", "img", "br", "hr", "col", "source", "wbr"}


class Words(HTMLParser):
    """Gathers what a page says to its reader, leaving out what is marked as another language, code and names."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._left_out: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        other = tag != "html" and "lang" in given
        out = other or tag in WITHOUT_WORDS or given.get("translate") == "no" or self._is_left_out()
        if not out:
            self.said += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value]
        if tag not in EMPTY:
            self._left_out.append(out)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY and self._left_out:
            self._left_out.pop()

    def handle_data(self, data: str) -> None:
        if not self._is_left_out() and data.strip():
            self.said.append(" ".join(data.split()))

    def _is_left_out(self) -> bool:
        return bool(self._left_out) and self._left_out[-1]


def english_on(html: str) -> list[str]:
    words = Words()
    words.feed(html)
    return [said for said in words.said if ENGLISH.search(said)]


def read(client: FlaskClient, path: str) -> str:
    return client.get(path, headers={"Accept-Language": "pt-BR"}).text


@pytest.mark.parametrize("path", sorted({*PAGES, "/nowhere"}))
def test_a_page_in_portuguese_has_no_english_left(app: Flask, client: FlaskClient, path: str) -> None:
    with app.app_context():
        factories.full_farm()
        factories.decided_cycle()
    assert english_on(read(client, path)) == []


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<p>Nada a fazer</p>", []),
        ("<p>Nothing to do</p>", ["Nothing to do"]),
        ("<button aria-label='Show more'>+</button>", ["Show more"]),
        ("<p><span lang='en'>the English</span> <code>the_plant is</code> <b>the rest</b></p>", ["the rest"]),
        ("<script>if (this.is) {}</script><p>count_unmanaged<br>the</p>", ["the"]),
        ("<p>Antminer <span translate='no'>Held by Ana</span></p>", []),
    ],
)
def test_english_is_found_where_a_reader_meets_it(html: str, found: list[str]) -> None:
    assert english_on(html) == found
