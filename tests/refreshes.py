"""The dashboard's refresh, for tests: what the page has, and whether an answer brings any news."""

from __future__ import annotations

import re

from flask.testing import FlaskClient


def is_no_news(answer: str) -> bool:
    """Whether a refresh brings no part: no body, or only the newer mark."""
    return re.fullmatch(r'(<input type="hidden" id="live-version"[^>]*>\s*)?', answer) is not None


def version(client: FlaskClient) -> str:
    found = re.search(r'name="shown" value="([0-9a-f.]+)"', client.get("/dashboard/live").text)
    assert found
    return found[1]
