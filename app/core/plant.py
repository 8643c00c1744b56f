"""Which answers of the plant may drive control, what they mean in kW by role, and how old they are (SPEC 3).

`admit` is the only way from a `PlantReading` (well-formed) to an `AdmittedReading` (trusted, complete, by role).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.readings import PlantReading, SourceKind, SourceReading, SourceRole, Stamp
from app.core.types import Settings

FROZEN_AFTER_S = 600.0  # values equal to the last digit for this long count as stale
UNKNOWN_AGE_S = 86_400.0  # an age that cannot be known: more than any limit, yet a number
LONGEST_AGE_S = 366 * 86_400.0  # a collection timestamp of the year 1 is as good as one of last year
MISSING = "missing"  # status of a known source that the answer does not name

SourceKey = tuple[SourceKind, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an answer must keep to be trusted. `rated_kw` None: the operator set none."""

    rated_kw: float | None = None
    rated_factor: float = 1.2
    confidence_above: float = 0.8
    future_s: float = 60.0
    consumption_last_good_s: float = 600.0
    generation_last_good_s: float = 45.0


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """What is known of a source from earlier answers. `last_good` is the moment the plant measured it."""

    name: str
    kind: SourceKind
    role: SourceRole
    last_value_kw: float | None = None
    last_good: Stamp | None = None


@dataclass(frozen=True, slots=True)
class PreviousReading:
    """The newest trusted reading so far: the one the next must not be older than. `values`: its good values, kW."""

    recorded_at: datetime
    values: Mapping[SourceKey, float]
    unchanged_since: datetime


@dataclass(frozen=True, slots=True)
class CountedSource:
    """One source of an answer, or one that it lacks, with what it counts (kW). `value_kw`: as answered."""

    name: str
    kind: SourceKind
    role: SourceRole
    value_kw: float | None
    status: str
    counted_kw: float
    good: bool


@dataclass(frozen=True, slots=True)
class AdmittedReading:
    """A reading that may drive control. All sums include what failed sources count with; `measured` is the moment
    the plant collected it, on this machine's clocks.
    """

    plant_id: str
    aggregator_id: int | None
    recorded_at: datetime
    confidence: float
    sources: tuple[CountedSource, ...]
    generation_kw: float
    container_kw: float
    foreign_kw: float
    miners_meter_kw: float | None
    miners_meter_ok: bool
    generation_doubtful: bool
    over_generation: bool
    unchanged_since: datetime
    age_at_receipt_s: float
    received: Stamp
    measured: Stamp

    @property
    def available_kw(self) -> float:
        """Generation less the sources in role foreign; a cycle subtracts unmanaged miners and overhead too."""
        return self.generation_kw - self.foreign_kw

    @property
    def frozen_s(self) -> float:
        return frozen_s(self.recorded_at, self.unchanged_since)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that must not drive control, and why.

    `sources` is not empty where the answer itself is trusted and only too much of it is missing: then what its good
    sources say is worth remembering, and its unknown ones must be listed so that the operator can give them a role.
    """

    kind: str
    reason: str
    sources: tuple[SourceReading, ...] = ()
    measured: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The answer is the reading that is already in force: nothing to store, its age goes on."""

    recorded_at: datetime


Verdict = AdmittedReading | Refused | Unchanged


class _Refusal(Exception):
    def __init__(self, kind: str, reason: str) -> None:
        self.kind, self.reason = kind, reason
        super().__init__(reason)


def admit(
    reading: PlantReading,
    sources: Sequence[SourceMemory],
    previous: PreviousReading | None,
    *,
    received: Stamp,
    bounds: Bounds = Bounds(),
) -> Verdict:
    """Judge one answer, received at `received`, by what is known of its sources. Never raises.

    Time is the plant's own (`answered_at`, its Date header) where it tells it, else this machine's: a wrong local
    clock must not make good readings lost.
    """
    if previous is not None and reading.recorded_at == previous.recorded_at:
        return Unchanged(reading.recorded_at)
    clock = reading.answered_at or received.utc
    try:
        _check_numbers(reading, bounds)
        _check_time(reading.recorded_at, previous, clock, received, bounds)
    except _Refusal as refusal:
        return Refused(refusal.kind, refusal.reason)
    age_at_receipt_s = min(max(0.0, (clock - reading.recorded_at).total_seconds()), LONGEST_AGE_S)
    try:
        counted = _count(reading, sources, received, bounds)
        return _sum_up(reading, counted, previous, received=received, age_at_receipt_s=age_at_receipt_s, bounds=bounds)
    except _Refusal as refusal:
        if refusal.kind not in ("source_failed", "source_unknown"):
            return Refused(refusal.kind, refusal.reason)
        return Refused(refusal.kind, refusal.reason, reading.sources, _earlier(received, age_at_receipt_s))


