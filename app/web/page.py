"""What every page shares: how it is rendered, and how htmx is told from a plain visit."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import Flask, Response, make_response, render_template, request, url_for

from app.core.access import Actor
from app.core.types import Mode, Override, Settings
from app.store import settings as settings_store
from app.web import access
from app.web.words import gettext as _


def install(app: Flask) -> None:
    """Keep the pages small: no lines and blanks of the templates' own. Give them the navigation."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(pages=pages, address=address, url_for=url_of)


def render(template: str, *, status: int = 200, settings: Settings | None = None, **context: Any) -> Response:
    """Render a whole page with the banners that every page carries. `settings`: as already loaded, saves a query."""
    body = render_template(template, **banners(settings or settings_store.load()), **context)
    return make_response(body, status)


def banners(settings: Settings) -> dict[str, Any]:
    """Return what every page says of the mode and of an order for the whole farm."""
    return {
        "mode": settings.mode,
        "mode_banner": _mode_banner(settings.mode),
        "override_banner": _override_banner(settings.override),
    }


def url_of(endpoint: str, **values: Any) -> str:
    """Return what `url_for` does, remembered: the forty addresses of a page are the same with each visit.

    But for those that depend on more than path and values: on the host, on the page that asks.
    """
    if endpoint.startswith(".") or "_external" in values or "_scheme" in values:
        return url_for(endpoint, **values)
    kinds = tuple((name, value, type(value)) for name, value in values.items())
    try:
        return _url_of(request.script_root, endpoint, kinds)
    except TypeError:  # a list among the values
        return url_for(endpoint, **values)


@lru_cache(maxsize=4096)
def _url_of(_root: str, endpoint: str, values: tuple[tuple[str, Any, type], ...]) -> str:
    return url_for(endpoint, **{name: value for name, value, _kind in values})


def address() -> str:
    """Return path and query of this request; what is no UTF-8 in it is replaced (`request.full_path` fails on it)."""
    return f"{request.path}?{request.query_string.decode(errors='replace')}"


def by_htmx() -> bool:
    """Whether htmx asked, so that a part is enough."""
    return request.headers.get("HX-Request") == "true"


def who() -> Actor:
    """Name the person for the history: user and address, as long as there is no user the address alone."""
    return access.actor("page")


def _mode_banner(mode: Mode) -> str | None:
    return {
        Mode.OBSERVE: _("Observing: PowerHive plans and shows what it would do, but sends nothing to the miners."),
        Mode.OFF: _("Switched off: PowerHive neither plans nor sends anything to the miners."),
    }.get(mode)


def _override_banner(override: Override) -> str | None:
    return {
        Override.MINIMUM: _("All to minimum was ordered: managed miners stay at their lowest presets until resume."),
        Override.STOP: _("Stop all was ordered: managed miners do not mine until resume."),
    }.get(override)


def pages() -> list[tuple[str, str]]:
    """The pages of the navigation: (endpoint, words)."""
    return [
        ("dashboard.index", _("Dashboard")),
        ("miners.index", _("Miners")),
        ("miner_models.index", _("Models")),
        ("events.index", _("Events")),
        ("cycles.index", _("Cycles")),
        ("settings.index", _("Settings")),
    ]
