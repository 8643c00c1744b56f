"""How far the newest plant reading may be trusted: fresh, stale, lost (SPEC 3, "Age")."""

from __future__ import annotations

from dataclasses import dataclass

from app.core import power
from app.core.plant import FROZEN_AFTER_S, effective_age_s, is_fresh
from app.core.types import Snapshot


@dataclass(frozen=True, slots=True)
class DataAge:
    """`age_s` None: no reading at all. `why_no_increase` None: increases are allowed."""

    age_s: float | None
    stale: bool
    lost: bool
    trust: float
    why_no_increase: str | None

    @property
    def increases_allowed(self) -> bool:
        return self.why_no_increase is None


def judge(snapshot: Snapshot) -> DataAge:
    """Return what the age of the reading in `snapshot` allows.

    Trust melts and the plant is lost by the age or the time since the scheduler took over, whichever is shorter: a
    program that was down for a night first gets a chance to ask the plant.
    """
    settings, plant = snapshot.settings, snapshot.plant
    if plant is None:
        lost = snapshot.uptime_s > settings.lost_after_s
        return DataAge(None, stale=True, lost=lost, trust=1.0, why_no_increase="there is no plant reading yet")
    age_s = effective_age_s(plant.age_s, plant.frozen_s, settings)
    stale = not is_fresh(plant.age_s, plant.frozen_s, settings)
    in_force_s = min(age_s, snapshot.uptime_s)
    return DataAge(
        age_s=age_s,
        stale=stale,
        lost=in_force_s > settings.lost_after_s,
        trust=power.trust(in_force_s, settings),
        why_no_increase=_why_no_increase(snapshot, age_s, stale=stale),
    )


def _why_no_increase(snapshot: Snapshot, age_s: float, *, stale: bool) -> str | None:
    plant = snapshot.plant
    if plant is not None and plant.frozen_s >= FROZEN_AFTER_S:
        return f"the plant's values have been frozen for {plant.frozen_s / 60:.0f} min"
    if stale:
        return f"the plant reading is {age_s:.0f} s old"
    if plant is not None and plant.newer_refused:
        return "the plant's newest answer was refused"
    if plant is not None and plant.generation_doubtful:
        return "a generation source has failed"
    if plant is not None and plant.over_generation_twice:
        return "the meters read more consumption than generation"
    if plant is not None and plant.contradicted:
        return "; ".join(plant.contradicted)
    if not snapshot.fresh_since_start:
        return "no fresh plant reading since the start yet"
    return None if snapshot.polled_since_start else "no full status poll since the start yet"
