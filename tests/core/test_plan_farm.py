"""Whole plans of one cycle: what the farm as a whole is told - data age, buttons, modes, status, reasons."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.plan import plan
from app.core.readings import MinerState
from app.core.types import BalanceStatus, ChangeKind, CycleMemory, Mode, Origin, Outcome, Override
from tests.core.builders import change, fleet, ladder_of, miner, moves, plant, preset, snapshot, stamp, why

# --- when a surplus may be used ---


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"plant": plant(50, age_s=46.0)}, "46 s old"),
        ({"plant": plant(50, frozen_s=900.0)}, "frozen for 15 min"),
        ({"plant": plant(50, generation_doubtful=True)}, "a generation source has failed"),
        ({"generation_kw": 50.0, "fresh_since_start": False}, "no fresh plant reading"),
        ({"generation_kw": 50.0, "polled_since_start": False}, "no full status poll"),
    ],
)
def test_nothing_is_raised_on_doubtful_data(facts: dict[str, Any], sentence: str) -> None:
    decided = plan(snapshot(fleet(10), **facts))
    assert decided.changes == ()
    assert sentence in decided.reason
    assert decided.memory.surplus_since is None


def test_a_surplus_has_to_last() -> None:
    first = plan(snapshot(fleet(10), 50.0, memory=CycleMemory(overhead_kw=1.0)))
    assert first.changes == ()
    assert first.memory.surplus_since == stamp()
    assert "has lasted 0 of 30 s" in first.reason
    later = snapshot(fleet(10), 50.0, now=stamp(30), memory=first.memory)
    assert len(plan(later).changes) == 10
    gone = plan(snapshot(fleet(10), 25.0, now=stamp(15), memory=first.memory))
    assert gone.memory.surplus_since is None


def test_a_wall_clock_that_steps_makes_no_surplus_last_longer() -> None:
    memory = CycleMemory(surplus_since=stamp(-5))
    ahead = snapshot(fleet(10), 50.0, now=stamp(wall_ahead_s=3600), memory=memory)
    assert plan(ahead).changes == ()


@pytest.mark.parametrize(
    ("miners", "reason"),
    [
        (fleet(10, runs="2970"), "no miner can be raised now"),
        ((miner(1, ladder=ladder_of([(2300, 87), (42_300, 100)]), max_preset_w=50_000),), "no next preset fits"),
        ((miner(1, state=MinerState.RESTARTING),), "no miner can be raised now"),
        ((), "no miner is managed"),
    ],
)
def test_a_surplus_that_cannot_be_used_says_why(miners: Any, reason: str) -> None:
    decided = plan(snapshot(miners, 45.0))
    assert decided.changes == ()
    assert reason in decided.reason


# --- above the max preset ---


def test_a_miner_above_its_max_preset_is_brought_down_even_with_power_to_spare() -> None:
    view = miner(1, runs="2500", max_preset="2150")
    assert moves(plan(snapshot([view], 50.0))) == {1: "2150"}
    assert "above the max preset" in plan(snapshot([view], 50.0)).changes[0].reason
    cooling = miner(1, runs="2500", max_preset="2150", cooldown_left_s=9.0)
    assert why(plan(snapshot([cooling], 2.6)), 1) == "above its max preset, but in cooldown for 9 s"
    alone = miner(1, ladder=ladder_of([(2500, 92)]), runs="2500", max_preset="2150", max_preset_w=2150)
    assert "no lower preset is allowed" in (why(plan(snapshot([alone], 2.7)), 1) or "")


# --- a lost plant ---


@pytest.mark.parametrize(
    ("action", "expected"), [("minimum", {1: "1740"}), ("hold", {}), ("stop", {1: "stop", 2: "stop"})]
)
@pytest.mark.parametrize("reading", [None, plant(50, age_s=700.0)])
def test_a_lost_plant(action: str, expected: dict[int, str], reading: Any) -> None:
    miners = (
        miner(1), miner(2, cooldown_left_s=9.0), miner(3, state=MinerState.STOPPED), miner(4, silent_s=99.0),
    )  # fmt: skip
    decided = plan(snapshot(miners, plant=reading, plant_lost_action=action))
    assert moves(decided) == expected
    assert "lost" in decided.reason
    assert action != "minimum" or why(decided, 2) == "in cooldown for 9 s"


def test_a_lost_plant_that_holds_still_cuts_in_an_emergency() -> None:
    reading = plant(10, age_s=700.0)
    decided = plan(snapshot(fleet(5), plant=reading, plant_lost_action="hold"))
    assert decided.emergency
    assert decided.changes
    assert "Emergency" in decided.reason


def test_before_it_is_lost_nothing_moves_without_a_reading() -> None:
    decided = plan(snapshot(fleet(5), plant=None, uptime_s=100.0))
    assert (decided.changes, decided.status) == ((), BalanceStatus.NO_DATA)
    assert "no plant reading yet" in decided.reason


# --- buttons and modes ---


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("override", "word"), [(Override.MINIMUM, "1740"), (Override.STOP, "stop")])
def test_the_buttons_reach_every_managed_miner_in_every_mode(mode: Mode, override: Override, word: str) -> None:
    vain_kind = ChangeKind.STOP if override is Override.STOP else ChangeKind.PRESET
    miners = (
        miner(1),
        miner(2, held=True),
        miner(3, managed=False),
        miner(4, silent_s=99.0),
        miner(5, state=MinerState.STOPPED),
        miner(6, failed_this_cycle=True),
        miner(7, last_change=change(kind=vain_kind, attempt=3, outcome=Outcome.FAILED, age_s=100)),
    )
    decided = plan(snapshot(miners, 50.0, mode=mode, override=override))
    assert moves(decided) == {1: word, 2: word}
    assert {c.origin for c in decided.changes} == {Origin.OPERATOR}
    assert "ordered by the operator" in decided.reason
    assert why(decided, 4) == "offline for 99 s"
    assert why(decided, 6) == "a command of this cycle failed"
    assert "did not take 3" in (why(decided, 7) or "")
    assert decided.send is (mode is Mode.ARMED)


def test_an_emergency_under_the_minimum_button_still_stops_what_it_must() -> None:
    miners = (*fleet(4, runs="1740"), miner(5, runs="1740", held=True))
    decided = plan(snapshot(miners, 5.0, override=Override.MINIMUM))
    assert sum(c.kind is ChangeKind.STOP for c in decided.changes) == 3
    stopping = plan(snapshot(fleet(4, runs="2300"), 1.0, override=Override.STOP))
    assert {c.reason for c in stopping.changes} == {"stop all, ordered by the operator"}


def test_off_plans_nothing_and_observe_plans_without_sending() -> None:
    off = plan(snapshot(fleet(10), 10.0, mode=Mode.OFF))
    assert (off.changes, off.send) == ((), False)
    assert "off" in off.reason
    observe = plan(snapshot(fleet(10), 10.0, mode=Mode.OBSERVE))
    assert observe.changes
    assert not observe.send


# --- status, reasons, numbers ---


@pytest.mark.parametrize(
    ("generation_kw", "margin", "facts", "status"),
    [
        (26.0, 10.0, {}, BalanceStatus.OK),
        (25.0, 10.0, {}, BalanceStatus.OK),  # 500 W above the target
        (24.9, 10.0, {}, BalanceStatus.WARNING),
        (24.3, 10.0, {}, BalanceStatus.OVER_TARGET),  # more than 5 % above it
        (22.9, 0.0, {}, BalanceStatus.OK),
        (22.4, 0.0, {}, BalanceStatus.OVER_TARGET),  # above what is available
        (26.0, 10.0, {"age_s": 46.0}, BalanceStatus.STALE),
        (5.0, 10.0, {"age_s": 46.0}, BalanceStatus.STALE),
    ],
)
def test_the_status_for_people(generation_kw: float, margin: float, facts: Any, status: BalanceStatus) -> None:
    decided = plan(snapshot(fleet(10), plant=plant(generation_kw, **facts), safety_margin_percent=margin))
    assert decided.status is status


def test_without_a_reading_the_status_is_no_data() -> None:
    assert plan(snapshot(fleet(2), plant=None)).status is BalanceStatus.NO_DATA


@pytest.mark.parametrize(
    ("generation_kw", "reason"),
    [
        (26.0, "23.0 kW of 23.4 kW used, on target"),
        (24.0, "23.0 kW used, 1.4 kW above the target: 6 cuts freeing 0.9 kW"),
        (20.0, "Emergency: 23.0 kW used, 20.0 kW available: 9 cuts freeing 5.0 kW"),
        (28.0, "2.2 kW below the target: 9 raises taking 1.8 kW"),
        (1.0, "Emergency: 23.0 kW used, 1.0 kW available: 10 stops freeing 22.7 kW"),
    ],
)
def test_the_reason_is_one_sentence_with_its_numbers(generation_kw: float, reason: str) -> None:
    assert plan(snapshot(fleet(10), generation_kw)).reason == reason


def test_one_is_told_apart_from_many() -> None:
    decided = plan(snapshot(fleet(1, runs="2970"), 3.2, safety_margin_percent=25.0))
    assert "1 cut freeing" in decided.reason


def test_the_numbers_of_a_plan_fit_together() -> None:
    edited = ladder_of([(1740, 65), (2300, 87)], preset(2700, 96.0, expected_power_w=2800))
    miners = (miner(1, ladder=edited), miner(2, managed=False), miner(3, state=MinerState.STOPPED, stopped_by_us=True))
    decided = plan(snapshot(miners, 50.0, mode=Mode.OBSERVE))
    assert decided.current_w == 2330
    assert decided.unmanaged_w == 2300
    assert decided.available_w == pytest.approx(47_700)
    assert decided.cut_capacity_w == 560
    assert decided.raise_room_w == 500
    assert decided.delta_w == decided.target_w - decided.current_w
    assert decided.planned_w == decided.current_w + sum(c.delta_w for c in decided.changes)


def test_cuts_go_out_by_what_their_miners_draw_be_they_presets_or_stops() -> None:
    best, worst = "s21pro", "s19jpro"
    views = miner(1, best, "3540"), miner(2, worst, "2970"), miner(3, best, "3450"), miner(4, worst, "2700")
    decided = plan(snapshot(views, 6.5, policy="economic"))
    assert [(c.miner_id, c.kind) for c in decided.changes] == [
        (1, ChangeKind.PRESET), (3, ChangeKind.PRESET), (2, ChangeKind.STOP), (4, ChangeKind.STOP),
    ]  # fmt: skip


def test_raises_go_out_after_the_cuts_the_smallest_first() -> None:
    farm = (*(miner(n, "s19jpro", "2970") for n in range(1, 5)), *(miner(n, "s21pro", "2550") for n in range(5, 9)))
    memory = CycleMemory(reoptimised_at=stamp(-301))
    decided = plan(snapshot(farm, 24.6, policy="economic", memory=memory, recent_available_kw=(24.6,) * 20))
    deltas = [c.delta_w for c in decided.changes]
    cuts, raises = [w for w in deltas if w < 0], [w for w in deltas if w > 0]
    assert len(cuts) > 1 < len(raises)
    assert deltas == cuts + sorted(raises)


def test_an_emergency_while_everything_is_being_stopped_leaves_the_operators_stops_alone() -> None:
    deaf = miner(3, silent_s=99.0, last_accounted_w=2300.0)
    decided = plan(snapshot((*fleet(2), deaf), 1.0, override=Override.STOP))
    assert decided.emergency
    assert moves(decided) == {1: "stop", 2: "stop"}
    assert {c.origin for c in decided.changes} == {Origin.OPERATOR}
