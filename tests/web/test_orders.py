"""Orders for the whole farm: the typed word, what is left in the database, and what the page says became of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import Command
from app.store import commands, settings
from tests import factories
from tests.notice import notice

Token = Callable[[], str]


def plain(page: str) -> str:
    return re.sub(r"(<[^>]+>|\s)+", " ", page)


@pytest.mark.parametrize("kind", ["all_to_minimum", "stop_all", "resume"])
@pytest.mark.parametrize("word", [None, "", " ", "yes", "STO P", "STOPP", "<b>STOP</b>", "S" * 5000, "ST\x00OP"])
def test_without_the_word_nothing_is_ordered(
    app: Flask, client: FlaskClient, farm: None, token: Token, kind: str, word: str | None
) -> None:
    data = {"csrf_token": token(), "reason": "river <low>"} | ({} if word is None else {"word": word})
    answer = client.post(f"/orders/{kind}", data=data)
    assert answer.status_code == 422
    assert "to confirm; nothing was ordered." in answer.text
    assert re.search(rf'<details class="order {kind}" open>', answer.text)
    assert f'id="{kind}-word" ' in answer.text
    assert f'aria-describedby="{kind}-word-error"' in answer.text
    assert 'value="river &lt;low&gt;"' in answer.text
    sentence, field_id = notice(answer.text)
    assert sentence.endswith("to confirm; nothing was ordered.")
    assert field_id == f"{kind}-word"
    with app.app_context():
        assert db.session.query(Command).count() == 0
        assert settings.load().override == "none"


@pytest.mark.parametrize("reason", ["x" * 301, "a\x00b", "a\nb"])
def test_a_bad_reason_is_refused_beside_its_field(
    app: Flask, client: FlaskClient, farm: None, token: Token, reason: str
) -> None:
    answer = client.post("/orders/stop_all", data={"csrf_token": token(), "word": "STOP", "reason": reason})
    assert answer.status_code == 422
    assert 'id="stop_all-reason-error"' in answer.text
    assert notice(answer.text)[1] == "stop_all-reason"
    with app.app_context():
        assert db.session.query(Command).count() == 0


@pytest.mark.parametrize("kind", ["preset", "scan", "stop", "STOP_ALL", "<b>"])
def test_there_are_no_other_orders(client: FlaskClient, farm: None, token: Token, kind: str) -> None:
    answer = client.post(f"/orders/{kind}", data={"csrf_token": token(), "word": "STOP"})
    assert answer.status_code == 404
    assert "all_to_minimum, stop_all, resume" in answer.text


@pytest.mark.parametrize(
    ("kind", "word", "override"),
    [
        ("all_to_minimum", "MINIMUM", "minimum"),
        ("stop_all", "STOP", "stop"),
        ("stop_all", " stop ", "stop"),
        ("resume", "Resume", "none"),
    ],
)
def test_the_word_leaves_the_order_as_the_json_api_does(
    app: Flask, client: FlaskClient, farm: None, token: Token, kind: str, word: str, override: str
) -> None:
    answer = client.post(f"/orders/{kind}", data={"csrf_token": token(), "word": word, "reason": " fire alarm "})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/#orders"
    with app.app_context():
        left = db.session.query(Command).one()
        assert (left.kind, left.status, left.reason) == (kind, "waiting", "fire alarm")
        assert left.created_by == "page from 127.0.0.1"
        assert settings.load().override == override
    assert "waiting" in plain(client.get("/").text)


def test_the_page_shows_what_became_of_the_order(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        number = commands.enqueue("stop_all", by="page from 127.0.0.1", now=clock.utcnow())
    shown = client.get("/")
    version = re.search(r'name="shown" value="([0-9a-f.]+)"', shown.text)
    assert version
    assert "Stop all in force" in plain(shown.text)
    with app.app_context():
        assert commands.claim_next(clock.utcnow()) is not None
    running = client.get("/dashboard/live", query_string={"shown": version[1]}).text
    assert "Stop all being carried out" in plain(running)
    with app.app_context():
        commands.finish(number, ok=True, result="The next cycle stops all miners.", now=clock.utcnow())
    done = plain(client.get("/dashboard/live", query_string={"shown": version[1]}).text)
    assert "Stop all done" in done
    assert "The next cycle stops all miners." in done


def test_a_failed_order_says_why(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        commands.enqueue("resume", by="API from <b>", now=clock.utcnow())
        commands.claim_next(clock.utcnow())
        commands.fail_interrupted(clock.utcnow())
    page = client.get("/").text
    assert "Resume failed" in plain(page)
    assert "PowerHive stopped while it was carried out." in page
    assert "<b>" not in page[page.index('id="part-order"') : page.index('id="part-order"') + 600]


def test_an_old_order_and_a_scan_are_not_shown(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        commands.enqueue("resume", by="me", now=factories.ago(7 * 3600))
        commands.enqueue("scan", by="me", now=clock.utcnow())
    assert "waiting" not in plain(client.get("/").text)


def test_the_page_says_what_an_order_will_do(client: FlaskClient, farm: None) -> None:
    page = plain(client.get("/").text)
    assert "8 managed miners stop mining, in every mode, and stay stopped until Resume." in page
    assert "8 managed miners go to their lowest presets" in page
    assert "That frees up to 800.0 kW." in page
    assert "The mode is observe, so nothing is raised or started again until it is armed." in page
