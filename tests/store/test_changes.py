"""The door's transaction, outcomes and recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.core.limits import LimitFacts, violation
from app.core.readings import MinerState, Stamp
from app.core.types import ChangeKind, Mode, Origin, Outcome
from app.extensions import db, writing
from app.models import Miner, MinerModel, MinerStatusRow, PresetChangeRow
from app.redaction import Secret
from app.store import changes, snapshot
from app.store.changes import Ending, Intent, Refused
from tests.store import farm
from tests.store.door import begin, confirm, intent, sent
from tests.store.own_app import at, own_database

NEW_KEY = Secret("n" * 32)
STOP, START = ChangeKind.STOP, ChangeKind.START


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


# --- the door ---


def test_the_row_is_written_before_anything_is_sent() -> None:
    farm.build(1, at())
    begun = intent(farm.change(1))
    row = farm.row_of(1)
    assert (row.id, row.outcome, row.old_preset, row.new_preset) == (begun.change_id, "sending", "3000", "2000")
    assert (row.total_before_w, row.total_after_w, row.attempt) == (9000.0, 8000.0, 1)
    assert (begun.ip, begun.api_key) == (farm.ip_of(1), Secret(farm.KEY))
    assert farm.KEY not in repr(begun)


def test_a_hundred_intents_keep_their_order_and_running_totals() -> None:
    farm.build(100, at())
    wanted = [farm.change(i) for i in range(100, 0, -1)]
    answers = changes.begin_many(wanted, farm.context(at(), current_w=300_000.0), at(), reachable=lambda _: True)
    assert [answer.change.miner_id for answer in answers] == list(range(100, 0, -1))
    assert [row.miner_id for row in farm.rows()] == list(range(100, 0, -1))
    assert farm.rows()[-1].total_after_w == 200_000.0


@pytest.mark.parametrize(
    "model, key, values, sentence",
    [
        (Miner, 1, {"managed": False}, "not managed"),
        (Miner, 1, {"hold": True}, "held"),
        (Miner, 1, {"retired": True}, "retired"),
        (Miner, 1, {"api_key": None}, "identified"),
        (Miner, 1, {"model_id": None}, "model is unknown"),
        (MinerModel, 1, {"max_preset": None}, "no max preset"),
        (MinerModel, 1, {"max_preset": "1500"}, "above the max preset"),
    ],
)
def test_what_changed_since_the_plan_is_seen_at_the_door(
    model: type, key: int, values: dict[str, object], sentence: str
) -> None:
    farm.build(1, at())
    farm.put(model, key, **values)
    answer = begin(farm.change(1))
    assert isinstance(answer, Refused)
    assert sentence in answer.sentence
    assert farm.rows() == []


@pytest.mark.parametrize("mode", ["off", "observe"])
def test_a_mode_that_flipped_between_plan_and_door_refuses(mode: str) -> None:
    farm.build(1, at())
    farm.put_setting("mode", mode)
    answer = begin(farm.change(1))
    assert isinstance(answer, Refused)
    assert mode in answer.sentence
    assert isinstance(begin(farm.change(1, origin=Origin.OPERATOR)), Intent)


@pytest.mark.parametrize(("override", "words"), [("minimum", "all to minimum"), ("stop", "stop all")])
def test_an_order_for_the_whole_farm_stops_the_raises_of_a_cycle_that_was_planned_before_it(
    override: str, words: str
) -> None:
    farm.build(5, at(), running="2000", override=override)
    farm.put(Miner, 5, stopped_by_us_at=at().utc)
    farm.put(MinerStatusRow, 5, state="stopped")
    up, start = farm.change(1, "2500", old="2000"), farm.change(5, "1500", kind=START)
    for automatic in (up, start):
        answer = begin(automatic)
        assert isinstance(answer, Refused)
        assert answer.sentence == f"{words} was ordered: nothing is raised or started until resume"
    assert farm.rows() == []
    for passes in (
        farm.change(2, "1500", old="2000"),
        farm.change(3, None, old="2000", kind=STOP),
        replace(up, origin=Origin.OPERATOR),
        replace(start, origin=Origin.OPERATOR),
    ):
        assert isinstance(begin(passes), Intent)


def test_after_resume_raises_pass_again() -> None:
    farm.build(1, at(), running="2000", override="stop")
    farm.put_setting("override", "none")
    assert isinstance(begin(farm.change(1, "2500", old="2000")), Intent)


def test_a_hold_that_has_run_out_holds_no_longer() -> None:
    farm.build(1, at())
    farm.put(Miner, 1, hold=True, hold_until=at(-1).utc)
    assert isinstance(begin(farm.change(1)), Intent)


def test_nothing_is_sent_outside_the_subnets_or_to_a_miner_that_is_gone() -> None:
    farm.build(1, at())
    outside = begin(farm.change(1), reachable=False)
    gone = begin(farm.change(77))
    assert isinstance(outside, Refused)
    assert "outside the configured subnets" in outside.sentence
    assert isinstance(gone, Refused)
    assert farm.rows() == []


def test_only_one_change_per_miner_passes_in_a_group() -> None:
    farm.build(1, at())
    first, second = changes.begin_many(
        [farm.change(1), farm.change(1, "1500")], farm.context(at()), at(), reachable=lambda _: True
    )
    assert isinstance(first, Intent)
    assert isinstance(second, Refused)


@pytest.mark.parametrize(
    "then, allowed",
    [
        (at(29), False),
        (at(31), True),
        (replace(at(5, boot="boot-2"), monotonic_s=4.0), False),  # another life: the wall clock decides
        (replace(at(40, boot="boot-2"), monotonic_s=4.0), True),
        # Dated in the future: counts as just made, but not as younger than this life of the machine.
        (replace(at(3600, boot="boot-2", wall=timedelta(hours=-2)), monotonic_s=20.0), False),
        (replace(at(3600, boot="boot-2", wall=timedelta(hours=-2)), monotonic_s=40.0), True),
        (at(29, wall=timedelta(hours=5)), False),  # a stepped clock does not shorten the cooldown
        (at(31, wall=timedelta(hours=-5)), True),
    ],
)
def test_the_cooldown_is_read_from_the_rows_and_survives_restarts(then: Stamp, allowed: bool) -> None:
    farm.build(1, at())
    sent(1)
    answer = begin(farm.change(1, "1500"), then)
    assert isinstance(answer, Intent) is allowed
    assert isinstance(begin(farm.change(1, None, kind=STOP), then), Intent)  # only stopping is exempt


def test_the_newest_row_counts_whatever_its_date() -> None:
    farm.build(1, at())
    sent(1, at(0, wall=timedelta(hours=3)))  # then the clock is set back
    sent(1, at(60), new="1500")
    with writing() as session:
        view = snapshot.load_miner(session, 1, at(70))
    assert view.last_change is not None
    assert (view.last_change.new_preset, view.last_change.age_s) == ("1500", 10.0)


def test_an_open_change_is_superseded_by_the_next() -> None:
    farm.build(1, at())
    sent(1)
    sent(1, at(40), new="1500")
    first, second = farm.rows()
    assert (first.outcome, second.outcome) == ("superseded", "sent")
    assert first.finished_at == at(40).utc


def test_of_each_miner_the_newest_row_is_marked_as_its_latest() -> None:
    farm.build(3, at())
    for seconds, miner_ids in ((0, (1, 2, 3)), (40, (2, 1)), (80, (2,))):
        wanted = [farm.change(i, "1500" if seconds == 40 else "2000") for i in miner_ids]
        changes.begin_many(wanted, farm.context(at(seconds)), at(seconds), reachable=lambda _: True)
        assert isinstance(begin(farm.change(miner_ids[0]), at(seconds + 1)), Refused)  # leaves the mark where it is
        newest = {row.miner_id: row.id for row in farm.rows()}
        assert {row.miner_id: row.id for row in farm.rows() if row.is_latest} == newest
    assert len(farm.rows()) == 6


def unanswered(miner_id: int, now: Stamp, new: str | None = "2000", **values: Any) -> int:
    begun = intent(farm.change(miner_id, new, **values), now)
    changes.finish([Ending(begun, Outcome.UNKNOWN, error="It did not answer in time.")], now)
    return begun.attempt


def test_cuts_in_vain_count_as_attempts_whatever_their_presets() -> None:
    farm.build(1, at())
    assert [unanswered(1, at(s), new) for s, new in ((0, "2000"), (60, "1500"), (120, "2000"))] == [1, 2, 3]
    assert unanswered(1, at(125), None, kind=STOP) == 1
    assert unanswered(1, at(130), None, kind=STOP) == 2


def test_attempts_begin_anew_after_success_and_after_a_long_time() -> None:
    farm.build(1, at())
    assert sent(1, at(0)).attempt == 1
    assert sent(1, at(60), new="1500").attempt == 1  # the first was taken on
    confirm({1: farm.polled("1500")}, 100)
    assert unanswered(1, at(140), "1500") == 1
    assert unanswered(1, at(140 + 1801), "1500") == 1


def test_only_raises_to_the_same_preset_count_together() -> None:
    farm.build(1, at(), running="2000")
    assert [unanswered(1, at(s), new, old="2000") for s, new in ((0, "2500"), (60, "2500"), (120, "3000"))] == [1, 2, 1]


def test_what_never_left_is_no_attempt() -> None:
    farm.build(1, at())
    for seconds, error, attempt in ((0, "not sent: out of time", 1), (40, "It cannot be reached.", 1), (80, None, 2)):
        begun = intent(farm.change(1), at(seconds))
        assert begun.attempt == attempt
        changes.finish([Ending(begun, Outcome.FAILED, error=error)], at(seconds))


def test_a_raise_on_a_reading_that_grew_stale_on_the_way_is_refused() -> None:
    farm.build(1, at(), running="2000")
    context = farm.context(at(), data_age_s=40.0)
    up = farm.change(1, "2500", old="2000")
    late = changes.begin(up, context, at(6), reachable=lambda _: True)
    assert isinstance(late, Refused)
    assert "no increase" in late.sentence
    assert isinstance(changes.begin(up, context, at(4), reachable=lambda _: True), Intent)


_names = st.sampled_from(["1500", "2000", "2500", "3000", "disabled", "3500", None])


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    new=_names, old=_names, kind=st.sampled_from(ChangeKind), origin=st.sampled_from(Origin),
    mode=st.sampled_from(Mode),
    managed=st.booleans(), hold=st.booleans(), retired=st.booleans(), max_preset=st.sampled_from(["2500", "x", None]),
    stopped=st.booleans(), last_age_s=st.one_of(st.none(), st.floats(-5000, 5000)),
    key=st.sampled_from([farm.KEY, None]),
    increases=st.booleans(), new_power_w=st.floats(0, 5000),
)  # fmt: skip
def test_begin_never_writes_a_row_that_a_hard_limit_forbids(
    new: str | None, old: str | None, kind: ChangeKind, origin: Origin, mode: Mode, managed: bool, hold: bool,
    retired: bool, max_preset: str | None, stopped: bool, last_age_s: float | None, key: str | None, increases: bool,
    new_power_w: float,
) -> None:  # fmt: skip
    with writing() as session:
        for table in reversed(db.metadata.sorted_tables):
            session.execute(table.delete())
    farm.build(1, at(), mode=mode, max_preset=max_preset, watts=(1500, 2000, 2500, 3000, 3500))
    farm.put(Miner, 1, managed=managed, hold=hold, retired=retired, api_key=key,
             stopped_by_us_at=at().utc if stopped else None)  # fmt: skip
    if last_age_s is not None:
        with writing() as session:
            session.add(
                PresetChangeRow(miner_id=1, kind="preset", origin="balancer", old_power_w=1.0, new_power_w=2.0,
                                reason="", outcome="sent", recorded=at(-last_age_s))
            )  # fmt: skip
    wish = replace(farm.change(1, new, kind=kind, origin=origin, new_power_w=new_power_w), old_preset=old)
    with writing() as session:
        view = snapshot.load_miner(session, 1, at())
    forbidden = violation(wish, view, LimitFacts(mode=mode, increases_allowed=increases))
    before = len(farm.rows())
    context = farm.context(at(), increases_allowed=increases)
    answer = changes.begin(wish, context, at(), reachable=lambda _: True)
    assert isinstance(answer, Refused) is (forbidden is not None)
    assert len(farm.rows()) == before + isinstance(answer, Intent)


# --- results ---


def test_outcomes_are_stored_with_what_the_answers_taught() -> None:
    farm.build(3, at())
    one, two, three = (intent(farm.change(i)) for i in (1, 2, 3))
    changes.finish(
        [
            Ending(one, Outcome.SENT, accepted=True, restart_required=True, restart_accepted=True, new_api_key=NEW_KEY),
            Ending(two, Outcome.FAILED, accepted=False, error="x" * 400, unknown_preset=True),
            Ending(three, Outcome.UNKNOWN, error="It did not answer."),
        ],
        at(2),
    )
    first, second, third = farm.rows()
    assert (first.outcome, first.accepted, first.restart_accepted, first.finished_at) == ("sent", True, True, None)
    assert (second.outcome, second.finished_at, len(second.error_message or "")) == ("failed", at(2).utc, 300)
    assert (third.outcome, third.accepted, third.finished_at) == ("unknown", None, None)
    assert (farm.miner(1).api_key, farm.miner(1).saved_preset) == (NEW_KEY, "2000")
    assert (farm.miner(2).saved_preset, farm.miner(2).ladder_read_at) == ("3000", None)


def test_a_late_outcome_does_not_reopen_a_row_that_is_over() -> None:
    farm.build(1, at())
    begun = sent(1)
    confirm({1: farm.polled("2000")}, 10)
    changes.finish([Ending(begun, Outcome.FAILED, error="late")], at(11))
    assert farm.row_of(1).outcome == "confirmed"


def test_recovery_turns_what_was_being_sent_into_unknown_and_keeps_the_rest() -> None:
    farm.build(2, at())
    intent(farm.change(1))
    sent(2)
    assert changes.recover(at(2)) == 1
    assert [(row.outcome, bool(row.error_message)) for row in farm.rows()] == [("unknown", True), ("sent", False)]
    assert isinstance(begin(farm.change(1, "1500"), at(10)), Refused)  # it may have been sent: the cooldown holds
    confirm({1: farm.polled("2000")}, 20)
    assert farm.row_of(1).outcome == "confirmed"


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"])
def test_after_a_crash_the_cooldown_begins_anew_as_the_call_may_have_begun_long_after_the_intent(boot: str) -> None:
    farm.build(2, at())
    intent(farm.change(1))  # its call may begin 11 s later, and then PowerHive ends without a word
    sent(2)
    changes.recover(at(12, boot=boot))
    assert (farm.row_of(1).recorded, farm.row_of(2).recorded) == (at(12, boot=boot), at(0))
    too_soon = begin(farm.change(1, "1500"), at(41, boot=boot))
    assert isinstance(too_soon, Refused)
    assert "1 s of cooldown left" in too_soon.sentence
    assert isinstance(begin(farm.change(1, "1500"), at(42.5, boot=boot)), Intent)


# --- stops ---


def test_a_stop_is_remembered_with_its_intent() -> None:
    farm.build(1, at())
    intent(farm.change(1, None, kind=STOP))
    assert farm.miner(1).stopped_by_us_at == at().utc
    changes.recover(at(2))
    confirm({1: farm.polled(None, MinerState.STOPPED)}, 10)
    assert farm.miner(1).stopped_by_us_at == at().utc


def test_a_refused_stop_is_forgotten_but_not_an_earlier_one() -> None:
    farm.build(1, at())
    refused = intent(farm.change(1, None, kind=STOP))
    changes.finish([Ending(refused, Outcome.FAILED, accepted=False)], at())
    assert farm.miner(1).stopped_by_us_at is None
    unknown = intent(farm.change(1, None, kind=STOP), at(40))
    changes.finish([Ending(unknown, Outcome.UNKNOWN)], at(40))
    again = intent(farm.change(1, None, kind=STOP), at(50))
    changes.finish([Ending(again, Outcome.FAILED, accepted=False)], at(50))
    assert farm.miner(1).stopped_by_us_at == at(40).utc


@pytest.mark.parametrize("error, again", [("It refused (500).", False), (f"{changes.NOT_SENT}: unreachable", True)])
def test_a_refused_stop_is_not_repeated_in_the_same_moment(error: str, again: bool) -> None:
    """Two cycles may be a second apart: three refusals within it would be all for a quarter of an hour."""
    farm.build(1, at())
    refused = intent(farm.change(1, None, kind=STOP))
    changes.finish([Ending(refused, Outcome.FAILED, accepted=False, error=error)], at())
    assert isinstance(begin(farm.change(1, None, kind=STOP), at(1)), Intent) is again
    assert isinstance(begin(farm.change(1, None, kind=STOP), at(32)), Intent)


def test_a_start_is_only_for_what_we_stopped_and_forgets_that_once_the_miner_comes_up() -> None:
    farm.build(2, at())
    sent(1, new=None, kind=STOP)
    confirm({1: farm.polled(None, MinerState.STOPPED)}, 20)
    farm.put(MinerStatusRow, 1, state="stopped")
    farm.put(MinerStatusRow, 2, state="stopped")
    assert isinstance(begin(farm.change(2, "1500", kind=START), at(60)), Refused)
    sent(1, at(60), new="1500", kind=START)
    confirm({1: farm.polled("1500", MinerState.STARTING)}, 80)
    assert farm.row_of(1).outcome == "sent"
    assert farm.miner(1).stopped_by_us_at is None, "what stops it before it hashes is not us"
    confirm({1: farm.polled("1500")}, 100)
    assert farm.row_of(1).outcome == "confirmed"


def test_a_miner_that_a_person_started_is_no_longer_ours_to_start() -> None:
    farm.build(1, at())
    sent(1, new=None, kind=STOP)
    confirm({1: farm.polled("3000")}, 5)  # the stop is on its way: not yet
    assert farm.miner(1).stopped_by_us_at is not None
    confirm({1: farm.polled(None, MinerState.STOPPED)}, 20)
    confirm({1: farm.polled("3000")}, 400)
    assert farm.miner(1).stopped_by_us_at is None
