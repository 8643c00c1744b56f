"""In which language, and at which local time, a reader sees the pages.

The language is the reader's own choice (a cookie), else what the browser asks for, else English. The time zone is
what the browser said in a cookie (`app.js` writes it), else UTC. A cookie is anybody's text: it only ever selects.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import flask_babel
from babel import Locale
from babel.dates import get_timezone
from babel.support import Translations
from flask import Blueprint, Flask, g, has_request_context, redirect, request, url_for
from flask_wtf import FlaskForm
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse
from wtforms import HiddenField, SelectField
from wtforms.i18n import messages_path

from app.extensions import babel
from app.web import words
from app.web.forms import options

LANGUAGES = {"en": "English", "pt_BR": "Português (Brasil)"}
DEFAULT = "en"
_SPOKEN = {"en": "en", "pt": "pt_BR"}
LANGUAGE_COOKIE = "language"
ZONE_COOKIE = "timezone"
YEAR_S = 365 * 86_400
_DEFAULT_LOCALE = Locale.parse(DEFAULT)

bp = Blueprint("language", __name__)


class LanguageForm(FlaskForm):  # type: ignore[misc]
    """The language to read in, and the page to go back to."""

    language = SelectField(choices=options(LANGUAGES.items()))
    back = HiddenField()


def install(app: Flask) -> None:
    """Let Flask-Babel ask us for language and zone; give the templates what they need of it."""
    babel.init_app(
        app, locale_selector=language, timezone_selector=zone, default_translation_directories="translations"
    )
    app.jinja_env.install_gettext_callables(words.word, words.words, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals.update({"languages": LANGUAGES, "language": language, "zone": zone, "_": _said})
    app.before_request(_know_the_words_of_forms)


def language() -> str:
    """Return the reader's language: a key of `LANGUAGES`."""
    if not has_request_context():
        return DEFAULT
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = (_SPOKEN.get(name.lower().split("-")[0]) for name in request.accept_languages.values())
    return next((name for name in wanted if name), DEFAULT)


def zone() -> str:
    """Return the name of the reader's time zone."""
    if not has_request_context():
        return "UTC"
    return _known_zone(request.cookies.get(ZONE_COOKIE, "UTC")[:64])


def locale() -> Locale:
    """Return the locale in force, for numbers and dates."""
    if not has_request_context():
        return _DEFAULT_LOCALE
    if "locale" not in g:
        g.locale = flask_babel.get_locale() or _DEFAULT_LOCALE
    found: Locale = g.locale
    return found


@pass_context
def _said(context: Context, text: str, **variables: Any) -> str:
    """Translate for a template as Jinja's own `_` does, in one step instead of four."""
    found = Markup(words.word(text)) if context.eval_ctx.autoescape else words.word(text)  # noqa: S704 - our own words
    return found % variables if variables or "%" in text else found


def _know_the_words_of_forms() -> None:
    """Give Flask-WTF WTForms' own catalogue, which it would read from disk with each request that makes a form."""
    request.wtforms_translations = _of_forms(str(locale()))  # type: ignore[attr-defined]


@lru_cache
def _of_forms(language: str) -> Any:
    return Translations.load(messages_path(), [language], domain="wtforms")


def local_path(text: str | None) -> str:
    """Return `text` if it is a path on this server, else the dashboard's: nobody is sent elsewhere."""
    wanted = text or ""
    # One slash at the beginning, and neither scheme nor host can follow. A browser takes a backslash for a slash.
    local = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if local else url_for("dashboard.index")


@bp.post("/language")
def choose() -> BaseResponse:
    """Keep the reader's choice for a year: 303 back to the page it came from."""
    form = LanguageForm()
    response = redirect(local_path(form.back.data), 303)
    if form.validate_on_submit():
        response.set_cookie(
            LANGUAGE_COOKIE, form.language.data, max_age=YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure
        )
    return response


@lru_cache(maxsize=256)
def _known_zone(name: str) -> str:
    try:
        get_timezone(name)
    except (LookupError, UnicodeError, ValueError):
        return "UTC"
    return name
