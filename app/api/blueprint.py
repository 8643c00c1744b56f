"""The blueprint of all API routes, and the one rule they share: writes are JSON."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.exceptions import UnsupportedMediaType

bp = Blueprint("api", __name__, url_prefix="/api")


@bp.before_request
def writes_are_json() -> None:
    """A form or plain text, as a foreign page could send it, never gets to a route."""
    if request.method in ("POST", "PUT", "PATCH", "DELETE") and request.mimetype != "application/json":
        got = request.mimetype[:80] or "nothing"
        raise UnsupportedMediaType(f"Send the body as Content-Type: application/json; got {got}.")
