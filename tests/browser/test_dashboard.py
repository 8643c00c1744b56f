"""The dashboard in a browser: refreshing, typing, losing contact and finding it again."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from app import clock
from app.store import commands, settings
from tests import factories
from tests.browser.axe import serious_anywhere
from tests.browser.conftest import LOST_NOISE, Server, Watch

pytestmark = pytest.mark.browser
ZONE = "America/Sao_Paulo"


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
    expect(field).to_have_value("12.")
    expect(page.locator("#safety_margin_percent")).to_be_focused()


def test_the_margin_is_saved_and_refused_in_place(page: Any, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Safety margin").fill("51")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The margin must be from 0 to 50 %.").wait_for()
    expect(page.get_by_label("Safety margin")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Safety margin").fill("12,5")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: 12.5 %").wait_for()
    page.get_by_text("12.5 % margin").wait_for()
    assert page.url == server.url + "/"


def test_a_margin_that_another_changed_is_kept_as_typed_in_place(
    app: Flask, page: Any, server: Server, watch: Watch
) -> None:
    watch.allowed.append("409 (CONFLICT)")
    page.goto(server.url)
    with app.app_context():
        settings.change("safety_margin_percent", 20, "bob", "dry season", clock.utcnow())
    field, save = page.get_by_label("Safety margin"), page.get_by_role("button", name="Save")
    field.fill("15")
    save.click()
    page.get_by_text("Somebody else changed the same setting meanwhile.").wait_for()
    expect(page.locator("#margin-form")).to_contain_text("by bob, was 10")
    expect(field).to_have_value("15")
    expect(page.locator("#refused")).to_be_hidden()
    assert serious_anywhere(page) == set()
    save.click()
    page.get_by_text("Saved: 15 %").wait_for()


def test_it_says_when_contact_is_lost_and_when_it_is_back(app: Flask, page: Any, server: Server, watch: Watch) -> None:
    watch.allowed += LOST_NOISE
    page.goto(server.url)
    page.locator("#history.drawn").wait_for()
    server.stop()
    refresh_now(page)
    note = page.get_by_role("alert")
    note.wait_for()
    expect(note).to_contain_text("stale")
    expect(page.get_by_text("3,200.0").first).to_be_visible()
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    server.start()
    page.get_by_text("3,333.3").first.wait_for()
    note.wait_for(state="hidden")


def test_a_page_load_that_was_stopped_does_not_end_the_refreshing(app: Flask, page: Any, server: Server) -> None:
    page.clock.install()
    page.goto(server.url)
    page.locator("#history.drawn").wait_for()
    page.route("**/language", lambda route: route.abort("aborted"))  # as the browser's stop does
    with page.expect_request("**/language"):
        page.get_by_role("button", name="Português").click(no_wait_after=True)
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    with page.expect_response("**/dashboard/live*"):
        refresh_now(page)
    page.wait_for_timeout(300)  # to be taken, if it were
    assert page.get_by_text("3,333.3").count() == 0  # the page may still be left
    expect(page.locator("#contact")).to_be_hidden()
    page.clock.fast_forward(11_000)
    refresh_now(page)
    page.get_by_text("3,333.3").first.wait_for()
    expect(page.locator("#contact")).to_be_hidden()


def test_it_does_not_ask_while_hidden(page: Any, server: Server) -> None:
    page.clock.install()
    page.goto(server.url)
    page.clock.pause_at(datetime.datetime.now() + datetime.timedelta(seconds=2))  # no turn of its own comes between
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/dashboard/live" in request.url else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    refresh_now(page)
    page.wait_for_timeout(500)
    assert asked == []
    with page.expect_request("**/dashboard/live*"):
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
    page.wait_for_timeout(300)  # another one would follow at once
    assert len(asked) == 1


def test_a_miner_is_managed_by_its_switch(page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    switch = page.get_by_role("switch", name="C1-00")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    page.locator("#managed-020000000000[aria-checked=true]").wait_for()


def test_everything_works_without_javascript(browser: Any, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Safety margin").fill("13")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved: 13 %").wait_for()
    page.get_by_label("Safety margin").fill("99")
    page.get_by_role("button", name="Save").click()
    page.locator("#margin-form").get_by_text("The margin must be from 0 to 50 %.").wait_for()
    expect(page.get_by_role("alert")).to_contain_text("The margin must be from 0 to 50 %.")
    page.goto(server.url + "/miners")
    page.get_by_role("switch", name="C1-00").click()
    page.locator("#managed-020000000000[aria-checked=true]").wait_for()
    context.close()


# --- what the operator does at 3 a.m. --------------------------------------------------------------------------------


def test_a_phone_shows_status_numbers_and_the_safe_buttons_first(page: Any, server: Server) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(server.url)
    tops = [
        page.locator(selector).bounding_box()["y"]
        for selector in (".status", ".sheet", "#orders", "#part-attention", "#history", "#part-events")
    ]
    assert tops == sorted(tops)
    assert tops[2] < 740
    assert page.locator(".order summary").first.bounding_box()["height"] >= 44


def test_stopping_the_farm_needs_the_word_and_shows_what_became_of_it(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url)
    page.locator(".order.stop_all summary").click()
    page.get_by_label("Type STOP to confirm").fill("yes")
    page.get_by_role("button", name="Stop all").click()
    page.locator("#stop_all-word-error").get_by_text("Type STOP to confirm; nothing was ordered.").wait_for()
    page.get_by_label("Type STOP to confirm").fill("stop")
    page.get_by_role("button", name="Stop all").click()
    page.get_by_text("Ordered: Stop all.").wait_for()
    state = page.locator("#part-order .mark")
    expect(state).to_have_text("waiting")
    with app.app_context():
        order = commands.claim_next(clock.utcnow())
        assert order is not None
        commands.finish(order.id, ok=True, result="The next cycle stops all miners.", now=clock.utcnow())
    refresh_now(page)
    page.get_by_text("The next cycle stops all miners.").wait_for()
    expect(state).to_have_text("done")


@pytest.mark.parametrize("refused", ["order", "mode"])
def test_on_a_phone_a_refusal_is_seen_at_once_and_leads_to_its_field(page: Any, server: Server, refused: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(server.url)
    if refused == "order":
        page.locator(".order.stop_all summary").click()
        page.get_by_label("Type STOP to confirm").fill("STPO")
        page.get_by_role("button", name="Stop all").click()
        sentence, field = "Type STOP to confirm; nothing was ordered.", page.get_by_label("Type STOP to confirm")
    else:
        page.locator(".modes summary").click()
        page.get_by_role("radio", name="Armed").check()
        page.get_by_role("button", name="Change mode").click()
        sentence, field = "Tick this to arm; the mode was not changed.", page.locator("#sure")
    notice = page.locator("main > .notice.bad:not([hidden])")
    expect(notice).to_contain_text(sentence)
    expect(notice).to_be_focused()
    box = notice.bounding_box()
    assert 0 <= box["y"] < box["y"] + box["height"] < 400
    notice.get_by_role("link", name="Show").click()
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    assert serious_anywhere(page) == set()


def test_an_open_order_and_its_half_typed_word_survive_a_refresh(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url)
    page.locator(".order.all_to_minimum summary").click()
    word = page.get_by_label("Type MINIMUM to confirm")
    word.fill("MINI")
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    refresh_now(page)
    page.get_by_text("3,333.3").first.wait_for()
    expect(word).to_have_value("MINI")
    expect(page.locator("#all_to_minimum-word")).to_be_focused()


def test_arming_says_what_it_will_do_and_needs_a_tick(page: Any, server: Server) -> None:
    page.goto(server.url)
    page.locator(".modes summary").click()
    page.get_by_text("commands 8 managed miners").click()
    page.get_by_role("button", name="Change mode").click()
    page.locator(".modes").get_by_text("Tick this to arm").wait_for()
    page.get_by_label("Yes, let PowerHive command these miners").check()
    page.get_by_role("radio", name="Armed").check()
    page.get_by_role("button", name="Change mode").click()
    page.get_by_text("The mode is now armed.").wait_for()


def test_the_badge_of_the_mode_leads_to_its_form(page: Any, server: Server) -> None:
    page.goto(server.url)
    page.locator("a.mode").click()
    page.get_by_role("button", name="Change mode").wait_for()


def test_the_time_left_counts_down(app: Flask, page: Any, server: Server) -> None:
    with app.app_context():
        factories.cycle(0.0, policy="economic", reason="surplus 14.0 kW has lasted 136 of 180 s")
    page.goto(server.url)
    left = page.locator("[data-left-s]")
    first = left.inner_text()
    page.wait_for_function("first => document.querySelector('[data-left-s]').textContent !== first", arg=first)
    expect(page.locator(".line")).to_contain_text("would raise in")


def test_an_open_page_follows_what_others_put_into_force(app: Flask, page: Any, server: Server) -> None:
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": ZONE})
    page.goto(server.url)
    page.locator(".modes summary").click()
    reason = page.locator("#reason")
    reason.fill("half a wo")
    expect(page.locator("#times")).not_to_contain_text(ZONE)
    with app.app_context():
        settings.change("mode", "armed", "bob", None, clock.utcnow())
        settings.change("override", "stop", "bob", None, clock.utcnow())
    refresh_now(page)
    expect(page.locator("#mode-heading")).to_have_text("Mode: armed")
    expect(page.locator("a.mode")).to_have_text("Mode: armed")
    expect(page.locator(".banner", has_text="Observing:")).to_have_count(0)
    expect(page.locator(".banner.warn")).to_have_text("Stop all was ordered: managed miners do not mine until resume.")
    expect(page.locator(".order.stop_all summary .mark")).to_have_text("in force")
    expect(page.locator("#times")).to_contain_text(ZONE)
    expect(reason).to_have_value("half a wo")
    expect(reason).to_be_focused()
    expect(page.get_by_role("radio", name="Observe")).to_be_checked()
    assert serious_anywhere(page) == set()
    with app.app_context():
        settings.change("override", "none", "bob", None, clock.utcnow())
    refresh_now(page)
    expect(page.locator(".order.stop_all summary .mark")).to_have_count(0)
    expect(page.locator(".banner.warn")).to_have_count(0)


def test_only_what_changed_is_put_into_the_page(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url)
    page.evaluate("window.before = document.querySelector('#part-sources li')")
    with app.app_context():
        factories.cycle(0.0, generation_kw=3333.3)
    refresh_now(page)
    page.get_by_text("3,333.3").first.wait_for()
    assert page.evaluate("window.before === document.querySelector('#part-sources li')")


def test_ages_of_parts_that_did_not_change_count_on(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url)
    age = page.locator(".status [data-age-s]")
    page.wait_for_function("() => parseInt(document.querySelector('.status [data-age-s]').textContent) >= 5")
    with app.app_context():
        factories.change(factories.miner(99, label="C9-99"), 1.0)
    refresh_now(page)
    page.get_by_text("C9-99").first.wait_for()
    assert int(age.inner_text().split()[0]) >= 5
    with app.app_context():
        factories.cycle(1.0)
    refresh_now(page)
    page.wait_for_function("() => parseInt(document.querySelector('.status [data-age-s]').textContent) < 5")
