"""The formula of the available power in numbers, for people: as it is, and as it would be with other roles (SPEC 3).

available = generation - foreign meters - overhead - unmanaged miners. The balancer's own books are `core.power`; this
says the same of one reading and the latest cycle's books, and what another choice of roles would make of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core import plant, power
from app.core.plant import CountedSource
from app.core.readings import SourceRole
from app.core.types import Settings

BEYOND = 1.1  # plant and miners are read seconds apart: up to here, more drawn than generated is no riddle
MOST_OF_THEM = 0.8  # a meter that reads that much of what the miners draw contains them


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
    unmanaged_kw: float
    counts_unmanaged: bool
    target_kw: float
    overhead_estimated: bool = False

    @property
    def available_kw(self) -> float:
        return available_kw(self.generation_kw, self.foreign_kw, self.overhead_kw, self.subtracted_unmanaged_kw)

    @property
    def subtracted_unmanaged_kw(self) -> float:
        return self.unmanaged_kw if self.counts_unmanaged else 0.0


def available_kw(generation_kw: float, foreign_kw: float, overhead_kw: float, unmanaged_kw: float) -> float:
    """Return what the managed miners may draw at most; below 0 where the others draw more than there is."""
    return generation_kw - foreign_kw - overhead_kw - unmanaged_kw


@dataclass(frozen=True, slots=True)
class MeterLoad:
    """A consumption meter in the role foreign or miners, kW. `apart`: the meter check saw it not follow the miners."""

    role: SourceRole
    kw: float
    apart: bool = False


def drawn_twice_kw(
    generation_kw: float, meters: Iterable[MeterLoad], books: Books, *, counts_unmanaged: bool
) -> float | None:
    """Return what is drawn by these roles (kW), where that is so much that foreign meters may contain the miners.

    A question to whoever says the roles, long before the miners have moved enough for the meter check; no rule acts on
    it, since a plant on the grid may import, and right after a fall of the river it is so for a moment. None where the
    miners cannot explain what is too much: other loads alone exceed the generation, a meter in the role miners shows
    them already, or the suspects read less than half of what they draw (as in the meter check).
    """
    loads = list(meters)
    foreign_kw = sum(meter.kw for meter in loads if meter.role is SourceRole.FOREIGN)
    suspect_kw = sum(meter.kw for meter in loads if meter.role is SourceRole.FOREIGN and not meter.apart)
    seen_kw = sum(meter.kw for meter in loads if meter.role is SourceRole.MINERS)
    miners_kw = books.managed_kw + (books.unmanaged_kw if counts_unmanaged else 0.0)
    limit_kw = BEYOND * generation_kw
    if seen_kw >= MOST_OF_THEM * (books.managed_kw + books.unmanaged_kw) or not miners_kw <= 2.0 * suspect_kw:
        return None
    return foreign_kw + miners_kw if foreign_kw <= limit_kw < foreign_kw + miners_kw else None


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
