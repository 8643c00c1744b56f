"""What every page shares: how it is rendered, how numbers look, how htmx is told from a plain visit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, make_response, render_template, request

from app.core.types import Mode, Override, Settings
from app.store import settings as settings_store

NO_VALUE = "\N{EN DASH}"
STATUS_CLASS = {"OK": "ok", "WARNING": "warn", "OVER_TARGET": "bad", "STALE": "stale", "NO_DATA": "stale"}
OUTCOMES = {
    "sending": ("on its way", "wait"),
    "sent": ("sent, not yet confirmed", "wait"),
    "unknown": ("no answer, being checked", "wait"),
    "failed": ("failed", "bad"),
    "confirmed": ("confirmed", "ok"),
    "not_applied": ("not applied", "bad"),
    "superseded": ("replaced by a newer one", "stale"),
}
MODES = {
    Mode.OBSERVE: "Observing: PowerHive plans and shows what it would do, but sends nothing to the miners.",
    Mode.OFF: "Switched off: PowerHive neither plans nor sends anything to the miners.",
}
OVERRIDES = {
    Override.MINIMUM: "All to minimum was ordered: managed miners stay at their lowest presets until resume.",
    Override.STOP: "Stop all was ordered: managed miners do not mine until resume.",
}


def install(app: Flask) -> None:
    """Teach the templates our number formats."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        number=number, kw_of_w=kw_of_w, age=age, moment=moment, iso=iso, first_up=first_up, outcome=outcome
    )


def render(template: str, *, status: int = 200, settings: Settings | None = None, **context: Any) -> Response:
    """Render a whole page with the banners that every page carries. `settings`: as already loaded, saves a query."""
    in_force = settings or settings_store.load()
    body = render_template(
        template,
        mode=in_force.mode,
        mode_banner=MODES.get(in_force.mode),
        override_banner=OVERRIDES.get(in_force.override),
        **context,
    )
    return make_response(body, status)


def by_htmx() -> bool:
    """Whether htmx asked, so that a part is enough."""
    return request.headers.get("HX-Request") == "true"


def who() -> str:
    """Name the person for the history; there is no log-in yet, so the address must do."""
    return f"page from {request.remote_addr or 'this host'}"


def number(value: float | None, digits: int = 0) -> str:
    """`1,234.5`; None is a dash, and no number is shown as minus zero."""
    if value is None:
        return NO_VALUE
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def kw_of_w(power_w: float | None, digits: int = 1) -> str:
    """Watts shown as kW."""
    return number(None if power_w is None else power_w / 1000, digits)


def age(seconds: float | None) -> str:
    """`7 s`, `3 min`, `5 h`, `2 d`; app.js counts on in the same words."""
    if seconds is None:
        return NO_VALUE
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h" if whole < 172_800 else f"{whole // 86_400} d"


def moment(value: datetime | None) -> str:
    """`23 Nov 18:05:09` in UTC."""
    return NO_VALUE if value is None else value.astimezone(UTC).strftime("%d %b %H:%M:%S")


def iso(value: datetime | None) -> str:
    """For `<time datetime>`."""
    return "" if value is None else value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def first_up(text: str) -> str:
    """The sentence with a capital at its beginning, the rest untouched."""
    return text[:1].upper() + text[1:]


def outcome(word: str) -> tuple[str, str]:
    """Return (words for people, CSS class) of a change's outcome."""
    return OUTCOMES.get(word, (word, "stale"))
