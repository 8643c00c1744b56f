"""The cycles pages, and the ways to them: what was decided, for whom, and why."""

from __future__ import annotations

import re

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
    assert "1, 1 failed" in page
    assert f'href="/cycles/{quiet}"' in page
    assert "2,844.0" in page


def test_the_list_goes_on_in_pages(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), factories.in_one_go():
        ids = [factories.cycle(15.0 * number).id for number in range(61)]
    first = client.get("/cycles").text
    assert f'href="/cycles?before={ids[1]}"' in first
    assert ">Newest<" not in first
    second = client.get(f"/cycles?before={ids[1]}").text
    assert second.count("<tr id=") == 1
    assert ">Newest<" in second
    assert "Older" not in second
    assert "No cycle is that old" in client.get(f"/cycles?before={ids[0]}").text


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
    assert 'href="/cycles"' in client.get("/dashboard/live").text


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
