"""The picture a cycle decides on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import event

from app.core.readings import MinerState, Stamp
from app.core.types import ChangeKind, MinerView, Origin, Outcome, Snapshot
from app.errors import NotFound
from app.extensions import db, writing
from app.models import Miner, MinerModel, MinerStatusRow, ModelPreset, OtherHost, PresetChangeRow
from app.store import changes, snapshot
from app.store.changes import Ending, Intent
from tests.store import farm
from tests.store.own_app import at, own_database


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def load(seconds: float = 0.0, **more: Any) -> Snapshot:
    return snapshot.load(at(seconds), interval_s=15.0, **more)


def view(seconds: float = 0.0) -> MinerView:
    return load(seconds).miners[0]


def send(change: Any, seconds: float = 0.0, *, outcome: Outcome = Outcome.SENT, **ending: Any) -> None:
    now = at(seconds)
    begun = changes.begin(change, farm.context(now), now, reachable=lambda _: True)
    assert isinstance(begun, Intent), begun
    changes.finish([Ending(begun, outcome, **ending)], now)


def test_an_empty_database_gives_an_empty_picture() -> None:
    picture = load()
    assert (picture.miners, picture.plant, picture.uptime_s, picture.fresh_since_start) == ((), None, 0.0, False)


def test_a_miner_comes_with_its_ladder_model_and_status() -> None:
    farm.build(1, at(), running="2500", max_preset="2500")
    farm.put(ModelPreset, (1, "2000"), expected_power_w=2100, expected_hashrate_ths=81.5)
    farm.put(MinerStatusRow, 1, accounted_power_w=2510.0, throttled_percent=80)
    miner = view(5)
    assert [preset.name for preset in miner.ladder.presets] == ["1500", "2000", "2500", "3000"]
    second = miner.ladder.presets[1]
    assert (second.firmware_power_w, second.power_w, second.tuned) == (2000, 2100, True)
    assert second.expected_hashrate_ths == 81.5
    assert (miner.model_alias, miner.max_preset, miner.max_preset_w, miner.worst_case_w) == (
        "s19",
        "2500",
        2500,
        3000.0,
    )
    assert (miner.state, miner.running_preset, miner.measured_power_w) == (MinerState.MINING, "2500", 2500)
    assert (miner.silent_s, miner.last_accounted_w, miner.throttled_percent) == (None, 2510.0, 80)
    assert miner.identified
    assert miner.managed
    assert miner.last_change is None


def test_a_max_preset_without_known_watts_means_not_to_be_touched() -> None:
    farm.build(1, at())
    farm.put(ModelPreset, (1, "3000"), firmware_power_w=None)
    assert view().max_preset_w is None
    farm.put(MinerModel, 1, max_preset="gone")
    assert view().max_preset_w is None


def test_a_miner_without_model_ladder_or_status_is_in_the_picture_too() -> None:
    with writing() as session:
        session.add(Miner(id=1, mac="02:00:00:00:00:01", ip="10.9.0.2", created_at=at().utc, updated_at=at().utc))
    miner = view()
    assert (miner.model_alias, miner.max_preset_w, miner.worst_case_w) == (None, None, 4000.0)
    assert (miner.state, miner.ladder.presets, miner.identified) == (MinerState.UNKNOWN, (), False)


def test_a_damaged_ladder_entry_keeps_what_is_known() -> None:
    farm.build(1, at(), watts=(1500,), max_preset="1500")
    with writing() as session:
        session.execute(db.text("UPDATE miner_presets SET firmware_power_w = NULL, hashrate_ths = NULL, tuned = 0"))
    preset = view().ladder.presets[0]
    assert (preset.name, preset.firmware_power_w, preset.hashrate_ths, preset.tuned) == ("1500", None, None, False)


def test_a_miner_whose_poller_died_is_silent_whatever_its_row_says() -> None:
    farm.build(1, at())
    assert view(59).silent_s is None
    assert view(61).silent_s == 61.0
    farm.put(MinerStatusRow, 1, missed_polls=3, online=False)
    assert view(40).silent_s == 40.0


def test_a_hold_may_run_out() -> None:
    farm.build(1, at())
    farm.put(Miner, 1, hold=True)
    assert view().held
    farm.put(Miner, 1, hold_until=at().utc + timedelta(minutes=5))
    assert view(299).held
    assert not view(301).held


def test_the_latest_change_comes_with_its_ages_and_what_it_proves() -> None:
    farm.build(1, at())
    send(farm.change(1), outcome=Outcome.UNKNOWN, accepted=True, restart_required=True)
    change = view(12).change_on_way
    assert change is not None
    assert (change.kind, change.new_preset, change.age_s, change.effective) == (ChangeKind.PRESET, "2000", 12.0, False)
    assert view(12).cooldown_left_s == 18.0
    send(farm.change(1), 40, accepted=True, restart_required=True, restart_accepted=True)
    change = view(41).last_change
    assert change is not None
    assert (change.effective, change.attempt) == (True, 2)
    with writing() as session:
        changes.confirm_by_polls(session, {1: farm.polled("2000")}, at(60))
    change = view(70).last_change
    assert change is not None
    assert (change.outcome, change.finished_age_s) == (Outcome.CONFIRMED, 10.0)
    assert view(70).change_on_way is None


def test_a_longer_cooldown_holds_for_changes_already_made() -> None:
    farm.build(1, at(), cooldown_s=120)
    send(farm.change(1), outcome=Outcome.FAILED)
    assert view(100).cooldown_left_s == 20.0


def test_the_raises_of_the_last_minute_are_added_up_failed_ones_left_out() -> None:
    farm.build(4, at(), running="2000")
    send(farm.change(1, "2500", old="2000"), 0)
    send(farm.change(2, "2500", old="2000"), 30, outcome=Outcome.UNKNOWN)
    send(farm.change(3, "2500", old="2000"), 31, outcome=Outcome.FAILED)
    send(farm.change(4, "1500", old="2000"), 32)
    assert load(45).raised_last_min_w == 1000.0
    assert load(61).raised_last_min_w == 500.0


@pytest.mark.parametrize("stepped", [timedelta(minutes=2), timedelta(days=300), timedelta(minutes=-2)])
def test_a_stepped_clock_neither_hides_the_raises_of_the_last_minute_nor_keeps_them(stepped: timedelta) -> None:
    farm.build(3, at(), running="2000")
    send(farm.change(1, "2500", old="2000"), 0)
    send(farm.change(2, "2500", old="2000"), 30)
    assert snapshot.load(at(45, wall=stepped), interval_s=15.0).raised_last_min_w == 1000.0
    now = at(50, wall=stepped)
    sent = changes.begin(farm.change(3, "2500", old="2000"), farm.context(now), now, reachable=lambda _: True)
    assert isinstance(sent, Intent)
    assert snapshot.load(at(55, wall=stepped), interval_s=15.0).raised_last_min_w == 1500.0
    assert snapshot.load(at(95, wall=stepped), interval_s=15.0).raised_last_min_w == 500.0


def test_a_raise_whose_call_began_late_counts_behind_newer_rows_that_are_older() -> None:
    farm.build(2, at(), running="2000")
    begun = changes.begin(farm.change(1, "2500", old="2000"), farm.context(at()), at(), reachable=lambda _: True)
    assert isinstance(begun, Intent)
    send(farm.change(2, "2500", old="2000"), 1)
    changes.finish([Ending(begun, Outcome.SENT, accepted=True, begun=at(12))], at(13))
    assert load(62).raised_last_min_w == 500.0
    assert load(71).raised_last_min_w == 500.0
    assert load(73).raised_last_min_w == 0.0


def test_the_raises_of_the_last_minute_are_found_without_looking_at_what_is_older() -> None:
    farm.build(2, at(), running="2000")
    looked_at: list[int] = []
    for old_rows in (5, 500):
        with writing() as session:
            session.execute(db.delete(PresetChangeRow))
            session.add_all(
                PresetChangeRow(miner_id=1, kind="preset", origin="balancer", old_power_w=2000.0, new_power_w=2500.0,
                                reason="", outcome="sent", is_latest=False, recorded=at(-3600 - number))
                for number in range(old_rows, 0, -1)
            )  # fmt: skip
        send(farm.change(2, "2500", old="2000"))
        with mock.patch.object(Stamp, "elapsed_s", autospec=True, side_effect=Stamp.elapsed_s) as looked:
            assert load(20).raised_last_min_w == 500.0
        looked_at.append(looked.call_count)
    assert looked_at[0] == looked_at[1]


def test_what_cuts_took_of_the_ramp_down_comes_back_by_the_ramp() -> None:
    farm.build(6, at(), running="2000", ramp_down_kw_per_s=0.2)  # a share of 3,000 W
    send(farm.change(1, "1500", old="2000"), 0)
    send(farm.change(2, "1500", old="2000"), 10, outcome=Outcome.UNKNOWN)
    send(farm.change(3, "1500", old="2000"), 10, outcome=Outcome.FAILED)
    send(farm.change(4, "2500", old="2000"), 10)
    send(farm.change(5, None, old="2000", kind=ChangeKind.STOP, origin=Origin.OPERATOR), 10)
    begun = changes.begin(farm.change(6, "1500", old="2000"), farm.context(at(11)), at(11), reachable=lambda _: True)
    assert isinstance(begun, Intent)  # being sent: it may free its watts
    assert load(11).cut_last_interval_w == 500.0 + 1970.0 - 200.0 + 500.0  # that of ten seconds before has come back
    assert load(13).cut_last_interval_w == 2770.0 - 400.0
    assert snapshot.load(at(13, wall=timedelta(minutes=2)), interval_s=15.0).cut_last_interval_w == 2370.0
    assert load(26).cut_last_interval_w == 0.0
    farm.put_setting("ramp_down_kw_per_s", None)
    assert load(13).cut_last_interval_w == 0.0


def test_without_a_ramp_down_nobody_looks_for_cuts() -> None:
    farm.build(1, at())
    counts = []
    for ramp in (None, 1.0):
        farm.put_setting("ramp_down_kw_per_s", ramp)
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731, B023
        event.listen(db.engine, "before_cursor_execute", listener)
        load(5)
        event.remove(db.engine, "before_cursor_execute", listener)
        counts.append(len(seen))
    assert counts[1] == counts[0] + 1


def test_term_reading_and_other_hosts_are_in_the_picture() -> None:
    farm.build(1, at())
    farm.reading(at(), 8.0)
    with writing() as session:
        for name, draws in (("stock", True), ("router", False)):
            session.add(
                OtherHost(ip=name, firmware=name, draws_power=draws, first_seen_at=at().utc, last_seen_at=at().utc)
            )
    term_id = farm.term(at())
    picture = load(7, term_id=term_id)
    assert picture.plant is not None
    assert (picture.plant.generation_kw, picture.plant.age_s, picture.plant.is_new) == (8.0, 7.0, True)
    assert (picture.uptime_s, picture.fresh_since_start, picture.polled_since_start) == (307.0, True, True)
    assert picture.other_firmware_count == 1
    by_hand = load(7)
    assert (by_hand.uptime_s, by_hand.fresh_since_start, by_hand.polled_since_start) == (0.0, False, False)


def test_the_number_of_queries_does_not_grow_with_the_farm() -> None:
    counts = []
    for count in (2, 40):
        with writing() as session:
            for table in reversed(db.metadata.sorted_tables):
                session.execute(table.delete())
        farm.build(count, at())
        for i in range(1, count + 1):
            send(farm.change(i), accepted=True)
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731, B023
        event.listen(db.engine, "before_cursor_execute", listener)
        assert len(load(5).miners) == count
        event.remove(db.engine, "before_cursor_execute", listener)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 20


def test_one_miner_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound):
        snapshot.miner_now(5, at())
