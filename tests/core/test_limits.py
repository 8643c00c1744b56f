"""The hard limits of SPEC 5 as tables: each limit, for the balancer and for people, for every kind of change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.limits import LimitFacts, is_increase, violation
from app.core.readings import MinerState, Preset
from app.core.types import ChangeKind, MinerView, Mode, Origin, Outcome, PresetChange
from tests.core.builders import change, ladder_of, miner, preset

KINDS = tuple(ChangeKind)
FRESH, DOUBTFUL = LimitFacts(Mode.ARMED, increases_allowed=True), LimitFacts(Mode.ARMED, increases_allowed=False)


def wish(kind: ChangeKind, origin: Origin = Origin.BALANCER, new: str = "2000", **facts: Any) -> PresetChange:
    known: dict[str, Any] = {
        "miner_id": 1, "mac": "02:00:00:00:00:01", "kind": kind, "old_preset": "2300",
        "new_preset": None if kind is ChangeKind.STOP else new, "old_power_w": 2300.0,
        "new_power_w": 30.0 if kind is ChangeKind.STOP else 2000.0, "reason": "", "origin": origin,
    }  # fmt: skip
    return PresetChange(**known | facts)


def ready(**facts: Any) -> MinerView:
    return miner(**({"stopped_by_us": True} | facts))


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("kind", KINDS)
def test_an_ordinary_change_passes(kind: ChangeKind, origin: Origin) -> None:
    assert violation(wish(kind, origin), ready(), FRESH) is None


BOTH, AUTOMATIC, NOBODY = {Origin.BALANCER, Origin.OPERATOR}, {Origin.BALANCER}, set[Origin]()
ODD = ladder_of(
    [(1740, 65), (2000, 80), (2300, 87), (2970, 100)],
    preset(1900, 80.0, modded_psu_required=True),
    preset(None, name="mystery"),
    Preset("DISABLED", 1000),
    preset(2990, 100.0, expected_power_w=1500),  # edited watts do not make it permitted
)


@pytest.mark.parametrize(
    ("facts", "new", "refused_preset", "refused_stop"),
    [
        # 1: never above max_preset, by the firmware's own watts; none set: not touched at all
        ({"max_preset": "2150", "max_preset_w": 2150}, "2300", BOTH, NOBODY),
        ({"max_preset": "2970", "max_preset_w": 2970, "ladder": ODD}, "2990", BOTH, NOBODY),
        ({"max_preset": None, "max_preset_w": None}, "2000", BOTH, BOTH),
        # 2: who may be touched
        ({"managed": False}, "2000", BOTH, BOTH),
        ({"managed": False, "held": True}, "2000", AUTOMATIC, AUTOMATIC),
        ({"held": True}, "2000", AUTOMATIC, AUTOMATIC),
        ({"model_alias": None}, "2000", BOTH, BOTH),
        ({"identified": False}, "2000", BOTH, BOTH),
        ({"retired": True}, "2000", BOTH, BOTH),
        # 3: the cooldown, also where only the change's own age tells of it
        ({"cooldown_left_s": 0.1}, "2000", BOTH, NOBODY),
        ({"last_change": change(age_s=29.9)}, "2000", BOTH, NOBODY),
        ({"last_change": change(age_s=0.0, outcome=Outcome.FAILED)}, "2000", BOTH, NOBODY),
        ({"last_change": change(age_s=30.0)}, "2000", NOBODY, NOBODY),
        # 4: presets that may not be chosen
        ({"ladder": ODD}, "disabled", BOTH, NOBODY),
        ({"ladder": ODD}, "DISABLED", BOTH, NOBODY),
        ({"ladder": ODD}, "mystery", BOTH, NOBODY),
        ({"ladder": ODD}, "1900", BOTH, NOBODY),
        ({"ladder": ODD, "allow_modded_psu": True}, "1900", NOBODY, NOBODY),
        ({}, "1", BOTH, NOBODY),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", Origin)
def test_limits_1_to_4(
    kind: ChangeKind,
    origin: Origin,
    facts: dict[str, Any],
    new: str,
    refused_preset: set[Origin],
    refused_stop: set[Origin],
) -> None:
    refused = refused_stop if kind is ChangeKind.STOP else refused_preset
    sentence = violation(wish(kind, origin, new), ready(**facts), FRESH)
    assert (sentence is not None) == (origin in refused), sentence


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
@pytest.mark.parametrize("kind", KINDS)
def test_unarmed_only_people_send(kind: ChangeKind, mode: Mode) -> None:
    facts = LimitFacts(mode, increases_allowed=True)
    assert "the mode is" in (violation(wish(kind), ready(), facts) or "")
    assert violation(wish(kind, Origin.OPERATOR), ready(), facts) is None


@pytest.mark.parametrize(
    ("asked", "view", "increase"),
    [
        (wish(ChangeKind.PRESET), miner(), False),
        (wish(ChangeKind.PRESET, new="2500", new_power_w=2500.0), miner(), True),
        (wish(ChangeKind.STOP), miner(), False),
        (wish(ChangeKind.START, new="1740", new_power_w=1740.0), miner(), True),
        # more by the books, less by the firmware, and the other way round
        (wish(ChangeKind.PRESET, new="2000", new_power_w=2301.0), miner(), True),
        (wish(ChangeKind.PRESET, new="2500", new_power_w=2200.0), miner(), True),
        (wish(ChangeKind.PRESET, new="gone"), miner(), True),
        (wish(ChangeKind.PRESET, new="disabled"), miner(), True),
        # from an unknown preset only the lowest is surely none
        (wish(ChangeKind.PRESET, new="1740", old_preset=None), miner(), False),
        (wish(ChangeKind.PRESET, new="1850", old_preset="disabled"), miner(), True),
        # a change on its way: it may run either
        (wish(ChangeKind.PRESET, new="2150"), miner(last_change=change("2300", "2000", effective=False)), True),
        (wish(ChangeKind.PRESET, new="2000"), miner(last_change=change("2300", "2000", effective=False)), False),
        (wish(ChangeKind.PRESET, new="2150"), miner(runs="2000", last_change=change("2000", "2300")), True),
        (wish(ChangeKind.PRESET, new="2000"), miner(runs="2000", last_change=change("2000", "2300")), False),
        (wish(ChangeKind.PRESET, new="2150"), miner(runs="2000"), True),
        (wish(ChangeKind.PRESET, new="2150"), miner(runs="2000", state=MinerState.STARTING), False),
    ],
)
def test_limit_5_no_automatic_increase_on_doubtful_data(asked: PresetChange, view: MinerView, increase: bool) -> None:
    view = replace(view, stopped_by_us=True)
    if view.last_change is not None:
        view = replace(view, last_change=replace(view.last_change, age_s=31.0))
    assert is_increase(asked, view) is increase
    known = asked.new_preset not in ("gone", "disabled")
    assert (violation(asked, view, DOUBTFUL) is None) == (not increase)
    assert (violation(asked, view, FRESH) is None) == known
    by_hand = replace(asked, origin=Origin.OPERATOR)
    assert (violation(by_hand, view, DOUBTFUL) is None) == known


@pytest.mark.parametrize("origin", Origin)
def test_limit_7_nobody_starts_what_powerhive_did_not_stop(origin: Origin) -> None:
    asked = wish(ChangeKind.START, origin)
    stopped = miner(state=MinerState.STOPPED)
    assert "did not stop" in (violation(asked, stopped, FRESH) or "")
    assert violation(asked, replace(stopped, stopped_by_us=True), FRESH) is None
