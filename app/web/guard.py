"""Who may ask at all, and the headers of every answer. For pages and JSON API alike.

A page on another site must never move a miner: a request that names a foreign `Host` (DNS rebinding), comes from a
foreign `Origin`, or is marked cross-site by the browser is refused, reads included.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import BadRequest, Forbidden

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: with that, browsers send `Origin: null` with our own forms
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"  # without includeSubDomains: they are not ours


def install(app: Flask) -> None:
    """Put the guard before everything else (CSRF check included), the headers on every answer."""
    app.before_request_funcs.setdefault(None, [])[:0] = [_refuse_strangers, _refuse_garbled]
    app.after_request(_add_headers)


def host_and_port(netloc: str) -> tuple[str, int | None] | None:
    """Return (name in lower case, port or None) of a Host header or an origin's netloc; None if it is malformed."""
    if "@" in netloc or "/" in netloc or "\\" in netloc:
        return None
    try:
        parts = urlsplit(f"//{netloc}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (name, port) if name else None


def objection(
    host: str | None, origin: str | None, fetch_site: str | None, allowed_hosts: Collection[str]
) -> str | None:
    """Return why a request with these headers is refused, or None."""
    here = host_and_port(host or "")
    if here is None or here[0] not in {name.lower().strip("[]") for name in allowed_hosts}:
        return (
            f"The host name {(host or '(none)')[:100]!r} is not one of this PowerHive's; "
            "add it to POWERHIVE_ALLOWED_HOSTS if it should be."
        )
    if origin is not None and not _is_ours(origin, here, allowed_hosts):
        return f"Requests from the origin {origin[:100]!r} are not accepted."
    if fetch_site is not None and fetch_site.strip().lower() not in ("same-origin", "same-site", "none"):
        return "Requests that another site's page makes are not accepted. Open PowerHive by its address instead."
    return None


def _is_ours(origin: str, here: tuple[str, int | None], allowed_hosts: Collection[str]) -> bool:
    """Whether the origin is this host: an allowed name and the same port (another port is another site)."""
    scheme, separator, netloc = origin.partition("://")
    default_port = {"http": 80, "https": 443}.get(scheme.lower())
    there = host_and_port(netloc) if separator else None
    if there is None or default_port is None:
        return False
    known = {name.lower().strip("[]") for name in allowed_hosts}
    return there[0] in known and (there[1] or default_port) == (here[1] or default_port)


def _refuse_strangers() -> None:
    why = objection(
        request.environ.get("HTTP_HOST"),
        request.headers.get("Origin"),
        request.headers.get("Sec-Fetch-Site"),
        current_app.extensions["powerhive_config"].allowed_hosts,
    )
    if why:
        raise Forbidden(why)


def _refuse_garbled() -> None:
    try:
        request.query_string.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("The query of the address (behind the ?) is not UTF-8.") from error


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
