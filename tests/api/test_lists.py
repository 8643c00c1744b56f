"""Lists: read part by part without a row lost or twice, means of time steps, and nothing sent that the caller has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from app.extensions import db
from app.models import Miner, PlantReadingRow, PresetChangeRow
from app.store.slots import MOST_SLOTS, Grid
from tests import factories

MAC = "02:00:00:00:00:01"
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LISTS = [
    "/api/plant/history",
    "/api/plant/sources",
    "/api/balance/events",
    "/api/balance/cycles",
    "/api/models",
    "/api/miners",
    f"/api/miners/{MAC}/statuses",
    f"/api/miners/{MAC}/telemetry",
]
PAGED = [path for path in LISTS if not path.endswith(("sources", "models", "telemetry"))]


@pytest.fixture
def long_farm(app: Flask, farm: None) -> None:
    """Seven of everything that is paged."""
    with app.app_context(), factories.in_one_go():
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        for number in range(6):
            factories.reading(60.0 + 15 * number)
            factories.cycle(60.0 + 15 * number)
            factories.sample(miner, 600.0 + 300 * number)


def pages(client: FlaskClient, path: str) -> Iterator[list[dict[str, Any]]]:
    following: str | None = path
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, following
        yield answer.get_json()
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        following = link.group(1) if link else None


@pytest.mark.parametrize("path", PAGED)
def test_a_list_read_part_by_part_is_the_whole_list(client: FlaskClient, long_farm: None, path: str) -> None:
    whole = client.get(f"{path}?limit=1000").get_json()
    assert len(whole) >= 7
    assert "Link" not in client.get(f"{path}?limit={len(whole)}").headers
    parts = list(pages(client, f"{path}?limit=3"))
    assert [row for part in parts for row in part] == whole
    assert [len(part) for part in parts[:-1]] == [3] * (len(parts) - 1)


def test_the_next_part_keeps_what_was_asked_for(client: FlaskClient, long_farm: None) -> None:
    answer = client.get("/api/miners?limit=2&offset=1&managed=true&x=%3E%22&endpoint=y&_external=1&mac=z")
    assert answer.headers["Link"] == (
        '</api/miners?limit=2&offset=0&managed=true&x=%3E%22&endpoint=y&_external=1&mac=z&before=9>; rel="next"'
    )
    assert answer.headers["X-Total-Count"] == client.get("/api/miners?managed=1&before=9").headers["X-Total-Count"]
    rows = [row["id"] for part in pages(client, "/api/miners?limit=3&managed=true") for row in part]
    assert rows == [row["id"] for row in client.get("/api/miners?managed=true").get_json()]
    assert len(rows) == 8


@pytest.mark.parametrize("path", ["/api/balance/events", "/api/balance/cycles", "/api/miners"])
@pytest.mark.parametrize("before", ["0", "-1", "x", "1.5", "9" * 20, "%00"])
def test_a_bad_place_is_400(client: FlaskClient, path: str, before: str) -> None:
    answer = client.get(f"{path}?before={before}")
    assert answer.status_code == 400
    assert "before must be a whole number" in answer.get_json()["error"]


# --- what the caller has already -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
def test_what_the_caller_has_is_not_sent_again(client: FlaskClient, long_farm: None, path: str) -> None:
    first = client.get(path)
    assert first.headers["ETag"].startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    for known in (first.headers["ETag"], f'"x", {first.headers["ETag"]}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert again.headers["Cache-Control"] == "private, no-cache"
    for other in ('W/"x"', "nonsense", '"'):
        assert client.get(path, headers={"If-None-Match": other}).data == first.data
    assert client.get(path + "?limit=1&x=2").headers["ETag"] != "" != first.headers["ETag"]


def test_a_tag_changes_with_what_it_stands_for(app: Flask, client: FlaskClient, long_farm: None) -> None:
    def tag(path: str) -> str:
        return client.get(path).headers["ETag"]

    before = {path: tag(path) for path in LISTS}
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        miner.label = "moved"
        db.session.query(PresetChangeRow).filter_by(outcome="sent").update({"outcome": "confirmed"})
        factories.reading(1.0)
        factories.cycle(1.0)
        factories.source("C2")
        factories.model("s9")
        factories.sample(miner, 1.0)
        factories.board_sample(miner, 2, 1.0)
    assert [path for path in LISTS if tag(path) == before[path]] == []
    assert tag("/api/plant/history") == tag("/api/plant/history")


def test_a_history_that_lost_its_oldest_or_changed_its_newest_row_has_another_tag(
    app: Flask, client: FlaskClient, long_farm: None
) -> None:
    tags = [client.get("/api/plant/history").headers["ETag"]]
    with app.app_context():
        for order in (PlantReadingRow.recorded_at, PlantReadingRow.recorded_at.desc()):
            db.session.delete(db.session.query(PlantReadingRow).order_by(order).first())
            db.session.commit()
            tags.append(client.get("/api/plant/history").headers["ETag"])
        factories.reading(2.0)  # takes the id of the one that went
        tags.append(client.get("/api/plant/history").headers["ETag"])
    assert len(set(tags)) == 4


@pytest.mark.parametrize("path", ["/api/plant/latest", "/api/balance/status", "/api/settings", f"/api/miners/{MAC}"])
def test_what_is_no_list_is_not_kept(client: FlaskClient, farm: None, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


# --- means of time steps ---------------------------------------------------------------------------------------------


def test_steps_are_those_asked_for(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        for number in range(40):  # ten minutes
            factories.reading(recorded_at=START + timedelta(seconds=15 * number), generation_kw=float(number))
        factories.reading(recorded_at=START + timedelta(hours=1), generation_kw=500.0)

    def steps(query: str) -> list[tuple[str, float]]:
        rows = client.get(f"/api/plant/history?{query}").get_json()
        return [(row["recorded_at"][11:19], row["total_generation"]) for row in rows]

    assert steps("step=300") == [("13:00:00", 500.0), ("12:05:00", 29.5), ("12:00:00", 9.5)]
    assert steps("step=300&until=2026-11-23T12:30:00Z&limit=1") == [("12:05:00", 29.5)]
    assert steps("step=300&since=2026-11-23T12:05:00Z&until=2026-11-23T12:06:00Z") == [("12:05:00", 21.5)]
    assert [at for at, _ in steps("step=86400")] == ["00:00:00"]
    assert steps("step=60&since=2030-01-01") == []
    parts = list(pages(client, "/api/plant/history?step=60&limit=4&since=2026-11-23T12:02:00Z"))
    assert [row["total_generation"] for part in parts for row in part] == [500.0, *(37.5 - 4 * n for n in range(8))]


@pytest.mark.parametrize("step_s", [1, 15, 60, 3600, 86_400, 31 * 86_400])
@pytest.mark.parametrize("steps", [1, 7, 100, 1000])
def test_no_answer_looks_at_more_than_so_many_rows(steps: int, step_s: int) -> None:
    grid = Grid(0, step_s, steps)
    assert steps <= steps * grid.slots <= MOST_SLOTS
    assert grid.slots in (1, step_s // 5, MOST_SLOTS // steps)


def test_a_month_is_a_mean_of_rows_spread_evenly(app: Flask, client: FlaskClient) -> None:
    rows = [
        {
            "plant_id": "p", "recorded_at": START + timedelta(minutes=10 * n), "generation_kw": float(n % 6),
            "container_kw": 0.0, "foreign_kw": 0.0, "available_kw": 1.0, "confidence": 1.0, "sources": [],
            "unchanged_since": START, "age_at_receipt_s": 0.0, "received_at": START, "received_monotonic_s": 0.0,
            "received_boot_id": "b",
        }
        for n in range(31 * 144)
    ]  # fmt: skip
    with app.app_context():
        db.session.execute(insert(PlantReadingRow), rows)
        db.session.commit()
    month = client.get("/api/plant/history?step=3600&limit=1000").get_json()
    assert len(month) == 31 * 24
    assert {row["total_generation"] for row in month} == {2.8}  # 0, 2, 3, 4, 5: five slots of 12 minutes


def test_a_miners_steps_are_means_with_the_last_state(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner(1)
        polls = ((0, 1000, "mining"), (5, 2000, "restarting"), (10, 900, "mining"), (65, 7, "x"))
        for minutes, power_w, state in polls:
            at = START + timedelta(minutes=minutes)
            factories.sample(miner, recorded_at=at, power_w=power_w, state=state)
            for board in (1, 2):
                factories.board_sample(miner, board, recorded_at=at, power_w=power_w + board, state=state)
    rows = client.get(f"/api/miners/{MAC}/statuses?step=600").get_json()
    assert [(row["recorded_at"][11:16], row["power_consumption"], row["state"]) for row in rows] == [
        ("13:00", 7, "x"), ("12:10", 900, "mining"), ("12:00", 1500, "restarting")
    ]  # fmt: skip
    assert rows[2]["hashrate_ths"] == 85.5
    boards = client.get(f"/api/miners/{MAC}/telemetry?step=600&until=2026-11-23T12:30:00Z").get_json()
    assert [(row["recorded_at"][11:16], row["board"], row["power_w"], row["state"]) for row in boards] == [
        ("12:10", 1, 901, "mining"), ("12:10", 2, 902, "mining"),
        ("12:00", 1, 1501, "restarting"), ("12:00", 2, 1502, "restarting"),
    ]  # fmt: skip
    for path in ("statuses", "telemetry"):
        assert client.get(f"/api/miners/{MAC}/{path}?step=60&since=2030-01-01").get_json() == []
        assert client.get(f"/api/miners/{MAC}/{path}?step=0").status_code == 400
    parts = list(pages(client, f"/api/miners/{MAC}/statuses?step=600&limit=1"))
    assert [row["power_consumption"] for part in parts for row in part] == [7, 900, 1500]
