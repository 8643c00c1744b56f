"""The miners' pages in a browser: a refresh loses nothing; many at once; one miner; with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from app import clock
from app.core.inspection import ChipReading, Inspection
from app.extensions import db
from app.models import Command, Miner, MinerSample
from app.store import commands, inspections
from app.web import errors
from tests import factories
from tests.browser.conftest import LOST_NOISE, Server, Watch

pytestmark = pytest.mark.browser
MAC = "02:00:00:00:00:01"


@pytest.fixture
def plain(browser: Any, server: Server) -> Iterator[Any]:
    """A page without JavaScript."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def refresh_now(page: Any) -> None:
    page.evaluate("document.body.dispatchEvent(new CustomEvent('refresh'))")


def change(app: Flask, **values: object) -> None:
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        for name, value in values.items():
            setattr(miner if hasattr(Miner, name) else miner.status, name, value)
        db.session.commit()


def stored(app: Flask) -> Miner:
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        db.session.expunge_all()
        return miner


def test_a_refresh_brings_new_numbers_and_keeps_selection_focus_and_lines(
    app: Flask, page: Any, server: Server
) -> None:
    with app.app_context():
        # From :05 to :10 the samples of the other miners, five minutes old, would be at the beginning of an hour, too.
        db.session.query(MinerSample).delete()
        now = clock.utcnow()
        beginning_s = (now - now.replace(minute=2)).total_seconds()
        for hours in (1, 2):
            factories.sample(db.session.query(Miner).filter_by(mac=MAC).one(), beginning_s + 3600 * hours)
    page.goto(server.url + "/miners")
    page.locator("#live polyline").wait_for(state="attached")
    row = page.locator("#miner-020000000001")
    row.get_by_role("checkbox").check()
    page.get_by_text("1 checked").wait_for()
    change(app, power_w=1987)
    refresh_now(page)
    row.get_by_text("1,987").wait_for()
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(row.get_by_role("checkbox")).to_be_focused()
    expect(page.locator("#live input:checked")).to_have_count(1)
    expect(page.locator("#live polyline")).to_have_count(1)


def test_a_refused_order_says_why_where_it_is_seen(app: Flask, page: Any, server: Server, watch: Watch) -> None:
    watch.allowed += ["400 (BAD REQUEST)", "Response Status Error Code 400"]
    page.goto(server.url + "/miners")
    before = stored(app).managed
    page.context.clear_cookies()  # as if the page had been open since yesterday
    page.locator("#managed-020000000001").click()
    page.get_by_role("alert").filter(has_text=errors.STALE_FORM).wait_for()
    assert stored(app).managed == before
    page.reload()
    page.locator("#managed-020000000001").click()
    page.locator(f"#managed-020000000001[aria-checked={'false' if before else 'true'}]").wait_for()
    expect(page.locator("#refused")).to_be_hidden()


def test_an_order_without_an_answer_says_so(page: Any, server: Server, watch: Watch) -> None:
    watch.allowed += LOST_NOISE
    page.goto(server.url + "/")
    server.stop()
    page.locator("#margin-form").get_by_role("button").click()
    page.get_by_role("alert").filter(has_text="PowerHive did not answer.").wait_for()


