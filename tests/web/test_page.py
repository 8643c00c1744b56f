"""What every page shares: the addresses in it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, url_for
from werkzeug.routing import BuildError

from app.web import page


@pytest.mark.parametrize(
    ("endpoint", "values"),
    [
        ("miners.index", {}),
        ("miners.index", {"page": 1}),
        ("miners.index", {"page": True}),
        ("miners.index", {"page": "1"}),
        ("miners.index", {"page": 1.0}),
        ("miners.index", {"sort": None, "q": "ä & ö"}),
        ("miners.rows", {"id": [3, 1, 2]}),
        ("miners.one", {"mac": "02:00:00:00:00:01", "_anchor": "x"}),
        ("static", {"filename": "app.css"}),
        ("miners.index", {"_external": True}),
    ],
)
def test_addresses_are_those_of_flask_also_when_they_are_remembered(
    app: Flask, endpoint: str, values: dict[str, Any]
) -> None:
    for root, host in (("", "one.example"), ("/powerhive", "two.example"), ("", "three.example")):
        with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": root, "HTTP_HOST": host}):
            known = url_for(endpoint, **values)
            assert root in known
            assert [page.url_of(endpoint, **values) for _ in range(2)] == [known, known]


def test_an_unknown_page_is_an_error_each_time(app: Flask) -> None:
    with app.test_request_context("/"):
        for _ in range(2):
            with pytest.raises(BuildError):
                page.url_of("nowhere.index")
