"""The program does what its description says: checked by schemathesis, which makes up the requests."""

from __future__ import annotations

import pytest
from flask import Flask

from app.extensions import db
from tests.api import conformance
from tests.api.described import operations

EVERY_CALL = {f"{method} {path}" for method, path, _ in operations()}
NOT_COUNTED = {"GET /readyz", "GET /api/openapi.json"}  # no job runs in a test; the tool reads the description itself


@pytest.fixture
def lasting(app: Flask, farm: None) -> Flask:
    """The application without a session of the test's own."""
    with app.app_context():
        db.session.remove()
    return app


def test_every_call_does_what_its_description_says(lasting: Flask) -> None:
    found = conformance.run(lasting, examples=8, stateful=10, steps=6, seed=5)
    assert sorted(found.failures) == []
    assert found.succeeded | NOT_COUNTED == EVERY_CALL
    assert sum(found.cases.values()) > 1500
    assert set(found.cases) == {"EXAMPLES", "COVERAGE", "FUZZING", "STATEFUL_TESTING"}


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_every_call_does_what_its_description_says_for_many_more_cases(lasting: Flask, seed: int) -> None:
    found = conformance.run(lasting, examples=300, stateful=200, steps=15, seed=seed)
    print(dict(found.cases), dict(found.statuses))
    assert sorted(found.failures) == []
    assert found.succeeded | NOT_COUNTED == EVERY_CALL
