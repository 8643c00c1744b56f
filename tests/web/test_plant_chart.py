"""The dashboard's chart: its spans, its steps, its gaps and marks, as JSON and as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.web import plant_chart
from app.web.chart import SPANS_S
from tests import factories

JSON = {"Accept": "application/json"}


def drawn(client: FlaskClient, span: str = "1h") -> dict[str, Any]:
    answer = client.get("/dashboard/chart", query_string={"span": span}, headers=JSON)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


@pytest.mark.parametrize("span", ["", "2h", "1H", "-1", "<b>", "9" * 400])
def test_an_unknown_span_is_the_hour(client: FlaskClient, farm: None, span: str) -> None:
    assert drawn(client, span) == drawn(client, "1h")


@pytest.mark.parametrize("span", SPANS_S)
def test_every_span_has_about_as_many_points(span: str) -> None:
    grid = plant_chart.grid(datetime(2026, 11, 20, 12, tzinfo=UTC), SPANS_S[span], 15.0)
    assert 120 <= grid.steps <= 260
    assert grid.step_s * (grid.steps - 1) == SPANS_S[span]
    assert grid.first_s % grid.step_s == 0


def test_a_step_holds_two_readings_however_seldom_the_plant_is_read() -> None:
    grid = plant_chart.grid(datetime(2026, 11, 20, 12, tzinfo=UTC), SPANS_S["1h"], 300.0)
    assert grid.step_s == 600


def test_without_readings_it_says_so(client: FlaskClient) -> None:
    found = drawn(client)
    assert found["x"] == []
    assert found["empty"] == "Nothing was recorded in this time."
    assert "Nothing was recorded" in client.get("/dashboard/chart").text


def test_what_the_plant_did_not_tell_is_a_gap(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.reading(200.0, generation_kw=3000.0)
        factories.reading(5.0, generation_kw=3100.0)
        factories.cycle(100.0, target_w=2_700_000.0)
    found = drawn(client)
    generation = next(s for s in found["series"] if s["label"] == "Generation")["values"]
    target = next(s for s in found["series"] if s["label"] == "Target")["values"]
    assert [value for value in generation if value is not None] == [3000.0, 3100.0]
    assert None in generation[1:-1]
    assert [value for value in target if value is not None] == [2700.0]
    assert len(found["x"]) == len(generation) == len(target)


def test_refused_readings_and_changes_are_marked(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        factories.refusal(90.0)
    kinds = {mark["kind"]: mark["label"] for mark in drawn(client)["marks"]}
    assert kinds["refused"] == "refused: The plant did not answer within 10 s"
    assert "→" in kinds["event"]


def test_the_marks_of_a_month_are_thinned(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        factories.reading()
        miner = factories.miner(1)
        for number in range(300):
            factories.change(miner, 3600.0 * 2 * number + 60)
    assert len(drawn(client, "30d")["marks"]) <= plant_chart.MOST_EVENTS


def test_the_table_serves_those_who_see_no_chart(client: FlaskClient, farm: None) -> None:
    page = client.get("/dashboard/chart?span=24h").text
    assert "<h1>Power of the farm, last 24 h</h1>" in page
    assert '<th scope="col" class="num">Managed miners, kW</th>' in page
    assert "Each point is the mean of up to two readings within 6 min." in page
    part = client.get("/dashboard/chart", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith("<div")
