"""Logging in with a real browser: with and without JavaScript, and the pages that only users have."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests import people
from tests.browser.axe import serious_anywhere
from tests.browser.conftest import Server, Watch

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def users(app: Flask, server: Server) -> None:
    with app.app_context():
        people.user("ana", "operator")
        people.user("boss")
        people.token("ana", name="night shift")


def log_in(page: Any, server: Server, name: str = "boss", path: str = "/") -> None:
    page.goto(server.url + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(people.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=name).wait_for()
    page.wait_for_load_state()


def test_one_logs_in_where_one_wanted_to_go_and_out_again(page: Any, server: Server, watch: Watch) -> None:
    watch.allowed.append("401 (UNAUTHORIZED)")  # a refresh may be on its way while one logs out
    log_in(page, server, path="/miners?q=C1")
    expect(page).to_have_url(server.url + "/miners?q=C1")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(server.url + "/miners")
    assert "/login?next=" in page.url


def wait_for(page: Any, held: list[Any], number: int) -> None:
    while len(held) < number:
        page.wait_for_timeout(20)  # its events are delivered meanwhile


def test_a_refresh_that_is_answered_late_does_not_undo_a_log_out(page: Any, server: Server, watch: Watch) -> None:
    watch.allowed.append("status of 401")
    log_in(page, server)
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/dashboard/live*", hold)
    page.route("**/log-out", hold)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('refresh'))")
    wait_for(page, held, 1)
    page.get_by_role("button", name="Log out").click(no_wait_after=True)
    wait_for(page, held, 2)
    refresh, logout = held
    with page.expect_response("**/dashboard/live*"):
        refresh.fulfill(status=401, headers={"HX-Redirect": "/login?next=/"}, body="")
    page.wait_for_timeout(300)  # for it to be taken
    logout.continue_()
    page.wait_for_url("**/login")


def test_a_dashboard_left_open_goes_to_the_log_in_when_its_session_ends(
    page: Any, server: Server, watch: Watch, app: Flask
) -> None:
    watch.allowed += ["401 (UNAUTHORIZED)", "htmx:responseError", "Response Status Error Code 401"]
    log_in(page, server)
    with app.app_context():
        from app.clock import utcnow
        from app.store import people as store

        store.set_password("boss", "another long password", "test", utcnow())
    page.evaluate("document.body.dispatchEvent(new CustomEvent('refresh'))")
    page.wait_for_url("**/login?next=/")


def test_htmx_forms_work_with_a_log_in(page: Any, server: Server) -> None:
    log_in(page, server, "ana")
    page.get_by_label("Safety margin").fill("15")
    page.locator("#margin-form button, form[action*=margin] button").first.click()
    page.get_by_text("Saved").first.wait_for()


def test_a_viewer_is_told_the_role_that_is_missing(page: Any, server: Server, watch: Watch) -> None:
    watch.allowed.append("403 (FORBIDDEN)")
    log_in(page, server, "ana")
    page.goto(server.url + "/people")
    expect(page.locator("main")).to_contain_text("needs the role admin")


def test_a_token_is_made_and_shown_once(page: Any, server: Server) -> None:
    log_in(page, server, path="/account")
    page.get_by_label("Name of the new token").fill("night")
    page.get_by_role("button", name="Make a token").click()
    expect(page.locator("#fresh-key")).to_have_value(re.compile("^ph_"))
    page.goto(server.url + "/account")
    assert page.locator("#fresh-key").count() == 0


@pytest.mark.parametrize("path", ["/account", "/people", "/audit"])
def test_the_pages_of_users_are_accessible_and_fit_a_phone(page: Any, server: Server, path: str) -> None:
    log_in(page, server, path=path)
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_anywhere(page) == set()


def test_it_works_without_javascript(browser: Any, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(15_000)
    log_in(page, server, path="/people")
    row = page.locator("#user-ana")
    row.get_by_label("Role of ana").select_option("viewer")
    row.get_by_role("button", name="Apply").click()
    page.get_by_text("ana: changed.").wait_for()
    context.close()
