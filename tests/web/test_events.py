"""The events pages: filters and their bad values, pages, local times, one event, the CSV file."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import Command
from app.web import events as page_module
from tests import factories

ROW = re.compile(r'<tr id="event-(\d+)">')


def shown(client: FlaskClient, **query: Any) -> list[int]:
    answer = client.get("/events", query_string=query)
    assert answer.status_code == 200
    return [int(found) for found in ROW.findall(answer.text)]


def plain(page: str) -> str:
    return re.sub(r"(<[^>]+>|\s)+", " ", page)


# --- bad input -------------------------------------------------------------------------------------------------------

BAD = [
    ("from", "banana"),
    ("from", "2026-13-01T00:00"),
    ("to", "0001-01-01T00:00:00+14:00"),
    ("to", "2026-11-23T25:00"),
    ("from", "２０２６-11-23"),
    ("outcome", "zz"),
    ("kind", "explode"),
    ("origin", "nobody"),
    ("miner", "x" * 81),
    ("reason", "a\x00b"),
    ("reason", "\u202e"),
    ("cycle", "-1"),
    ("cycle", "0"),
    ("cycle", "x"),
    ("cycle", "9" * 40),
]


@pytest.mark.parametrize(("field", "text"), BAD)
def test_a_bad_filter_gets_a_sentence_beside_its_field_and_lists_nothing(
    client: FlaskClient, farm: None, field: str, text: str
) -> None:
    answer = client.get("/events", query_string={field: text})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert f'aria-describedby="{field}-error"' in answer.text
    assert not ROW.search(answer.text)
    assert client.get("/events/csv", query_string={field: text}).status_code == 422


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("text", ["x", "-1", "0", "9" * 40, "1.5", ""])
def test_a_place_in_the_list_that_is_none_is_its_beginning(
    client: FlaskClient, farm: None, place: str, text: str
) -> None:
    assert len(shown(client, **{place: text})) == 12


@pytest.mark.parametrize("path", ["/events/77777", "/events/0", "/events/" + "9" * 30, "/events/x", "/events/-1"])
def test_an_event_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("text", ["%", "_", "\\", "''", '"', "<script>", "%00"])
def test_a_search_takes_every_sign_as_itself(client: FlaskClient, farm: None, text: str) -> None:
    assert shown(client, miner=text) == shown(client, reason=text) == []


# --- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"miner": "C1-0"}, 6),
        ({"miner": "c1-01"}, 1),
        ({"miner": "02:00:00:00:00:03"}, 1),
        ({"miner": "02-00-00-00-00-03"}, 1),
        ({"miner": "10.0.0.4"}, 1),
        ({"miner": "10.0"}, 12),
        ({"outcome": "failed"}, 3),
        ({"reason": "BEST use of"}, 12),
        ({"kind": "stop"}, 0),
        ({"origin": "balancer"}, 12),
        ({"outcome": "failed", "miner": "C1-03"}, 1),
        ({"cycle": "1"}, 0),
    ],
)
def test_events_are_filtered(client: FlaskClient, farm: None, query: dict[str, str], found: int) -> None:
    assert len(shown(client, **query)) == found


def test_miners_are_found_by_a_text_that_many_share(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        for number in range(40):
            factories.change(factories.miner(number, label=f"hall-{number}"))
    assert len(shown(client, miner="hall-")) == 40
    assert len(shown(client, miner="hall-3")) == 11


def test_times_are_the_readers_own(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner()
        early = factories.change(miner, recorded_at=datetime(2026, 11, 23, 20, 59, tzinfo=UTC)).id
        late = factories.change(miner, recorded_at=datetime(2026, 11, 23, 21, 1, tzinfo=UTC)).id
    client.set_cookie("timezone", "America/Sao_Paulo")  # 3 h behind UTC
    assert shown(client, **{"from": "2026-11-23T18:00"}) == [late]
    assert shown(client, to="2026-11-23T18:00") == [early]
    assert shown(client, **{"from": "2026-11-23T17:59", "to": "2026-11-23T18:01"}) == [early]
    assert shown(client, **{"from": "2026-11-23T21:00:00Z"}) == [late]
    assert shown(client, **{"from": "2026-11-24T21:00", "to": "2026-11-20T21:00"}) == []
    page = client.get("/events?from=2026-11-23T21:00:00Z").text
    assert 'name="from" value="2026-11-23T18:00"' in page


def test_a_stepped_clock_hides_no_event(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner()
        ahead = factories.change(miner, recorded_at=datetime(2026, 12, 24, tzinfo=UTC)).id
        first = factories.change(miner, recorded_at=datetime(2026, 11, 23, 12, tzinfo=UTC)).id
        behind = factories.change(miner, recorded_at=datetime(1970, 1, 1, tzinfo=UTC)).id
        last = factories.change(miner, recorded_at=datetime(2026, 11, 23, 13, tzinfo=UTC)).id
    assert shown(client, **{"from": "2026-11-23T00:00", "to": "2026-11-24T00:00"}) == [last, first]
    assert shown(client, **{"from": "2026-12-01"}) == [ahead]
    assert shown(client, to="2000-01-01") == [behind]


def test_outcomes_are_counted_and_lead_to_their_events(client: FlaskClient, farm: None) -> None:
    page = client.get("/events?reason=best").text
    assert 'href="/events?reason=best&amp;outcome=failed"' in page
    assert "failed 3" in plain(page)
    assert "12 events match" in plain(page)
    narrowed = plain(client.get("/events?outcome=failed").text)
    assert "confirmed 3" in narrowed, "the other outcomes stay in reach"


def test_without_events_the_page_says_what_will_be_there(client: FlaskClient) -> None:
    assert "Every change of a preset will be listed here" in client.get("/events").text


def test_without_a_match_the_page_leads_back_to_all(client: FlaskClient, farm: None) -> None:
    page = client.get("/events?miner=nobody").text
    assert "No event matches." in page
    assert 'href="/events">Show all events' in page


# --- pages -----------------------------------------------------------------------------------------------------------


def test_older_and_newer_events_are_a_link_away_and_keep_the_filter(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        miner = factories.miner(label="one")
        ids = [factories.change(miner, 500.0 - number).id for number in range(120)][::-1]
    assert shown(client) == ids[:50]
    first = client.get("/events?miner=one").text
    assert f'href="/events?miner=one&amp;before={ids[49]}"' in first
    assert ">Newer<" not in first
    assert shown(client, before=ids[49]) == ids[50:100]
    last = client.get(f"/events?before={ids[99]}").text
    assert ">Older<" not in last
    assert f"after={ids[100]}" in last
    assert shown(client, after=ids[100]) == ids[50:100]
    assert shown(client, after=ids[20]) == ids[:50], "a short page of newer ones is the first"


# --- one event -------------------------------------------------------------------------------------------------------


def test_one_event_tells_all_that_is_known(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner(7, label="shed-7")
        cycle_id = factories.decided_cycle().id
        earlier = factories.change(miner, 600.0).id
        event_id = factories.change(
            miner,
            300.0,
            outcome="not_applied",
            attempt=2,
            accepted=True,
            restart_required=True,
            restart_accepted=False,
            error_message="the miner refused: 500",
            cycle_id=cycle_id,
            **factories._columns("finished", 254.5),
        ).id
        later = factories.change(miner, 60.0).id
    page = client.get(f"/events/{event_id}").text
    words = plain(page)
    for fact in (
        "shed-7", "02:00:00:00:00:07", "2,300 → 2,800 (+500)", "Attempt 2", "Took 45 s", "Change accepted yes",
        "Restart accepted no", "not applied", "The miner refused: 500", "Managed miners before 2,531.0 kW",
        "Available 3,160.0 kW", "Target 2,844.0 kW", "313 kW below the target, but no miner can be raised now",
    ):  # fmt: skip
        assert fact in words, fact
    for path in (f"/events/{earlier}", f"/events/{later}", f"/cycles/{cycle_id}"):
        assert f'href="{path}"' in page


def test_an_event_by_hand_names_the_command_that_caused_it(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner()
        command = Command(
            kind="preset", miner_id=miner.id, reason="trying", created_at=clock.utcnow(), created_by="page from night",
            status="done", result="The miner took preset 2800.",
        )  # fmt: skip
        db.session.add(command)
        db.session.commit()
        event_id = factories.change(miner, origin="operator", command_id=command.id, total_before_w=None).id
    words = plain(client.get(f"/events/{event_id}").text)
    assert "Who by hand: page from night, trying" in words
    assert "The miner took preset 2800." in words
    assert "Managed miners before \N{EN DASH}" in words


def test_the_time_it_took_is_by_the_monotonic_clock_within_one_boot(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        miner = factories.miner()
        stepped = factories._columns("finished", 19.5) | {"finished_at": factories.ago(-7200)}
        event_id = factories.change(miner, 60.0, **stepped).id
    assert "Took 40 s" in plain(client.get(f"/events/{event_id}").text)


# --- the CSV file ----------------------------------------------------------------------------------------------------


def rows_of(client: FlaskClient, path: str) -> list[list[str]]:
    answer = client.get(path)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_the_csv_file_has_what_the_filter_matches(app: Flask, client: FlaskClient, farm: None) -> None:
    rows = rows_of(client, "/events/csv?outcome=failed")
    assert rows[0][:5] == ["id", "recorded_at", "mac", "ip", "label"]
    assert [row[13] for row in rows[1:]] == ["failed"] * 3
    assert {len(row) for row in rows} == {23}
    assert rows[1][11] == "2300 -> 2800: takes 500 W for 13.0 TH/s (38 W per TH/s, the best use of the farm's watts)"


def test_a_label_is_no_formula_in_the_csv_file(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.change(factories.miner(label="=1+1"))
    assert rows_of(client, "/events/csv")[1][4] == "'=1+1"


def test_a_long_csv_file_is_cut_with_a_sentence(
    app: Flask, client: FlaskClient, farm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_IN_CSV", 5)
    monkeypatch.setattr("app.store.events.BATCH", 2)
    rows = rows_of(client, "/events/csv")
    assert len(rows) == 7
    assert rows[-1] == ["Cut here: only the newest 5 events; ask for a shorter time for the rest."]
    assert len(rows_of(client, "/events/csv?outcome=failed")) == 4
