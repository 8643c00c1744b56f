"""Who may be moved, and why not the others."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import eligible, ladder
from app.core.power import account
from app.core.readings import Ladder, MinerState
from app.core.types import ChangeKind, ChangeView, Outcome, UntunedUse
from tests.core.builders import change, ladder_of, miner, preset, settings


def vain(attempt: int = 3, age_s: float = 100.0, outcome: Outcome = Outcome.FAILED, **facts: Any) -> Any:
    return change(attempt=attempt, age_s=age_s, outcome=outcome, **facts)


def done(age_s: float) -> ChangeView:
    return change(age_s=age_s, outcome=Outcome.CONFIRMED)


VAIN_RAISE = vain(old="2000", new="2300")
VAIN_STOP = vain(kind=ChangeKind.STOP)


@pytest.mark.parametrize(
    ("facts", "cut", "raised"),
    [
        ({}, None, None),
        ({"held": True}, "held", "held"),
        ({"identified": False}, "not identified", "not identified"),
        ({"model_alias": None}, "unknown model", "unknown model"),
        ({"max_preset": None, "max_preset_w": None}, "no max preset", "no max preset"),
        ({"silent_s": 61.0}, "offline for 61 s", "offline"),
        ({"failed_this_cycle": True}, "this cycle failed", "this cycle failed"),
        ({"cooldown_left_s": 12.0}, "in cooldown for 12 s", "in cooldown"),
        # doubts and changes on their way block raises, never cuts
        ({"last_change": change(age_s=40.0)}, None, "on its way"),
        ({"state": MinerState.RESTARTING}, None, "not settled"),
        ({"state": MinerState.AUTO_TUNING}, None, "not settled"),
        ({"state": MinerState.FAILURE}, None, "not settled"),
        ({"state": MinerState.STOPPED}, "is stopped", "is stopped"),
        ({"state": MinerState.SHUTTING_DOWN}, "is shutting-down", "is shutting-down"),
        # where the model seldom needs a restart, soon after another change it may
        ({"soon_loss_s": 50.0, "last_change": done(89)}, None, "changed moments ago"),
        ({"soon_loss_s": 50.0, "last_change": done(90)}, None, None),
        ({"last_change": done(40)}, None, None),
        ({"throttled_percent": 80}, None, "throttled to 80 %"),
        ({"throttled_percent": 100}, None, None),
        ({"runs": None}, None, "runs preset unknown"),
        ({"runs": "disabled"}, None, "runs preset disabled"),
        # three times in vain
        ({"last_change": vain()}, "did not take 3", "did not take 3"),
        ({"last_change": vain(2)}, None, None),
        ({"last_change": vain(age_s=901)}, None, None),
        ({"last_change": vain(outcome=Outcome.NOT_APPLIED)}, "did not take 3", "did not take 3"),
        ({"last_change": vain(outcome=Outcome.UNKNOWN)}, "did not take 3", "on its way"),
        ({"last_change": vain(outcome=Outcome.CONFIRMED)}, None, None),
        ({"last_change": vain(outcome=Outcome.SENT)}, None, "on its way"),
        ({"last_change": vain(outcome=Outcome.SENT, polled_unchanged=True)}, "did not take 3", "on its way"),
        ({"last_change": VAIN_RAISE}, None, "did not take 3"),  # a vain raise never blocks a cut
        ({"last_change": VAIN_STOP}, "did not take 3", "did not take 3"),
    ],
)
def test_who_may_be_cut_and_raised(facts: dict[str, Any], cut: str | None, raised: str | None) -> None:
    for reason, expected in (
        (eligible.not_cuttable(miner(**facts)), cut),
        (eligible.not_raisable(miner(**facts)), raised),
    ):
        assert (reason is None) == (expected is None), reason
        assert (expected or "") in (reason or "")


@pytest.mark.parametrize(
    ("facts", "why_not"),
    [
        ({}, None),
        ({"held": True}, "held"),
        ({"cooldown_left_s": 5.0}, "cooldown"),
        ({"last_change": change("1740", kind=ChangeKind.START)}, "on its way"),
        ({"last_change": vain(kind=ChangeKind.START)}, "did not take 3 starts"),
    ],
)
def test_who_may_be_started(facts: dict[str, Any], why_not: str | None) -> None:
    view = miner(state=MinerState.STOPPED, stopped_by_us=True, **facts)
    assert eligible.stopped_by_us(view)
    reason = eligible.not_startable(view)
    assert (reason is None) == (why_not is None)
    assert (why_not or "") in (reason or "")


@pytest.mark.parametrize(
    ("facts", "stoppable"),
    [
        ({}, True),
        ({"cooldown_left_s": 20.0}, True),  # stopping is exempt
        ({"last_change": vain()}, True),  # one that takes no preset may still take a stop
        ({"last_change": VAIN_STOP}, False),
        ({"held": True}, False),
        ({"silent_s": 100.0}, False),
    ],
)
def test_who_may_be_stopped(facts: dict[str, Any], stoppable: bool) -> None:
    assert eligible.stoppable(miner(**facts)) is stoppable


CAPPED: dict[str, Any] = {"max_preset": "2150", "max_preset_w": 2150}


@pytest.mark.parametrize(
    ("facts", "above"),
    [
        (CAPPED, True),
        (CAPPED | {"runs": "2150"}, False),
        (CAPPED | {"runs": "disabled"}, False),
        (CAPPED | {"runs": None}, False),
        (CAPPED | {"state": MinerState.STOPPED}, False),
        ({"max_preset": None, "max_preset_w": None}, False),
        (CAPPED | {"last_change": change("2300", "2150")}, False),  # on its way down
        (CAPPED | {"last_change": change("2500", "2300")}, True),  # on its way to where it may not be any more
        (CAPPED | {"last_change": change("2500", "gone")}, True),
        (CAPPED | {"last_change": change("2300", "2150", effective=False)}, True),
        (CAPPED | {"last_change": change("2300", "2150", polled_unchanged=True)}, True),
        (CAPPED | {"last_change": change("2300", kind=ChangeKind.STOP)}, False),
        (CAPPED | {"last_change": change("2300", kind=ChangeKind.STOP, polled_unchanged=True)}, True),
        (CAPPED | {"last_change": change("2300", "2150", outcome=Outcome.NOT_APPLIED)}, True),
    ],
)
def test_who_is_above_the_max_preset(facts: dict[str, Any], above: bool) -> None:
    assert eligible.above_max(miner(**facts)) is above


EDITED = ladder_of([(1740, 65), (2150, 83)], preset(2300, 87.0, expected_power_w=1000))
UNTUNED = ladder.build([preset(1740, tuned=False), preset(2150, tuned=False), preset(2300, tuned=False)])


@pytest.mark.parametrize(
    ("facts", "to"),
    [
        (CAPPED, "2150"),
        (CAPPED | {"ladder": EDITED}, "1740"),  # by the operator's numbers nothing is lower; the firmware's count
        (CAPPED | {"ladder": UNTUNED, "untuned_use": UntunedUse.NEVER}, "1740"),
        (CAPPED | {"ladder": ladder_of([(2300, 87)])}, None),
        (CAPPED | {"ladder": Ladder()}, None),
    ],
)
def test_where_a_miner_above_its_max_preset_goes(facts: dict[str, Any], to: str | None) -> None:
    view = miner(**facts)
    found = eligible.candidate(view, account(view, settings()), settings())
    step = eligible.step_below_max(view, found, settings())
    assert (None if step is None else step.preset.name) == to
