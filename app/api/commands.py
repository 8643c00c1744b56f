"""Orders that operators gave: what became of them."""

from __future__ import annotations

from flask import Response, jsonify

from app import clock
from app.api import answers, body, order_key
from app.api.blueprint import bp
from app.store import commands


@bp.get("/commands/<int:command_id>", endpoint="command")
def one(command_id: int) -> Response:
    """Return one order: waiting, running, done or failed, and why."""
    return jsonify(answers.command(commands.get(command_id)))


@bp.post("/discovery/scan")
def scan() -> Response:
    """Order a scan of the configured subnets now."""
    wanted = body.read(("reason",), may_be_empty=True)
    why, once = body.reason(wanted), order_key.read(wanted)
    command_id = commands.enqueue(commands.SCAN, by=answers.who(), now=clock.utcnow(), reason=why, once=once)
    return answers.accepted(command_id)
