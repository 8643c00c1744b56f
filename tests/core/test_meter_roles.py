"""Roles that meters contradict: which are judged together, what stands how long, what it costs, how it is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.meter_roles import (
    Contradiction,
    Judged,
    Judgement,
    Meter,
    contradictions,
    effect_kw,
    judge_all,
    standing,
    updated,
)
from app.core.metering import Finding, MeterVerdict
from app.core.readings import SourceRole
from tests.core.builders import T0
from tests.core.meter_model import Load, Miners, read, steady, steps

CONTAINS, APART, UNDECIDED = MeterVerdict.CONTAINS, MeterVerdict.APART, MeterVerdict.UNDECIDED
FOREIGN, MINERS = SourceRole.FOREIGN, SourceRole.MINERS
LATER = T0 + timedelta(minutes=10)
FLEET = Miners()


def meter(name: str, load: Load, role: SourceRole = FOREIGN) -> Meter:
    return Meter(name, role, read(load))


def half(first: int, beyond: int, fans_kw: float = 2.0, seed: int = 1) -> Load:
    fans = steady(fans_kw, 0.2, seed)
    return lambda at_s: 1.04 * FLEET.kw(at_s, first, beyond) + fans(at_s)


def found(*meters: Meter) -> dict[str, tuple[MeterVerdict, tuple[str, ...]]]:
    judged = judge_all(meters, FLEET.draws())
    return {name: (one.finding.verdict, one.together) for name, one in judged.items()}


WHOLE = half(0, 40)
VILLAGE = steady(90.0, 1.0, seed=9)


def test_each_foreign_meter_is_judged_alone_where_one_contains_all_miners() -> None:
    assert found(meter("a", WHOLE), meter("b", VILLAGE)) == {"a": (CONTAINS, ("a",)), "b": (APART, ("b",))}


def test_two_containers_are_judged_together_and_the_village_apart() -> None:
    both = (CONTAINS, ("a", "b"))
    meters = (meter("a", half(0, 24)), meter("b", half(24, 40, seed=2)), meter("v", VILLAGE))
    assert found(*meters) == {"a": both, "b": both, "v": (APART, ("v",))}


def test_a_container_that_reads_less_than_half_is_one_of_them() -> None:
    both = (CONTAINS, ("a", "b"))
    assert found(meter("a", half(0, 28)), meter("b", half(28, 40, 1.0, seed=2))) == {"a": both, "b": both}


def test_meters_in_the_role_miners_are_one_sum() -> None:
    both = (CONTAINS, ("a", "b"))
    assert found(meter("a", half(0, 20), MINERS), meter("b", half(20, 40), MINERS)) == {"a": both, "b": both}
    # Beside a meter that contains them all, a meter of something else only adds to the overhead.
    assert found(meter("a", WHOLE, MINERS), meter("v", VILLAGE, MINERS))["v"] == (CONTAINS, ("a", "v"))
    assert found(meter("v", VILLAGE, MINERS)) == {"v": (APART, ("v",))}


def test_a_sum_counts_where_all_its_meters_gave_a_value() -> None:
    a, b = meter("a", half(0, 20)), meter("b", half(20, 40))
    thin = replace(b, readings=[r for number, r in enumerate(b.readings) if number % 4])
    assert found(a, thin)["a"] == (CONTAINS, ("a", "b"))
    assert found(a, replace(b, readings=[]))["a"][0] is UNDECIDED


def test_containers_in_different_roles_are_left_open() -> None:
    roles = found(meter("a", half(0, 20), MINERS), meter("b", half(20, 40, 50.0)))
    assert roles == {"a": (UNDECIDED, ("a",)), "b": (UNDECIDED, ("b",))}


def test_a_large_restless_load_beside_two_containers_leaves_it_open() -> None:
    mill = steps(80.0, 20.0, 200.0)
    meters = (meter("a", half(0, 20)), meter("b", half(20, 40)), meter("mill", lambda t: 90.0 + mill(t)))
    assert CONTAINS not in {verdict for verdict, _ in found(*meters).values()}


def test_no_meter_no_verdict() -> None:
    assert judge_all([], FLEET.draws()) == {}
    assert found(Meter("a", FOREIGN, [])) == {"a": (UNDECIDED, ("a",))}


# --- what stands -----------------------------------------------------------------------------------------------------


def kept(name: str = "a", verdict: MeterVerdict | None = CONTAINS, **facts: Any) -> Judgement:
    known: dict[str, Any] = {
        "role": FOREIGN, "slope": 1.02, "judged_role": FOREIGN, "together": (name,), "reading_id": 100,
        "decided_at": T0,
    }  # fmt: skip
    return Judgement(name=name, verdict=verdict, **known | facts)


def judged(verdict: MeterVerdict, slope: float | None = 1.0, *together: str) -> Judged:
    return Judged(Finding(verdict, "because", slope), together or ("a",))


def test_a_decided_verdict_takes_the_place_of_another() -> None:
    after = updated(kept(), judged(APART, 0.1), 200, LATER, stands=True)
    assert (after.verdict, after.slope, after.reading_id, after.decided_at) == (APART, 0.1, 200, LATER)


def test_the_same_verdict_again_keeps_its_beginning() -> None:
    after = updated(kept(), judged(CONTAINS, 1.07), 200, LATER, stands=True)
    assert (after.slope, after.reading_id, after.decided_at) == (1.07, 200, T0)
    assert updated(kept(), judged(CONTAINS), 200, LATER, stands=False).decided_at == LATER


def test_an_undecided_hour_leaves_what_stands_and_clears_what_does_not() -> None:
    assert updated(kept(), judged(UNDECIDED), 200, LATER, stands=True) == kept()
    gone = updated(kept(after_id=150), judged(UNDECIDED), 200, LATER, stands=False)
    assert gone == Judgement("a", FOREIGN, after_id=150)


def test_what_a_level_decided_ends_with_it() -> None:
    low = kept(verdict=APART, slope=None, role=MINERS, judged_role=MINERS)
    assert updated(low, judged(APART, None), 200, LATER, stands=True).verdict is APART
    assert updated(low, judged(UNDECIDED), 200, LATER, stands=True).verdict is None


def test_a_container_too_low_for_all_miners_keeps_what_two_gave_together() -> None:
    pair = kept(together=("a", "b"))
    assert updated(pair, judged(APART, None, "a"), 200, LATER, stands=True) == pair
    assert updated(pair, judged(APART, 0.02, "a"), 200, LATER, stands=True).verdict is APART
    assert updated(kept(), judged(APART, None, "a"), 200, LATER, stands=True).verdict is APART


PAIR = (kept("a", together=("a", "b")), kept("b", together=("a", "b")))
OURS = (
    kept("a", together=("a", "b"), role=MINERS, judged_role=MINERS),
    kept("b", together=("a", "b"), role=MINERS, judged_role=MINERS),
)


@pytest.mark.parametrize(
    ("judgements", "names"),
    [
        ([kept()], {"a"}),
        ([kept(verdict=None)], set()),
        ([kept(role=MINERS)], set()),  # the role has changed
        ([kept(role=SourceRole.RETIRED)], set()),
        ([kept(after_id=99)], {"a"}),
        ([kept(after_id=100)], set()),  # the operator said it again after the newest reading it rests on
        (PAIR, {"a", "b"}),
        ([PAIR[0]], set()),  # the other meter is gone
        ([PAIR[0], replace(PAIR[1], role=MINERS)], set()),
        ([PAIR[0], replace(PAIR[1], after_id=100)], set()),
        ([PAIR[0], kept("b", APART, slope=0.0)], {"b"}),  # it has a verdict of its own by now
        (OURS, {"a", "b"}),
        ([*OURS, kept("c", verdict=None, role=MINERS)], set()),  # another sum by now
    ],
)
def test_how_long_a_verdict_stands(judgements: list[Judgement], names: set[str]) -> None:
    assert set(standing(judgements)) == names


@pytest.mark.parametrize(
    ("role", "verdict", "effect"),
    [
        (FOREIGN, CONTAINS, 400.0),  # all that the miners count with is subtracted twice
        (FOREIGN, APART, 0.0),
        (MINERS, CONTAINS, 0.0),
        (MINERS, APART, 120.0),  # its own load is taken for the miners'
        (FOREIGN, None, 0.0),
    ],
)
def test_the_effect_in_kw(role: SourceRole, verdict: MeterVerdict | None, effect: float) -> None:
    judgement = kept(role=role, verdict=verdict)
    assert effect_kw(judgement, 120.0, 400.0) == effect
    assert effect_kw(kept(role=MINERS, verdict=APART), 900.0, 400.0) == 400.0


def test_a_right_role_is_no_contradiction() -> None:
    fine = [kept("a", APART, slope=0.0), kept("b", CONTAINS, role=MINERS, judged_role=MINERS)]
    assert contradictions(fine) == ()


TWICE = "kW are subtracted twice"
NOT_AT_ALL = "kW of other load are not subtracted"


@pytest.mark.parametrize(
    ("judgements", "sentence"),
    [
        (
            [kept("box", effect_kw=1234.4)],
            f"box has the role foreign, but follows the miners (slope 1.02): 1,234 {TWICE}",
        ),
        (
            [replace(one, effect_kw=400.0) for one in PAIR],
            f"a and b have the role foreign, but together follow the miners (slope 1.02): 400 {TWICE}",
        ),
        (
            [kept("v", APART, role=MINERS, judged_role=MINERS, slope=0.04, effect_kw=90.0)],
            f"v has the role miners, but does not follow the miners (slope 0.04): 90 {NOT_AT_ALL}",
        ),
        (
            [kept("v", APART, role=MINERS, judged_role=MINERS, slope=None, effect_kw=9.0)],
            f"v has the role miners, but reads less than half of what the miners draw: 9 {NOT_AT_ALL}",
        ),
        (
            [replace(one, verdict=APART, slope=0.1, effect_kw=7.0) for one in OURS],
            f"a and b have the role miners, but do not together follow the miners (slope 0.10): 7 {NOT_AT_ALL}",
        ),
    ],
)
def test_it_is_said_once_with_its_effect(judgements: list[Judgement], sentence: str) -> None:
    assert [one.sentence for one in contradictions(judgements)] == [sentence]


def test_the_advice_names_both_ways_out() -> None:
    advice = Contradiction(("a", "b"), FOREIGN, 1.0, 400.0, T0).advice
    assert "give them the role miners, or say foreign again" in advice
    assert "/api/plant/sources/a, /api/plant/sources/b" in advice
    assert "give it the role foreign, or say miners again" in Contradiction(("v",), MINERS, 0.0, 9.0, T0).advice
