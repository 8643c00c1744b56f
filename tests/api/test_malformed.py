"""Whatever is sent, the answer is the sender's mistake in a sentence, never a mistake of the program's."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Flask
from werkzeug.test import run_wsgi_app

from tests.api import malformed

ONLY_JOBS = "/readyz"  # 503 while no job runs


def send_all(app: Flask, count: int, seed: int) -> Counter[int]:
    """Send so many; return the answers by status. Whatever is no answer of ours is raised."""
    statuses: Counter[int] = Counter()
    for number, environ in enumerate(malformed.requests(app, count, seed)):
        chunks, status, headers = run_wsgi_app(app.wsgi_app, environ, buffered=True)
        code, answered = int(status.split()[0]), b"".join(chunks)
        what = f"request {number}: {environ['REQUEST_METHOD']!r} {environ['PATH_INFO'][:80]!r} {answered[:300]!r}"
        statuses[code] += 1
        assert code < 500 or environ["PATH_INFO"].startswith(ONLY_JOBS), what
        if code >= 400 and environ["PATH_INFO"].startswith("/api/") and environ["REQUEST_METHOD"] != "HEAD":
            assert headers["Content-Type"] == "application/json", what
            assert answered.startswith(b'{"error":'), what
        assert code != 405 or headers["Allow"], what
    return statuses


def test_a_malformed_request_is_never_an_error_of_ours(app: Flask, farm: None) -> None:
    statuses = send_all(app, 1500, seed=2)
    assert {200, 400, 403, 404, 405, 413, 415, 422} <= set(statuses)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_ten_thousand_malformed_requests_are_never_an_error_of_ours(app: Flask, farm: None) -> None:
    statuses = send_all(app, 10_000, 3)
    print(dict(statuses))
    assert sum(statuses.values()) == 10_000
