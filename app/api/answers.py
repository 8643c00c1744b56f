"""How times, accepted orders and people look in every answer."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, jsonify, url_for

from app.core.access import Actor
from app.models import Command
from app.web import access


def instant(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 UTC with Z; None stays null."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def who() -> Actor:
    """Name whoever asks for the history: user, token and address, as long as there is no user the address alone."""
    return access.actor("API")


def command(row: Command) -> dict[str, object]:
    """One order and what became of it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "miner_id": row.miner_id,
        "arguments": row.arguments,
        "reason": row.reason,
        "status": row.status,
        "result": row.result,
        "created_at": instant(row.created_at),
        "created_by": row.created_by,
        "started_at": instant(row.started_at),
        "finished_at": instant(row.finished_at),
    }


def accepted(command_id: int, status: str = "waiting", **beside: object) -> Response:
    """202: the order is kept and will be carried out (or is `done`); where to look is in `url` and `Location`."""
    url = url_for("api.command", command_id=command_id)
    response = jsonify({"id": command_id, "status": status, "url": url, **beside})
    response.status_code = 202
    response.headers["Location"] = url
    return response
