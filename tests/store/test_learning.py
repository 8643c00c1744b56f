"""What sweeps teach and what is kept of it: factors, open measurements, what a model's changes cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.readings import MinerState, MinerStatus
from app.core.types import ChangeKind, MinerView, Outcome
from app.extensions import db, writing
from app.models import Miner, MinerModel, MinerStatusRow, PresetChangeRow
from app.store import miner_models, polls, snapshot
from app.store.polls import Sweep
from tests import factories
from tests.store import farm
from tests.store.own_app import at, own_database

DIP_S, RAMP_S = 40.0, 60.0


@pytest.fixture(autouse=True)
def _database(tmp_path: Path) -> Iterator[None]:
    with own_database(tmp_path):
        yield


def mining(preset: str = "3000", share: float = 0.95, **facts: Any) -> MinerStatus:
    """A miner of which `share` of the label's watts and TH/s (25 W/TH) is seen."""
    watts = int(preset)
    return farm.polled(preset, **{"power_w": round(share * watts), "hashrate_ths": share * watts / 25} | facts)


def sweep(seconds: float, *statuses: MinerStatus | None) -> None:
    """One sweep: the answers of the miners 1, 2 ...; None: it was not asked."""
    answered = {i: status for i, status in enumerate(statuses, 1) if status is not None}
    polls.record_sweep(polls.targets(), Sweep(answered, {}), at(seconds))


def row(miner_id: int = 1) -> MinerStatusRow:
    db.session.rollback()
    return db.session.get_one(MinerStatusRow, miner_id, populate_existing=True)


def model() -> MinerModel:
    db.session.rollback()
    return db.session.get_one(MinerModel, 1, populate_existing=True)


def view(seconds: float, miner_id: int = 1) -> MinerView:
    return snapshot.miner_now(miner_id, at(seconds))[0]


def changed(seconds: float, new: str = "2000", *, miner_id: int = 1, **facts: Any) -> None:
    """A change that the miner accepted, as the door leaves it."""
    with writing() as session:
        factories.a_newer_change_follows(miner_id)
        for older in session.scalars(db.select(PresetChangeRow).where(PresetChangeRow.miner_id == miner_id)):
            older.outcome = Outcome.SUPERSEDED if Outcome(older.outcome).on_its_way else older.outcome
        known = {
            "kind": ChangeKind.PRESET, "origin": "balancer", "old_preset": "3000", "new_preset": new,
            "old_power_w": 3000.0, "new_power_w": float(new), "reason": "", "outcome": Outcome.SENT,
            "accepted": True, "restart_required": True, "restart_accepted": True, "recorded": at(seconds),
        }  # fmt: skip
        session.add(PresetChangeRow(miner_id=miner_id, **known | facts))
        session.get_one(Miner, miner_id).saved_preset = new


def restarted(t: float, preset: str = "2000", share: float = 0.95) -> MinerStatus:
    """The miner `t` seconds after a restart onto `preset`."""
    done = max(0.0, min(1.0, (t - DIP_S) / RAMP_S))
    level = mining(preset, share)
    return replace(
        level,
        state=MinerState.RESTARTING if t < DIP_S else MinerState.MINING,
        power_w=round((level.power_w or 0) * (0.08 + 0.92 * done)),
        hashrate_ths=(level.hashrate_ths or 0.0) * done,
        state_time_s=int(t - DIP_S) if t >= DIP_S else None,
    )


def follow(begin_s: float, change_s: float, end_s: float, shows: Callable[[float], MinerStatus] = restarted) -> None:
    """Poll every 15 s from `begin_s` on what the miner shows so many seconds after its change."""
    seconds = begin_s
    while seconds <= end_s:
        sweep(seconds, shows(seconds - change_s))
        seconds += 15


# --- factors ---------------------------------------------------------------------------------------------------------


def test_a_settled_miner_teaches_its_factors() -> None:
    farm.build(1, at())
    sweep(0, mining())
    assert (row().power_factor, row().learned_at) == (None, None)
    sweep(15, mining())
    assert row().power_factor == pytest.approx(0.985)
    assert row().hashrate_factor == pytest.approx(0.985)
    assert row().learned_at == at(15).utc
    for n in range(2, 20):
        sweep(15 * n, mining())
    assert row().power_factor == pytest.approx(0.95, abs=0.001)


def test_plans_see_them_in_steps() -> None:
    farm.build(2, at())
    farm.put(MinerStatusRow, 1, power_factor=0.9461, hashrate_factor=1.0338)
    found = view(0)
    assert (found.power_factor, found.hashrate_factor) == (0.945, 1.035)
    other = view(0, 2)
    assert (other.power_factor, other.hashrate_factor, other.switch_loss_s) == (1.0, 1.0, 70.0)


