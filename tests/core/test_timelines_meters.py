"""Meters with a wrong role, over hours of a farm that balances by them: found, held against raises, mended."""

from __future__ import annotations

import math

import pytest

from app.core.readings import SourceRole
from tests.core.meter_model import Load, steady, steps
from tests.core.metered_farm import MeteredFarm, everyone, nobody
from tests.core.model_farm import machines
from tests.core.model_miner import ModelMiner

FOREIGN, MINERS = SourceRole.FOREIGN, SourceRole.MINERS
HOUR_S = 3600


def farm_miners() -> list[ModelMiner]:
    """Twenty miners, some of which restart for every change."""
    return machines(12, "s19jpro", "2300", restarts=True) + machines(8, "s19", "1900", first=13)


def started(farm: MeteredFarm, mean_kw: float) -> MeteredFarm:
    """On a river that rises and falls by a fifth every twenty minutes or so, and flickers."""
    farm.river = lambda t: mean_kw * (1.0 + 0.2 * math.sin(t / 190.0) + 0.01 * math.sin(t / 7.0))
    farm.program.restart(farm.now)
    return farm


def odd(miner: ModelMiner) -> bool:
    return miner.id % 2 == 1


def even(miner: ModelMiner) -> bool:
    return miner.id % 2 == 0


@pytest.mark.parametrize("policy", ["stepwise", "economic"])
def test_miners_counted_twice_are_found_within_an_hour_and_nothing_is_raised_until_the_role_is_right(
    policy: str,
) -> None:
    farm = MeteredFarm(farm_miners(), 90.0, {"container_1": (everyone, steady(3.0, 0.3))}, policy=policy)
    started(farm, 90.0).run(HOUR_S)
    assert farm.first_found_t is not None
    (found,) = farm.contradictions
    assert found.names == ("container_1",)
    assert 0.8 <= (found.slope or 0.0) <= 1.2
    raised = [t for t in farm.raised if t > farm.first_found_t + 15]
    assert raised == []
    assert "container_1 has the role foreign, but follows the miners" in " ".join(p.reason for p in farm.program.plans)
    low_kw = farm.last.current_w / 1000.0
    farm.set_role("container_1", MINERS).run(HOUR_S / 2)
    assert farm.contradictions == ()
    assert farm.last.current_w / 1000.0 > 1.3 * low_kw


def test_cuts_go_on_while_a_role_is_contradicted() -> None:
    farm = started(MeteredFarm(farm_miners(), 90.0, {"container_1": (everyone, steady(3.0, 0.3))}), 90.0)
    farm.run(HOUR_S)
    assert farm.contradictions
    before_w = farm.last.current_w
    farm.river = lambda _t: 45.0
    farm.run(120)
    assert farm.last.current_w < before_w - 5_000


@pytest.mark.parametrize("policy", ["stepwise", "economic"])
@pytest.mark.parametrize(
    "other", [steady(30.0, 1.0), steps(25.0, 120, 900), steps(15.0, 20, 120)], ids=["steady", "steps", "pump"]
)
def test_an_independent_meter_is_never_accused_whatever_it_does(policy: str, other: Load) -> None:
    farm = MeteredFarm(farm_miners(), 80.0, {"village": (nobody, other)}, policy=policy)
    started(farm, 80.0)
    for _ in range(120):
        farm.run(60)
        assert farm.contradictions == ()


@pytest.mark.parametrize("other", [steady(3.0, 0.3), steps(15.0, 120, 900)], ids=["fans", "steps"])
def test_the_right_role_of_a_meter_that_contains_the_miners_is_never_contradicted(other: Load) -> None:
    farm = MeteredFarm(farm_miners(), 60.0, {"container_1": (everyone, other)}, policy="economic")
    farm.set_role("container_1", MINERS)
    started(farm, 60.0)
    for _ in range(120):
        farm.run(60)
        assert farm.contradictions == ()


def test_two_containers_follow_the_miners_together() -> None:
    meters = {
        "container_1": (odd, steady(2.0, 0.2)),
        "container_2": (even, steady(2.0, 0.2, seed=2)),
        "village": (nobody, steady(60.0, 0.5, seed=3)),
    }
    farm = started(MeteredFarm(farm_miners(), 160.0, meters, policy="economic"), 160.0)
    farm.run(HOUR_S)
    (found,) = farm.contradictions
    assert found.names == ("container_1", "container_2")
    assert "container_1 and container_2 have the role foreign, but together follow the miners" in found.sentence
    farm.set_role("container_1", MINERS).set_role("container_2", MINERS).run(HOUR_S)
    assert farm.contradictions == ()


def test_a_meter_of_something_else_in_the_role_miners_is_found() -> None:
    farm = MeteredFarm(farm_miners(), 60.0, {"village": (nobody, steady(50.0, 0.5))}, policy="economic")
    farm.set_role("village", MINERS)
    started(farm, 60.0).run(HOUR_S)
    (found,) = farm.contradictions
    assert "village has the role miners, but does not follow the miners" in found.sentence


def test_a_quiet_night_loses_no_verdict() -> None:
    farm = started(MeteredFarm(farm_miners(), 90.0, {"container_1": (everyone, steady(3.0, 0.3))}), 90.0)
    farm.run(HOUR_S)
    found = farm.contradictions
    farm.river = lambda _t: 90.0
    farm.run(3 * HOUR_S)
    assert [c.names for c in farm.contradictions] == [c.names for c in found]
    assert [c.decided_at for c in farm.contradictions] == [c.decided_at for c in found]

