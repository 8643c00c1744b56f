"""What a reverse proxy says about the caller: believed from the configured ones only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SIGNS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


class TrustedProxies:
    """Takes address and scheme from one trusted proxy's headers; nobody else's are looked at.

    Host names are not taken from headers: the proxy passes the Host on, and the guard knows the allowed ones.
    """

    def __init__(self, app: WSGIApplication, trusted: Collection[str]) -> None:
        self._plain = app
        self._fixed = ProxyFix(app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0)
        self._trusted = frozenset(trusted)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        by_proxy = environ.get("REMOTE_ADDR") in self._trusted
        return self._fixed(environ, start_response) if by_proxy else self._plain(environ, start_response)


def install(app: Flask) -> None:
    """Put the trusted proxies, if any, before `app`."""
    trusted = app.extensions["powerhive_config"].trusted_proxies
    if trusted:
        app.wsgi_app = TrustedProxies(app.wsgi_app, trusted)  # type: ignore[method-assign]


def came_through_one() -> bool:
    """Whether the request bears the marks of a proxy, trusted or not: then its address may not be the caller's."""
    return any(name in request.headers for name in _SIGNS)
