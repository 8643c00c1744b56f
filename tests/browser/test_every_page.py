"""Every page, narrow and wide, light and dark: nothing too wide, and nothing that axe-core calls serious."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.axe import serious_anywhere
from tests.browser.conftest import Server, Watch
from tests.pages import PAGES

pytestmark = pytest.mark.browser
LOOSE_CELLS = """
[...document.querySelectorAll('tr:not(.u-series) > :is(th, td)')]
  .filter(cell => cell.checkVisibility() && getComputedStyle(cell).display !== 'table-cell').map(cell => cell.className)
"""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_without_a_complaint_under_its_policy(page: Any, server: Server, path: str) -> None:
    page.goto(server.url + path)
    page.wait_for_function("window.htmx !== undefined && window.Idiomorph !== undefined")
    assert page.evaluate(LOOSE_CELLS) == []  # a name of a class used twice takes a cell out of its row


@pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_nothing_is_wider_than_a_phone(page: Any, server: Server, watch: Watch, path: str, language: str) -> None:
    watch.allowed.append("404 (NOT FOUND)")
    page.context.add_cookies([{"name": "language", "value": language.replace("-", "_"), "url": server.url}])
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(server.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.documentElement.lang") == language


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(page: Any, server: Server, path: str) -> None:
    page.goto(server.url + path)
    assert serious_anywhere(page) == set()
