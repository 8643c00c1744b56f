"""Every page: few queries whatever the fleet's size, and no page without an entry in `tests.pages`."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.pages import PAGES

MOST_QUERIES = 12


@pytest.mark.parametrize("miners", [12, 260])
def test_no_page_asks_the_database_more_than_twelve_times(
    app: Flask, client: FlaskClient, queries: list[str], miners: int
) -> None:
    with app.app_context():
        factories.full_farm(miners)
        factories.decided_cycle()
    asked = {}
    for path in PAGES:
        queries.clear()
        assert client.get(path).status_code == 200, path
        asked[path] = len(queries)
    assert {path: count for path, count in asked.items() if count > MOST_QUERIES} == {}
    assert asked["/"] > 0


def test_every_page_without_arguments_is_listed(app: Flask) -> None:
    listed = {path.split("?")[0] for path in PAGES}
    plain = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.methods and "GET" in rule.methods and not rule.arguments and not rule.rule.startswith("/api/")
    }
    parts = {"/healthz", "/readyz", "/metrics", "/dashboard/live", "/events/csv"}  # probes, and parts of pages
    parts |= {"/settings/consequence", "/settings/sources/formula", "/setup/steps"}
    parts |= {"/miners/rows", "/miners/lines", "/miners/file.csv"}
    parts |= {"/audit/csv"}
    assert plain - parts - listed == set()
