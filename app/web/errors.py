"""Every failure becomes one sentence: as JSON under /api/ and at the probes, as a designed page elsewhere."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Response, jsonify, make_response, render_template, request
from flask.globals import request_ctx
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DatabaseError, InterfaceError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from werkzeug.exceptions import HTTPException

from app.errors import Conflict, NotAllowed, NotFound, PowerHiveError, SettingError, TooManyAttempts
from app.extensions import db

log = logging.getLogger(__name__)

STATUS_OF = {NotFound: 404, Conflict: 409, SettingError: 422, NotAllowed: 403, TooManyAttempts: 429}
SENTENCES = {
    400: "The request could not be understood.",
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    413: "The request is larger than 64 kB.",
    500: "Something went wrong inside PowerHive. It is written in the log; nothing else is affected.",
}
TITLES = {
    400: "Not understood",
    401: "Not logged in",
    403: "Not accepted",
    404: "Not found",
    409: "Not possible now",
    422: "Not a valid value",
    429: "Too many attempts",
    500: "A mistake in PowerHive",
    503: "The database does not answer",
}
STALE_FORM = "This page was open for so long, or in so old a state, that its form no longer counts. Load it again."
COOKIE_ALONE = "A log-in's call of the API must carry its page's X-CSRFToken; programs use a token of their own."


def install(app: Flask) -> None:
    """Answer errors of all routes of `app`."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(PowerHiveError, _our_error)
    for kind in (DatabaseError, InterfaceError, NoConnectionFree):
        app.register_error_handler(kind, _database_error)


def is_for_programs(path: str) -> bool:
    """Whether programs call this path: its errors are JSON, and tokens open it."""
    return path.startswith("/api/") or path in ("/api", "/healthz", "/readyz", "/metrics")


def answer(status: int, sentence: str) -> Response:
    """Return one sentence as this request's kind of error answer."""
    if is_for_programs(request.path):
        response = jsonify({"error": sentence})
    elif request_ctx.url_adapter is None:  # the Host header is no name: no page with addresses in it can be made
        response = Response(sentence, mimetype="text/plain")
    else:
        title = TITLES.get(status, HTTPStatus(status).phrase)
        response = make_response(render_template("error.html", status=status, title=title, sentence=sentence))
    response.status_code = status
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return make_response(error.get_response())
    standard = type(error).description
    sentence = error.description if error.description and error.description != standard else None
    response = answer(status, sentence or SENTENCES.get(status) or str(standard))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _stale_form(_error: CSRFError) -> Response:
    return answer(400, COOKIE_ALONE if is_for_programs(request.path) else STALE_FORM)


def _our_error(error: PowerHiveError) -> Response:
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 500)
    if status == 500:
        log.error("unexpected error on %s: %s", request.path, error, exc_info=error)
    response = answer(status, str(error) if status != 500 else SENTENCES[500])
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.wait_s)
    return response


def _database_error(error: StatementError | NoConnectionFree) -> Response:
    db.session.rollback()
    cause = str(getattr(error, "orig", None) or error).splitlines()[0]
    log.error("database on %s: %s", request.path, cause)
    response = answer(503, database_sentence(cause))
    response.headers["Retry-After"] = "5"
    return response


def database_sentence(cause: str) -> str:
    """Say what a driver's message means for the operator."""
    text = cause.lower()
    if "lock" in text or "busy" in text:
        return "The database is busy; nothing was changed. Try again in a moment."
    if "full" in text or "no space" in text:
        return "The disk is full; nothing was changed. PowerHive goes on controlling if it can: make room."
    if "readonly" in text or "read-only" in text:
        return "The database is read-only; nothing was changed. Look at the rights of its folder."
    return "The database does not answer; nothing was changed. PowerHive's log says why."
