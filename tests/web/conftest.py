"""What the page tests share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.extensions import db
from tests import factories


@pytest.fixture
def farm(app: Flask) -> None:
    with app.app_context():
        factories.full_farm()


@pytest.fixture
def token(client: FlaskClient) -> Callable[[], str]:
    """Return a function that fetches a page and takes the CSRF token out of it, as a form would."""

    def read() -> str:
        found = re.search(r'X-CSRFToken": "([^"]+)"', client.get("/").text)
        assert found
        return found[1]

    return read


@pytest.fixture
def queries(app: Flask) -> Iterator[list[str]]:
    """The SELECT, INSERT, UPDATE statements that were run, in order."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):  # asks for nothing
            seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)
