"""The events page: every change on every miner, newest first."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.store import events, fleet
from app.web import formats, page

bp = Blueprint("events", __name__, url_prefix="/events")
PAGE_SIZE = 100


@bp.get("")
def index() -> Response:
    """One page of events; `miner` (MAC or IP), `outcome` and `before` (an event's id) narrow it."""
    mac, outcome = request.args.get("miner", ""), request.args.get("outcome", "")
    before = request.args.get("before", type=int)
    rows = events.recent(
        PAGE_SIZE + 1,
        miner_id=fleet.by_mac_or_ip(mac).id if mac else None,
        outcome=outcome if outcome in formats.outcomes() else None,
        before_id=before if before is not None and 0 < before < 2**63 else None,
    )
    return page.render(
        "events/index.html",
        events=rows[:PAGE_SIZE],
        older=rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None,
        mac=mac,
        chosen_outcome=outcome,
        outcomes=formats.outcomes(),
    )
