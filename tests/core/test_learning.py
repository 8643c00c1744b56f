"""What is learned of a miner, and what teaches nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import learning
from app.core.learning import Circumstances, Factors, Poll, learn
from app.core.readings import MinerState, MinerStatus
from app.core.types import ChangeKind, Outcome
from tests.core.builders import change, preset

RUNS = preset(2300, 100.0)
NOW = Poll(MinerState.MINING, "2300", 2200.0, 95.0)
CALM = Circumstances(
    apart_s=15.0, preset=RUNS, saved_preset="2300", change=None, settle_s=100.0, boot_settle_s=100.0
)  # fmt: skip
NOTHING = Factors()


def learned(now: Poll = NOW, before: Poll | None = None, known: Factors = NOTHING, **facts: Any) -> Factors:
    return learn(known, now, NOW if before is None else before, replace(CALM, **facts))


def done(**facts: Any) -> Any:
    """A confirmed change to 2300, ten minutes ago."""
    return change(**{"old": "2000", "new": "2300", "outcome": Outcome.CONFIRMED, "age_s": 600.0} | facts)


def test_the_factors_move_by_three_tenths_towards_what_is_seen() -> None:
    found = learned()
    assert found.power == pytest.approx(1 + 0.3 * (2200 / 2300 - 1))
    assert found.hashrate == pytest.approx(1 + 0.3 * (0.95 - 1))


def test_after_a_few_minutes_they_are_what_is_seen() -> None:
    found = NOTHING
    for _ in range(20):
        found = learned(known=found)
    assert found.power == pytest.approx(2200 / 2300, abs=0.0005)
    assert found.hashrate == pytest.approx(0.95, abs=0.0005)


def test_the_firmwares_label_is_the_base_not_the_operators_number() -> None:
    edited = preset(2300, 100.0, expected_power_w=2600, expected_hashrate_ths=90.0)
    assert learned(preset=edited) == learned()


LESSONS: dict[str, dict[str, Any]] = {
    "settings say so": {},
    "a confirmed change says so": {"saved_preset": "2000", "change": done()},
    "settings say so after a confirmed change to another": {"change": done(new="2000")},
    "settled just now": {"change": done(age_s=100.0)},
    "it refused a change and stayed": {"change": change("2300", "2000", outcome=Outcome.FAILED, age_s=600.0)},
    "a person started what was stopped": {
        "change": change("2300", None, kind=ChangeKind.STOP, outcome=Outcome.CONFIRMED, age_s=600.0)
    },
    "what was not applied in time is by now": {"change": done(outcome=Outcome.NOT_APPLIED)},
    "two polls were missed between": {"apart_s": 45.0},
}


@pytest.mark.parametrize("facts", LESSONS.values(), ids=LESSONS)
def test_it_learns_where(facts: dict[str, Any]) -> None:
    assert learned(**facts).power < 1.0


NO_LESSONS: dict[str, dict[str, Any]] = {
    "the settings name another preset": {"saved_preset": "2000"},
    "the settings are not known": {"saved_preset": None},
    "the ladder does not know the preset": {"preset": None},
    "the watts of the preset are unknown": {"preset": preset(None, name="2300")},
    "a raise is on its way": {"change": done(outcome=Outcome.SENT)},
    "a change is being sent": {"change": done(outcome=Outcome.SENDING)},
    "nobody knows whether a change arrived": {"change": done(outcome=Outcome.UNKNOWN)},
    "a change has just been confirmed": {"change": done(age_s=99.0)},
    "it is deaf: accepted, not applied": {
        "saved_preset": "2000", "change": change("2300", "2000", outcome=Outcome.NOT_APPLIED, age_s=600.0)
    },
    "a deaf one whose settings name the old preset": {
        "change": change("2300", "2000", outcome=Outcome.NOT_APPLIED, age_s=600.0)
    },
    "a preset was saved, the restart refused": {
        "saved_preset": "2000", "change": change("2300", "2000", outcome=Outcome.FAILED, age_s=600.0)
    },
    "a stop is on its way": {"change": change("2300", None, kind=ChangeKind.STOP, age_s=600.0)},
    "its own measurement has not ended": {"being_measured": True, "change": done()},
    "the polls are too close together": {"apart_s": 4.0},
    "there was silence between them": {"apart_s": 46.0},
    "the model takes long to settle": {"settle_s": 601.0, "change": done()},
}  # fmt: skip


@pytest.mark.parametrize("facts", NO_LESSONS.values(), ids=NO_LESSONS)
def test_it_learns_nothing_while(facts: dict[str, Any]) -> None:
    assert learned(**facts) is NOTHING


def but(**facts: Any) -> Poll:
    return replace(NOW, **facts)


NO_LESSON_POLLS: dict[str, tuple[Poll, Poll]] = {
    "tuning": (but(state=MinerState.AUTO_TUNING), NOW),
    "tuning before": (NOW, but(state=MinerState.AUTO_TUNING)),
    "starting before": (NOW, but(state=MinerState.STARTING)),
    "stopped": (but(state=MinerState.STOPPED), NOW),
    "on another preset before": (NOW, but(running_preset="2000")),
    "on an unknown preset": (but(running_preset=None), but(running_preset=None)),
    "throttled": (but(throttled_percent=80), NOW),
    "throttled before": (NOW, but(throttled_percent=99)),
    "asking for a restart": (but(restart_required=True), NOW),
    "just restarted by itself": (but(state_time_s=99.0), NOW),
    "without known power": (but(power_w=None), NOW),
    "at zero power, which is unknown": (but(power_w=0.0), but(power_w=0.0)),
    "without known power before": (NOW, but(power_w=None)),
    "climbing": (NOW, but(power_w=2150.0)),
    "falling": (NOW, but(power_w=2250.0)),
    "idling without a pool": (but(power_w=1149.0), but(power_w=1149.0)),
}


@pytest.mark.parametrize(("now", "before"), NO_LESSON_POLLS.values(), ids=NO_LESSON_POLLS)
def test_it_learns_nothing_from_a_miner(now: Poll, before: Poll) -> None:
    assert learned(now, before) is NOTHING


def test_disabled_is_no_preset_to_learn_from() -> None:
    manual = preset(2300, 100.0, name="Disabled")
    poll = but(running_preset="Disabled")
    assert learned(poll, poll, preset=manual, saved_preset="Disabled") is NOTHING


def test_a_long_settled_miner_without_throttle_teaches() -> None:
    assert learned(but(state_time_s=100.0, throttled_percent=100)).power < 1.0


@pytest.mark.parametrize(
    ("now", "before", "label_ths"),
    [
        (but(hashrate_ths=None), NOW, 100.0),
        (but(hashrate_ths=0.0), but(hashrate_ths=0.0), 100.0),
        (NOW, but(hashrate_ths=80.0), 100.0),
        (NOW, NOW, None),
        (NOW, NOW, 0.0),
    ],
    ids=["unknown", "zero", "climbing", "no label", "a label of zero"],
)
def test_an_unknown_hashrate_leaves_its_factor_and_the_power_is_learned(
    now: Poll, before: Poll, label_ths: float | None
) -> None:
    found = learned(now, before, preset=preset(2300, label_ths))
    assert found.hashrate == 1.0
    assert found.power < 1.0


def test_alternating_power_teaches_nothing() -> None:
    found, before = NOTHING, NOW
    for n in range(40):
        now = but(power_w=2200.0 if n % 2 else 2300.0)
        found, before = learned(now, before, found), now
    assert found is NOTHING


@pytest.mark.parametrize(
    ("power_w", "ths", "power", "hashrate"),
    [
        (1534.0, 66.7, 0.85, 0.70),  # one of three boards is out: what it draws for now, but never less than the clip
        (4600.0, 300.0, 1.15, 1.15),
        (1150.0, 1.0, 0.85, 0.70),
    ],
)
def test_what_is_beyond_the_clip_is_clipped(power_w: float, ths: float, power: float, hashrate: float) -> None:
    poll, found = but(power_w=power_w, hashrate_ths=ths), NOTHING
    assert learned(poll, poll).power == pytest.approx(1 + 0.3 * (power - 1)), "one wild answer moves it a little"
    for _ in range(60):
        found = learned(poll, poll, found)
    assert (found.power, found.hashrate) == (pytest.approx(power), pytest.approx(hashrate))


@pytest.mark.parametrize("damaged", [0.0, -3.0, 9.0, math.inf, math.nan])
def test_a_damaged_factor_heals(damaged: float) -> None:
    found = learned(known=Factors(damaged, damaged))
    assert 0.85 <= found.power <= 1.15
    assert 0.70 <= found.hashrate <= 1.15


READINGS = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 6000)
POLLS = st.builds(
    Poll,
    state=st.sampled_from([MinerState.MINING] * 4 + list(MinerState)),
    running_preset=st.sampled_from(["2300", "2300", "2000", None]),
    power_w=READINGS,
    hashrate_ths=READINGS,
    throttled_percent=st.sampled_from([None, 100, 70]),
    restart_required=st.booleans(),
    state_time_s=st.sampled_from([None, 0.0, 5000.0]),
)
CHANGES = st.none() | st.builds(
    done, outcome=st.sampled_from(Outcome), age_s=st.sampled_from([0.0, 60.0, 900.0]), kind=st.sampled_from(ChangeKind)
)
LABELS = st.builds(preset, st.none() | st.integers(-5, 6000), READINGS, name=st.sampled_from(["2300", "2000"]))


@given(st.lists(st.tuples(POLLS, st.none() | LABELS, CHANGES, st.floats(0, 100)), min_size=2, max_size=30))
def test_whatever_is_polled_the_factors_stay_within_their_clips(answers: Any) -> None:
    found, before = NOTHING, NOW
    for poll, label, latest, apart_s in answers:
        # Most of what is generated teaches nothing, so each answer is also taken for a calm one.
        for facts in (replace(CALM, preset=label, change=latest, apart_s=apart_s), CALM):
            for pair in ((poll, before), (poll, poll)):
                found = learn(found, *pair, facts)
                assert 0.85 <= found.power <= 1.15
                assert 0.70 <= found.hashrate <= 1.15
        before = poll


# --- a miner that restarts -------------------------------------------------------------------------------------------


def ramping(t: float, *, dip_s: float, ramp_s: float, watts: float, ths: float, says_mining: bool) -> Poll:
    """A miner `t` seconds after its restart: near zero for the dip, then a ramp to its level."""
    share = max(0.0, min(1.0, (t - dip_s) / ramp_s))
    mining = says_mining or t >= dip_s
    return Poll(
        MinerState.MINING if mining else MinerState.RESTARTING, "2300",
        watts * (0.08 + 0.92 * share), ths * share,
    )  # fmt: skip


@pytest.mark.parametrize("says_mining", [False, True])
@pytest.mark.parametrize("dip_s", [15.0, 40.0, 80.0, 200.0])
@pytest.mark.parametrize("ramp_s", [20.0, 60.0, 120.0, 180.0])
@pytest.mark.parametrize("known", [True, False], ids=["our change", "its own restart"])
def test_a_restart_teaches_nothing_but_its_end(dip_s: float, ramp_s: float, says_mining: bool, known: bool) -> None:
    """The model's settle time is 100 s, the miner may take four times as long: the ramp must show by itself."""
    for phase in range(15):
        found, before, watts = Factors(0.95, 0.9), NOW, 0.95 * 2300
        for n in range(60):
            t = phase + 15.0 * n
            now = ramping(t, dip_s=dip_s, ramp_s=ramp_s, watts=watts, ths=90.0, says_mining=says_mining)
            latest = done(age_s=t) if known else None
            found = learned(now, before, found, change=latest)
            before = now
            # The last poll of a ramp may lie within the tolerance of the level.
            assert found.power == pytest.approx(0.95, abs=0.3 * learning.POWER_FLAT)
            assert found.hashrate == pytest.approx(0.9, abs=0.3 * learning.HASHRATE_FLAT)


def test_a_poll_is_what_matters_of_a_status() -> None:
    status = MinerStatus(MinerState.MINING, "mining", 70, running_preset="2300", power_w=2200, hashrate_ths=95.0)
    assert learning.poll_of(status) == but(state_time_s=70)
    assert learning.poll_of(replace(status, restart_required=True)).restart_required
    assert learning.poll_of(replace(status, reboot_required=True)).restart_required
    assert not learning.poll_of(replace(status, restart_required=False)).restart_required


@pytest.mark.parametrize(("factor", "steps"), [(1.0, 1.0), (0.9524, 0.95), (0.9526, 0.955), (1.15, 1.15), (0.85, 0.85)])
def test_plans_take_factors_in_steps_of_half_a_percent(factor: float, steps: float) -> None:
    assert learning.rounded(factor) == steps