def age_s(age_at_receipt_s: float, received: Stamp, now: Stamp) -> float:
    """Return how old a reading is at `now`, in seconds: its age at receipt plus the time since.

    Within one boot that is exact. A receipt of another boot that lies in the future (the wall clock was stepped back,
    as happens without a battery) tells nothing, so the reading counts as a day old: stale and lost, never fresh. A
    step back that hides behind a longer power cut cannot be seen; SPEC 5.5 (one fresh reading since the start before
    any increase) covers it.
    """
    return age_at_receipt_s + _since_s(received, now)


def frozen_s(recorded_at: datetime, unchanged_since: datetime) -> float:
    """Return for how long every value had been equal to the last digit when the plant collected this reading."""
    return max(0.0, (recorded_at - unchanged_since).total_seconds())


def effective_age_s(age_s: float, frozen_s: float, settings: Settings) -> float:
    """Return the age a reading counts with: values frozen for 10 min are stale from then on, and grow older."""
    if frozen_s < FROZEN_AFTER_S:
        return age_s
    return max(age_s, settings.stale_after_s + frozen_s - FROZEN_AFTER_S)


def is_fresh(age_s: float, frozen_s: float, settings: Settings) -> bool:
    """Tell whether a reading is fresh: neither old nor frozen."""
    return age_s <= settings.stale_after_s and frozen_s < FROZEN_AFTER_S


def _since_s(moment: Stamp, now: Stamp) -> float:
    other_boot = moment.boot_id != now.boot_id or moment.boot_id == "unknown"
    if other_boot and moment.utc > now.utc:
        return UNKNOWN_AGE_S
    return moment.elapsed_s(now)


def _earlier(moment: Stamp, by_s: float) -> Stamp:
    return Stamp(moment.utc - timedelta(seconds=by_s), moment.monotonic_s - by_s, moment.boot_id)


def _check_numbers(reading: PlantReading, bounds: Bounds) -> None:
    keys = [(s.kind, s.name) for s in reading.sources]
    if len(set(keys)) != len(keys):
        raise _Refusal("wrong_shape", "The answer names a source twice.")
    for source in reading.sources:
        if source.good and not _is_amount(source.value_kw):
            raise _Refusal("bad_number", f"{_label(source)} reads {source.value_kw:g} kW, which cannot be.")
    if not 0 <= reading.confidence <= 1:  # also NaN
        raise _Refusal("bad_number", f"The confidence reads {reading.confidence:g}; it is a share from 0 to 1.")
    if reading.confidence <= bounds.confidence_above:
        raise _Refusal(
            "confidence",
            f"The plant trusts this reading with {reading.confidence:g} only ({reading.trust_status}); "
            f"it takes more than {bounds.confidence_above:g} to drive the farm.",
        )


def _check_time(
    recorded_at: datetime, previous: PreviousReading | None, clock: datetime, received: Stamp, bounds: Bounds
) -> None:
    ahead_s = (recorded_at - clock).total_seconds()
    if ahead_s > bounds.future_s:
        raise _Refusal("future", f"The reading is dated {ahead_s:.0f} s in the future.")
    if previous is None or recorded_at > previous.recorded_at:
        return
    # A plant whose clock once ran ahead left a newest reading dated in the future by both clocks: it no longer counts,
    # or it would shut out every good reading until then. By one clock alone it could be an old answer from a cache.
    newest_ahead_s = (previous.recorded_at - max(clock, received.utc)).total_seconds()
    if newest_ahead_s <= bounds.future_s:
        older_s = (previous.recorded_at - recorded_at).total_seconds()
        raise _Refusal("older", f"The reading is {older_s:.0f} s older than the newest one.")


def _count(
    reading: PlantReading, sources: Sequence[SourceMemory], received: Stamp, bounds: Bounds
) -> list[CountedSource]:
    """Give every source of the answer, and every known one it lacks, its role and what it counts."""
    memories = {(m.kind, m.name): m for m in sources}
    answered = {(s.kind, s.name): s for s in reading.sources}
    lacking = [SourceReading(m.name, m.kind, None, MISSING) for key, m in memories.items() if key not in answered]
    counted = []
    for source in (*reading.sources, *lacking):
        memory = memories.get((source.kind, source.name))
        if memory is not None and memory.role is SourceRole.RETIRED and not source.good:
            continue  # gone, as the operator said
        counted.append(_count_one(source, memory, received, bounds))
    return counted


def _count_one(source: SourceReading, memory: SourceMemory | None, received: Stamp, bounds: Bounds) -> CountedSource:
    if source.good:
        value = source.value_kw
    elif source.kind is SourceKind.GENERATION:
        value = _last_good_kw(memory, received, bounds.generation_last_good_s)
    else:
        value = _last_good_kw(memory, received, bounds.consumption_last_good_s)
        if value is None:
            raise _failed_consumption(source, memory, bounds)
    role = _role(source.kind, memory)
    return CountedSource(source.name, source.kind, role, source.value_kw, source.status, value or 0.0, source.good)


