"""The contract of the JSON API as an OpenAPI 3.1 document, written by hand beside the code: a module per resource."""

from __future__ import annotations

from functools import cache
from typing import Any

from app.api.description import balance, miner_models, miners, plant, service, settings
from app.api.description.words import Schema, example

PARTS = (plant, balance, settings, miner_models, miners, service)
VERSION = "1.0.0"
ABOUT = """\
Everything PowerHive shows and does, for programs. Powers of the plant are in kW, of miners in W, hashrates in TH/s; the
unit is in the name, or in the field's meaning. Times are RFC 3339 in UTC. Lists are newest first. Without data numbers
are 0 and times null. Names never change; later versions only add fields, so ignore those you do not know.

Errors are `{"error": "<one sentence>"}`: 400 for what cannot be understood, 422 for a value that is not allowed, 409
where a rule forbids it now. A call that names a foreign host or comes from another site's page is 403.

Writes take `application/json` of at most 64 kB, and no field that is not described here.

Orders are answered 202 and the address that says what became of them. With an `Idempotency-Key` an order that is sent
again after a lost answer is given once.

Lists have an `ETag`: send it as `If-None-Match`, and 304 says that nothing is new. `Link: <...>; rel="next"` is the
address of the next part.
"""
SECURITY_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token of a user, with scope read or write. Needs no CSRF token.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "powerhive",
        "description": "The session of a browser that logged in. Writes need its CSRF token as `X-CSRFToken`.",
    },
}
# The empty one: an installation without any user asks nobody who they are, and serves loopback only.
SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"session": []}, {}]
OPEN_TO_ALL = ("/healthz", "/readyz")


@cache
def document() -> dict[str, Any]:
    """Return the whole document."""
    schemas: dict[str, Schema] = {}
    paths: dict[str, Any] = {}
    for part in PARTS:
        schemas |= part.SCHEMAS
        paths |= part.PATHS
    for path, calls in paths.items():
        for operation in calls.values():
            _add_examples(operation, schemas)
            if path in OPEN_TO_ALL:
                operation["security"] = []
    return {
        "openapi": "3.1.0",
        "info": {"title": "PowerHive", "version": VERSION, "description": ABOUT},
        "servers": [{"url": "/", "description": "This PowerHive"}],
        "security": SECURITY,
        "tags": [{"name": name} for name in dict.fromkeys(c["tags"][0] for p in paths.values() for c in p.values())],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY_SCHEMES},
    }


def _add_examples(operation: Schema, schemas: dict[str, Schema]) -> None:
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            content["example"] = example(content["schema"], schemas)
