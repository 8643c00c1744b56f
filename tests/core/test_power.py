"""Accounted power, rule by rule (SPEC 4), the target and the trust in an old reading."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import power
from app.core.power import account, expected_ths
from app.core.readings import MinerState
from app.core.types import ChangeKind, MinerView, Outcome
from tests.core.builders import change, ladder_of, miner, preset, settings

CUT = {"old": "2300", "new": "2000"}
RAISE = {"old": "2000", "new": "2300"}


@pytest.mark.parametrize("outcome", [Outcome.SENDING, Outcome.SENT, Outcome.UNKNOWN])
@pytest.mark.parametrize("facts", [{}, {"effective": False}, {"polled_unchanged": True}, {"age_s": 200.0}])
def test_1_a_raise_on_its_way_counts_the_new_preset_at_once(outcome: Outcome, facts: dict[str, Any]) -> None:
    raised = account(miner(runs="2000", last_change=change(**RAISE, outcome=outcome, **facts)), settings())
    assert (raised.power_w, raised.preset) == (2300, "2300")


def test_1_a_start_on_its_way_counts_its_preset() -> None:
    start = change(None, "1740", kind=ChangeKind.START)
    assert account(miner(state=MinerState.STOPPED, last_change=start), settings()).power_w == 1740


@pytest.mark.parametrize(
    ("facts", "power_w"),
    [
        ({}, 2000),  # accepted, and the restart too where one was asked for
        ({"effective": False}, 2300),  # the restart refused, or not accepted yet
        ({"outcome": Outcome.SENDING, "effective": False}, 2300),
        ({"outcome": Outcome.UNKNOWN, "effective": False}, 2300),  # no answer
        ({"age_s": 46.0, "polled_unchanged": True}, 2300),  # says 200, goes on as before
        ({"age_s": 44.0}, 2000),
        ({"outcome": Outcome.FAILED, "effective": False, "age_s": 5.0}, 2300),  # refused
    ],
)
def test_2_a_cut_counts_the_new_preset_once_it_was_accepted(facts: dict[str, Any], power_w: float) -> None:
    assert account(miner(runs="2300", last_change=change(**CUT, **facts)), settings()).power_w == power_w


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_what_was_learned_since_does_not_move_a_change_on_its_way(factor: float) -> None:
    """Its watts are those of its plan; only what a miner that goes on as before runs may count with more."""

    def counted_w(runs: str, **facts: Any) -> float:
        on_its_way = change(**facts)
        return account(miner(runs=runs, power_factor=factor, last_change=on_its_way), settings()).power_w

    assert counted_w("2000", **RAISE) == 2300
    assert counted_w("2300", **CUT) == 2000
    assert counted_w("2300", **CUT, effective=False) == max(2300, 2300 * factor)
    assert counted_w("2000", **CUT, outcome=Outcome.CONFIRMED) == 2000 * factor


@pytest.mark.parametrize("state", [MinerState.RESTARTING, MinerState.STOPPED, MinerState.FAILURE])
def test_2_while_it_restarts_an_unanswered_cut_counts_the_old_preset(state: MinerState) -> None:
    unanswered = change(**CUT, outcome=Outcome.UNKNOWN, effective=False)
    assert account(miner(state=state, last_change=unanswered), settings()).power_w == 2300


def test_2_a_stop_counts_thirty_watts_once_it_was_accepted() -> None:
    assert account(miner(last_change=change(kind=ChangeKind.STOP)), settings()).power_w == 30
    refused = change(kind=ChangeKind.STOP, effective=False)
    assert account(miner(last_change=refused), settings()).power_w == 2300


def test_2_a_refused_cut_of_a_raise_on_its_way_counts_what_was_being_raised_to() -> None:
    refused = change("2700", "2500", outcome=Outcome.FAILED, effective=False, age_s=5.0)
    late = change("2700", "2500", outcome=Outcome.FAILED, effective=False, age_s=50.0)
    assert account(miner(runs="2300", last_change=refused), settings()).power_w == 2700
    assert account(miner(runs="2300", state=MinerState.STARTING, last_change=refused), settings()).power_w == 2700
    assert account(miner(runs="2300", last_change=late), settings()).power_w == 2300


def test_2_a_refused_raise_counts_what_runs() -> None:
    refused = change(**RAISE, outcome=Outcome.FAILED, effective=False, age_s=5.0)
    assert account(miner(runs="2000", last_change=refused), settings()).power_w == 2000


def test_2_two_cuts_in_a_row_that_did_nothing_count_what_is_polled() -> None:
    second = change("2000", "1740", polled_unchanged=True, age_s=50.0)
    found = account(miner(runs="2500", last_change=second), settings())
    assert (found.power_w, found.preset) == (2500, "2500")


@pytest.mark.parametrize("state", [MinerState.INITIALIZING, MinerState.STARTING, MinerState.RESTARTING])
@pytest.mark.parametrize(
    ("saved", "power_w"), [("2700", 2700), (None, 4000), ("gone", 4000), ("disabled", 4000)]
)  # fmt: skip
def test_3_a_booting_miner_counts_its_saved_preset_or_the_worst_case(
    state: MinerState, saved: str | None, power_w: float
) -> None:
    booting = miner(state=state, runs="2000", saved_preset=saved, measured_power_w=200.0)
    assert account(booting, settings()).power_w == power_w


@pytest.mark.parametrize(
    ("facts", "power_w", "basis"),
    [
        ({"runs": "2300", "measured_power_w": 900.0}, 2300, "running preset"),
        ({"runs": None, "measured_power_w": 2222.0}, 2222, "measured"),
        ({"runs": "disabled", "measured_power_w": 3250.0}, 3250, "measured"),
        ({"runs": None, "measured_power_w": 0.0}, 4000, "worst case"),  # zero on a hashing miner means unknown
        ({"runs": None, "measured_power_w": None}, 4000, "worst case"),
        ({"throttled_percent": 60, "measured_power_w": 1500.0}, 1500, "measured"),
        ({"throttled_percent": 60, "measured_power_w": None}, 2300, "running preset"),
        ({"throttled_percent": 100, "measured_power_w": 1500.0}, 2300, "running preset"),
        ({"state": MinerState.FAILURE, "measured_power_w": 0.0}, 2300, "running preset"),
        ({"state": MinerState.UNKNOWN, "runs": None}, 4000, "worst case"),
        ({"state": MinerState.STOPPED, "stopped_by_us": True, "measured_power_w": 2000.0}, 30, "stopped"),
        ({"state": MinerState.STOPPED, "measured_power_w": 80.0}, 80, "stopped"),
        ({"state": MinerState.STOPPED}, 30, "stopped"),
        ({"retired": True}, 0, "retired"),
    ],
)
def test_4_a_running_miner_counts_its_preset_then_what_is_measured_then_the_worst_case(
    facts: dict[str, Any], power_w: float, basis: str
) -> None:
    found = account(miner(**facts), settings())
    assert (found.power_w, found.basis) == (power_w, basis)


def test_4_the_operators_expected_power_wins_over_the_firmwares() -> None:
    edited = ladder_of([(2000, 80)], preset(2300, 87.0, expected_power_w=2410))
    assert account(miner(ladder=edited), settings()).power_w == 2410


@pytest.mark.parametrize(
    ("facts", "power_w"),
    [
        ({"last_accounted_w": 2100.0}, 2100),
        ({"last_accounted_w": None}, 2300),
        ({"last_accounted_w": 2100.0, "state": MinerState.RESTARTING}, 2100),
        ({"last_accounted_w": 2100.0, "last_change": change()}, 2000),  # rule 2 comes first
    ],
)
def test_5_a_silent_miner_counts_its_last_accounted_power(facts: dict[str, Any], power_w: float) -> None:
    assert account(miner(silent_s=120.0, **facts), settings()).power_w == power_w


@pytest.mark.parametrize(
    ("view", "power_w"),
    [
        (miner(), 2530),
        (miner(runs=None, measured_power_w=2000.0), 2200),
        (miner(runs=None), 4400),
        (miner(state=MinerState.STOPPED), 33),
        (miner(state=MinerState.RESTARTING), 2530),
    ],
)
def test_the_wall_factor_makes_board_watts_wall_watts(view: MinerView, power_w: float) -> None:
    assert account(view, settings(wall_factor=1.1)).power_w == pytest.approx(power_w)


def test_the_expected_hashrate_is_that_of_the_accounted_preset() -> None:
    restarting = miner(state=MinerState.RESTARTING, measured_hashrate_ths=0.0)
    assert expected_ths(restarting, account(restarting, settings())) == 87
    unknown = miner(runs=None)
    assert expected_ths(unknown, account(unknown, settings())) == 0
    nameless = miner(ladder=ladder_of([], preset(2300, None)))
    assert expected_ths(nameless, account(nameless, settings())) == 0


@pytest.mark.parametrize(
    ("available_kw", "values", "target_w"),
    [
        (100.0, {}, 90_000),
        (100.0, {"safety_margin_percent": 0.0}, 100_000),
        (100.0, {"safety_margin_percent": 50.0}, 50_000),
        (100.0, {"farm_limit_kw": 60.0}, 60_000),
        (100.0, {"farm_limit_kw": 95.0}, 90_000),
        (100.0, {"farm_limit_kw": 0.0}, 0),
        (0.0, {}, 0),
        (-20.0, {}, 0),
        (-20.0, {"farm_limit_kw": 60.0}, 0),
    ],
)
def test_the_target_is_what_is_available_less_the_margin_or_the_farm_limit(
    available_kw: float, values: dict[str, Any], target_w: float
) -> None:
    assert power.target_w(available_kw, settings(**values)) == pytest.approx(target_w)


@pytest.mark.parametrize(
    ("age_s", "per_min", "trust"),
    [(0, 5, 1), (60, 5, 1), (120, 5, 0.95), (660, 5, 0.5), (1260, 5, 0), (9999, 5, 0), (9999, 0, 1), (120, 100, 0)],
)
def test_trust_melts_from_a_minute_on(age_s: float, per_min: float, trust: float) -> None:
    values = settings(stale_derate_percent_per_min=float(per_min))
    assert power.trust(age_s, values) == pytest.approx(trust)
    assert power.target_w(100, values, trust) == pytest.approx(90_000 * trust)
