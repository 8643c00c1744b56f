"""The dashboard's chart: generation, consumption, target and available power over time, gaps as gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from flask import url_for

from app.store import plant_curve
from app.store.plant_curve import Grid
from app.web import formats
from app.web.chart import HOUR_S, SPANS_S, Chart, Mark, Series
from app.web.words import gettext as _

STEP_S = {HOUR_S: 30, 6 * HOUR_S: 90, 24 * HOUR_S: 360, 168 * HOUR_S: 2400, 720 * HOUR_S: 10_800}
SLOTS = 2  # rows looked at per step
MOST_EVENTS, MOST_REFUSALS = 60, 120  # marks; closer ones could not be told apart


def spans() -> list[tuple[str, str, str]]:
    """Return the choices of spans: (value, words, address of the numbers)."""
    words = {"1h": _("1 h"), "6h": _("6 h"), "24h": _("24 h"), "7d": _("7 d"), "30d": _("30 d")}
    return [(span, words[span], url_for("dashboard.history", span=span)) for span in SPANS_S]


def title(span: str) -> str:
    """Return the title of the page with the table."""
    return _("Power of the farm, last %(span)s", span={value: words for value, words, _url in spans()}[span])


def grid(now: datetime, span_s: int, reading_interval_s: float) -> Grid:
    """Return the steps of a span: at least two readings each, so that an empty one is a gap and no jitter."""
    step_s = max(STEP_S[span_s], math.ceil(2.0 * reading_interval_s / SLOTS) * SLOTS)
    last = int(now.timestamp()) // step_s
    steps = span_s // step_s + 1
    return Grid((last - steps + 1) * step_s, step_s, steps, SLOTS)


def drawn(now: datetime, span_s: int, reading_interval_s: float) -> Chart:
    """Return the chart of the last `span_s` seconds."""
    steps = grid(now, span_s, reading_interval_s)
    plant, farm = plant_curve.readings(steps), plant_curve.cycles(steps)
    seen = sorted({*plant, *farm})
    numbers = range(seen[0], steps.steps) if seen else range(0)
    return Chart(
        x=[steps.at_s(number) for number in numbers],
        series=[
            Series(_("Generation"), "kW", _column(plant, 0, numbers), "generation", 1),
            Series(_("Available"), "kW", _column(farm, 0, numbers), "available", 1),
            Series(_("Target"), "kW", _column(farm, 1, numbers), "target", 1),
            Series(_("Managed miners"), "kW", _column(farm, 2, numbers), "current", 1, style="area"),
            Series(_("Containers"), "kW", _column(plant, 1, numbers), "container", 1),
        ],
        x_label=_("Time"),
        marks=_marks(now, span_s) if seen else [],
        empty=_("Nothing was recorded in this time."),
        note=_("Each point is the mean of up to two readings within %(step)s.", step=formats.age(steps.step_s)),
    )


def _column(rows: Mapping[int, tuple[float, ...]], place: int, numbers: range) -> list[float | None]:
    return [round(rows[number][place], 1) if number in rows else None for number in numbers]


def _marks(now: datetime, span_s: int) -> list[Mark]:
    since_s = int(now.timestamp()) - span_s
    events = plant_curve.changes(Grid(since_s, span_s // MOST_EVENTS, MOST_EVENTS))
    refused = plant_curve.refusals(Grid(since_s, span_s // MOST_REFUSALS, MOST_REFUSALS))
    marks = [Mark(event.at.timestamp(), event.what) for event in events]
    marks += [
        Mark(refusal.at.timestamp(), _("refused: %(why)s", why=formats.said(refusal.what)), "refused")
        for refusal in refused
    ]
    return sorted(marks, key=lambda mark: mark.x)
