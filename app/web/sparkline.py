"""A line as small as a word, drawn by the server: SVG points, no script."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 96, 24


def lines(values: Sequence[float | None], largest: float) -> list[str]:
    """Return the `points` of a polyline for every stretch of known values: a gap stays a gap. 0..`largest` is high.

    A single value between two gaps becomes a dash as wide as its step.
    """
    step = WIDTH / max(1, len(values) - 1)
    found: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            found.append([])
            continue
        y = HEIGHT - 1 - (HEIGHT - 2) * min(1.0, max(0.0, value / largest if largest > 0 else 0.0))
        found[-1].append(f"{n * step:.0f},{y:.1f}")
    return [" ".join(points if len(points) > 1 else _dash(points[0], step)) for points in found if points]


def _dash(point: str, step: float) -> list[str]:
    x, y = point.split(",")
    return [point, f"{float(x) + step / 2:.0f},{y}"]
