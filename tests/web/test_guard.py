"""Who may ask: the matrix of hosts and origins over every route there is, and the headers of every answer."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app.web.guard import CONTENT_SECURITY_POLICY, objection
from tests import factories

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAMPLE = {"mac": "02:00:00:00:00:01", "alias": "s19jpro", "name": "C1", "filename": "app.css"}
SAMPLE |= {"command_id": "1", "cycle_id": "1", "event_id": "1", "key": "limits", "source_id": "1"}
SAMPLE |= {"kind": "stop_all", "token_id": "1"}


def path_of(rule: Rule) -> str:
    values = {name: SAMPLE[name] for name in rule.arguments}
    built = rule.build(values)
    assert built is not None
    return built[1]


def routes(app: Flask) -> list[tuple[str, str]]:
    return [
        (method, path_of(rule))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


STRANGERS = [
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example:8080"},
    {"Host": "evil@localhost"},
    {"Host": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "file://"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
def test_a_stranger_is_refused_on_every_route(app: Flask, client: FlaskClient, headers: dict[str, str]) -> None:
    for method, path in routes(app):
        answer = client.open(path, method=method, headers=headers, buffered=True)
        assert answer.status_code == 403, (method, path, headers)
        if path.startswith("/api/") and method != "HEAD":
            assert list(answer.get_json()) == ["error"]


@pytest.mark.parametrize(
    "host, origin, site",
    [
        ("localhost", None, None),
        ("LOCALHOST:8080", "http://localhost:8080", "same-origin"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", "same-origin"),
        ("[::1]:8080", "http://[::1]:8080", "none"),
        ("localhost", "http://localhost:80", None),
    ],
)
def test_this_host_is_accepted(host: str, origin: str | None, site: str | None) -> None:
    assert objection(host, origin, site, LOOPBACK) is None


def test_an_allowed_name_is_accepted() -> None:
    assert objection("hive.example", "https://hive.example", None, ("hive.example",)) is None
    assert objection("localhost", None, None, ("hive.example",)) is not None


def test_every_answer_carries_the_policy(app: Flask, client: FlaskClient) -> None:
    for path in ("/", "/nowhere", "/api/settings", "/api/nowhere", "/static/app.js", "/healthz"):
        with client.get(path) as answer:
            headers = answer.headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_no_page_has_anything_inline(client: FlaskClient, farm: None) -> None:
    for path in ("/", "/miners", "/models", "/events", "/cycles", "/cycles/1", "/nowhere"):
        page = client.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert "<script>" not in page
        assert "http://" not in page.replace("http://www.w3.org", "")


def test_every_post_route_is_a_guarded_form_or_json(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        factories.full_farm()
    for method, path in routes(app):
        if method not in ("POST", "PATCH", "PUT", "DELETE"):
            continue
        for mimetype in ("text/plain", "application/x-www-form-urlencoded", None):
            answer = client.open(
                path, method=method, data='{"safety_margin_percent": 3}', content_type=mimetype, buffered=True
            )
            assert answer.status_code == (415 if path.startswith("/api/") else 400), (method, path, mimetype)
