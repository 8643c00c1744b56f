"""The formula of the available power in numbers, for people: as it is, and as it would be with other roles (SPEC 3).

available = generation - foreign meters - overhead - unmanaged miners. The balancer's own books are `core.power`; this
says the same of one reading and the latest cycle's books, and what another choice of roles would make of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core import plant, power
from app.core.plant import CountedSource
from app.core.types import Settings

BEYOND = 1.1  # plant and miners are read seconds apart: up to here, more drawn than generated is no riddle


@dataclass(frozen=True, slots=True)
class Books:
    """What the latest cycle counted (kW). `overhead_kw` None: not known for these roles, to be estimated."""

    managed_kw: float = 0.0
    unmanaged_kw: float = 0.0
    overhead_kw: float | None = None


@dataclass(frozen=True, slots=True)
class Formula:
    """The available power and what it is made of (kW).

    `overhead_estimated`: taken from this reading alone, while the balancer smooths it over several.
    `unmanaged_kw`: what known unmanaged miners count with; subtracted only where `counts_unmanaged`.
    """

    generation_kw: float
    foreign_kw: float
    overhead_kw: float
    managed_kw: float
    unmanaged_kw: float
    counts_unmanaged: bool
    target_kw: float
    overhead_estimated: bool = False

    @property
    def drawn_kw(self) -> float:
        """What all of it draws together, by these roles."""
        return self.foreign_kw + self.overhead_kw + self.managed_kw + self.unmanaged_kw

    @property
    def seems_counted_twice(self) -> bool:
        return seems_counted_twice(self.generation_kw, self.foreign_kw, self.managed_kw + self.unmanaged_kw)

    @property
    def available_kw(self) -> float:
        return available_kw(self.generation_kw, self.foreign_kw, self.overhead_kw, self.subtracted_unmanaged_kw)

    @property
    def subtracted_unmanaged_kw(self) -> float:
        return self.unmanaged_kw if self.counts_unmanaged else 0.0


def available_kw(generation_kw: float, foreign_kw: float, overhead_kw: float, unmanaged_kw: float) -> float:
    """Return what the managed miners may draw at most; below 0 where the others draw more than there is."""
    return generation_kw - foreign_kw - overhead_kw - unmanaged_kw


def seems_counted_twice(generation_kw: float, foreign_kw: float, miners_kw: float) -> bool:
    """Whether meters that count as foreign load probably contain the miners: together more is drawn than generated.

    A question to whoever says the roles, long before the miners have moved enough for the meter check; no rule acts on
    it. A plant on the grid may import the rest, and right after a fall of the river it is so for a moment. Meters below
    half of what the miners draw cannot contain them (as in the meter check).
    """
    return 0.0 < miners_kw <= 2.0 * foreign_kw and foreign_kw + miners_kw > BEYOND * generation_kw


def formula(generation_kw: float, loads: Sequence[CountedSource], books: Books, settings: Settings) -> Formula:
    """Return the formula for consumption sources in the roles they carry."""
    load = plant.by_role(loads)
    estimated = load.miners_meter_kw is not None and books.overhead_kw is None
    overhead_kw = _overhead_kw(load.miners_meter_kw, books)
    subtracted_kw = books.unmanaged_kw if settings.count_unmanaged else 0.0
    left_kw = available_kw(generation_kw, load.foreign_kw, overhead_kw, subtracted_kw)
    return Formula(
        generation_kw=generation_kw,
        foreign_kw=load.foreign_kw,
        overhead_kw=overhead_kw,
        managed_kw=books.managed_kw,
        unmanaged_kw=books.unmanaged_kw,
        counts_unmanaged=settings.count_unmanaged,
        target_kw=power.target_w(left_kw, settings) / 1000.0,
        overhead_estimated=estimated,
    )


def _overhead_kw(miners_meter_kw: float | None, books: Books) -> float:
    """Overhead exists only with meters that contain the miners: what they read beyond all known miners."""
    if miners_meter_kw is None:
        return 0.0
    if books.overhead_kw is not None:
        return books.overhead_kw
    return max(0.0, miners_meter_kw - books.managed_kw - books.unmanaged_kw)
