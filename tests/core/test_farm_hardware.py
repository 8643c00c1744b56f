"""The miners of the model farm: restart, ramp, stop; and their sum, which is never added up anew."""

from __future__ import annotations

import random

import pytest

from app.core.farm_hardware import STOPPED, Hardware, OperatingPoint, Physics
from app.core.readings import MinerState

HIGH, LOW = OperatingPoint("2300", 2300.0, 87.0), OperatingPoint("1850", 1850.0, 76.0)
PHYSICS = Physics(restart_s=40.0, ramp_s=60.0, idle=0.08)


def one(point: OperatingPoint = HIGH, physics: Physics = PHYSICS) -> Hardware:
    return Hardware([(point, physics)], 0.0)


@pytest.mark.parametrize(
    "second, power_w, ths, state",
    [
        (0, 2300.0, 87.0, MinerState.MINING),
        (9, 2300.0, 87.0, MinerState.MINING),  # the command has not arrived
        (10, 148.0, 0.0, MinerState.RESTARTING),
        (49, 148.0, 0.0, MinerState.RESTARTING),
        (50, 148.0, 0.0, MinerState.MINING),
        (80, 148.0 + 0.5 * (1850.0 - 148.0), 38.0, MinerState.MINING),
        (110, 1850.0, 76.0, MinerState.MINING),
        (9999, 1850.0, 76.0, MinerState.MINING),
    ],
)
def test_a_miner_restarts_near_zero_and_then_ramps(second: int, power_w: float, ths: float, state: MinerState) -> None:
    hardware = one()
    hardware.command(0, LOW, 10.0)
    hardware.advance(second)
    polled = hardware.poll(0)
    assert (polled.state, polled.power_w, polled.hashrate_ths) == (state, pytest.approx(power_w), pytest.approx(ths))
    assert (hardware.drawn_w, hardware.hashed_ths) == (pytest.approx(power_w), pytest.approx(ths))


def test_it_is_steady_only_between_changes() -> None:
    hardware = one()
    assert hardware.poll(0).steady
    hardware.command(0, LOW, 10.0)
    steady = []
    for second in (5, 20, 60, 109, 110):
        hardware.advance(second)
        steady.append(hardware.poll(0).steady)
    assert steady == [False, False, False, False, True]


def test_a_change_without_restart_acts_at_once() -> None:
    hardware = one(physics=Physics(restart_s=0.0, ramp_s=0.0))
    hardware.command(0, LOW, 10.0)
    hardware.advance(10)
    assert (hardware.drawn_w, hardware.hashed_ths) == (1850.0, 76.0)


def test_a_stop_acts_at_once_and_a_start_restarts() -> None:
    hardware = one()
    hardware.command(0, STOPPED, 1.0)
    hardware.advance(1)
    assert (hardware.poll(0).state, hardware.drawn_w, hardware.hashed_ths) == (MinerState.STOPPED, 30.0, 0.0)
    hardware.command(0, LOW, 100.0)
    hardware.advance(139)
    assert (hardware.poll(0).state, hardware.drawn_w) == (MinerState.RESTARTING, pytest.approx(148.0))
    hardware.advance(200)
    assert hardware.drawn_w == pytest.approx(1850.0)


def test_a_later_change_takes_the_place_of_a_ramp() -> None:
    hardware = one()
    hardware.command(0, LOW, 0.0)
    hardware.command(0, HIGH, 70.0)
    hardware.advance(109)
    assert hardware.drawn_w == pytest.approx(184.0)  # the first would be at its end now
    hardware.advance(170)
    assert (hardware.drawn_w, hardware.hashed_ths) == (pytest.approx(2300.0), pytest.approx(87.0))


def test_the_sum_is_that_of_all_miners_whatever_happens() -> None:
    dice = random.Random(5)
    points = [STOPPED, HIGH, LOW]
    hardware = Hardware(
        [(dice.choice(points), Physics(dice.uniform(0, 50), dice.uniform(0, 90))) for _ in range(30)], 0
    )
    for second in range(2000):
        if dice.random() < 0.2:
            hardware.command(dice.randrange(30), dice.choice(points), second + dice.uniform(0, 5))
        hardware.advance(second)
        polled = [hardware.poll(miner) for miner in range(30)]
        assert hardware.drawn_w == pytest.approx(sum(p.power_w for p in polled), abs=1e-6)
        assert hardware.hashed_ths == pytest.approx(sum(p.hashrate_ths for p in polled), abs=1e-6)
