"""The dashboard's chart in a browser: the crosshair, zooming by mouse, keys and fingers, spans, the table behind it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import Server, Watch

pytestmark = pytest.mark.browser


def drag(page: Any, start: float, end: float) -> None:
    page.locator("#history").scroll_into_view_if_needed()
    box = page.locator(".u-over").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=4)
    page.mouse.up()


def with_history(app: Flask) -> None:
    with app.app_context(), factories.in_one_go():
        for number in range(40):
            factories.reading(60.0 * number + 30, generation_kw=3000.0 + number)
            factories.cycle(60.0 * number + 30, policy="economic")
        factories.refusal(600.0)


def test_the_chart_shows_the_newest_values_and_those_at_the_crosshair(app: Flask, page: Any, server: Server) -> None:
    with_history(app)
    page.goto(server.url)
    generation = page.locator(".u-legend .u-series", has_text="Generation").locator(".u-value")
    expect(generation).to_have_text(re.compile("kW$"))
    newest = generation.inner_text()
    page.locator("#history").scroll_into_view_if_needed()
    box = page.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 50)
    page.wait_for_function(
        "newest => document.querySelectorAll('.u-legend .u-value')[1].textContent !== newest", arg=newest
    )


def test_a_zoom_survives_a_refresh_and_is_undone_by_a_double_click_or_a_button(
    app: Flask, page: Any, server: Server
) -> None:
    with_history(app)
    page.goto(server.url)
    whole = page.get_by_role("button", name="Show all of it", include_hidden=True)
    page.locator(".u-over").wait_for()
    expect(whole).to_be_hidden()
    drag(page, 0.3, 0.6)
    page.wait_for_function("() => !document.querySelector('.whole-span').hidden")
    with page.expect_response("**/dashboard/chart*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)  # to be drawn
    expect(whole).to_be_visible()
    page.locator(".u-over").dblclick()
    page.wait_for_function("() => document.querySelector('.whole-span').hidden")
    drag(page, 0.3, 0.6)
    page.locator(".whole-span").click()
    page.wait_for_function("() => document.querySelector('.whole-span').hidden")


def always_the_same(page: Any) -> None:
    """Answer each refresh of the chart as the first: else its end moves on by half a minute within a test."""
    first: list[Any] = []

    def answer(route: Any) -> None:
        if not first:
            first.append(route.fetch())
        route.fulfill(response=first[0])

    page.route("**/dashboard/chart*", answer)


def shown_from_to(page: Any) -> list[str]:
    """The times at both ends of the chart, as the crosshair names them."""
    page.wait_for_timeout(100)  # for the scale to be set
    box = page.locator(".u-over").bounding_box()
    found = []
    for x in (1, box["width"] - 1):
        page.locator(".u-over").hover(position={"x": x, "y": box["height"] / 2})
        found.append(page.locator(".u-legend .u-value").first.inner_text())
    return found


def press(page: Any, name: str) -> None:
    button = page.locator("#history").get_by_role("button", name=name)
    button.focus()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")


def test_the_chart_is_zoomed_and_moved_by_keys(app: Flask, page: Any, server: Server) -> None:
    with_history(app)
    always_the_same(page)
    page.goto(server.url)
    page.locator(".u-over").wait_for()
    whole = shown_from_to(page)
    press(page, "Wider")  # nothing is wider: it stays, and so does the focus
    assert shown_from_to(page) == whole
    for name in ("Closer", "Closer"):
        press(page, name)
    middle = shown_from_to(page)
    press(page, "Earlier")
    earlier = shown_from_to(page)
    press(page, "Later")
    assert shown_from_to(page) == middle
    press(page, "Earlier")
    with page.expect_response("**/dashboard/chart*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)  # to be drawn
    assert shown_from_to(page) == earlier  # as a zoom by dragging, it survives a refresh
    assert len({*whole, *middle, *earlier}) == 6
    press(page, "Show all of it")
    assert shown_from_to(page) == whole
    expect(page.get_by_role("button", name="Closer")).to_be_focused()  # the button that was pressed is gone
    for _ in range(9):
        press(page, "Closer")
    expect(page.get_by_role("button", name="Closer")).to_have_attribute("aria-disabled", "true")


def test_the_chart_is_zoomed_by_fingers_on_a_phone(app: Flask, browser: Any, server: Server) -> None:
    with_history(app)
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    always_the_same(page)
    page.goto(server.url)
    page.locator(".u-over").wait_for()
    for name in ("Closer", "Earlier", "Later", "Wider"):
        button = page.locator("#history").get_by_role("button", name=name)
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 24
        button.tap()
    expect(page.locator(".whole-span")).to_be_hidden()
    page.locator("#history").get_by_role("button", name="Closer").tap()
    page.locator(".whole-span").tap()
    expect(page.locator(".whole-span")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_another_span_is_drawn_in_place(app: Flask, page: Any, server: Server) -> None:
    with_history(app)
    page.goto(server.url)
    with page.expect_response(lambda answer: "span=24h" in answer.url):
        page.get_by_role("link", name="24 h").click()
    page.locator(".u-over").wait_for()
    expect(page.get_by_role("link", name="24 h")).to_have_attribute("aria-current", "true")
    expect(page).to_have_url(server.url + "/")


def test_the_chart_follows_the_width_of_the_page_and_its_colours(app: Flask, page: Any, server: Server) -> None:
    with_history(app)
    page.goto(server.url)
    page.locator(".u-over").wait_for()
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_function("() => document.querySelector('.uplot').getBoundingClientRect().width <= 340")
    page.emulate_media(color_scheme="dark")
    page.locator(".u-over").wait_for()
    page.wait_for_function("() => document.documentElement.scrollWidth <= 360")


def test_the_numbers_are_there_as_a_table(app: Flask, page: Any, server: Server) -> None:
    with_history(app)
    page.goto(server.url)
    page.get_by_text("The numbers as a table").click()
    page.get_by_role("columnheader", name="Generation, kW").wait_for()
    expect(page.locator("#history tbody tr").nth(20)).to_be_visible()


def test_a_chart_that_cannot_be_loaded_says_so_and_tries_again(
    app: Flask, page: Any, server: Server, watch: Watch
) -> None:
    with_history(app)
    watch.allowed.append("503")
    page.route("**/dashboard/chart*", lambda route: route.fulfill(status=503, body="busy"))
    page.goto(server.url)
    page.get_by_text("The chart could not be loaded").wait_for()
    page.unroute("**/dashboard/chart*")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".u-over").wait_for()


def test_without_javascript_orders_mode_and_chart_work(browser: Any, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    page.locator(".order.all_to_minimum summary").click()
    page.get_by_label("Type MINIMUM to confirm").fill("MINIMUM")
    page.get_by_role("button", name="All to minimum").click()
    page.get_by_text("Ordered: All to minimum.").wait_for()
    expect(page.locator("[data-zoom=closer]")).to_be_hidden()
    page.get_by_role("link", name="6 h").click()
    page.get_by_role("heading", name="Power of the farm, last 6 h").wait_for()
    context.close()