def test_each_miner_learns_its_own() -> None:
    farm.build(3, at())
    for n in range(12):
        sweep(15 * n, mining(share=0.9), mining(share=1.1), mining(share=0.5))
    assert [row(i).power_factor for i in (1, 2, 3)] == [
        pytest.approx(0.9, abs=0.002), pytest.approx(1.1, abs=0.002), pytest.approx(0.85, abs=0.003)
    ]  # fmt: skip


def test_the_operators_watts_are_no_base_and_are_not_scaled() -> None:
    farm.build(1, at())
    farm.put(miner_models.ModelPreset, (1, "3000"), expected_power_w=2500)
    for n in range(12):
        sweep(15 * n, mining())
    assert row().power_factor == pytest.approx(0.95, abs=0.002)
    assert view(180).ladder.get("3000").power_w == 2500  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "columns",
    [{"model_id": None}, {"saved_preset": None}, {"saved_preset": "2500"}, {"retired": True}],
    ids=["unknown model", "unknown settings", "other settings", "retired"],
)
def test_odd_miners_are_polled_as_ever(columns: dict[str, Any]) -> None:
    farm.build(1, at())
    farm.put(Miner, 1, **columns)
    for n in range(3):
        sweep(15 * n, mining())
    assert row().polled_at == at(30).utc
    assert (row().power_factor is not None) == ("model_id" in columns or "retired" in columns)


def test_a_miner_that_has_never_been_polled_teaches_from_its_second_poll_on() -> None:
    farm.build(1, at())
    with writing() as session:
        session.delete(session.get_one(MinerStatusRow, 1))
    sweep(0, mining())
    assert row().power_factor is None
    sweep(15, mining())
    assert row().power_factor is not None


def test_a_reboot_of_this_machine_between_two_polls_teaches_nothing_wrong() -> None:
    farm.build(1, at())
    sweep(0, mining())
    polls.record_sweep(polls.targets(), Sweep({1: mining()}, {}), at(-900, boot="boot-2"))
    assert row().power_factor is None


def test_what_is_unknown_keeps_what_was_learned() -> None:
    farm.build(1, at())
    for n in range(3):
        sweep(15 * n, mining())
    learned = row().power_factor, row().learned_at
    for n, status in enumerate(
        (mining(power_w=None), mining(state=MinerState.STOPPED), mining("2500"), mining(share=0.7)), 3
    ):
        sweep(15 * n, status)
    assert (row().power_factor, row().learned_at) == learned


# --- what a change costs ---------------------------------------------------------------------------------------------


def test_a_change_is_measured_and_nothing_is_learned_of_its_ramp() -> None:
    farm.build(1, at())
    for n in range(20):
        sweep(15 * n, mining())
    before = row().power_factor
    changed(290)
    follow(300, 290, 290 + DIP_S + RAMP_S)
    assert model().switches == []
    assert row().measured_ths_s is not None
    assert row().power_factor == before
    follow(405, 290, 420)
    (switch,) = model().switches
    assert switch["with_restart"] is True
    assert switch["settle_s"] == 100.0  # 290 + 100 = 390: the first poll at the level
    assert switch["loss_s"] == pytest.approx(DIP_S + RAMP_S / 2, abs=10)
    assert row().measured_ths_s is None
    follow(435, 290, 900)
    assert len(model().switches) == 1, "no change is measured twice"
    assert row().power_factor == pytest.approx(0.95, abs=0.001)


def test_a_change_without_restart_is_one_of_its_own_kind() -> None:
    farm.build(1, at())
    changed(290, restart_required=False, restart_accepted=None)
    follow(300, 290, 330, lambda t: mining("2000"))
    assert model().switches == [{"with_restart": False, "settle_s": 10.0, "loss_s": 0.0}]


def test_a_measurement_goes_on_after_a_short_restart_of_powerhive() -> None:
    farm.build(1, at())
    changed(290)
    follow(300, 290, 330)
    follow(370, 290, 450)  # 40 s without a poll
    assert len(model().switches) == 1


DROPS: dict[str, Callable[[float], MinerStatus | None]] = {
    "silence": lambda t: None if 20 < t < 80 else restarted(t),
    "a failure": lambda t: replace(restarted(t), state=MinerState.FAILURE) if 20 < t < 40 else restarted(t),
    "tuning": lambda t: replace(restarted(t), state=MinerState.AUTO_TUNING) if 40 < t < 80 else restarted(t),
    "a throttle": lambda t: replace(restarted(t), throttled_percent=50) if 80 < t < 120 else restarted(t),
    "a lost board": lambda t: restarted(t, share=0.6),
    "a deaf miner": lambda t: mining("3000"),
}


