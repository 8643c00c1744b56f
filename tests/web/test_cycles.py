"""The cycles pages, and the ways to them: what was decided, for whom, and why."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.models import Miner
from tests import factories

RAISED, SKIPPED, STAYS, UNMANAGED = (f"02:00:00:00:00:{number:02x}" for number in (1, 2, 4, 0))


def row_of(page: str, mac: str) -> str:
    found = re.search(rf'<tr id="miner-{mac.replace(":", "")}">.*?</tr>', page, re.DOTALL)
    assert found
    return found[0]


def test_the_list_shows_each_cycle_with_its_reason_and_leads_to_it(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        quiet = factories.cycle(20.0, reason="nothing to do").id
        factories.decided_cycle(5.0, status="OVER_TARGET", failed_count=1)
    page = client.get("/cycles").text
    assert page.index("OVER TARGET") < page.index("Nothing to do"), "newest first"
    assert "1 failed" in page
    assert f'href="/cycles/{quiet}"' in page
    assert "2,844.0" in page


def test_the_list_goes_on_in_pages(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        ids = [factories.cycle(15.0 * number).id for number in range(120)][::-1]
    first = client.get("/cycles").text
    assert f'href="/cycles?before={ids[49]}"' in first
    assert ">Newest<" not in first
    second = client.get(f"/cycles?before={ids[49]}").text
    assert second.count("<tr id=") == 50
    assert ">Newest<" in second
    third = client.get(f"/cycles?before={ids[99]}").text
    assert third.count("<tr id=") == 20
    assert "Older" not in third
    back = client.get(f"/cycles?after={ids[100]}").text
    assert f'id="cycle-{ids[50]}"' in back
    assert f'id="cycle-{ids[99]}"' in back
    assert f'href="/cycles?after={ids[50]}"' in back
    assert client.get(f"/cycles?after={ids[20]}").text.count("<tr id=") == 50, "a short page of newer ones is the first"
    assert "No cycle is that old" in client.get(f"/cycles?before={ids[-1]}").text


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30, "1.5"])
def test_a_place_in_the_list_that_is_none_is_its_beginning(client: FlaskClient, farm: None, before: str) -> None:
    assert "<tr id=" in client.get("/cycles", query_string={"before": before}).text


def test_a_cycle_shows_whom_it_changed_whom_it_passed_over_and_why_the_others_stay(
    app: Flask, client: FlaskClient, farm: None
) -> None:
    with app.app_context():
        cycle_id = factories.decided_cycle().id
    page = client.get(f"/cycles/{cycle_id}").text
    assert "2300 → 2800" in page
    assert "takes 500 W for 13.0 TH/s" in page
    assert "1 change, shown and not sent" in page
    assert "C1-01" in page, "its name, not only its MAC"
    assert "Held by an operator" in page
    assert "Stays: surplus 313.0 kW has lasted 40 of 180 s" in page


def test_a_cycle_without_changes_says_so_and_an_old_one_that_reasons_are_gone(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        quiet = factories.cycle().id
        old = factories.cycle(skipped_count=3).id
    page = client.get(f"/cycles/{quiet}").text
    assert "No preset was to be changed." in page
    assert "Nobody." in page
    assert "kept for half an hour only" in client.get(f"/cycles/{old}").text


def test_a_sent_cycle_with_failures_says_how_many(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        cycle_id = factories.decided_cycle(sent=True, failed_count=1).id
    assert "1 change, 1 failed" in client.get(f"/cycles/{cycle_id}").text


@pytest.mark.parametrize("path", ["/cycles/77", "/cycles/0", "/cycles/" + "9" * 30, "/cycles/x", "/cycles/-1"])
def test_a_cycle_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_dashboard_and_events_lead_to_the_cycles(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        cycle_id = factories.decided_cycle().id
        factories.change(factories.miner(1), cycle_id=cycle_id)
    for path in ("/", "/dashboard/live", "/events"):
        assert f'href="/cycles/{cycle_id}"' in client.get(path).text, path
    assert 'href="/cycles"' in client.get("/").text


def test_the_miners_page_says_of_each_what_was_decided_last(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        cycle_id = factories.decided_cycle().id
        db.session.query(Miner).filter_by(mac=RAISED).one().label = "raised"
        db.session.commit()
    page = client.get("/miners").text
    assert f'latest decision: <a href="/cycles/{cycle_id}">' in page
    raised = row_of(page, RAISED)
    assert "takes 500 W" in raised
    assert "(shown, not sent)" in raised
    assert "Held by an operator" in row_of(page, SKIPPED)
    assert "Stays: surplus 313.0 kW" in row_of(page, STAYS)
    assert "Not managed: PowerHive leaves its preset alone" in row_of(page, UNMANAGED)


def test_a_miner_just_managed_waits_for_the_next_cycle(app: Flask, client: FlaskClient, farm: None) -> None:
    token = re.search(r'X-CSRFToken": "([^"]+)"', client.get("/").text)
    assert token
    headers = {"HX-Request": "true", "X-CSRFToken": token[1]}
    row = client.post(f"/miners/{UNMANAGED}/managed", data={"managed": "1"}, headers=headers).text
    assert "the next one decides" in row


# --- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "text"), [("status", "zz"), ("changes", "2"), ("from", "banana"), ("to", "2026-02-30T00:00")]
)
def test_a_bad_filter_gets_a_sentence_beside_its_field(client: FlaskClient, farm: None, field: str, text: str) -> None:
    answer = client.get("/cycles", query_string={field: text})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "<tr id=" not in answer.text


def test_cycles_are_filtered_by_status_changes_and_time(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        old = factories.cycle(recorded_at=datetime(2026, 11, 1, 12, tzinfo=UTC)).id
        quiet = factories.cycle(30.0, status="WARNING").id
        busy = factories.decided_cycle(20.0, status="WARNING").id
        over = factories.decided_cycle(10.0, status="OVER_TARGET").id

    def shown(query: str) -> list[int]:
        return [int(found) for found in re.findall(r'<tr id="cycle-(\d+)">', client.get(f"/cycles?{query}").text)]

    assert shown("status=WARNING") == [busy, quiet]
    assert shown("changes=1") == [over, busy]
    assert shown("status=WARNING&changes=1") == [busy]
    assert shown("from=2026-11-01T11:00&to=2026-11-01T13:00") == [old]
    assert "No cycle matches." in client.get("/cycles?status=STALE").text


def test_a_first_start_says_that_no_cycle_has_been_yet(client: FlaskClient) -> None:
    assert "No cycle has been recorded yet" in client.get("/cycles").text


# --- one cycle -------------------------------------------------------------------------------------------------------


def plain(page: str) -> str:
    return re.sub(r"(<[^>]+>|\s)+", " ", page)


def test_a_cycle_shows_its_formula_in_numbers(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        cycle_id = factories.cycle(
            generation_kw=3200.0, foreign_kw=92.5, overhead_kw=12.5, available_kw=3107.5, unmanaged_w=40_000.0,
            safety_margin_percent=12.5, target_w=2_000_000.0, delta_w=-531_000.0,
        ).id  # fmt: skip
    words = plain(client.get(f"/cycles/{cycle_id}").text)
    for line in (
        "Generation 3,200.0 kW",
        "Load that PowerHive does not control of which miners that are not managed: 40.0 kW 80.0 kW",
        "Overhead: fans, network, losses 12.5 kW",
        "= Available 3,107.5 kW",
        "Safety margin, 12.5 % 388.4 kW",
        "Held back: farm limit, or an old reading 719.1 kW",
        "= Target for the managed miners 2,000.0 kW",
        "Above the target 531.0 kW",
    ):
        assert line in words, line


def test_a_cycle_shows_the_reading_it_saw_or_says_that_it_is_gone(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        reading_id = factories.reading(60.0).id
        seen = factories.cycle(reading_id=reading_id).id
        gone = factories.cycle().id
        never = factories.cycle(status="NO_DATA").id
    assert "UG1 generation success 3,200.0 3,200.0" in plain(client.get(f"/cycles/{seen}").text)
    assert "Its reading is no longer kept." in client.get(f"/cycles/{gone}").text
    assert "There was no reading to go by." in client.get(f"/cycles/{never}").text


def test_each_change_tells_what_became_of_it(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.miner(0)
        miner = factories.miner(1)
        sent = factories.decided_cycle(sent=True).id
        stopped = factories.decided_cycle(sent=True).id
        event_id = factories.change(miner, 60.0, cycle_id=sent, **factories._columns("finished", 14.5)).id
        observed = factories.decided_cycle().id
    page = client.get(f"/cycles/{sent}").text
    assert f'href="/events/{event_id}"' in page
    assert "confirmed 45 s" in plain(page)
    assert "not sent: no longer allowed by then" in client.get(f"/cycles/{stopped}").text
    assert "shown, not sent" in client.get(f"/cycles/{observed}").text


def test_thousands_passed_over_are_grouped_by_their_reason(app: Flask, client: FlaskClient) -> None:
    skipped = [
        {"mac": f"02:00:00:00:{n // 256:02x}:{n % 256:02x}", "reason": f"in cooldown for {n} s"} for n in range(900)
    ]
    skipped += [{"mac": "02:00:00:00:ff:01", "reason": "no max preset is set for s19jpro"}]
    with app.app_context():
        cycle_id = factories.cycle(skipped=skipped, skipped_count=901).id
    page = client.get(f"/cycles/{cycle_id}").text
    assert "900 In cooldown for … s" in plain(page)
    assert "1 No max preset is set for s19jpro" in plain(page)
    assert "The first 40 of 900." in page
    assert page.count("<li>") < 50
    whole = client.get(f"/cycles/{cycle_id}?all=1").text
    assert whole.count("in cooldown for".capitalize()) > 900
    assert "Show every change" not in whole


def test_a_stop_of_the_whole_farm_stays_a_page(app: Flask, client: FlaskClient) -> None:
    change = {
        "mac": "02:00:00:00:00:01", "miner_id": 1, "kind": "stop", "old_preset": "2300", "new_preset": None,
        "old_power_w": 2300.0, "new_power_w": 5.0, "origin": "operator", "reason": "stop all was ordered",
    }  # fmt: skip
    with app.app_context():
        cycle_id = factories.cycle(planned=[change] * 300, changes_count=300, sent=True).id
    page = client.get(f"/cycles/{cycle_id}").text
    assert page.count("2300 → stopped") == 100
    assert "Show every change and every miner" in page
    assert client.get(f"/cycles/{cycle_id}?all=1").text.count("2300 → stopped") == 300


def test_a_cycle_leads_to_the_one_before_and_the_one_after(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        first, second, third = (factories.cycle().id for _ in range(3))
    middle = client.get(f"/cycles/{second}").text
    assert f'rel="prev" href="/cycles/{first}"' in middle
    assert f'rel="next" href="/cycles/{third}"' in middle
    assert 'rel="prev"' not in client.get(f"/cycles/{first}").text
    assert 'rel="next"' not in client.get(f"/cycles/{third}").text
