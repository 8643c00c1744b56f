"""Probes: /healthz says that the web process lives, /readyz that database and jobs do their work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from app import clock
from app.extensions import writing
from app.store import status_board

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def alive() -> Response:
    """Answer without touching anything: the process serves requests."""
    return jsonify({"status": "ok"})


@bp.get("/readyz")
def ready() -> Response:
    """200 where the database can be written and every job has run lately; else 503 with what is missing."""
    with writing():  # takes the write lock: a locked or read-only database fails here and is answered with 503
        jobs = status_board.job_states(clock.stamp())
    late = [job.name for job in jobs if job.late]
    body: dict[str, object] = {
        "ready": bool(jobs) and not late,
        "database": "ok",
        "jobs": {job.name: {"age_s": job.age_s, "ok": job.ok, "late": job.late} for job in jobs},
    }
    if not jobs:
        body["error"] = "No job has ever run: is the server running with its scheduler?"
    elif late:
        body["error"] = f"These jobs have not run lately: {', '.join(late)}."
    response = jsonify(body)
    response.status_code = 200 if body["ready"] else 503
    return response
