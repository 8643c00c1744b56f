"""A chart as data: JSON for `charts.js`, and the same numbers as a table for everybody else.

One address serves both: `answer` looks at what the request accepts. A gap in the data is None and stays a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify, make_response, render_template, request

from app.web import page

TABLE_ROWS = 60
HOUR_S = 3600
SPANS_S = {"1h": HOUR_S, "6h": 6 * HOUR_S, "24h": 24 * HOUR_S, "7d": 168 * HOUR_S, "30d": 720 * HOUR_S}


@dataclass(frozen=True, slots=True)
class Series:
    """One line. `style`: line, area, step or dots; `colour`: a `--chart-...` of app.css; `axis`: left or right."""

    label: str
    unit: str
    values: Sequence[float | None]
    colour: str
    digits: int = 0
    style: str = "line"
    axis: str = "left"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at `x`. `kind`: event (a tick below) or refused (a mark above)."""

    x: float
    label: str
    kind: str = "event"


@dataclass(frozen=True, slots=True)
class Chart:
    """`x`: epoch seconds where `time` is true, else numbers in `x_label`'s unit; ascending."""

    x: Sequence[float]
    series: Sequence[Series]
    x_label: str
    time: bool = True
    marks: Sequence[Mark] = field(default=())
    empty: str = ""  # what to say instead where there is nothing to draw
    note: str = ""  # what a point stands for, told below chart and table


def span_s(text: str | None, default: str = "1h") -> tuple[str, int]:
    """Return a span of `SPANS_S` and its seconds; anything else is the default."""
    key = text if text in SPANS_S else default
    return key, SPANS_S[key]


def answer(chart: Chart, title: str) -> Response:
    """The chart as the request wants it: JSON, a table for htmx, or a page with the table."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    if best == "application/json":
        return jsonify(_as_json(chart))
    context: dict[str, Any] = {"chart": chart, "rows": table(chart), "title": title}
    if page.by_htmx():
        return make_response(render_template("charts/_table.html", **context))
    return page.render("charts/table.html", **context)


def _as_json(chart: Chart) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies each number of each line: most of what a chart would cost."""
    shallow = {member.name: getattr(chart, member.name) for member in fields(chart)}
    return shallow | {"series": list(map(_members, chart.series)), "marks": list(map(_members, chart.marks))}


def _members(part: Series | Mark) -> dict[str, Any]:
    return {member.name: getattr(part, member.name) for member in fields(part)}


def table(chart: Chart) -> list[tuple[float | datetime, list[float | None]]]:
    """Return at most `TABLE_ROWS` rows, evenly chosen, the newest time first (other x ascending)."""
    step = max(1, -(-len(chart.x) // TABLE_ROWS))
    chosen = range(len(chart.x) - 1, -1, -step) if chart.time else range(0, len(chart.x), step)
    return [
        (
            datetime.fromtimestamp(chart.x[at], UTC) if chart.time else chart.x[at],
            [series.values[at] for series in chart.series],
        )
        for at in chosen
    ]
