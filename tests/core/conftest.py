"""Timelines are run under each policy."""

from __future__ import annotations

import pytest

from tests.core import builders


@pytest.fixture(params=["stepwise", "economic"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the farms of a test be balanced by this policy."""
    chosen: str = request.param
    monkeypatch.setattr(builders, "POLICY", chosen)
    return chosen
