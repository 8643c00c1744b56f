"""The dashboard: one page, and its refreshing parts."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request

from app import clock
from app.config import Config
from app.core.types import Mode
from app.store import commands, freshness, headlines, status_board
from app.store.status_board import StatusBoard
from app.web import chart, dashboard_parts, page, plant_chart, setting_words
from app.web.attention import SHOWN_MINERS
from app.web.forms import MarginForm, ModeForm, refusal
from app.web.language import language, zone
from app.web.orders_form import OrderForm

bp = Blueprint("dashboard", __name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """The forms as the operator left them, where one was refused. `order`: (kind, form)."""

    margin: MarginForm | None = None
    mode: ModeForm | None = None
    order: tuple[str, OrderForm] | None = None

    @property
    def notice(self) -> tuple[str, str] | None:
        """What the top of the page says of it: the sentence, and the id of the field that says it in full."""
        if self.order is not None:
            kind, form = self.order
            return refusal(form, {name: f"{kind}-{name}" for name in ("word", "reason")})
        if self.mode is not None:
            return refusal(self.mode, {"mode": "mode-0", "sure": "sure", "reason": "reason"})
        if self.margin is not None:
            return refusal(self.margin, {"safety_margin_percent": "safety_margin_percent"})
        return None


@bp.get("/")
def index() -> Response:
    """The whole page."""
    return show()


@bp.get("/dashboard/live")
def live() -> Response:
    """The parts that the browser does not show yet (it sends back what it shows); 204 where nothing can have changed.

    What is shown is the mark of the rows it was made of, then each part's own version.
    """
    look = freshness.look(clock.utcnow())  # before the rows that it stands for: what comes in between is news later
    mark = f"{look.mark}{zlib.crc32(_reader().encode()):x}"  # to another reader the same rows are other words
    seen, *rest = request.args.get("shown", "").split(".")
    if seen == mark:
        return make_response("", 204)
    parts = _parts(status_board.load(clock.stamp(), look))
    versions = _versions(parts)
    shown = dict(zip(parts, rest, strict=False))
    changed = {name: picture for name, picture in parts.items() if versions[name] != shown.get(name)}
    why, version = dashboard_parts.reason_of, ".".join((mark, *versions.values()))
    return make_response(render_template("dashboard/_live.html", parts=changed, version=version, oob=True, why=why))


@bp.get("/dashboard/chart")
def history() -> Response:
    """The chart's numbers over `span` (1h, 6h, 24h, 7d or 30d): JSON, or a table."""
    span, span_s = chart.span_s(request.args.get("span"))
    drawn = plant_chart.drawn(clock.utcnow(), span_s, _config().plant_interval_s)
    return chart.answer(drawn, plant_chart.title(span))


def show(refused: Refused | None = None, status: int = 200) -> Response:
    """Render the dashboard, with the forms as the operator left them where one was refused."""
    board = status_board.load(clock.stamp())
    parts, refused, settings = _parts(board), refused or Refused(), board.settings
    span, _seconds = chart.span_s(request.args.get("span"))
    margin, mode = settings.safety_margin_percent, settings.mode
    as_loaded = {"safety_margin_percent": margin, "seen": json.dumps(margin)}
    return page.render(
        "dashboard/index.html",
        status=status,
        page_of="dashboard",  # also where an order or a setting was refused
        settings=settings,
        parts=parts,
        version=".".join(("", *_versions(parts).values())),  # no mark yet: it would cost a query more
        board=board,
        interval_s=_config().balance_interval_s,
        margin_form=refused.margin or MarginForm(formdata=None, data=as_loaded),
        mode_form=refused.mode or ModeForm(formdata=None, data={"mode": mode, "seen": json.dumps(mode)}),
        refused=refused.notice,
        mode_refused=refused.mode is not None,
        orders=_orders(board, refused.order),
        spans=plant_chart.spans(),
        span=span,
        armed=mode is Mode.ARMED,
        value=setting_words.value,
        saved=None,
        why=dashboard_parts.reason_of,
    )


def _reader() -> str:
    return f"{language()} {zone()}"


def _parts(board: StatusBoard) -> dict[str, Any]:
    """Return the picture of each refreshing part, by name, in the order of the page."""
    at = clock.stamp()
    silent = headlines.silent_miners(SHOWN_MINERS) if board.counts.offline else []
    return {
        "now": dashboard_parts.now(board, at, _config().balance_interval_s),
        "order": dashboard_parts.order(headlines.newest_order(), at),
        "attention": dashboard_parts.attention_of(board, silent),
        "sources": dashboard_parts.sources(board, at),
        "events": tuple(headlines.newest_events(dashboard_parts.SHOWN_EVENTS)),
        "in_force": dashboard_parts.in_force(board.settings),
    }


def _versions(parts: dict[str, Any]) -> dict[str, str]:
    reader = _reader()
    return {name: dashboard_parts.version(picture, reader) for name, picture in parts.items()}


def _orders(board: StatusBoard, refused: tuple[str, OrderForm] | None) -> list[dict[str, Any]]:
    """Return what the page says of each order for the whole farm, with its form."""
    names, in_force = dashboard_parts.order_words(), board.settings.override
    given: dict[str, OrderForm] = dict([refused]) if refused else {}
    return [
        {
            "kind": kind,
            "name": names[kind],
            "form": given.get(kind) or OrderForm(kind, formdata=None),
            "is_open": kind in given,
            "in_force": override is in_force,
        }
        for kind, override in commands.OVERRIDES.items()
    ]


def _config() -> Config:
    config: Config = current_app.extensions["powerhive_config"]
    return config
