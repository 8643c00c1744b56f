"""The shape of a ladder: what each preset adds for its watts, and which presets are ever the best use of them.

A farm's watts go where they hash most (decision 0005), so only presets on the upper hull of power and hashrate are
worth going to; another one is at best a stop-gap for the last watts. The economic policy builds its menus likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.core import allocation

FAR_OFF = 0.3  # an own number that differs by more than this share from the firmware's is probably a slip


@dataclass(frozen=True, slots=True)
class Point:
    """A preset with known numbers."""

    name: str
    power_w: float
    hashrate_ths: float


@dataclass(frozen=True, slots=True)
class Rung:
    """A preset in its ladder. `ths_per_kw`: TH/s gained per kW since the preset before it, None for the first.

    `hull_ths`: the hull's height at its watts, None above the preset that hashes most; `best`: it lies on the hull.
    """

    point: Point
    ths_per_kw: float | None
    hull_ths: float | None
    best: bool


def curve(points: Sequence[Point]) -> tuple[Rung, ...]:
    """Return the presets by watts, each with what it adds. Of several with equal watts only the best can be `best`."""
    ordered = sorted(points, key=lambda p: (p.power_w, -p.hashrate_ths, p.name))
    distinct = [p for n, p in enumerate(ordered) if n == 0 or p.power_w > ordered[n - 1].power_w]
    menu = allocation.menu([(p.power_w, p.hashrate_ths) for p in distinct])
    corners = [distinct[index] for index in menu.hull]
    rungs = []
    for n, point in enumerate(ordered):
        gain = None if n == 0 else _ths_per_kw(ordered[n - 1], point)
        rungs.append(Rung(point, gain, _height(corners, point.power_w), any(point is corner for corner in corners)))
    return tuple(rungs)


def far_off(own: float | None, firmware: float | None) -> bool:
    """Whether an operator's number differs so much from the firmware's that it should be looked at again."""
    return bool(own and firmware) and abs((own or 0.0) / (firmware or 1.0) - 1.0) > FAR_OFF


def _ths_per_kw(before: Point, point: Point) -> float | None:
    more_w = point.power_w - before.power_w
    return None if more_w <= 0 else (point.hashrate_ths - before.hashrate_ths) / more_w * 1000.0


def _height(corners: Sequence[Point], power_w: float) -> float | None:
    for low, high in pairwise(corners):
        if low.power_w <= power_w <= high.power_w:
            share = (power_w - low.power_w) / (high.power_w - low.power_w)
            return low.hashrate_ths + share * (high.hashrate_ths - low.hashrate_ths)
    return corners[0].hashrate_ths if corners and power_w == corners[0].power_w else None
