from __future__ import annotations

import pytest

from simulator.ladders import MODELS
from simulator.physics import Behaviour, CgminerError, MinerPhysics, Timing, UnknownPresetError

TIMING = Timing(dip_s=20, ramp_s=60, quick_ramp_s=5, quick_window_s=60, tune_s=300, dark_s=35)
STEADY = Behaviour(change_mode="quick", noise_share=0.0)


def machine(preset: str = "2500", model: str = "s19jpro", **behaviour: object) -> MinerPhysics:
    settings = {"change_mode": "quick", "noise_share": 0.0} | behaviour
    return MinerPhysics(MODELS[model], preset, timing=TIMING, behaviour=Behaviour(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after_s", "state", "power_w", "hashrate_ths"),
    [
        (0, "restarting", 25, 0),
        (14, "restarting", 25, 0),
        (16, "initializing", 146, 0),
        (19, "starting", 146, 0),
        (20, "mining", 146, 0),
        (50, "mining", (146 + 2000) / 2, 40),
        (80, "mining", 2000, 80),
        (900, "mining", 2000, 80),
    ],
)
def test_a_restart_dips_and_ramps(after_s: float, state: str, power_w: float, hashrate_ths: float) -> None:
    miner = machine(change_mode="restart")
    assert miner.save_preset("2000", 10.0).restart_required
    miner.restart(100.0)
    now_s = 100.0 + after_s
    assert miner.state(now_s) == state
    assert miner.power_w(now_s) == pytest.approx(power_w)
    assert miner.hashrate_ths(now_s) == pytest.approx(hashrate_ths)


def test_nothing_ticks_between_two_questions() -> None:
    miner = machine(change_mode="restart")
    miner.save_preset("2000", 0.0)
    miner.restart(0.0)
    assert (miner.state(1e6), miner.running_preset, miner.power_w(1e6)) == ("mining", "2000", 2000)
    assert miner.state_time_s(1e6) == pytest.approx(1e6 - 20)


@pytest.mark.parametrize(
    ("mode", "gap_s", "flags"),
    [
        ("quick", 1, (False, False)),
        ("recent", 1, (True, False)),
        ("recent", 61, (False, False)),
        ("restart", 1000, (True, False)),
        ("reboot", 1000, (True, True)),
    ],
)
def test_when_a_second_change_asks_for_a_restart(mode: str, gap_s: float, flags: tuple[bool, bool]) -> None:
    miner = machine(change_mode=mode)
    miner.save_preset("2300", 100.0)
    saved = miner.save_preset("2000", 100.0 + gap_s)
    assert (saved.restart_required, saved.reboot_required) == flags
    assert miner.saved_preset == "2000"


def test_without_the_restart_the_old_preset_runs_for_ever() -> None:
    miner = machine(change_mode="restart")
    miner.save_preset("2700", 0.0)
    assert (miner.running_preset, miner.saved_preset, miner.restart_required) == ("2500", "2700", True)
    assert miner.power_w(117_720.0) == 2500
    miner.restart(117_720.0)
    assert (miner.running_preset, miner.restart_required) == ("2700", False)


def test_setting_the_running_preset_again_takes_the_pending_change_back() -> None:
    miner = machine(change_mode="restart")
    miner.save_preset("2700", 0.0)
    assert not miner.save_preset("2500", 1.0).restart_required
    assert not miner.restart_required


def test_a_quick_change_moves_power_within_seconds() -> None:
    miner = machine()
    miner.save_preset("2000", 0.0)
    assert [miner.power_w(t) for t in (0.0, 2.5, 5.0)] == [2500, 2250, 2000]
    assert miner.state(2.5) == "mining"


def test_an_untuned_preset_tunes_under_its_label_then_is_tuned() -> None:
    miner = machine()
    assert miner.save_preset("3080", 0.0).restart_required is False
    assert miner.state(21.0) == "auto-tuning"
    assert miner.power_w(100.0) == pytest.approx(3080 * 0.923)
    assert miner.hashrate_ths(100.0) > 90
    assert not miner.is_tuned("3080")
    assert (miner.state(321.0), miner.is_tuned("3080")) == ("mining", True)
    assert miner.power_w(330.0) == pytest.approx(3080)


def test_a_stalled_tuning_draws_full_power_and_hashes_nothing() -> None:
    miner = machine(untuned="stall")
    miner.save_preset("3080", 0.0)
    assert (miner.state(2_640.0), miner.power_w(2_640.0), miner.hashrate_ths(2_640.0)) == ("auto-tuning", 3080, 0)


def test_a_stalled_tuning_can_be_lowered() -> None:
    miner = machine(untuned="stall")
    miner.save_preset("3080", 0.0)
    miner.save_preset("1740", 1_000.0)
    assert (miner.state(1_010.0), miner.power_w(1_010.0)) == ("mining", 1740)


def test_an_untuned_preset_may_be_silently_not_taken() -> None:
    miner = machine(untuned="ignore")
    assert miner.save_preset("3080", 0.0).restart_required is False
    assert (miner.saved_preset, miner.running_preset, miner.state(500.0)) == ("2500", "2500", "mining")


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownPresetError):
        machine().save_preset("2100", 0.0)


