"""One balance cycle, from the stored reading to the last command."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app import clock
from app.core import plan as planning
from app.core.readings import MinerStatus
from app.core.types import ChangeKind, Origin, Outcome, Snapshot
from app.errors import PowerHiveError
from app.extensions import db, writing
from app.jobs import apply as door
from app.jobs import balancer
from app.jobs.apply import Result
from app.jobs.runner import Deadline, JobContext
from app.models import BalanceCycle, MinerStatusRow
from app.store import changes as change_store
from app.store import cycles, settings, snapshot
from app.store.changes import Ending, Intent
from tests.store import farm
from tests.store.farm import FakeHands
from tests.store.own_app import config, context, own_database


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobContext]:
    with own_database(tmp_path):
        bare = context(config(tmp_path), started=clock.stamp(), new_term=False)
        yield replace(bare, term_id=farm.term(clock.stamp()))


def cycle() -> BalanceCycle:
    db.session.rollback()
    return db.session.scalars(db.select(BalanceCycle).order_by(BalanceCycle.id.desc()).limit(1)).one()


def drawn_w() -> float:
    """What the farm counts with by the latest rows."""
    newest = {row.miner_id: row for row in farm.rows() if row.outcome == "sent"}
    return sum(newest[i].new_power_w if i in newest else 3000.0 for i in range(1, 101))


def test_nothing_to_do_leaves_a_row_and_sends_nothing(job: JobContext) -> None:
    farm.build(3, clock.stamp())
    farm.reading(clock.stamp(), 10.0)
    hands = FakeHands()
    note = balancer.cycle(job, hands)
    assert hands.calls == []
    assert (cycle().changes_count, cycle().status) == (0, "OK")
    assert note == cycle().reason.rstrip(".")


def test_a_drop_is_answered_in_one_cycle(job: JobContext) -> None:
    farm.build(100, clock.stamp())
    farm.reading(clock.stamp(), 240.0)
    note = balancer.cycle(job, FakeHands())
    assert drawn_w() <= 216_000 + 500
    row = cycle()
    assert (row.emergency, row.sent, row.failed_count) == (True, True, 0)
    assert row.planned_w == drawn_w()
    assert row.changes_count == len(row.planned) == len(farm.rows())
    assert row.duration_s is not None
    assert f"{row.changes_count} of {row.changes_count} changes taken on" in note


def test_what_dead_miners_do_not_give_is_taken_from_others_in_the_same_cycle(job: JobContext) -> None:
    farm.build(100, clock.stamp(), policy="stepwise")
    farm.reading(clock.stamp(), 240.0)
    dead = set(range(1, 11))  # the first in line
    hands = FakeHands(dead={1, 2, 3, 4, 5}, hang={6, 7}, refuse={8, 9}, ask_restart={10}, refuse_restart={10})
    balancer.cycle(job, hands)
    assert {row.miner_id for row in farm.rows()} > dead
    assert drawn_w() <= 216_000 + 500
    assert cycle().failed_count == 10
    assert all(hands.made("set_preset").count(who) == 1 for who in dead)  # nobody is asked twice in a cycle


def test_what_a_dead_third_does_not_give_the_economic_policy_takes_from_the_others(job: JobContext) -> None:
    farm.build(100, clock.stamp(), policy="economic")
    farm.reading(clock.stamp(), 240.0)
    dead = set(range(3, 101, 3))
    hands = FakeHands(dead=dead)
    balancer.cycle(job, hands)
    assert drawn_w() <= 216_000
    asked = hands.made("set_preset") + hands.made("stop")
    assert dead & set(asked)
    assert len(asked) == len(set(asked))  # nobody is asked twice in a cycle


def test_a_farm_of_which_nobody_answers_ends_within_the_cycle(job: JobContext) -> None:
    farm.build(20, clock.stamp())
    farm.reading(clock.stamp(), 20.0)
    hands = FakeHands(dead=set(range(1, 21)))
    balancer.cycle(job, hands)
    assert sorted(hands.made("set_preset") + hands.made("stop")) == list(range(1, 21))
    assert cycle().failed_count == 20


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_unless_armed_nothing_is_sent(job: JobContext, mode: str) -> None:
    farm.build(10, clock.stamp(), mode=mode)
    farm.reading(clock.stamp(), 20.0)
    hands = FakeHands()
    balancer.cycle(job, hands)
    assert hands.calls == []
    assert farm.rows() == []
    assert not cycle().sent
    assert (cycle().changes_count > 0) is (mode == "observe")


def test_stop_all_reaches_every_miner_in_any_mode(job: JobContext) -> None:
    farm.build(5, clock.stamp(), mode="observe", override="stop")
    farm.reading(clock.stamp(), 100.0)
    hands = FakeHands()
    balancer.cycle(job, hands)
    assert sorted(hands.made("stop")) == [1, 2, 3, 4, 5]
    assert {row.origin for row in farm.rows()} == {"operator"}


def test_a_mode_that_flips_between_plan_and_door_stops_everything(
    job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.build(10, clock.stamp())
    farm.reading(clock.stamp(), 20.0)
    record = cycles.record

    def recorded_then_flipped(*args: Any) -> int:
        cycle_id = record(*args)
        farm.put_setting("mode", "off")
        return cycle_id

    monkeypatch.setattr(cycles, "record", recorded_then_flipped)
    hands = FakeHands()
    balancer.cycle(job, hands)
    assert hands.calls == []
    assert farm.rows() == []


def test_raises_need_a_surplus_that_lasts_and_then_stay_below_the_target(job: JobContext) -> None:
    farm.build(10, clock.stamp(), running="2000", policy="stepwise", surplus_lasts_s=0)
    farm.reading(clock.stamp(), 25.0)
    hands = FakeHands()
    balancer.cycle(job, hands)
    assert len(hands.calls) > 0
    assert cycle().planned_w <= 22_500


def test_by_hand_without_a_term_nothing_is_raised(job: JobContext) -> None:
    farm.build(10, clock.stamp(), running="2000", policy="stepwise", surplus_lasts_s=0)
    farm.reading(clock.stamp(), 25.0)
    hands = FakeHands()
    balancer.cycle(replace(job, term_id=None), hands)
    assert hands.calls == []


def test_the_next_cycle_counts_what_was_taken_on_and_does_not_cut_again(job: JobContext) -> None:
    farm.build(100, clock.stamp())
    farm.reading(clock.stamp(), 240.0)
    balancer.cycle(job, FakeHands())
    again = FakeHands()
    balancer.cycle(job, again)
    assert again.calls == []
    assert cycle().current_w == drawn_w()


def test_a_crash_in_the_middle_costs_neither_the_cooldown_nor_the_truth(
    job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.build(100, clock.stamp())
    farm.reading(clock.stamp(), 240.0)

    def killed(*_args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(door, "_send", killed)
    with pytest.raises(KeyboardInterrupt):
        balancer.cycle(job, FakeHands())
    monkeypatch.undo()
    before = len(farm.rows())
    door.recover(job)
    assert {row.outcome for row in farm.rows()} == {"unknown"}
    hands = FakeHands()
    balancer.cycle(job, hands)  # nobody knows whether those miners obeyed: others give what is missing
    touched = {row.miner_id for row in farm.rows()[:before]}
    assert touched.isdisjoint({row.miner_id for row in farm.rows()[before:] if row.kind == "preset"})
    polls: dict[int, MinerStatus] = {i: farm.polled("3000") for i in touched}
    with writing() as session:
        change_store.confirm_by_polls(session, polls, farm.later(clock.stamp(), 60))
    assert all(row.polled_unchanged for row in farm.rows()[:before])


def test_a_full_disk_is_said_clearly_and_nothing_is_sent(job: JobContext, monkeypatch: pytest.MonkeyPatch) -> None:
    farm.build(10, clock.stamp())
    farm.reading(clock.stamp(), 20.0)

    def full(*_args: Any) -> Any:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(cycles, "record", full)
    hands = FakeHands()
    with pytest.raises(PowerHiveError, match="disk full"):
        balancer.cycle(job, hands)
    assert hands.calls == []


def test_what_each_miner_counts_with_is_kept_for_the_time_it_is_silent(job: JobContext) -> None:
    farm.build(2, clock.stamp())
    farm.reading(clock.stamp(), 10.0)
    balancer.cycle(job, FakeHands())
    assert set(db.session.scalars(db.select(MinerStatusRow.accounted_power_w))) == {3000.0}


# --- the pure parts ---


def picture(count: int = 4, generation_kw: float = 9.0) -> Snapshot:
    farm.build(count, clock.stamp())
    farm.reading(clock.stamp(), generation_kw)
    return snapshot.load(clock.stamp(), interval_s=15.0, term_id=farm.term(clock.stamp()))


def result(change: Any, outcome: Outcome | None, *, accepted: bool | None = None) -> Result:
    if outcome is None:
        return Result(change, None, "refused at the door")
    intent = Intent(
        1, change, clock.stamp(), "10.9.0.1", farm.KEY, None, attempt=2, restart_owed=False, stands_still=False,
        may_adopt=True,
    )
    return Result(change, Ending(intent, outcome, accepted=accepted), None)


def test_the_second_look_knows_what_the_first_has_learned(job: JobContext) -> None:
    before = picture()
    plan = planning.plan(before)
    now = farm.later(before.now, 3)
    after = balancer.follow_up(
        before,
        plan,
        [
            result(farm.change(1), Outcome.SENT, accepted=True),
            result(farm.change(2), Outcome.FAILED, accepted=False),
            result(farm.change(3, None, kind=ChangeKind.STOP), Outcome.UNKNOWN),
        ],
        now,
    )
    done, failed, unknown, untouched = after.miners
    assert (done.failed_this_cycle, failed.failed_this_cycle, unknown.failed_this_cycle) == (False, True, True)
    assert done.change_on_way is not None
    assert (done.change_on_way.effective, done.change_on_way.attempt, done.cooldown_left_s) == (True, 2, 30)
    assert failed.change_on_way is None
    assert unknown.stopped_by_us
    assert untouched == before.miners[3]
    assert (after.cuts_only, after.now, after.memory) == (True, now, plan.memory)
    assert after.plant is not None
    assert before.plant is not None
    assert (after.plant.is_new, round(after.plant.age_s - before.plant.age_s, 3)) == (False, 3.0)
    again = planning.plan(after)
    assert again.current_w == 11_000.0
    assert {change.miner_id for change in again.changes} <= {1, 4}


def test_what_the_door_refused_is_left_alone_in_the_second_look(job: JobContext) -> None:
    before = picture()
    after = balancer.follow_up(before, planning.plan(before), [result(farm.change(1), None)], before.now)
    assert after.miners[0].failed_this_cycle
    assert after.miners[0].last_change is None


def test_raises_lean_only_on_cuts_that_were_taken_on(job: JobContext) -> None:
    plan = replace(planning.plan(picture()), target_w=12_000.0, current_w=12_000.0)
    up = [farm.change(3, "3000", old="2000"), farm.change(4, "2500", old="2000")]
    cut = farm.change(1)
    taken, refused = result(cut, Outcome.SENT, accepted=True), result(cut, Outcome.FAILED)
    assert balancer.affordable(plan, up, [taken]) == up[:1]
    assert balancer.affordable(plan, up, [refused]) == []
    by_hand = replace(up[0], origin=Origin.OPERATOR)
    assert balancer.affordable(plan, [by_hand], [refused]) == [by_hand]


# --- the ramp down ---------------------------------------------------------------------------------------------------


def test_cuts_that_are_no_emergency_are_spread_by_the_ramp(job: JobContext) -> None:
    farm.build(20, clock.stamp(), policy="stepwise", ramp_down_kw_per_s=0.5)
    farm.reading(clock.stamp(), 62.0)  # 60 kW drawn, 55.8 wanted
    hands, pauses = FakeHands(), list[tuple[float, int]]()
    balancer.cycle(job, hands, pause=lambda s: pauses.append((s, len(hands.made("set_preset")))))
    freed_w = [row.old_power_w - row.new_power_w for row in farm.rows()]
    assert 3700 <= sum(freed_w) <= 4800
    assert sum(seconds for seconds, _ in pauses) == pytest.approx(sum(freed_w[:-1]) / 500.0)
    assert pauses[0][1] == 1
    assert max(seconds for seconds, _ in pauses) <= 1.0


def test_a_cycle_that_spreads_its_cuts_ends_when_a_newer_reading_or_order_comes(job: JobContext) -> None:
    farm.build(20, clock.stamp(), policy="stepwise", ramp_down_kw_per_s=0.5)
    farm.reading(clock.stamp(), 62.0)

    def order(_s: float) -> None:
        with writing():
            settings.change("override", "stop", "ana", None, clock.utcnow())

    balancer.cycle(job, FakeHands(), pause=order)
    assert len(farm.rows()) == 1
    balancer.cycle(job, FakeHands(), pause=lambda _s: pytest.fail("it waited"))  # what a person ordered knows no ramp
    assert len({row.miner_id for row in farm.rows() if row.kind == "stop"}) == 20


def test_an_overloaded_plant_is_not_kept_waiting_by_the_ramp(job: JobContext) -> None:
    farm.build(20, clock.stamp(), policy="stepwise", ramp_down_kw_per_s=0.5)
    farm.reading(clock.stamp(), 50.0)
    balancer.cycle(job, FakeHands(), pause=lambda _s: pytest.fail("it waited"))
    assert cycle().emergency
    assert drawn_w() - 80 * 3000.0 <= 45_500


def test_little_time_spreads_them_over_what_there_is(job: JobContext) -> None:
    farm.build(20, clock.stamp(), policy="stepwise", ramp_down_kw_per_s=0.3)
    farm.reading(clock.stamp(), 62.0)
    pauses: list[float] = []
    balancer.cycle(replace(job, deadline=Deadline(5.0)), FakeHands(), pause=pauses.append)
    assert sum(row.old_power_w - row.new_power_w for row in farm.rows()) >= 3700
    assert 0 < sum(pauses) < 2.0


def test_what_is_above_its_max_preset_waits_for_no_ramp(job: JobContext) -> None:
    farm.build(20, clock.stamp(), policy="stepwise", ramp_down_kw_per_s=0.1, max_preset="2500")
    farm.reading(clock.stamp(), 100.0)
    balancer.cycle(job, FakeHands(), pause=lambda _s: pytest.fail("it waited"))
    assert {row.new_preset for row in farm.rows()} == {"2500"}
    assert len(farm.rows()) == 20


def test_what_a_dead_miner_did_not_give_is_taken_from_others_within_the_same_ramp(job: JobContext) -> None:
    farm.build(20, clock.stamp(), policy="stepwise", ramp_down_kw_per_s=0.1)
    farm.reading(clock.stamp(), 62.0)
    balancer.cycle(job, FakeHands(dead={1}), pause=lambda _s: None)
    taken = [row for row in farm.rows() if row.outcome == "sent"]
    assert 0 < sum(row.old_power_w - row.new_power_w for row in taken) <= 1500 + 1000  # by less than one step too far


@pytest.mark.parametrize(
    ("ramp_w", "groups"), [(1000.0, [[1, 2], [3], [4]]), (100.0, [[1], [2], [3], [4]]), (1e9, [[1, 2, 3, 4]])]
)
def test_each_second_of_the_ramp_has_its_cuts(ramp_w: float, groups: list[list[int]]) -> None:
    cuts = [farm.change(n, new=f"{3000 - freed}") for n, freed in ((1, 500), (2, 500), (3, 600), (4, 500))]
    cuts = [replace(cut, old_power_w=3000.0, new_power_w=float(cut.new_preset or 0)) for cut in cuts]
    assert [[cut.miner_id for cut in group] for group in balancer.a_second_each(cuts, ramp_w)] == groups
    assert list(balancer.a_second_each([], ramp_w)) == []
