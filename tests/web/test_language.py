"""Language, local time and figures: chosen by the reader, from cookies that may hold anything."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from app.web import formats, language

AT = datetime(2026, 11, 23, 18, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accepted", "cookie", "chosen"),
    [
        ("", "", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "", "pt_BR"),
        ("pt", "", "pt_BR"),
        ("en-GB,pt;q=0.5", "", "en"),
        ("de,fr;q=0.5", "", "en"),
        ("pt-BR", "en", "en"),
        ("en", "pt_BR", "pt_BR"),
        ("en", "../../etc/passwd", "en"),
        (";;;q=x,\t", "", "en"),
    ],
)
def test_the_language_is_chosen_by_cookie_then_browser(app: Flask, accepted: str, cookie: str, chosen: str) -> None:
    headers = {"Accept-Language": accepted, "Cookie": f"language={cookie}"}
    with app.test_request_context("/", headers=headers):
        assert language.language() == chosen


@pytest.mark.parametrize(
    ("cookie", "shown"),
    [
        ("", "23 Nov 18:05:09"),
        ("America/Sao_Paulo", "23 Nov 15:05:09"),
        ("Asia/Kathmandu", "23 Nov 23:50:09"),
        ("Nowhere/Land", "23 Nov 18:05:09"),
        ("../../../etc/passwd", "23 Nov 18:05:09"),
        ("x" * 500, "23 Nov 18:05:09"),
    ],
)
def test_moments_are_shown_at_the_readers_local_time(app: Flask, cookie: str, shown: str) -> None:
    with app.test_request_context("/", headers={"Cookie": f"timezone={cookie}"}):
        assert formats.moment(AT) == shown
        assert formats.minute(AT) == shown.removesuffix(":09")


def test_figures_are_written_as_the_reader_writes_them(app: Flask) -> None:
    with app.test_request_context("/", headers={"Cookie": "language=pt_BR"}):
        assert [formats.number(1234567.891, 1), formats.kw_of_w(2_531_000.0), formats.number(None)] == [
            "1.234.567,9", "2.531,0", "–"]  # fmt: skip
        assert formats.moment(AT) == "23 nov 18:05:09"
    with app.test_request_context("/"):
        assert [formats.number(1234567.891, 1), formats.number(-0.01), formats.signed(-450)] == [
            "1,234,567.9",
            "0",
            "−450",
        ]


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "", "/\n/x"]
)
def test_nobody_is_sent_to_another_site(app: Flask, back: str) -> None:
    with app.test_request_context("/"):
        assert language.local_path(back) == "/"


def test_the_switch_keeps_the_choice_and_goes_back(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    answer = client.post("/language", data={"language": "pt_BR", "back": "/miners?sort=power"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/miners?sort=power")
    assert 'lang="pt-BR"' in client.get("/").text


def test_an_unknown_language_changes_nothing(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    assert client.post("/language", data={"language": "xx", "back": "/"}).status_code == 303
    assert 'lang="en"' in client.get("/").text


@pytest.mark.parametrize(
    ("template", "english", "portuguese"),
    [
        ("{{ _('Miners') }}", "Miners", "Máquinas"),
        ("{{ _('page %(page)s of %(pages)s', page='<b>', pages=3) }}", "page &lt;b&gt; of 3", "página &lt;b&gt; de 3"),
        ("{{ _('7 %% of it') }}", "7 % of it", "7 % of it"),  # always a format string, as by Jinja itself
        ("{% autoescape false %}{{ _('100 %% <i>') }}{% endautoescape %}", "100 % <i>", "100 % <i>"),
    ],
)
def test_templates_speak_the_readers_language(app: Flask, template: str, english: str, portuguese: str) -> None:
    for cookie, said in (("en", english), ("pt_BR", portuguese), ("en", english)):
        with app.test_request_context("/", headers={"Cookie": f"language={cookie}"}):
            assert render_template_string(template) == said