@pytest.mark.parametrize("shows", DROPS.values(), ids=DROPS)
def test_a_measurement_is_dropped_at(shows: Callable[[float], Any]) -> None:
    farm.build(1, at())
    changed(290)
    follow(300, 290, 1200, shows)
    assert model().switches == []
    assert row().measured_ths_s is None


def test_a_change_that_is_interrupted_by_another_is_no_measurement() -> None:
    farm.build(1, at())
    changed(290)
    follow(300, 290, 340)
    changed(350, "2500")
    follow(345, 350, 600, lambda t: restarted(t, "2500"))
    (switch,) = model().switches
    assert switch["settle_s"] == pytest.approx(DIP_S + RAMP_S, abs=15)


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": ChangeKind.STOP},
        {"kind": ChangeKind.START},
        {"outcome": Outcome.UNKNOWN, "accepted": None},
        {"outcome": Outcome.FAILED, "accepted": False},
        {"restart_accepted": False},
    ],
)
def test_what_is_no_accepted_change_of_presets_is_not_measured(facts: dict[str, Any]) -> None:
    farm.build(1, at())
    changed(290, **facts)
    follow(300, 290, 600)
    assert model().switches == []
    assert row().measured_change_id is None


def test_the_last_fifty_of_each_kind_are_kept() -> None:
    farm.build(60, at())
    for round_s, quick in ((0, True), (1000, False), (2000, False)):
        for miner_id in range(1, 61):
            changed(round_s, miner_id=miner_id, restart_required=not quick, restart_accepted=not quick)
        for n in range(10):
            t = 10.0 + 15 * n
            sweep(round_s + t, *[mining("2000") if quick else restarted(t)] * 60)
    kinds = [entry["with_restart"] for entry in model().switches]
    assert kinds == [False] * 50 + [True] * 50


def put_switches(count: int, loss_s: float, *, with_restart: bool = True) -> None:
    entry = {"with_restart": with_restart, "settle_s": 2 * loss_s, "loss_s": loss_s}
    farm.put(MinerModel, 1, switches=[entry] * count)


@pytest.mark.parametrize(("count", "own_s", "loss_s"), [(2, None, 70), (3, None, 40), (3, 55.0, 55), (0, 0.0, 0)])
def test_plans_count_the_operators_loss_then_the_learned_one_then_seventy_seconds(
    count: int, own_s: float | None, loss_s: float
) -> None:
    farm.build(1, at())
    put_switches(count, 40)
    farm.put(MinerModel, 1, switch_loss_s=own_s)
    assert view(0).switch_loss_s == loss_s
    assert snapshot.load(at(), interval_s=15).miners[0].switch_loss_s == loss_s


@pytest.mark.parametrize(("with_restart", "soon_s"), [(True, None), (False, 70.0)])
def test_plans_know_what_a_change_soon_after_another_may_lose(with_restart: bool, soon_s: float | None) -> None:
    farm.build(1, at())
    put_switches(3, 2, with_restart=with_restart)
    assert view(0).soon_loss_s == soon_s


@pytest.mark.parametrize(("settles_s", "own_s", "waits_s"), [(None, None, 100), (200, None, 200), (200, 30.0, 30)])
def test_it_learns_once_the_model_has_had_its_time(settles_s: float, own_s: float | None, waits_s: float) -> None:
    farm.build(1, at())
    if settles_s:
        put_switches(3, settles_s / 2)
    farm.put(MinerModel, 1, settle_s=own_s)
    changed(1)
    first_s = None
    for n in range(25):
        sweep(15 * n, mining("2000"))  # at its level at once: only the time since the change is in the way
        if first_s is None and row().power_factor is not None:
            first_s = 15 * n - 1
    assert first_s is not None
    assert waits_s <= first_s < waits_s + 31


# --- shown -----------------------------------------------------------------------------------------------------------


def test_a_models_learned_numbers_are_the_mean_of_its_miners() -> None:
    farm.build(4, at())
    for miner_id, factor in ((1, 0.9), (2, 1.0), (3, 0.5)):
        farm.put(MinerStatusRow, miner_id, power_factor=factor, hashrate_factor=factor)
    farm.put(Miner, 3, retired=True)
    found = miner_models.learned()[(1, "2000")]
    assert (found.miners, found.power_w, found.hashrate_ths) == (2, pytest.approx(1900), pytest.approx(76))
    assert len(miner_models.learned()) == len(farm.WATTS)


def test_without_lessons_there_are_no_learned_numbers() -> None:
    farm.build(1, at())
    assert miner_models.learned() == {}
    assert miner_models.costs(model()).likely.events == 0
