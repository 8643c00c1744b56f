"""Nobody is offered what the door would refuse: buttons of orders are locked by the very table that the door asks."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core import access
from app.core.access import Caller, Role
from tests import factories, people
from tests.pages import PAGES

BY_SETTING = ("settings.change_group", "settings.back_to_default")  # who may depends on what the form changes
VIEWERS_BANNER = "You look on as a viewer"
READ_BY_ALL = [path for path in PAGES if path not in ("/people", "/login")]


class Buttons(HTMLParser):
    """The buttons of a page that send something: (address, locked)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._forms: dict[str, str] = {}  # posting forms by id
        self._inside: str | None = None
        self._found: list[tuple[str | None, str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given["action"] if given.get("method") == "post" else None
            if self._inside is not None and "id" in given:
                self._forms[given["id"]] = self._inside
        elif tag == "button" and given.get("type") != "button" and ("form" in given or self._inside is not None):
            action = given.get("formaction") or (None if "form" in given else self._inside)
            self._found.append((action, given.get("form", ""), "disabled" in given))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None

    def all(self) -> list[tuple[str, bool]]:
        known = [(action or self._forms.get(form), locked) for action, form, locked in self._found]
        return [(action, locked) for action, locked in known if action is not None]


@pytest.fixture
def farm(app: Flask) -> None:
    with app.app_context():
        factories.full_farm()
        factories.decided_cycle()
        people.one_of_each()


def buttons_of(app: Flask, client: FlaskClient, path: str) -> list[tuple[str, bool]]:
    """(endpoint, locked) of each button of this page."""
    adapter = app.url_map.bind("localhost")
    found = Buttons(client.get(path).text).all()
    return [(adapter.match(action.split("?")[0], method="POST")[0], locked) for action, locked in found]


@pytest.mark.parametrize("role", list(Role))
def test_a_button_is_locked_exactly_for_whom_the_door_refuses_it(app: Flask, farm: None, role: Role) -> None:
    client = app.test_client()
    people.log_in(app, client, role)
    seen, wrong = set(), []
    for path in READ_BY_ALL:
        for endpoint, locked in buttons_of(app, client, path):
            refused = access.refusal(endpoint, "POST", Caller(role=role)) is not None
            if endpoint in BY_SETTING and role is Role.OPERATOR:
                continue
            seen.add(endpoint)
            if locked != refused:
                wrong.append((path, endpoint, locked))
    assert wrong == []
    assert {"settings.change_safety_margin", "orders.give", "miners.change_many", "miners.hold", "setup.scan",
            "miner_models.save", "settings.answer_questionnaire", "settings.change_roles"} <= seen  # fmt: skip


def test_an_operator_saves_only_groups_with_a_setting_of_an_operator(app: Flask, farm: None) -> None:
    client = app.test_client()
    people.log_in(app, client, Role.OPERATOR)
    locked = [locked for endpoint, locked in buttons_of(app, client, "/settings") if endpoint == BY_SETTING[0]]
    assert True in locked
    assert False in locked
    page = client.get("/settings").text
    marked = page.count("an admin&#39;s to change") + page.count("an admin's to change")
    assert 0 < marked < page.count('class="meaning"')


def test_only_a_viewer_is_told_that_it_looks_on(app: Flask, farm: None) -> None:
    for role in Role:
        client = app.test_client()
        people.log_in(app, client, role)
        assert (VIEWERS_BANNER in client.get("/").text) == (role is Role.VIEWER)


def test_without_any_user_nothing_is_locked(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.full_farm()
        factories.decided_cycle()
    for path in READ_BY_ALL:
        if path != "/account":
            assert [found for found in buttons_of(app, client, path) if found[1]] == [], path
