"""The door: who asks, and whether that may be. One check before every request, for pages and JSON API alike.

What each address needs is in `core.access.NEEDS`. Without any user the door stands open, to this machine alone.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, current_app, g, make_response, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from markupsafe import Markup
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.config import Config
from app.core import access, people
from app.core.access import ANYBODY, NOBODY, Actor, Caller, Need
from app.extensions import csrf
from app.store import people as people_store
from app.store import sessions, tokens
from app.store.sessions import SessionLimits
from app.web import errors, guard, proxies
from app.web.language import local_path

KEY = "key"  # the session's key in the cookie
LOG_IN = "Log in first."
LOG_IN_FOR_PROGRAMS = "This needs a token: Authorization: Bearer ph_... (made on the page Account)."
NO_SUCH_TOKEN = "This token is unknown, expired or revoked, or its user is disabled."  # noqa: S105 - a sentence
TOKENS_ARE_FOR_PROGRAMS = "A token opens the JSON API; the pages need a log-in."
NO_USER_YET = (
    "PowerHive has no user yet, so it serves this very machine only, and not through a proxy. Add the first user "
    "there with flask user add NAME --role admin."
)


class _Cookie(SecureCookieSessionInterface):
    """The session's cookie: Secure wherever the request came by TLS; a tunnel is plain HTTP and must work, too."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def install(app: Flask) -> None:
    """Put the door right behind the guard, before everything else."""
    proxies.install(app)
    app.session_interface = _Cookie()
    app.before_request_funcs.setdefault(None, []).insert(1, _let_in)
    app.jinja_env.globals.update(caller=caller, locked=locked)


def caller() -> Caller:
    """Return who asks; nobody before the door has looked."""
    found: Caller = g.get("caller", NOBODY)
    return found


def locked(endpoint: str, *settings: str) -> Markup:
    """Return the attribute of a button whose order the door would refuse this caller, else nothing.

    `settings`: what the form changes; the button opens for whoever may change one of them.
    """
    who = caller()
    may = access.refusal(endpoint, "POST", who) is None
    if settings and may:
        may = any(access.may_change(who.role, name) for name in settings)
    return Markup() if may else Markup(" disabled")


def actor(via: str) -> Actor:
    """Return who asks as the history names it. `via`: page or API."""
    who = caller()
    return Actor(who.name, via, address(), token=who.token, role=who.role)


def address() -> str:
    """Return the caller's address, as trusted proxies tell it."""
    return request.remote_addr or "this host"


def limits() -> SessionLimits:
    """Return when sessions end, by the deployment's settings."""
    config: Config = current_app.extensions["powerhive_config"]
    return SessionLimits(timedelta(hours=config.session_idle_h), timedelta(hours=config.session_longest_h))


def identify() -> Caller:
    """Look who asks: by token, else by session, else anybody of this machine while there is no user."""
    header, now = request.headers.get("Authorization"), clock.utcnow()
    if header is not None:
        scheme, _, key = header.partition(" ")
        return (tokens.caller(key.strip(), now) if scheme.lower() == "bearer" else None) or NOBODY
    held = session.get(KEY)
    if isinstance(held, str):
        found = sessions.caller(held, now, limits())
        if found is not None:
            return found
        session.pop(KEY)
    return NOBODY if people_store.anybody() or not _is_near() else ANYBODY


def begin(key: str) -> None:
    """Give the browser its new session; what an older one held, its form tokens too, ends here."""
    session.clear()
    session[KEY] = key


def _is_near() -> bool:
    config: Config = current_app.extensions["powerhive_config"]
    if config.published_to_loopback:
        return not proxies.came_through_one()
    # No address at all: the call came from within this process, through no socket.
    near = request.remote_addr is None or people.is_this_machine(request.remote_addr)
    return near and not config.trusted_proxies and not proxies.came_through_one() and _is_called_as_this_machine()


def _is_called_as_this_machine() -> bool:
    """Whether host name and protocol are a local browser's: a proxy that leaves no marks has the world behind it.

    Some pass on the public name, others speak HTTP/1.0 to what stands behind them; no browser has done so for long.
    """
    here = guard.host_and_port(request.host)
    is_old = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
    return here is not None and not is_old and (here[0] == "localhost" or people.is_this_machine(here[0]))


def _let_in() -> BaseResponse | None:
    endpoint = request.endpoint
    if endpoint is not None and access.NEEDS.get(endpoint) is Need.OPEN:
        return None
    g.caller = who = identify()
    if endpoint is None:
        return None  # there is no such address, or not by this method: that is all anybody is told
    for_programs = errors.is_for_programs(request.path)
    if who.role is None:
        return _log_in_first(for_programs)
    if who.by_token and not for_programs:
        raise Forbidden(TOKENS_ARE_FOR_PROGRAMS)
    why = access.refusal(endpoint, request.method, who)
    if why is not None:
        raise Forbidden(why)
    if for_programs and who.session:
        csrf.protect()  # a page may be made to call the API with its reader's cookie; a token is no cookie
    return None


def _log_in_first(for_programs: bool) -> BaseResponse:
    if "Authorization" not in request.headers and not people_store.anybody():
        raise Forbidden(NO_USER_YET)
    if for_programs:
        response = errors.answer(401, NO_SUCH_TOKEN if "Authorization" in request.headers else LOG_IN_FOR_PROGRAMS)
        response.headers["WWW-Authenticate"] = 'Bearer realm="PowerHive"'
        return response
    if request.headers.get("HX-Request") == "true":
        # A part of a page: the whole page goes to the log-in, not the log-in into the part.
        response = make_response(LOG_IN, 401)
        response.headers["HX-Redirect"] = url_for("login.show", next=_page_of(request.headers.get("HX-Current-URL")))
        return response
    if request.headers.get("Sec-Fetch-Dest", "document") != "document":
        return errors.answer(401, LOG_IN)
    query = request.query_string.decode(errors="replace")  # what is no UTF-8 makes `request.full_path` fail
    here = f"{request.path}?{query}".rstrip("?")
    wanted = here if request.method == "GET" else _page_of(request.referrer)
    return redirect(url_for("login.show", next=local_path(wanted)), 303)


def _page_of(url: str | None) -> str:
    """Return the local path of the page that a header names."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return local_path(None)
    return local_path(f"{parts.path}?{parts.query}" if parts.query else parts.path)