def test_stop_and_start() -> None:
    miner = machine()
    miner.stop(0.0)
    assert miner.state(1.0) == "shutting-down"
    assert (miner.state(10.0), miner.power_w(10.0), miner.hashrate_ths(10.0)) == ("stopped", 28, 0)
    miner.save_preset("1740", 20.0)
    assert (miner.running_preset, miner.restart_required) == ("1740", False)
    miner.start(30.0)
    assert miner.state(31.0) == "initializing"
    assert (miner.state(120.0), miner.power_w(120.0)) == ("mining", 1740)


def test_starting_a_running_miner_changes_nothing() -> None:
    miner = machine()
    miner.start(10.0)
    assert (miner.state(10.0), miner.power_w(10.0)) == ("mining", 2500)


@pytest.mark.parametrize(("stays", "state"), [(False, "mining"), (True, "stopped")])
def test_a_reboot_comes_back_on_the_saved_preset(stays: bool, state: str) -> None:
    miner = machine(change_mode="restart", stay_stopped_on_reboot=stays)
    miner.save_preset("2970", 0.0)
    miner.stop(1.0)
    assert miner.reboot(10.0) == 3.0
    assert miner.state(14.0) == "dark"
    assert miner.boot_count == 2
    assert (miner.state(200.0), miner.running_preset) == (state, "2970")
    assert miner.booted_s == pytest.approx(48.0)


def test_a_failure_draws_almost_nothing_and_refuses_commands_until_it_recovers() -> None:
    miner = machine()
    miner.fail(10.0)
    assert (miner.state(11.0), miner.failure) == ("failure", (1002, "Failed to parse miner configuration"))
    assert miner.power_w(11.0) < 50
    for command in (miner.restart, miner.stop, miner.start):
        with pytest.raises(CgminerError):
            command(12.0)
    miner.recover(20.0)
    assert (miner.state(200.0), miner.power_w(200.0)) == ("mining", 2500)


def test_a_lost_board_takes_a_third_of_power_and_hashrate() -> None:
    miner = machine()
    miner.boards_out = 1
    assert miner.power_w(1.0) == pytest.approx(2500 * 2 / 3)
    assert miner.hashrate_ths(1.0) == pytest.approx(92 * 2 / 3)


def test_the_switcher_moves_what_runs_and_not_what_is_saved() -> None:
    miner = machine()
    miner.switch_every(300.0, -1, 0.0)
    miner.settle(0.0)
    assert (miner.running_preset, miner.saved_preset) == ("2300", "2500")
    miner.settle(650.0)
    assert miner.running_preset == "2000"
    miner.switch_off()
    miner.settle(5_000.0)
    assert miner.running_preset == "2000"
    miner.restart(5_000.0)
    assert miner.running_preset == "2500"


def test_the_switcher_stays_inside_the_tuned_ladder() -> None:
    miner = machine()
    miner.switch_every(1.0, 5, 0.0)
    miner.settle(100.0)
    assert miner.running_preset == "2970"


def test_disabled_is_manual_clocks_with_a_draw_of_their_own() -> None:
    miner = machine()
    assert miner.save_preset("disabled", 0.0).restart_required
    miner.restart(1.0)
    assert miner.power_w(200.0) == MODELS["s19jpro"].disabled_w
    assert miner.state(200.0) == "mining"


def test_the_label_is_multiplied_by_the_machines_own_share() -> None:
    miner = machine(power_share=1.02, hash_share=0.99)
    assert miner.power_w(0.0) == pytest.approx(2550)
    assert miner.hashrate_ths(0.0) == pytest.approx(92 * 0.99)


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.alias)
def test_every_ladder_is_believable(model: object) -> None:
    ladder = MODELS[model.alias].steps()  # type: ignore[attr-defined]
    assert len(ladder) >= 10
    assert [preset.power_w for preset in ladder] == sorted(preset.power_w for preset in ladder)
    assert all(14 < preset.power_w / preset.hashrate_ths < 40 for preset in ladder)
    assert {preset.tuned for preset in ladder} == {True, False}
    assert all(preset.name == str(preset.power_w) for preset in ladder)