def test_a_half_typed_bulk_change_survives_a_refresh(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    page.get_by_text("Change several miners").click()
    page.get_by_label("What").select_option("hold")
    page.get_by_label("Reason of the hold").fill("fan to be rep")
    change(app, power_w=1988)
    refresh_now(page)
    page.get_by_text("1,988").wait_for()
    expect(page.get_by_label("Reason of the hold")).to_have_value("fan to be rep")
    expect(page.locator("#bulk-reason")).to_be_focused()


def test_only_the_fields_of_the_action_are_shown(page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    page.get_by_text("Change several miners").click()
    expect(page.get_by_label("Reason of the hold")).to_be_hidden()
    page.get_by_label("What").select_option("hold")
    expect(page.get_by_label("Reason of the hold")).to_be_visible()
    expect(page.get_by_label("Label, # counts")).to_be_hidden()


def test_all_rows_are_checked_and_changed_at_once(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/miners?label=C1-")
    page.get_by_label("Choose all rows of this page").check()
    page.get_by_text("6 checked").wait_for()
    page.get_by_text("Change several miners").click()
    page.get_by_label("What").select_option("label")
    page.get_by_label("Label, # counts").fill("A-##")
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("6 miners are labelled.").wait_for()
    assert stored(app).label == "A-02"


def test_all_that_match_are_changed_after_a_question(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    page.get_by_text("Change several miners").click()
    page.get_by_label("Which").select_option("matching")
    page.get_by_label("What").select_option("hold")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("heading", name="Hold 12 miners?").wait_for()
    page.get_by_role("button", name="Yes, all 12 miners").click()
    page.get_by_text("12 miners are held.").wait_for()
    assert stored(app).hold


def test_a_switch_changes_its_row_and_no_checkbox(app: Flask, page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    row = page.locator("#miner-020000000001")
    row.get_by_role("checkbox").check()
    row.get_by_role("switch").click()
    page.locator("#managed-020000000001[aria-checked=false]").wait_for()
    expect(row.get_by_role("checkbox")).to_be_checked()
    assert not stored(app).managed


def test_the_list_says_when_contact_is_lost(page: Any, server: Server, watch: Watch) -> None:
    watch.allowed += LOST_NOISE
    page.goto(server.url + "/miners")
    page.wait_for_load_state("networkidle")
    server.stop()
    refresh_now(page)
    page.get_by_role("alert").wait_for()
    server.start()
    refresh_now(page)
    page.get_by_role("alert").wait_for(state="hidden")


def test_columns_sort_by_keyboard(page: Any, server: Server) -> None:
    page.goto(server.url + "/miners")
    page.get_by_role("link", name="Power, W").focus()
    page.keyboard.press("Enter")
    page.locator("th[aria-sort=descending]").wait_for()
    page.get_by_role("link", name="Power, W").click()
    page.locator("th[aria-sort=ascending]").wait_for()


def test_one_miner_refreshes_beside_a_half_typed_form(app: Flask, page: Any, server: Server) -> None:
    page.goto(f"{server.url}/miners/{MAC}")
    page.locator("#chart-power canvas").wait_for()
    page.locator("#label").fill("half")
    change(app, power_w=1777, hold=True, hold_reason="theirs")
    refresh_now(page)
    page.get_by_text("1,777").first.wait_for()
    expect(page.locator("#label")).to_have_value("half")
    expect(page.locator("#label")).to_be_focused()
    expect(page.locator("#hold-state")).to_have_text("Held until it is released: theirs")


def test_a_preset_by_hand_shows_what_it_means_before_and_after(app: Flask, page: Any, server: Server) -> None:
    page.goto(f"{server.url}/miners/{MAC}")
    page.locator("#preset").select_option("1500")
    page.get_by_text("2300 → 1500: −800 W and −25.0 TH/s.").wait_for()
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Preset 1500 is ordered").wait_for()
    page.locator("#live .order").get_by_text("waiting").wait_for()
    with app.app_context():
        assert db.session.query(Command).one().arguments["preset"] == "1500"


def test_on_a_phone_a_refusal_is_seen_at_once_and_leads_to_its_field(page: Any, server: Server) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{server.url}/miners/{MAC}")
    page.get_by_role("button", name="Send").click()
    notice = page.locator("main > .notice.bad:not([hidden])")
    expect(notice).to_contain_text("Choose a preset.")
    expect(notice).to_be_focused()
    expect(notice).to_be_in_viewport()
    notice.get_by_role("link", name="Show").click()
    expect(page.locator("#preset")).to_be_focused()
    expect(page.locator("#preset-error")).to_be_in_viewport()


def test_the_span_of_a_chart_is_chosen_in_place(page: Any, server: Server) -> None:
    page.goto(f"{server.url}/miners/{MAC}")
    page.locator("#chart-power canvas").wait_for()
    with page.expect_response(lambda answer: "span=7d" in answer.url):
        page.locator("#chart-power").get_by_text("7 days").click()
    assert page.url.endswith(MAC)


def test_chips_come_by_themselves_once_told(app: Flask, page: Any, server: Server) -> None:
    change(app, api_key="k" * 32)
    page.goto(f"{server.url}/miners/{MAC}/inspection")
    page.get_by_role("button", name="Ask the miner now").click()
    page.get_by_text("Being asked…").wait_for()
    with app.app_context():
        command = commands.claim_next(clock.utcnow())
        assert command is not None
        inspections.record(2, Inspection((ChipReading(1, 0, 57, 490.0, 244.4, 0, "grey"),), "{}"), clock.utcnow())
        commands.finish(command.id, ok=True, result="The miner told everything.", now=clock.utcnow())
    page.get_by_text("1 chip: 1 good").wait_for()


def test_everything_works_without_javascript(app: Flask, plain: Any, server: Server) -> None:
    plain.goto(server.url + "/miners?label=C1-")
    plain.locator("#miner-020000000001").get_by_role("switch").click()
    plain.locator("#managed-020000000001[aria-checked=false]").wait_for()
    plain.locator("#miner-020000000001").get_by_role("checkbox").check()
    plain.get_by_text("Change several miners").click()
    plain.get_by_label("What").select_option("manage")
    plain.get_by_role("button", name="Apply").click()
    plain.get_by_text("1 miner is managed now.").wait_for()
    plain.get_by_role("link", name="C1-01").click()
    plain.get_by_role("heading", name="C1-01").wait_for()
    plain.locator("#label").fill("Rack 7")
    plain.locator("form[action*='/label'] button").click()
    plain.get_by_role("heading", name="Rack 7").wait_for()
    plain.locator("#chart-power").get_by_text("7 days").click()
    plain.get_by_role("table").wait_for()
    plain.goto(f"{server.url}/miners/{MAC}")
    plain.locator("#preset").select_option("1500")
    plain.get_by_role("button", name="Send").click()
    plain.get_by_text("Preset 1500 is ordered").wait_for()
    plain.get_by_role("button", name="Release").click()
    plain.get_by_text("Released: the balance").wait_for()
    assert not stored(app).hold
