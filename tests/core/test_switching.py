"""What a preset change costs: the measurement of one, and a model's medians."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import switching
from app.core.learning import Poll
from app.core.readings import MinerState
from app.core.switching import Measuring, Switch, costs
from app.core.types import ChangeKind, ChangeView, Outcome
from tests.core.builders import change, miner, preset

NEW = preset(2000, 80.0)
TAKEN = change("2300", "2000", age_s=0.0)
CONFIRMED = replace(TAKEN, outcome=Outcome.CONFIRMED)
REST = Poll(MinerState.MINING, "2000", 2000.0, 80.0)


def restarting(t: float, dip_s: float = 40.0, ramp_s: float = 60.0) -> Poll:
    """A miner `t` seconds after a restart onto 2000 W: the physics of the issue."""
    share = max(0.0, min(1.0, (t - dip_s) / ramp_s))
    state = MinerState.RESTARTING if t < dip_s else MinerState.MINING
    return Poll(state, "2000", 2000.0 * (0.08 + 0.92 * share), 80.0 * share)


def quick(t: float, ramp_s: float = 5.0) -> Poll:
    """A miner that goes from 2300 W to 2000 W without a restart."""
    share = min(1.0, t / ramp_s)
    return Poll(MinerState.MINING, "2000", 2300.0 - 300.0 * share, 90.0 - 10.0 * share)


def measured(polls: Any, *, phase: float = 7.0, every_s: float = 15.0, with_restart: bool = True) -> Switch | None:
    """Follow a change whose miner shows `polls(t)` until the measurement ends; None: it was dropped."""
    found: Measuring | Switch | None = switching.begin(replace(TAKEN, age_s=phase), polls(phase))
    t = phase
    while isinstance(found, Measuring):
        before, t = polls(t), t + every_s
        now = replace(CONFIRMED, age_s=t)
        found = switching.follow(found, now, polls(t), before, apart_s=every_s, preset=NEW, with_restart=with_restart)
    return found


@pytest.mark.parametrize(("dip_s", "ramp_s"), [(40.0, 60.0), (15.0, 20.0), (80.0, 120.0)])
def test_the_median_of_restarts_is_their_true_cost(dip_s: float, ramp_s: float) -> None:
    """Over all the moments at which the polls may fall. Settled is said at the first poll at the level."""
    found = [measured(lambda t: restarting(t, dip_s, ramp_s), phase=phase + 0.5) for phase in range(15)]
    assert all(switch is not None for switch in found)
    switches = [switch for switch in found if switch is not None]
    assert median(s.loss_s for s in switches) == pytest.approx(dip_s + ramp_s / 2, abs=4)
    assert dip_s + ramp_s - 2 <= median(s.settle_s for s in switches) <= dip_s + ramp_s + 15


def test_a_change_without_restart_costs_next_to_nothing() -> None:
    found = [measured(quick, phase=phase + 0.5, with_restart=False) for phase in range(15)]
    switches = [switch for switch in found if switch is not None]
    assert len(switches) == 15
    assert median(s.loss_s for s in switches) == 0
    assert median(s.settle_s for s in switches) <= 20
    assert not any(s.with_restart for s in switches)


def test_a_cut_that_hashes_on_at_the_old_level_loses_less_than_nothing_which_is_nothing() -> None:
    def late(t: float) -> Poll:
        return quick(0.0) if t < 40 else quick(t - 40)

    found = measured(lambda t: replace(late(t), running_preset="2300" if t < 40 else "2000"))
    assert found is not None
    assert found.loss_s == 0
    assert found.settle_s >= 40


NOT_BEGUN: dict[str, tuple[ChangeView, Poll]] = {
    "a change that is being sent": (replace(TAKEN, outcome=Outcome.SENDING, effective=False), REST),
    "a change that may not have arrived": (replace(TAKEN, outcome=Outcome.UNKNOWN, effective=False), REST),
    "a refused change": (replace(TAKEN, outcome=Outcome.FAILED, effective=False), REST),
    "a restart that was not accepted": (replace(TAKEN, effective=False), REST),
    "a stop": (replace(TAKEN, kind=ChangeKind.STOP), REST),
    "a start": (replace(TAKEN, kind=ChangeKind.START), REST),
    "a change seen too late": (replace(TAKEN, age_s=46.0), REST),
    "a miner of unknown hashrate": (TAKEN, replace(REST, hashrate_ths=None)),
    "a throttled miner": (TAKEN, replace(REST, throttled_percent=50)),
    "a miner that tunes": (TAKEN, replace(REST, state=MinerState.AUTO_TUNING)),
}


@pytest.mark.parametrize(("latest", "poll"), NOT_BEGUN.values(), ids=NOT_BEGUN)
def test_it_does_not_measure(latest: ChangeView, poll: Poll) -> None:
    assert switching.begin(latest, poll) is None


def followed(latest: ChangeView = CONFIRMED, now: Poll = REST, before: Poll = REST, **facts: Any) -> Any:
    facts = {"apart_s": 15.0, "preset": NEW, "with_restart": True} | facts
    return switching.follow(Measuring(800.0), replace(latest, age_s=facts.pop("age_s", 60.0)), now, before, **facts)


DROPPED: dict[str, dict[str, Any]] = {
    "silence": {"apart_s": 46.0},
    "more time than any change takes": {"age_s": 601.0},
    "that it was not applied": {"latest": replace(TAKEN, outcome=Outcome.NOT_APPLIED)},
    "that it was refused": {"latest": replace(TAKEN, outcome=Outcome.FAILED)},
    "a failure": {"now": replace(REST, state=MinerState.FAILURE)},
    "a stop": {"now": replace(REST, state=MinerState.STOPPED)},
    "tuning": {"now": replace(REST, state=MinerState.AUTO_TUNING)},
    "an unknown state": {"now": replace(REST, state=MinerState.UNKNOWN)},
    "a throttle": {"now": replace(REST, throttled_percent=60)},
    "an unknown hashrate": {"now": replace(REST, hashrate_ths=None)},
    "an unknown hashrate before": {"before": replace(REST, hashrate_ths=None)},
}


@pytest.mark.parametrize("facts", DROPPED.values(), ids=DROPPED)
def test_a_measurement_ends_without_result_at(facts: dict[str, Any]) -> None:
    assert followed(**facts) is None


GOES_ON: dict[str, dict[str, Any]] = {
    "power is not flat": {"before": replace(REST, power_w=1940.0)},
    "the hashrate is not flat": {"before": replace(REST, hashrate_ths=70.0)},
    "the power is far below the preset's": {
        "now": replace(REST, power_w=1600.0), "before": replace(REST, power_w=1600.0)
    },
    "it still draws what the old preset took": {
        "now": replace(REST, power_w=2310.0), "before": replace(REST, power_w=2310.0)
    },
    "the hashrate is far below the preset's": {
        "now": replace(REST, hashrate_ths=50.0), "before": replace(REST, hashrate_ths=50.0)
    },
    "the old preset runs": {
        "now": replace(REST, running_preset="2300"), "before": replace(REST, running_preset="2300"),
        "preset": preset(2300, 90.0),
    },
    "the new preset has just begun to run": {"before": replace(REST, running_preset="2300")},
    "the preset is not in the ladder": {"preset": None},
    "the watts are unknown": {"preset": preset(None, name="2000")},
    "the power is unknown": {"now": replace(REST, power_w=None)},
    "it asks for a restart": {"now": replace(REST, restart_required=True)},
    "it is restarting": {"now": replace(REST, state=MinerState.RESTARTING)},
    "the polls are too close together": {"apart_s": 4.0},
}  # fmt: skip


@pytest.mark.parametrize("facts", GOES_ON.values(), ids=GOES_ON)
def test_it_has_not_settled_while(facts: dict[str, Any]) -> None:
    assert isinstance(followed(**facts), Measuring)


def test_it_has_settled_at_the_first_of_two_flat_polls() -> None:
    assert followed() == Switch(with_restart=True, settle_s=45.0, loss_s=35.0)  # 800 TH: ten of 45 s at 80 TH/s


def test_a_label_without_hashrate_does_not_keep_it_from_settling() -> None:
    assert isinstance(followed(preset=preset(2000, None)), Switch)


def test_while_it_boots_it_hashes_nothing_whatever_it_shows() -> None:
    booting = replace(REST, state=MinerState.STARTING)
    assert followed(now=booting, before=booting) == Measuring(800.0)


STATES = st.sampled_from(
    [MinerState.MINING] * 6 + [MinerState.RESTARTING] * 3 + list(MinerState)
)  # fmt: skip
POLLS = st.builds(
    Poll, STATES, st.just("2000"), st.sampled_from([160.0, 1990.0, 2000.0, 2010.0]), st.sampled_from([0.0, 79.0, 80.0])
)


@given(st.floats(0, 45), st.lists(st.tuples(POLLS, st.floats(0.1, 45)), min_size=2, max_size=40))
def test_a_loss_is_never_negative_nor_longer_than_the_settling(first_s: float, answers: Any) -> None:
    found: Measuring | Switch | None = switching.begin(replace(TAKEN, age_s=first_s), answers[0][0])
    age_s, before = first_s, answers[0][0]
    for poll, apart_s in answers[1:]:
        if not isinstance(found, Measuring):
            break
        age_s += apart_s
        latest = replace(CONFIRMED, age_s=age_s)
        found = switching.follow(found, latest, poll, before, apart_s=apart_s, preset=NEW, with_restart=True)
        before = poll
    if isinstance(found, Switch):
        assert 0 <= found.loss_s <= found.settle_s <= switching.MEASURED_FOR_S


# --- a model's changes -----------------------------------------------------------------------------------------------


def times(count: int, loss_s: float, *, with_restart: bool = True) -> list[Switch]:
    return [Switch(with_restart, loss_s + 30, loss_s + 0.01 * n) for n in range(count)]


def settled(found: switching.Costs, with_restart: bool, own_s: float | None = None) -> float:
    return switching.settle_s(found, own_s, with_restart=with_restart)


def test_a_model_without_changes_costs_what_is_assumed_at_the_start() -> None:
    found = costs([])
    assert (switching.loss_s(found, None), settled(found, True), settled(found, False)) == (70, 100, 100)
    assert (found.with_restart.events, found.with_restart.loss_s) == (0, None)


@pytest.mark.parametrize(
    ("switches", "loss_s"),
    [
        (times(2, 40), 70),  # too few to replace the start value
        (times(3, 40), 40.01),
        (times(30, 40) + times(20, 6, with_restart=False), 40.145),  # most were restarts
        (times(20, 40) + times(30, 6, with_restart=False), 6.145),
        (times(25, 40) + times(25, 6, with_restart=False), 40.12),  # as many: the dearer kind
        (times(50, 40) + times(26, 6, with_restart=False), 6.125),  # of the last fifty
        (times(2, 6, with_restart=False) + times(1, 40), 70),  # most were of the kind of which too few are known
        (times(3, 6, with_restart=False) + times(2, 40), 6.01),
        (times(3, 1, with_restart=False), 5),  # polls cannot tell less,
    ],
)
def test_the_next_change_is_expected_to_cost_what_most_of_the_last_fifty_did(
    switches: list[Switch], loss_s: float
) -> None:
    assert switching.loss_s(costs(switches), None) == pytest.approx(loss_s)


def test_the_two_kinds_are_kept_apart() -> None:
    found = costs(times(5, 40) + times(3, 4, with_restart=False))
    assert (found.with_restart.events, found.with_restart.settle_s) == (5, 70)
    assert (found.without_restart.events, found.without_restart.settle_s) == (3, 34)
    assert (settled(found, True), settled(found, False)) == (70, 34)


def test_the_operators_own_numbers_win() -> None:
    found = costs(times(5, 40))
    assert [switching.loss_s(found, own_s) for own_s in (None, 12.0, 0.0)] == [40.02, 12, 0]
    assert (settled(found, True, 55.0), settled(found, False, 55.0)) == (55, 55)


def test_fifty_of_each_kind_are_kept_in_their_order() -> None:
    rare, many = times(3, 4, with_restart=False), times(80, 40)
    assert switching.kept([*rare, *many]) == [*rare, *many[30:]]


def test_what_is_stored_is_read_back() -> None:
    switches = times(2, 40) + times(1, 4, with_restart=False)
    assert [replace(s, loss_s=round(s.loss_s, 1)) for s in switches] == switching.read(switching.written(switches))


def test_only_the_last_fifty_of_a_kind_count() -> None:
    found = costs(times(60, 400) + times(50, 40))
    assert found.with_restart.events == 50
    assert switching.loss_s(found, None) < 41


@pytest.mark.parametrize(
    ("switches", "own_s", "soon_s"),
    [
        ([], None, None),  # nothing seen: every change counts as a restart
        (times(5, 45), None, None),
        (times(5, 2, with_restart=False), None, 70),  # presumed, until seen
        ([*times(5, 2, with_restart=False), *times(2, 45)], None, 70),
        ([*times(5, 2, with_restart=False), *times(3, 45)], None, 45.01),
        ([*times(3, 2, with_restart=False), *times(5, 45)], None, None),  # most need one anyhow
        (times(5, 2, with_restart=False), 12.0, None),  # the operator's number is for all
    ],
)
def test_soon_after_another_a_change_counts_with_the_restart_that_it_may_need(
    switches: list[Switch], own_s: float | None, soon_s: float | None
) -> None:
    assert switching.soon_loss_s(costs(switches), own_s) == (None if soon_s is None else pytest.approx(soon_s))


@pytest.mark.parametrize(
    ("soon_s", "last", "soon"),
    [
        (50.0, change(age_s=89.0), True),
        (50.0, change(age_s=90.0), False),
        (50.0, None, False),
        (50.0, replace(change(age_s=10.0), outcome=Outcome.FAILED, effective=False), False),
        (None, change(age_s=10.0), False),
    ],
)
def test_what_is_soon_after_a_change(soon_s: float | None, last: ChangeView | None, soon: bool) -> None:
    assert switching.is_soon(miner(soon_loss_s=soon_s, last_change=last)) is soon
