"""The dashboard in a browser: refreshing, typing, losing contact and finding it again."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.browser.conftest import LOST_NOISE, Server, Watch

pytestmark = pytest.mark.browser


def refresh_now(page: Any) -> None:
    page.evaluate("document.body.dispatchEvent(new CustomEvent('refresh'))")


def test_a_new_number_appears_by_itself(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url)
    page.get_by_text("3,200.0").first.wait_for()
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    page.get_by_text("3,333.3").first.wait_for()


def test_ages_count_on_between_refreshes(page: Any, server: Server) -> None:
    page.goto(server.url)
    shown = page.locator(".status [data-age-s]")
    first = shown.inner_text()
    page.wait_for_function("first => document.querySelector('.status [data-age-s]').textContent !== first", arg=first)


def test_a_half_typed_margin_survives_a_refresh(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url)
    field = page.get_by_label("Safety margin")
    field.fill("12.")
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    refresh_now(page)
    page.get_by_text("3,333.3").first.wait_for()
    assert field.input_value() == "12."
    assert page.evaluate("document.activeElement.id") == "safety_margin_percent"


def test_the_margin_is_saved_and_refused_in_place(page: Any, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Safety margin").fill("51")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The margin must be from 0 to 50 %.").wait_for()
    assert page.get_by_label("Safety margin").get_attribute("aria-invalid") == "true"
    page.get_by_label("Safety margin").fill("12,5")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: 12.5 %").wait_for()
    page.get_by_text("12.5 % margin").wait_for()
    assert page.url == server.url + "/"


def test_it_says_when_contact_is_lost_and_when_it_is_back(app: Flask, page: Any, server: Server, watch: Watch) -> None:
    watch.allowed += LOST_NOISE
    page.goto(server.url)
    server.stop()
    refresh_now(page)
    note = page.get_by_role("alert")
    note.wait_for()
    assert "stale" in note.inner_text()
    assert page.get_by_text("3,200.0").first.is_visible()
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    server.start()
    page.get_by_text("3,333.3").first.wait_for()
    note.wait_for(state="hidden")


def test_it_does_not_ask_while_hidden(page: Any, server: Server) -> None:
    page.goto(server.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/dashboard/live" in request.url else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    refresh_now(page)
    page.wait_for_timeout(500)
    assert asked == []
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(500)
    assert len(asked) == 1


def test_a_miner_is_managed_by_its_switch(page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    switch = page.get_by_role("switch", name="C1-00")
    assert switch.get_attribute("aria-checked") == "false"
    switch.click()
    page.locator("#managed-020000000000[aria-checked=true]").wait_for()


def test_choosing_a_max_preset_shows_what_it_means(page: Any, server: Server) -> None:
    page.goto(server.url + "/models")
    card = page.locator("#s19jpro")
    card.get_by_label("Max preset").select_option("3420")
    card.get_by_text("9 miners may go up to 3,420 W: at most 30.8 kW").wait_for()
    card.get_by_role("button", name="Save").click()
    page.get_by_role("status").get_by_text("at most 30.8 kW").wait_for()


def test_everything_works_without_javascript(browser: Any, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Safety margin").fill("13")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: 13 %").wait_for()
    page.get_by_label("Safety margin").fill("99")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The margin must be from 0 to 50 %.").wait_for()
    page.goto(server.url + "/miners")
    page.get_by_role("switch", name="C1-00").click()
    page.locator("#managed-020000000000[aria-checked=true]").wait_for()
    context.close()
