"""The run-time settings."""

from __future__ import annotations

from flask import Response, jsonify
from werkzeug.exceptions import BadRequest

from app import clock
from app.api import answers, body
from app.api.blueprint import bp
from app.core.settings import SPECS
from app.store import settings

# `override` is what the farm's buttons write, as a command with an outcome: POST /api/balance/stop-all and the like.
CHANGEABLE = tuple(name for name in SPECS if name != "override")


@bp.get("/settings")
def all_settings() -> Response:
    """Return every run-time setting in force, by name."""
    return jsonify(settings.as_values())


@bp.patch("/settings")
def change_settings() -> Response:
    """Change some settings, all or none; `reason` is kept with them. Answers with all that are in force."""
    wanted = body.read((*CHANGEABLE, "reason"))
    reason = body.reason(wanted)
    wanted.pop("reason", None)
    if not wanted:
        raise BadRequest("The body names no setting to change.")
    settings.change_many(wanted, answers.who(), reason, clock.utcnow())
    return jsonify(settings.as_values())


@bp.patch("/settings/safety-margin")
def change_safety_margin() -> Response:
    """Change the safety margin in percent (0-50)."""
    wanted = body.read(("safety_margin_percent", "reason"), ("safety_margin_percent",))
    value = settings.change(
        "safety_margin_percent", wanted["safety_margin_percent"], answers.who(), body.reason(wanted), clock.utcnow()
    )
    return jsonify({"safety_margin_percent": value})