def _role(kind: SourceKind, memory: SourceMemory | None) -> SourceRole:
    """A new consumption source, and a retired one that answers again, is load that nobody here controls."""
    if kind is SourceKind.GENERATION:
        return SourceRole.GENERATION
    return SourceRole.MINERS if memory is not None and memory.role is SourceRole.MINERS else SourceRole.FOREIGN


def _last_good_kw(memory: SourceMemory | None, received: Stamp, at_most_s: float) -> float | None:
    if memory is None or memory.last_good is None or not _is_amount(memory.last_value_kw):
        return None
    return memory.last_value_kw if _since_s(memory.last_good, received) <= at_most_s else None


def _failed_consumption(source: SourceReading, memory: SourceMemory | None, bounds: Bounds) -> _Refusal:
    advice = "If it was removed, give it the role retired."
    if memory is None or memory.last_good is None:
        return _Refusal(
            "source_unknown",
            f"{_label(source)} has never given a good value (now: {source.status}), so what it draws is not known. "
            + advice,
        )
    minutes = bounds.consumption_last_good_s / 60
    return _Refusal(
        "source_failed",
        f"{_label(source)} has given no good value for more than {minutes:g} min (now: {source.status}). {advice}",
    )


def _sum_up(
    reading: PlantReading,
    counted: Sequence[CountedSource],
    previous: PreviousReading | None,
    *,
    received: Stamp,
    age_at_receipt_s: float,
    bounds: Bounds,
) -> AdmittedReading:
    generators = [s for s in counted if s.kind is SourceKind.GENERATION]
    containers = [s for s in counted if s.kind is SourceKind.CONSUMPTION]
    load = by_role(containers)
    generation_kw = _total_kw(generators)
    container_kw = _total_kw(containers)
    if not generators:
        raise _Refusal("wrong_shape", "The answer names no generation source.")
    if not math.isfinite(generation_kw) or not math.isfinite(container_kw):
        raise _Refusal("bad_number", "The sum of the sources is too large to be power.")
    if bounds.rated_kw is not None and generation_kw > bounds.rated_factor * bounds.rated_kw:
        raise _Refusal(
            "above_rated",
            f"Generation reads {generation_kw:g} kW, more than {bounds.rated_factor:g} times the plant's rated "
            f"{bounds.rated_kw:g} kW. Is the unit (MW or kW) right?",
        )
    return AdmittedReading(
        plant_id=reading.plant_id,
        aggregator_id=reading.aggregator_id,
        recorded_at=reading.recorded_at,
        confidence=reading.confidence,
        sources=tuple(counted),
        generation_kw=generation_kw,
        container_kw=container_kw,
        foreign_kw=load.foreign_kw,
        miners_meter_kw=load.miners_meter_kw,
        miners_meter_ok=load.miners_meter_ok,
        generation_doubtful=any(not s.good and s.counted_kw > 0 for s in generators),
        # What is measured to be drawn against the most that may be generated: a generator whose answer was lost for
        # a moment is no emergency, it counts for its 45 s.
        over_generation=_total_kw(s for s in containers if s.good) > generation_kw,
        unchanged_since=_unchanged_since(reading, previous),
        age_at_receipt_s=age_at_receipt_s,
        received=received,
        measured=_earlier(received, age_at_receipt_s),
    )


@dataclass(frozen=True, slots=True)
class LoadByRole:
    """Consumption by role, in kW. `miners_meter_kw` is None without a source in role `miners`."""

    foreign_kw: float
    miners_meter_kw: float | None
    miners_meter_ok: bool


def by_role(containers: Sequence[CountedSource]) -> LoadByRole:
    """Sum consumption sources up by the role each has."""
    meters = [s for s in containers if s.role is SourceRole.MINERS]
    return LoadByRole(
        foreign_kw=_total_kw(s for s in containers if s.role is SourceRole.FOREIGN),
        miners_meter_kw=_total_kw(meters) if meters else None,
        miners_meter_ok=all(s.good for s in meters),
    )


def _unchanged_since(reading: PlantReading, previous: PreviousReading | None) -> datetime:
    if previous is None or previous.recorded_at > reading.recorded_at:
        return reading.recorded_at
    return previous.unchanged_since if good_values(reading.sources) == previous.values else reading.recorded_at


def good_values(sources: Iterable[SourceReading | CountedSource]) -> dict[SourceKey, float]:
    """Return the value (kW) of each good source by kind and name: what is compared to find frozen values."""
    return {(s.kind, s.name): s.value_kw for s in sources if s.good and s.value_kw is not None}


def _total_kw(sources: Iterable[CountedSource]) -> float:
    return sum(s.counted_kw for s in sources)


def _is_amount(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= 0


def _label(source: SourceReading) -> str:
    word = "Generation" if source.kind is SourceKind.GENERATION else "Consumption"
    return f"{word} source {source.name}"
