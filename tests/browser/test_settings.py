"""Settings, sources, questionnaire and setup in a browser, with JavaScript and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from app import clock
from app.store import plant_history, settings
from tests import factories
from tests.browser.conftest import Server, Watch

pytestmark = pytest.mark.browser
LIMITS_SAVE = "#limits .save button"


@pytest.fixture
def plain(browser: Any, server: Server) -> Iterator[Any]:
    """A page on a phone, without JavaScript."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    yield opened
    context.close()


def change(app: Flask, name: str, value: object) -> None:
    with app.app_context():
        settings.change(name, value, "bob", "drought", clock.utcnow())


def test_the_consequence_follows_what_is_typed(page: Any, server: Server) -> None:
    page.goto(server.url + "/settings")
    page.get_by_label("Safety margin", exact=True).fill("20")
    page.get_by_text("so the target is 2,528.0 kW").wait_for()
    page.get_by_label("Farm limit", exact=True).fill("2000")
    page.get_by_text("the farm limit holds the target at 2,000.0 kW").wait_for()
    page.get_by_label("Safety margin", exact=True).fill("99")
    page.locator("#consequence").get_by_text("write a number from 0 to 50").wait_for()


@pytest.mark.parametrize("kind", ["page", "plain"])
def test_a_group_is_saved_with_a_reason_and_shows_who(
    request: pytest.FixtureRequest, server: Server, kind: str
) -> None:
    page = request.getfixturevalue(kind)
    page.goto(server.url + "/settings")
    page.get_by_label("Safety margin", exact=True).fill("12,5")
    page.locator("#reason-limits").fill("dry season")
    page.locator("#reason-limits").press("Enter")
    page.get_by_text("1 setting was saved.").wait_for()
    expect(page.get_by_label("Safety margin", exact=True)).to_have_value("12.5")
    expect(page.locator("#limits")).to_contain_text("dry season")
    page.get_by_role("button", name="Safety margin: back to its default").click()
    page.get_by_text("Safety margin is back at its default").wait_for()
    expect(page.get_by_label("Safety margin", exact=True)).to_have_value("10")


def test_two_people_at_once_lose_nothing_that_was_typed(app: Flask, page: Any, server: Server, watch: Watch) -> None:
    watch.allowed.append("409 (CONFLICT)")
    page.goto(server.url + "/settings")
    change(app, "safety_margin_percent", 20)
    page.get_by_label("Safety margin", exact=True).fill("15")
    page.locator(LIMITS_SAVE).click()
    page.get_by_text("Somebody else changed the same setting meanwhile.").wait_for()
    expect(page.get_by_label("Safety margin", exact=True)).to_have_value("15")
    expect(page.locator("#limits")).to_contain_text("by bob, was 10")
    page.locator(LIMITS_SAVE).click()
    page.get_by_text("1 setting was saved.").wait_for()


