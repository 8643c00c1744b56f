"""The cycles pages: what each balance cycle decided and why, newest first, and one of them with every miner."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.store import cycles, fleet
from app.web import formats, page

bp = Blueprint("cycles", __name__, url_prefix="/cycles")
PAGE_SIZE = 60  # a quarter of an hour


@bp.get("")
def index() -> Response:
    """One page of cycles; `before` (a cycle's id) continues it."""
    before = request.args.get("before", type=int)
    before = before if before is not None and 0 < before < 2**63 else None
    rows = cycles.recent(PAGE_SIZE + 1, before_id=before, with_decisions=False)
    return page.render(
        "cycles/index.html",
        cycles=rows[:PAGE_SIZE],
        older=rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None,
        newest=before is None,
        status_class=formats.STATUS_CLASS,
    )


@bp.get("/<int:cycle_id>")
def one(cycle_id: int) -> Response:
    """One cycle: what it saw, what it changed, whom it passed over, and why the others stay."""
    return page.render(
        "cycles/one.html", cycle=cycles.get(cycle_id), names=fleet.names(), status_class=formats.STATUS_CLASS
    )
