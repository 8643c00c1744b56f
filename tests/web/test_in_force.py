"""Mode, orders and the zone of the times, wherever an open dashboard says them: they follow with its refresh."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.store import settings
from tests import factories
from tests.refreshes import version

IN_FORCE = ["mode-chip", "in-force", "mode-heading", "all_to_minimum-mark", "stop_all-mark", "resume-means", "times"]


def swaps_of(answer: str) -> list[str]:
    """The elements beside the parts that a refresh puts into the page anew."""
    return re.findall(r'<(?:a|div|h2|span|p) id="([\w-]+)"[^>]* hx-swap-oob="morph"', answer)


def test_a_mode_changed_elsewhere_is_said_everywhere_by_the_refresh(
    app: Flask, client: FlaskClient, farm: None
) -> None:
    shown = version(client)
    assert "Observing:" in client.get("/").text
    with app.app_context():
        settings.change("mode", "armed", "bob", None, clock.utcnow())
    answer = client.get("/dashboard/live", query_string={"shown": shown}).text
    assert [name for name in swaps_of(answer) if name in IN_FORCE] == IN_FORCE
    assert re.search(r'<a id="mode-chip" class="mode mode-armed".*?armed</a>', answer)
    assert '<div id="in-force" hx-ext="morph" hx-swap-oob="morph"></div>' in answer
    assert re.search(r'<h2 id="mode-heading"[^>]*>Mode: armed</h2>', answer)
    assert "The balance decides again" in answer
    assert "<input" not in answer.replace('<input type="hidden" id="live-version"', "")
    assert "<details" not in answer


@pytest.mark.parametrize(("order", "kind"), [("stop", "stop_all"), ("minimum", "all_to_minimum")])
def test_an_order_given_elsewhere_is_marked_by_the_refresh_and_its_end_too(
    app: Flask, client: FlaskClient, farm: None, order: str, kind: str
) -> None:
    shown, marked = version(client), rf'<span id="{kind}-mark" class="mark bad"[^>]*>in force</span>'
    with app.app_context():
        settings.change("override", order, "bob", None, clock.utcnow())
    answer = client.get("/dashboard/live", query_string={"shown": shown}).text
    assert re.search(marked, answer)
    assert answer.count(">in force<") == 1
    assert "until resume." in answer
    assert re.search(marked.replace("[^>]*", ' hx-ext="morph"'), client.get("/").text)
    shown = version(client)
    with app.app_context():
        settings.change("override", "none", "bob", None, clock.utcnow())
    answer = client.get("/dashboard/live", query_string={"shown": shown}).text
    assert re.search(rf'<span id="{kind}-mark" hx-ext="morph" hx-swap-oob="morph"></span>', answer)
    assert "until resume." not in answer


def test_what_is_in_force_is_sent_only_when_it_changed(app: Flask, client: FlaskClient, farm: None) -> None:
    shown = version(client)
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    answer = client.get("/dashboard/live", query_string={"shown": shown}).text
    assert "3,333.3" in answer
    assert not {*swaps_of(answer)} & {*IN_FORCE}


def test_each_place_that_says_what_is_in_force_is_in_the_page_once(client: FlaskClient, farm: None) -> None:
    page = client.get("/").text
    assert {name: page.count(f' id="{name}"') for name in IN_FORCE} == dict.fromkeys(IN_FORCE, 1)


def test_the_zone_of_the_times_follows_with_them(client: FlaskClient, farm: None) -> None:
    """A browser says its zone only after its first page, which therefore is in UTC."""
    first = client.get("/").text
    shown = re.search(r'name="shown" value="([0-9a-f.]+)"', first)
    assert shown
    assert "Times: UTC." in first
    client.set_cookie("timezone", "America/Sao_Paulo")
    answer = client.get("/dashboard/live", query_string={"shown": shown[1]}).text
    assert re.search(r'<span id="times"[^>]*>Times: America/Sao_Paulo; UTC when pointed at.</span>', answer)


def test_a_refresh_of_everything_that_people_changed_is_small(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.full_farm(60)
        factories.decided_cycle(mode="armed")
    shown = version(client)
    with app.app_context():
        settings.change("mode", "armed", "bob", None, clock.utcnow())
        settings.change("override", "stop", "bob", None, clock.utcnow())
        factories.cycle(reason="Surplus 14.2 kW has lasted 140 of 180 s", current_w=2_600_000.0)
        factories.source("C5", last_value_kw=312.0)
    answer = client.get("/dashboard/live", query_string={"shown": shown})
    assert {*IN_FORCE} <= {*swaps_of(answer.text)}
    assert len(answer.data) <= 8_000
