"""What became of a change: read back, not taken on, tried again."""

from __future__ import annotations

import pytest

from app.core import following
from app.core.readings import MinerState, MinerStatus
from app.core.types import ChangeKind, ChangeView, Outcome, PresetChange
from tests.core.builders import change

STOP, START = ChangeKind.STOP, ChangeKind.START


def polled(state: MinerState = MinerState.MINING, runs: str | None = "2000", **facts: object) -> MinerStatus:
    return MinerStatus(state, state.value, running_preset=runs, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sent, status, done, unchanged",
    [
        (change("2300", "2000"), polled(), True, False),
        (change("2300", "2000"), polled(restart_required=True), False, False),
        (change("2300", "2000"), polled(runs="2300"), False, True),
        (change("2300", "2000"), polled(runs=None), False, False),
        (change("2300", "2000"), polled(MinerState.RESTARTING), False, False),
        (change(kind=STOP), polled(MinerState.STOPPED, None), True, False),
        (change(kind=STOP), polled(), False, True),
        (change(kind=START), polled(), True, False),
        (change(kind=START), polled(MinerState.STARTING), False, False),
        (change(kind=START), polled(MinerState.STOPPED, None), False, True),
    ],
)
def test_it_reads_back_what_was_asked(sent: ChangeView, status: MinerStatus, done: bool, unchanged: bool) -> None:
    assert (following.is_done(sent, status), following.is_unchanged(sent, status)) == (done, unchanged)


SUPERSEDED = {"outcome": Outcome.SUPERSEDED}


@pytest.mark.parametrize(
    "sent, earlier, told",
    [
        (change(age_s=45), [], True),
        (change(age_s=44), [], False),
        (change(age_s=20), [change("2500", "2300", 50, **SUPERSEDED)], True),  # the first of two it did not take
        (change(age_s=20), [change("2500", "2300", 40, **SUPERSEDED)], False),
        (change(age_s=10), [change("2500", "2300", 50, **SUPERSEDED)], False),
        (change(age_s=20), [change("2500", "2300", 50, outcome=Outcome.CONFIRMED)], False),
        (change(age_s=20), [change("2700", "2500", 50, **SUPERSEDED)], False),  # that one it took: it runs 2500
        (change(age_s=20), [change("2000", "2300", 50, **SUPERSEDED)], False),  # a raise
        (change("2000", "2300", 20), [change("2500", "2300", 50, **SUPERSEDED)], False),  # only cuts count together
    ],
)
def test_the_time_runs_from_the_first_cut_in_a_row_that_was_not_taken(
    sent: ChangeView, earlier: list[ChangeView], told: bool
) -> None:
    assert following.had_its_time(sent, earlier, "2500") is told


def wish(new: str | None, old: str = "2300", kind: ChangeKind = ChangeKind.PRESET) -> PresetChange:
    return PresetChange(1, "02:00:00:00:00:01", kind, old, new, float(old), float(new or 30), "")


VAIN = {"outcome": Outcome.UNKNOWN, "attempt": 2}


@pytest.mark.parametrize(
    "wanted, last, attempt",
    [
        (wish("2000"), None, 1),
        (wish("2000"), change("2300", "2000", 60, **VAIN), 3),
        (wish("1850"), change("2300", "2000", 60, **VAIN), 3),  # cuts are alike whatever their presets
        (wish("2000"), change("2300", "2000", 1800, **VAIN), 1),
        (wish("2000"), change("2300", "2000", 60, attempt=2), 1),  # it was taken on
        (wish("2000"), change("2300", "2000", 60, attempt=2, polled_unchanged=True), 3),
        (wish("2500"), change("2300", "2500", 60, **VAIN), 3),
        (wish("2700"), change("2300", "2500", 60, **VAIN), 1),
        (wish(None, kind=STOP), change("2300", "2000", 60, **VAIN), 1),
        (wish(None, kind=STOP), change(kind=STOP, age_s=60, **VAIN), 3),
    ],
)
def test_it_counts_what_was_sent_in_vain(wanted: PresetChange, last: ChangeView | None, attempt: int) -> None:
    assert following.attempt(wanted, last) == attempt


def test_what_never_left_was_no_attempt() -> None:
    assert following.attempt(wish("2000"), change("2300", "2000", 60, **VAIN), last_left=False) == 2
