"""The models pages in a browser: choosing a max preset with and without JavaScript, the ladder's chart."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from app.store import miner_models
from tests.browser.axe import serious
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


def max_preset(app: Flask) -> str | None:
    with app.app_context():
        return miner_models.get("s19jpro").max_preset


def test_the_consequence_is_shown_as_soon_as_a_preset_is_chosen(page: Any, server: Server) -> None:
    page.goto(server.url + "/models/s19jpro")
    page.get_by_label("3420", exact=True).check()
    page.get_by_text("9 miners may go up to 3,420 W: at most 30.8 kW").wait_for()


def test_a_higher_max_preset_is_confirmed_and_a_lower_one_saved_at_once(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/models")
    page.get_by_role("link", name="Antminer S19JPRO").click()
    page.get_by_label("3420", exact=True).check()
    page.get_by_label("Own power of 2300, W").fill("2350")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("5.6 kW more than now").wait_for()
    assert max_preset(app) == "2800"
    page.get_by_role("button", name="Yes, save it").click()
    page.get_by_text("Antminer S19JPRO saved.").wait_for()
    assert max_preset(app) == "3420"
    expect(page.get_by_label("Own power of 2300, W")).to_have_value("2350")
    page.get_by_label("1500", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("9 miners may go up to 1,500 W").first.wait_for()
    assert max_preset(app) == "1500"


def test_what_is_asked_and_what_is_wrong_can_be_read_by_everybody(page: Any, server: Server) -> None:
    page.goto(server.url + "/models/s19jpro")
    page.get_by_label("3420", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Not saved yet").wait_for()
    assert serious(page) == set()
    page.get_by_label("Own power of 2300, W").fill("lots")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Nothing was saved").wait_for()
    expect(page.get_by_label("Own power of 2300, W")).to_have_attribute("aria-invalid", "true")
    assert serious(page) == set()


def test_it_works_without_javascript(app: Flask, browser: Any, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url + "/models/s19jpro")
    page.get_by_label("3420", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Yes, save it").click()
    page.get_by_text("Antminer S19JPRO saved.").wait_for()
    assert max_preset(app) == "3420"
    page.get_by_label("Own hashrate of 2300, TH/s").fill("many")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Write a number, like 12.5.").wait_for()
    expect(page.get_by_label("Own hashrate of 2300, TH/s")).to_have_value("many")
    page.goto(server.url + "/events?outcome=failed")
    page.get_by_text("By time, reason, kind").click()
    page.get_by_label("Reason contains").fill("best use")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("reason=best"))
    expect(page.locator("tbody tr")).to_have_count(3)
    context.close()


def test_the_ladder_is_drawn_and_its_numbers_are_a_table(page: Any, server: Server) -> None:
    page.goto(server.url + "/models/s19jpro")
    page.locator("#ladder-chart canvas").first.wait_for()
    page.get_by_text("The numbers as a table").click()
    page.locator("#ladder-chart table th", has_text="2,300").first.wait_for()
