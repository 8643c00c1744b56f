"""What the plant's answers mean, bad answers first."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import plant
from app.core.plant import AdmittedReading, Bounds, PreviousReading, Refused, SourceMemory, Unchanged, admit
from app.core.readings import PlantReading, SourceKind, SourceReading, SourceRole, Stamp
from app.core.types import Settings

GENERATION, CONSUMPTION = SourceKind.GENERATION, SourceKind.CONSUMPTION
T0 = datetime(2026, 11, 20, 14, 30, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def at(seconds: float = 0.0, *, boot: str = "boot-1", wall: timedelta = timedelta(0)) -> Stamp:
    """`seconds` after T0; `wall`: how wrong the local wall clock is."""
    return Stamp(T0 + timedelta(seconds=seconds) + wall, 1000.0 + seconds, boot)


def source(name: str, kw: float | None, status: str = "success", kind: SourceKind = CONSUMPTION) -> SourceReading:
    return SourceReading(name, kind, kw, status)


NORTH = source("north", 1612.0, kind=GENERATION)
SOUTH = source("south", 1549.0, kind=GENERATION)
BOX_1 = source("box_1", 182.0)
BOX_2 = source("box_2", 241.0)


def reading(*sources: SourceReading, **changes: Any) -> PlantReading:
    whole = PlantReading(
        plant_id="rio-claro",
        aggregator_id=1,
        recorded_at=T0,
        sources=sources or (NORTH, SOUTH, BOX_1, BOX_2),
        confidence=0.97,
        trust_status="trusted",
        answered_at=T0,
    )
    return replace(whole, **changes)


def memory(of: SourceReading, last_good: Stamp | None = None, **changes: Any) -> SourceMemory:
    role = SourceRole.GENERATION if of.kind is GENERATION else SourceRole.FOREIGN
    return replace(SourceMemory(of.name, of.kind, role, of.value_kw, last_good or at(-15)), **changes)


MEMORIES = tuple(memory(s) for s in (NORTH, SOUTH, BOX_1, BOX_2))


def previous(recorded_at: datetime = T0 - timedelta(seconds=15), **changes: Any) -> PreviousReading:
    values = plant.good_values((NORTH, SOUTH, BOX_1, BOX_2))
    return replace(PreviousReading(recorded_at, values, recorded_at), **changes)


def admitted(
    answer: PlantReading,
    memories: tuple[SourceMemory, ...] = MEMORIES,
    before: PreviousReading | None = None,
    **how: Any,
) -> AdmittedReading:
    verdict = admit(answer, memories, before, **{"received": at(), **how})
    assert isinstance(verdict, AdmittedReading), verdict
    return verdict


def refused(
    answer: PlantReading,
    memories: tuple[SourceMemory, ...] = MEMORIES,
    before: PreviousReading | None = None,
    **how: Any,
) -> Refused:
    verdict = admit(answer, memories, before, **{"received": at(), **how})
    assert isinstance(verdict, Refused), verdict
    return verdict


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("confidence", reading(confidence=0.8)),
        ("confidence", reading(confidence=0.0)),
        ("bad_number", reading(confidence=math.nan)),
        ("bad_number", reading(confidence=math.inf)),
        ("bad_number", reading(confidence=97.0)),
        ("bad_number", reading(NORTH, source("box_1", -1.0))),
        ("bad_number", reading(NORTH, source("box_1", math.nan))),
        ("bad_number", reading(source("north", math.inf, kind=GENERATION))),
        ("bad_number", reading(*(source(n, 1.7e308, kind=GENERATION) for n in "ab"))),
        ("bad_number", reading(NORTH, source("box_1", 1.7e308), source("box_2", 1.7e308))),
        ("wrong_shape", reading(NORTH, BOX_1, BOX_1)),
        ("future", reading(recorded_at=T0 + 1.01 * MINUTE)),
    ],
)
def test_it_refuses_what_cannot_be_trusted_and_admits_the_next_good_one(kind: str, answer: PlantReading) -> None:
    refusal = refused(answer, ())
    assert refusal.kind == kind
    assert refusal.reason.endswith((".", "?"))
    assert refusal.sources == ()
    assert admitted(reading(), ()).available_kw == 1612 + 1549 - 182 - 241


def test_it_refuses_an_answer_without_any_generation_source() -> None:
    assert refused(reading(BOX_1), ()).kind == "wrong_shape"


def test_it_refuses_a_reading_older_than_the_newest() -> None:
    newest = previous(T0 + timedelta(seconds=2))
    assert refused(reading(), before=newest).kind == "older"
    assert admitted(reading(recorded_at=T0 + timedelta(seconds=3)), before=newest)


def test_the_same_timestamp_is_nothing_new_whatever_it_says() -> None:
    assert admit(reading(confidence=0.1), MEMORIES, previous(T0), received=at()) == Unchanged(T0)


def test_a_newest_reading_of_the_future_does_not_shut_out_good_ones() -> None:
    run_ahead = previous(T0 + HOUR)
    verdict = admitted(reading(), before=run_ahead)
    assert verdict.unchanged_since == T0  # not an hour of frozen values


def test_an_old_answer_of_a_cache_stays_refused() -> None:
    cached = reading(recorded_at=T0 - HOUR, answered_at=T0 - HOUR)
    assert refused(cached, before=previous()).kind == "older"


@pytest.mark.parametrize(("kw", "fine"), [(1200.0, True), (1200.5, False), (1_200_000.0, False)])
def test_generation_above_rated_means_a_wrong_unit(kw: float, *, fine: bool) -> None:
    answer = reading(source("north", kw, kind=GENERATION))
    verdict = admit(answer, (), None, received=at(), bounds=Bounds(rated_kw=1000.0))
    assert isinstance(verdict, AdmittedReading if fine else Refused)
    if isinstance(verdict, Refused):
        assert verdict.kind == "above_rated"
        assert "unit" in verdict.reason
    assert admitted(answer, ())  # where nothing is rated


# --- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall", [-HOUR, HOUR, -400 * 24 * HOUR])
def test_a_wrong_local_clock_loses_no_good_reading(wall: timedelta) -> None:
    verdict = admitted(reading(recorded_at=T0 - timedelta(seconds=4)), received=at(wall=wall))
    assert verdict.age_at_receipt_s == 4


def test_without_a_date_header_the_local_clock_judges() -> None:
    answer = reading(answered_at=None)
    assert refused(answer, received=at(wall=-HOUR)).kind == "future"
    assert admitted(answer, received=at(wall=HOUR)).age_at_receipt_s == 3600
    assert admitted(answer, received=at(7)).age_at_receipt_s == 7


def test_a_timestamp_a_little_ahead_is_of_age_zero() -> None:
    assert admitted(reading(recorded_at=T0 + MINUTE)).age_at_receipt_s == 0


def test_a_timestamp_of_the_year_one_is_just_very_old() -> None:
    assert admitted(reading(recorded_at=datetime.min.replace(tzinfo=UTC))).age_at_receipt_s == plant.LONGEST_AGE_S


def test_what_was_measured_is_remembered_as_of_when_it_was() -> None:
    assert admitted(reading(recorded_at=T0 - timedelta(seconds=20))).measured == at(-20)


@pytest.mark.parametrize(
    ("now", "age"),
    [
        (at(30), 35.0),
        (at(30, wall=-HOUR), 35.0),  # within a boot the wall clock does not matter
        (at(30, wall=HOUR), 35.0),
        (Stamp(T0 + HOUR, 5.0, "boot-2"), 3605.0),
        (Stamp(T0 - HOUR, 5.0, "boot-2"), plant.UNKNOWN_AGE_S + 5),  # a reboot that stepped the clock back
        (Stamp(T0 - HOUR, 5.0, "unknown"), plant.UNKNOWN_AGE_S + 5),
    ],
)
def test_age_goes_on_from_receipt(now: Stamp, age: float) -> None:
    received = replace(at(), boot_id="unknown") if now.boot_id == "unknown" else at()
    assert plant.age_s(5.0, received, now) == age


@pytest.mark.parametrize(
    ("age", "frozen", "effective", "fresh"),
    [(0, 0, 0, True), (45, 0, 45, True), (46, 0, 46, False), (15, 599, 15, True), (15, 600, 45, False),
     (15, 700, 145, False), (500, 700, 500, False), (0, 1155, 600, False)],
)  # fmt: skip
def test_frozen_values_grow_old(age: float, frozen: float, effective: float, *, fresh: bool) -> None:
    assert plant.effective_age_s(age, frozen, Settings()) == effective
    assert plant.is_fresh(age, frozen, Settings()) is fresh


def test_values_equal_to_the_last_digit_are_counted_from_the_first_one() -> None:
    since = T0 - 11 * MINUTE
    frozen = admitted(reading(), before=previous(unchanged_since=since))
    assert frozen.unchanged_since == since
    assert frozen.frozen_s == 660
    again = admitted(
        reading(NORTH, SOUTH, BOX_1, replace(BOX_2, value_kw=241.1)), before=previous(unchanged_since=since)
    )
    assert again.frozen_s == 0


def test_values_that_changed_places_are_not_frozen() -> None:
    swapped = reading(NORTH, SOUTH, source("box_1", 241.0), source("box_2", 182.0))
    assert admitted(swapped, before=previous(unchanged_since=T0 - HOUR)).frozen_s == 0


# --- sources that fail, go and come ----------------------------------------------------------------------------------

FAILED_BOX = source("box_2", 0.0, "timeout")


@pytest.mark.parametrize(
    "answer",
    [
        reading(NORTH, SOUTH, BOX_1, FAILED_BOX),
        reading(NORTH, SOUTH, BOX_1),
        reading(NORTH, BOX_1, source("box_2", None)),
    ],
    ids=["failed", "absent", "no number"],
)
def test_a_lost_consumption_source_counts_its_last_good_value_for_ten_minutes(answer: PlantReading) -> None:
    others = (memory(NORTH), memory(SOUTH), memory(BOX_1))
    for last_good in (at(-15), at(-600)):
        assert admitted(answer, (*others, memory(BOX_2, last_good))).container_kw == 182 + 241
    refusal = refused(answer, (*others, memory(BOX_2, at(-601))))
    assert refusal.kind == "source_failed"
    assert "box_2" in refusal.reason
    assert "retired" in refusal.reason
    assert refusal.sources == answer.sources  # what the others said is worth remembering
    assert refusal.measured == at()
    assert admitted(reading(), (*others, memory(BOX_2, at(-3600)))).container_kw == 182 + 241  # and back


@pytest.mark.parametrize("known", [(), (memory(BOX_2, last_good=None, last_value_kw=None),)])
def test_a_consumption_source_never_seen_good_is_not_zero(known: tuple[SourceMemory, ...]) -> None:
    known = tuple(replace(m, last_good=None) for m in known)
    refusal = refused(reading(NORTH, BOX_1, FAILED_BOX), known)
    assert refusal.kind == "source_unknown"
    assert "box_2" in refusal.reason
    assert refusal.sources == (NORTH, BOX_1, FAILED_BOX)
    assert admitted(reading(), known)


def test_a_last_good_value_of_another_boot_s_future_is_of_unknown_age() -> None:
    stepped = memory(BOX_2, Stamp(T0 + HOUR, 10.0, "boot-0"))
    assert refused(reading(NORTH, BOX_1, FAILED_BOX), (stepped,)).kind == "source_failed"


def test_a_retired_source_may_be_absent_or_failed() -> None:
    retired = (memory(BOX_2, at(-3600), role=SourceRole.RETIRED),)
    for answer in (reading(NORTH, BOX_1), reading(NORTH, BOX_1, FAILED_BOX)):
        verdict = admitted(answer, retired)
        assert verdict.container_kw == 182
        assert [s.name for s in verdict.sources] == ["north", "box_1"]


def test_a_retired_source_that_answers_again_is_foreign_load() -> None:
    verdict = admitted(reading(NORTH, BOX_2), (memory(BOX_2, role=SourceRole.RETIRED),))
    assert verdict.foreign_kw == 241
    assert [s.role for s in verdict.sources] == [SourceRole.GENERATION, SourceRole.FOREIGN]


FAILED_SOUTH = replace(SOUTH, value_kw=0.0, status="timeout")


def test_a_lost_generator_counts_for_45_s_then_zero_then_comes_back() -> None:
    answer = reading(NORTH, FAILED_SOUTH, BOX_1)
    for seconds, generation_kw, doubtful in ((-15, 3161, True), (-45, 3161, True), (-46, 1612, False)):
        verdict = admitted(answer, (memory(SOUTH, at(seconds)),))
        assert (verdict.generation_kw, verdict.generation_doubtful) == (generation_kw, doubtful)
    back = admitted(reading(NORTH, SOUTH, BOX_1), (memory(SOUTH, at(-46)),))
    assert (back.generation_kw, back.generation_doubtful) == (3161, False)


def test_a_known_generator_that_the_answer_lacks_has_failed() -> None:
    assert admitted(reading(NORTH, BOX_1), (memory(SOUTH),)).generation_doubtful
    silent = admitted(reading(BOX_1), (memory(NORTH, at(-100)),))  # all of them gone: the plant gives nothing
    assert silent.generation_kw == 0


def test_a_generator_never_seen_good_gives_nothing() -> None:
    verdict = admitted(reading(NORTH, FAILED_SOUTH), ())
    assert (verdict.generation_kw, verdict.generation_doubtful) == (1612, False)


# --- sums by role ----------------------------------------------------------------------------------------------------


def test_a_new_consumption_source_is_foreign_and_the_plain_rule_holds() -> None:
    verdict = admitted(reading(), ())
    assert (verdict.generation_kw, verdict.container_kw, verdict.foreign_kw) == (3161, 423, 423)
    assert verdict.available_kw == verdict.generation_kw - verdict.container_kw
    assert verdict.miners_meter_kw is None
    assert verdict.miners_meter_ok


def test_a_source_in_role_miners_is_not_subtracted() -> None:
    meters = (memory(BOX_1), memory(BOX_2, role=SourceRole.MINERS))
    verdict = admitted(reading(), meters)
    assert (verdict.container_kw, verdict.foreign_kw, verdict.miners_meter_kw) == (423, 182, 241)
    assert verdict.miners_meter_ok
    lost = admitted(reading(NORTH, SOUTH, BOX_1, FAILED_BOX), meters)
    assert (lost.miners_meter_kw, lost.miners_meter_ok) == (241, False)
    assert admitted(reading(), meters).miners_meter_ok


@pytest.mark.parametrize(
    ("sources", "over"),
    [
        ((NORTH, source("box", 1612.0)), False),
        ((NORTH, source("box", 1612.1)), True),
        ((NORTH, BOX_1, source("box_2", 9999.0, "timeout")), False),  # not measured
        ((NORTH, FAILED_SOUTH, source("box", 2000.0)), False),  # a generator lost for a moment
    ],
)
def test_only_measured_consumption_can_exceed_generation(sources: tuple[SourceReading, ...], *, over: bool) -> None:
    huge = memory(BOX_2, last_value_kw=5000.0)
    known = (huge, memory(SOUTH)) if FAILED_SOUTH in sources else (huge, memory(SOUTH, at(-100)))
    if not any(s.name == "box_2" for s in sources):
        known = known[1:]
    assert admitted(reading(*sources), known).over_generation is over


# --- anything at all -------------------------------------------------------------------------------------------------

numbers = st.none() | st.floats() | st.floats(min_value=0, max_value=5000)
stamps = st.builds(
    Stamp,
    utc=st.datetimes(datetime(1972, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    monotonic_s=st.floats(min_value=0, max_value=1e9),
    boot_id=st.sampled_from(["boot-1", "boot-2", "unknown"]),
)
moments = st.datetimes(timezones=st.just(UTC)) | st.datetimes(T0.replace(tzinfo=None) - HOUR, T0.replace(tzinfo=None),
                                                              timezones=st.just(UTC))  # fmt: skip
names = st.sampled_from(["a", "b", "c"])
kinds = st.sampled_from(SourceKind)
answers = st.builds(
    PlantReading,
    plant_id=st.just(""),
    aggregator_id=st.none(),
    recorded_at=moments,
    sources=st.lists(
        st.builds(SourceReading, name=names, kind=kinds, value_kw=numbers, status=st.sampled_from(["success", "x"])),
        max_size=5,
        unique_by=lambda s: (s.kind, s.name),
    ).map(tuple),
    confidence=st.just(0.9) | st.floats(),
    trust_status=st.just(""),
    answered_at=st.none() | moments,
)
memories = st.lists(
    st.builds(
        SourceMemory,
        name=names,
        kind=kinds,
        role=st.sampled_from(SourceRole),
        last_value_kw=numbers,
        last_good=st.none() | stamps,
    ),
    max_size=4,
)
befores = st.none() | st.builds(PreviousReading, recorded_at=moments, values=st.just({}), unchanged_since=moments)


@given(answers, memories, befores, stamps)
def test_it_never_raises_and_never_admits_a_number_that_is_none(
    answer: PlantReading, known: list[SourceMemory], before: PreviousReading | None, received: Stamp
) -> None:
    verdict = admit(answer, known, before, received=received, bounds=Bounds(rated_kw=3000.0))
    if isinstance(verdict, AdmittedReading):
        for part in fields(verdict):
            value = getattr(verdict, part.name)
            if isinstance(value, float):
                assert math.isfinite(value)
                assert value >= 0
        assert all(math.isfinite(s.counted_kw) for s in verdict.sources)
        assert verdict.generation_kw <= 3600
        assert verdict.confidence > 0.8
        assert plant.age_s(verdict.age_at_receipt_s, verdict.received, received) == verdict.age_at_receipt_s
        assert before is None or verdict.recorded_at != before.recorded_at
    else:
        assert isinstance(verdict, Refused | Unchanged)


@given(answers, stamps)
def test_a_consumption_source_that_is_lost_never_makes_more_power_available(
    answer: PlantReading, received: Stamp
) -> None:
    whole = admit(answer, (), None, received=received)
    if not isinstance(whole, AdmittedReading):
        return
    known = [SourceMemory(s.name, s.kind, s.role, s.value_kw, received) for s in whole.sources if s.good]
    without = replace(answer, sources=tuple(s for s in answer.sources if s.kind is GENERATION))
    less = admit(without, known, None, received=received)
    assert isinstance(less, AdmittedReading)
    assert less.available_kw <= whole.available_kw + 1e-6
