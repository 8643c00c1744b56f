"""One miner's past as charts: power with hashrate, and temperature; its changes are marked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from flask import Response, request, url_for

from app import clock
from app.models import Miner, PresetChangeRow
from app.store import fleet, miner_history
from app.store.miner_history import Step
from app.web import chart, formats
from app.web.chart import Chart, Mark, Series
from app.web.miners.blueprint import bp
from app.web.words import gettext as _

STEP_S = {"6h": 300, "24h": 300, "7d": 1800, "30d": 7200}  # 72 to 361 points; samples are 300 s apart
DEFAULT_SPAN = "24h"
POWER, TEMPERATURE = "power", "temperature"


@bp.get("/<mac>/chart")
def chart_of(mac: str) -> Response:
    """The chart `show` (power or temperature) over `span`, as JSON or as a table."""
    miner, now = fleet.get(mac), clock.utcnow()
    span, span_s = chart_span(request.args.get("span"))
    what = TEMPERATURE if request.args.get("show") == TEMPERATURE else POWER
    since = now - timedelta(seconds=span_s)
    steps = miner_history.steps(miner.id, since, now, STEP_S[span])
    marks = miner_history.changes(miner.id, since, now) if what == POWER else []
    drawn = Chart(
        x=[step.epoch_s for step in steps],
        series=_temperature(steps) if what == TEMPERATURE else _power(steps),
        x_label=_("Time"),
        marks=[_mark(change) for change in marks],
        empty=_("Nothing was recorded of this miner in this time."),
    )
    return chart.answer(drawn, title(miner, what))


def chart_span(text: str | None) -> tuple[str, int]:
    """Return a span this page offers, and its seconds."""
    return chart.span_s(text if text in STEP_S else None, DEFAULT_SPAN)


def spans(miner: Miner, what: str) -> list[tuple[str, str, str]]:
    """The choices of span of a chart: (value, words, address)."""
    words = {"6h": _("6 h"), "24h": _("24 h"), "7d": _("7 days"), "30d": _("30 days")}
    return [(span, words[span], address(miner, what, span)) for span in STEP_S]


def address(miner: Miner, what: str, span: str = DEFAULT_SPAN) -> str:
    """Where a chart's numbers are."""
    return url_for("miners.chart_of", mac=miner.mac, span=span, show=what)


def title(miner: Miner, what: str) -> str:
    """A chart's title where it stands alone."""
    words = _("Temperature") if what == TEMPERATURE else _("Power and hashrate")
    return f"{miner.label or miner.ip or miner.mac}: {words}"


def _power(steps: Sequence[Step]) -> list[Series]:
    return [
        Series(_("Power"), "W", [_rounded(step.power_w, 0) for step in steps], "current"),
        Series(_("Hashrate"), "TH/s", [_rounded(step.hashrate_ths, 1) for step in steps], "hashrate", 1, axis="right"),
    ]


def _temperature(steps: Sequence[Step]) -> list[Series]:
    return [Series(_("Hottest chip"), "°C", [_rounded(step.chip_temp_c, 0) for step in steps], "temperature")]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _mark(change: PresetChangeRow) -> Mark:
    there = _("stopped") if change.kind == "stop" else change.new_preset or "?"
    before = _("stopped") if change.kind == "start" else change.old_preset or "?"
    words, _class = formats.outcome(change.outcome)
    return Mark(change.recorded_at.timestamp(), f"{before} → {there}, {words}")
