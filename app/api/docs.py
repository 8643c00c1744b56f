"""The description of the API: as OpenAPI for programs, and as a page for people made from the same document."""

from __future__ import annotations

from flask import Response, jsonify, make_response, render_template

from app.api.blueprint import bp
from app.api.description import document, reading


@bp.get("/openapi.json", endpoint="openapi")
def openapi() -> Response:
    """Return the OpenAPI 3.1 document."""
    return jsonify(document())


@bp.get("/docs", endpoint="docs")
def page() -> Response:
    """Show the document to people; no script, nothing from elsewhere."""
    return make_response(render_template("api_docs/index.html", groups=reading.groups(), info=document()["info"]))