def test_a_refused_value_is_announced_at_its_field(page: Any, server: Server) -> None:
    page.goto(server.url + "/settings")
    page.get_by_label("Cooldown", exact=True).fill("5")
    page.locator("#waits .save button").click()
    page.locator("#cooldown_s-error").wait_for()
    field = page.get_by_label("Cooldown", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_attribute("aria-describedby", re.compile(r"\bcooldown_s-error\b"))


def test_other_roles_show_what_becomes_available_before_they_are_saved(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/settings/sources")
    page.locator(".total").get_by_text("= 3,160.0 kW").wait_for()
    page.get_by_label("C1").select_option("miners")
    page.locator(".total").get_by_text("= 3,200.0 kW").wait_for()
    with app.app_context():
        assert {row.name: row.role for row in plant_history.sources()}["C1"] == "foreign"
    page.get_by_role("button", name="Save the roles").click()
    page.get_by_text("C1 has another role now.").wait_for()


def test_a_choice_half_made_survives_the_refresh(page: Any, server: Server) -> None:
    page.goto(server.url + "/settings/sources")
    page.get_by_label("C1").select_option("miners")
    page.locator(".total").get_by_text("= 3,200.0 kW").wait_for()
    with page.expect_response(lambda answer: "/settings/sources/formula" in answer.url):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('refresh'))")
    expect(page.get_by_label("C1")).to_have_value("miners")
    expect(page.locator(".total")).to_contain_text("now = 3,160.0")


def test_without_javascript_roles_are_shown_by_a_button(plain: Any, server: Server) -> None:
    plain.goto(server.url + "/settings/sources")
    plain.get_by_label("C1").select_option("miners")
    plain.get_by_role("button", name="Only show what would become available").click()
    plain.locator(".total").get_by_text("= 3,200.0 kW").wait_for()
    plain.get_by_role("button", name="Save the roles").click()
    plain.get_by_text("C1 has another role now.").wait_for()


@pytest.mark.parametrize("kind", ["page", "plain"])
def test_the_questionnaire_is_answered_and_printed(request: pytest.FixtureRequest, server: Server, kind: str) -> None:
    page = request.getfixturevalue(kind)
    page.goto(server.url + "/settings/questionnaire")
    page.get_by_label("How much of the available power must stay unused?").fill("15")
    page.get_by_label("Who is called in an emergency").fill("Maria, 555\nJoão, 556")
    page.get_by_role("button", name="Save the answers").click()
    page.get_by_text("1 answer is kept as a record.").wait_for()
    page.get_by_role("link", name="To print and sign").click()
    page.emulate_media(media="print")
    expect(page.locator(".paper")).to_contain_text("João, 556")
    page.locator(".top nav").wait_for(state="hidden")
    expect(page.locator(".signatures")).to_be_visible()


def test_settings_are_printed_with_units_and_changes_and_without_buttons(app: Flask, page: Any, server: Server) -> None:
    change(app, "safety_margin_percent", 20)
    page.goto(server.url + "/settings")
    page.emulate_media(media="print")
    limits = page.locator("#limits")
    expect(limits.get_by_label("Safety margin", exact=True)).to_be_visible()
    expect(limits.get_by_label("Safety margin", exact=True)).to_have_value("20")
    for shown in (limits.get_by_text("%", exact=True), limits.get_by_text("by bob, was 10 %: drought")):
        expect(shown).to_be_visible()
    for hidden in (page.locator("main button"), page.locator(".save")):
        assert hidden.count() > 0
        assert not any(one.is_visible() for one in hidden.all())


@pytest.mark.parametrize(
    ("path", "field"), [("/settings/sources", "C1"), ("/settings/questionnaire", "Who is called in an emergency")]
)
def test_roles_and_answers_are_printed(page: Any, server: Server, path: str, field: str) -> None:
    page.goto(server.url + path)
    page.emulate_media(media="print")
    expect(page.get_by_label(field)).to_be_visible()
    assert not any(one.is_visible() for one in page.locator("main button").all())


def test_setup_tells_when_something_new_can_be_done(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/setup")
    page.locator("#live").get_by_text("12 miners of 2 models.").wait_for()
    with app.app_context():
        factories.miner(77, factories.model("s17"))
    page.evaluate("document.body.dispatchEvent(new CustomEvent('refresh'))")
    page.locator("#live").get_by_text("13 miners of 3 models.").wait_for()
    page.get_by_role("link", name="There is news: show it below").click()
    page.locator("#presets").get_by_label("Antminer S17").wait_for()


def test_a_farm_is_set_up_and_armed_on_a_phone_without_javascript(app: Flask, plain: Any, server: Server) -> None:
    plain.goto(server.url)
    plain.get_by_role("link", name="Go on with the setup").click()
    plain.get_by_role("button", name="Yes, that is plausible").click()
    plain.get_by_label("tied to the grid").check()
    plain.locator("#connection button").click()
    plain.get_by_role("link", name="Say the roles").click()
    plain.get_by_role("button", name="Save the roles").click()
    plain.get_by_role("link", name="Go on with the setup").click()
    plain.locator("#presets").get_by_label("Antminer S21XP").select_option("2600")
    plain.locator("#presets form").filter(has_text="S21XP").get_by_role("button").click()
    plain.locator("#presets.done").wait_for()
    expect(plain.locator("#live li.next")).to_have_text(re.compile(r"^\s*Observed for a while"))
    plain.locator("#arm").get_by_label("Reason").fill("all is set")
    plain.get_by_role("button", name="Arm PowerHive").click()
    plain.get_by_text("PowerHive is armed").wait_for()
    with app.app_context():
        assert settings.load().mode == "armed"
