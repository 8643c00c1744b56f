"""What happens next, as tables: from the row of a cycle and the settings in force to the step that is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core import outlook
from app.core.outlook import Decided, Outlook, Step
from app.core.plan import plan
from app.core.readings import MinerState
from app.core.types import CycleMemory, Mode, Override, Plan, Settings, Snapshot
from tests.core.builders import fleet, miner, plant, snapshot, stamp

ARMED = Settings(mode=Mode.ARMED)


def decided(**facts: Any) -> Decided:
    """Return a calm economic cycle of an armed farm, 4 s ago."""
    known: dict[str, Any] = {
        "age_s": 4.0,
        "reason": "2,845.0 kW of 2,845.0 kW used, on target",
        "mode": Mode.ARMED,
        "override": Override.NONE,
        "safety_margin_percent": 10.0,
        "policy": "economic",
        "sent": True,
        "changes": 0,
        "target_w": 2_845_000.0,
        "delta_w": 0.0,
    }
    return Decided(**known | facts)


SURPLUS = {"delta_w": 14_000.0, "reason": "Surplus 14.0 kW has lasted 136 of 180 s"}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, Outlook(Step.STEADY, 11.0)),
        ({"age_s": 20.0}, Outlook(Step.STEADY, 0.0)),
        ({"delta_w": -400.0}, Outlook(Step.STEADY, 11.0)),
        ({"delta_w": -1400.0}, Outlook(Step.LEFT_ALONE, 11.0)),  # not more than 0.05 % of the target
        ({"delta_w": -1500.0}, Outlook(Step.STILL_OVER, 11.0)),
        ({"delta_w": -1500.0, "changes": 3}, Outlook(Step.CHANGES, 11.0, 3)),
        (SURPLUS, Outlook(Step.RAISING, 40.0)),
        ({**SURPLUS, "age_s": 50.0}, Outlook(Step.RAISING, 0.0)),
        ({**SURPLUS, "changes": 2}, Outlook(Step.CHANGES, 11.0, 2)),
        ({"delta_w": 14_000.0, "reason": "14.0 kW below the target: no next preset fits into that"},
         Outlook(Step.ROOM_LEFT, 11.0)),
        ({"delta_w": 14_000.0, "reason": "2,831.0 kW of 2,845.0 kW used, nothing is raised: a source has failed"},
         Outlook(Step.RAISES_BLOCKED)),
    ],
)  # fmt: skip
def test_an_armed_farm_says_what_its_next_cycles_do(facts: dict[str, Any], expected: Outlook) -> None:
    assert outlook.read(decided(**facts), ARMED, 5.0) == expected


@pytest.mark.parametrize(
    ("lasted_s", "expected"),
    [
        (0.0, Outlook(Step.RAISING, 30.0)),
        (12.0, Outlook(Step.RAISING, 18.0)),
        (33.0, Outlook(Step.RAISING, 0.0)),  # 29 s when it was decided: too little then
        (35.0, Outlook(Step.ROOM_LEFT, 11.0)),  # long enough, and raised nothing all the same
        (None, Outlook(Step.ROOM_LEFT, 11.0)),
    ],
)
def test_the_stepwise_policy_raises_once_its_surplus_has_lasted(lasted_s: float | None, expected: Outlook) -> None:
    settings = replace(ARMED, policy="stepwise")
    seen = decided(policy="stepwise", delta_w=14_000.0, reason="whatever", surplus_lasted_s=lasted_s)
    assert outlook.read(seen, settings, 5.0) == expected


def test_the_stepwise_policy_leaves_nothing_above_the_tolerance_alone() -> None:
    seen = decided(policy="stepwise", delta_w=-600.0)
    assert outlook.read(seen, replace(ARMED, policy="stepwise"), 5.0).step is Step.STILL_OVER


@pytest.mark.parametrize(
    ("stopped", "lasted_s", "expected"),
    [
        (3, 100.0, Outlook(Step.STARTING, 80.0)),
        (3, 175.0, Outlook(Step.STARTING, 11.0)),  # not before the next cycle
        (3, None, Outlook(Step.ROOM_LEFT, 11.0)),
        (0, 100.0, Outlook(Step.ROOM_LEFT, 11.0)),
    ],
)
def test_stopped_miners_wait_for_room_that_lasts(stopped: int, lasted_s: float | None, expected: Outlook) -> None:
    seen = decided(delta_w=14_000.0, room_lasted_s=lasted_s, policy="stepwise")
    assert outlook.read(seen, replace(ARMED, policy="stepwise"), 5.0, stopped_by_us=stopped) == expected


def test_by_the_economic_policy_they_may_start_sooner() -> None:
    seen = decided(delta_w=14_000.0, room_lasted_s=100.0)
    assert outlook.read(seen, ARMED, 5.0, stopped_by_us=3) == Outlook(Step.STARTING_OR_SOONER, 80.0)
    only_slowly = replace(ARMED, fast_raise_percent=100.0)
    assert outlook.read(seen, only_slowly, 5.0, stopped_by_us=3) == Outlook(Step.STARTING, 80.0)


@pytest.mark.parametrize(
    "values",
    [
        {"mode": Mode.OBSERVE},
        {"mode": Mode.OFF},
        {"override": Override.STOP},
        {"safety_margin_percent": 12.0},
        {"policy": "stepwise"},
    ],
)
def test_a_setting_that_no_cycle_has_seen_acts_with_the_next_one(values: dict[str, Any]) -> None:
    assert outlook.read(decided(), replace(ARMED, **values), 5.0) == Outlook(Step.OBEYS_SETTING, 11.0)


@pytest.mark.parametrize("override", [Override.STOP, Override.MINIMUM])
def test_an_order_is_in_force_until_resume_even_without_a_plant(override: Override) -> None:
    settings = replace(ARMED, override=override)
    assert outlook.read(decided(override=override), settings, None).step is Step.UNTIL_RESUME


def test_off_does_nothing() -> None:
    assert outlook.read(decided(mode=Mode.OFF), replace(ARMED, mode=Mode.OFF), 5.0) == Outlook(Step.OFF)


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (45.0, Outlook(Step.STEADY, 11.0)),
        (46.0, Outlook(Step.STALE, 554.0)),
        (600.0, Outlook(Step.STALE, 0.0)),
        (601.0, Outlook(Step.LOST)),
        (None, Outlook(Step.NO_READING)),
    ],
)
def test_an_old_reading_comes_before_the_farm(age_s: float | None, expected: Outlook) -> None:
    assert outlook.read(decided(), ARMED, age_s) == expected


def test_before_the_first_cycle_and_without_a_balancer_nothing_is_promised() -> None:
    assert outlook.read(None, ARMED, 5.0) == Outlook(Step.FIRST_CYCLE)
    assert outlook.read(decided(**SURPLUS), ARMED, 5.0, late=True) == Outlook(Step.BALANCER_SILENT)


# --- the rules' own sentences are understood -------------------------------------------------------------------------


def row_of(picture: Snapshot, done: Plan) -> Decided:
    since = done.memory.surplus_since
    return decided(
        age_s=0.0,
        reason=done.reason,
        policy=picture.settings.policy,
        safety_margin_percent=picture.settings.safety_margin_percent,
        changes=len(done.changes),
        target_w=done.target_w,
        delta_w=done.delta_w,
        surplus_lasted_s=None if since is None else since.elapsed_s(picture.now),
    )


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (snapshot(fleet(20), 54.0, recent_available_kw=(46.0, 54.0, 54.0), policy="economic", fast_raise_percent=100),
         Outlook(Step.RAISING, 135.0)),
        (snapshot(fleet(10), 30.0, memory=CycleMemory(surplus_since=stamp(-12))), Outlook(Step.RAISING, 18.0)),
        (snapshot(fleet(10), 30.0), Outlook(Step.CHANGES, 15.0, 10)),
        (snapshot(fleet(10), 30.0, plant=plant(30.0, generation_doubtful=True)), Outlook(Step.RAISES_BLOCKED)),
        (snapshot([miner(n, state=MinerState.MINING) for n in (1, 2)], 100.0, polled_since_start=False),
         Outlook(Step.RAISES_BLOCKED)),
    ],
)  # fmt: skip
def test_it_understands_what_the_rules_really_say(picture: Snapshot, expected: Outlook) -> None:
    seen = row_of(picture, plan(picture))
    assert outlook.read(seen, picture.settings, 5.0) == expected, seen
