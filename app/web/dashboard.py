"""The dashboard: one page, and the part of it that refreshes by itself."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from markupsafe import Markup

from app import clock
from app.store import events, miner_models, status_board
from app.store.status_board import StatusBoard
from app.web import attention, formats, page
from app.web.forms import MarginForm, ModeForm

bp = Blueprint("dashboard", __name__)
SHOWN_EVENTS = 15
_AGES = re.compile(r'data-age-s="[^"]*">[^<]*<')  # they count on in the browser: no news


@bp.get("/")
def index() -> Response:
    """The whole page."""
    return show()


@bp.get("/dashboard/live")
def live() -> Response:
    """The refreshing part, or 204 where the browser already shows it (it sends the shown version back)."""
    part, version = _live_part(status_board.load(clock.stamp()))
    if request.args.get("shown") == version:
        return make_response("", 204)
    return make_response(part)


def show(margin_form: MarginForm | None = None, mode_form: ModeForm | None = None, status: int = 200) -> Response:
    """Render the dashboard, with the forms as the operator left them where one was refused."""
    board = status_board.load(clock.stamp())
    part, _ = _live_part(board)
    settings = board.settings
    return page.render(
        "dashboard/index.html",
        status=status,
        settings=settings,
        live=part,
        margin_form=margin_form
        or MarginForm(formdata=None, data={"safety_margin_percent": settings.safety_margin_percent}),
        mode_form=mode_form or ModeForm(formdata=None, data={"mode": settings.mode}),
        saved=None,
    )


def _live_part(board: StatusBoard) -> tuple[Markup, str]:
    body = render_template("dashboard/_panel.html", **_context(board))
    version = hashlib.sha256(_AGES.sub("<", body).encode()).hexdigest()[:16]
    return Markup(render_template("dashboard/_live.html", body=Markup(body), version=version)), version  # noqa: S704


def _context(board: StatusBoard) -> dict[str, Any]:
    offline = status_board.offline_miners(attention.SHOWN_MINERS) if board.counts.offline else []
    return {
        "board": board,
        "cycle": board.cycle,
        "seen": board.cycle or board.reading,
        "counts": board.counts,
        "bar": _bar(board),
        "problems": attention.problems(board, offline, miner_models.without_max_preset()),
        "events": events.recent(SHOWN_EVENTS),
        "status_class": formats.STATUS_CLASS[board.status],
    }


def _bar(board: StatusBoard) -> dict[str, float] | None:
    """Where load, target and available power lie on a bar of 1,000 units; None without data."""
    cycle = board.cycle
    if cycle is None:
        return None
    whole_kw = max(cycle.generation_kw, cycle.foreign_kw + cycle.current_w / 1000, 0.001)
    at = {
        "foreign": cycle.foreign_kw,
        "current": cycle.current_w / 1000,
        "target": cycle.foreign_kw + cycle.target_w / 1000,
        "generation": cycle.generation_kw,
    }
    return {name: round(min(1000.0, max(0.0, value_kw / whole_kw * 1000)), 1) for name, value_kw in at.items()}
