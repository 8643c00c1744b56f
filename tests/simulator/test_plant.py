from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from simulator import FAST, ContainerSpec, FarmSpec, MinerSpec, PlantSpec, Simulator
from simulator.hydro import FIRST_STEP_S, HydroDay
from simulator.plant import PLANT_ID


def fetch(sim: Simulator, timeout: float = 3.0, **query: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {sim.plant_key}", "Accept": "application/json"}
    return requests.get(sim.plant_url, params=query, headers=headers, timeout=timeout)


def reading(sim: Simulator) -> Any:
    return fetch(sim).json()["reading"]


def collected_at(sim: Simulator) -> datetime:
    return datetime.fromisoformat(reading(sim)["collection_timestamp"])


def test_a_reading_has_the_documented_shape(sim: Simulator) -> None:
    answer = fetch(sim, plant_id=PLANT_ID)
    got = answer.json()["reading"]
    assert set(got) == {"id", "plant_id", "collection_timestamp", "generation", "consumption", "totals", "trust"}
    assert set(got["generation"]) == {"turbine_north", "turbine_south"}
    assert set(got["consumption"]) == {"container_1", "container_2"}
    assert set(got["totals"]) == {"generation_mw", "consumption_mw", "exported_mw"}
    assert got["trust"]["confidence_score"] > 0.8
    assert abs(parsedate_to_datetime(answer.headers["Date"]) - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(datetime.fromisoformat(got["collection_timestamp"]) - datetime.now(UTC)) < timedelta(seconds=40)


def test_totals_are_the_sums_of_the_sources(sim: Simulator) -> None:
    got = reading(sim)
    generated = sum(source["value_mw"] for source in got["generation"].values())
    consumed = sum(source["value_mw"] for source in got["consumption"].values())
    assert got["totals"]["generation_mw"] == pytest.approx(generated) == pytest.approx(0.012)
    assert got["totals"]["consumption_mw"] == pytest.approx(consumed)
    assert got["totals"]["exported_mw"] == pytest.approx(generated - consumed)


def test_a_missing_or_wrong_key_is_401_and_a_wrong_plant_400(sim: Simulator) -> None:
    assert requests.get(sim.plant_url, timeout=3).status_code == 401
    assert requests.get(sim.plant_url, headers={"Authorization": "Bearer no"}, timeout=3).status_code == 401
    assert fetch(sim, plant_id="another").status_code == 400


def test_the_unit_changes_under_the_same_names(sim: Simulator) -> None:
    in_mw = reading(sim)["totals"]["generation_mw"]
    sim.plant.set_unit("kW")
    assert reading(sim)["totals"]["generation_mw"] == pytest.approx(1000 * in_mw)


def test_a_miners_meter_follows_what_the_miners_really_draw(sim: Simulator) -> None:
    sim.plant.collect()
    metered_kw = reading(sim)["consumption"]["container_1"]["value_mw"] * 1000
    assert metered_kw == pytest.approx(sim.farm.draw_w() * 1.03 / 1000, rel=0.02)
    sim.set_fault("all", "failure")
    sim.plant.collect()
    assert reading(sim)["consumption"]["container_1"]["value_mw"] * 1000 < 1


def test_a_foreign_topology_meters_no_miner() -> None:
    with Simulator(FarmSpec([MinerSpec()], timing=FAST), topology="foreign") as sim:
        before = sim.plant.true_consumption_kw()
        sim.set_fault("all", "failure")
        assert sim.plant.true_consumption_kw() == before


def test_two_miners_meters_each_contain_their_own() -> None:
    miners = [MinerSpec(container="a"), MinerSpec(container="b"), MinerSpec(container="b")]
    meters = {name: ContainerSpec(has_miners=True) for name in ("a", "b")}
    with Simulator(miners, PlantSpec(containers=meters)) as sim:
        drawn = sim.plant.true_consumption_kw()
    assert drawn["b"] == pytest.approx(2 * drawn["a"], rel=0.1)


def test_generation_can_be_forced_and_the_day_comes_back(sim: Simulator) -> None:
    sim.plant.set_generation_kw(500)
    assert reading(sim)["totals"]["generation_mw"] == pytest.approx(0.5)
    sim.plant.multiply_generation(0.5)
    assert reading(sim)["totals"]["generation_mw"] == pytest.approx(0.25)
    sim.plant.set_generation_steps([(0.0, 100), (3600.0, 900)])
    assert reading(sim)["totals"]["generation_mw"] == pytest.approx(0.1)
    sim.plant.resume_day()
    assert reading(sim)["totals"]["generation_mw"] * 1000 == pytest.approx(sim.plant.mean_generation_kw, rel=0.3)


def test_every_collection_is_newer_than_the_last(sim: Simulator) -> None:
    seen = []
    for _ in range(3):
        sim.plant.collect()
        seen.append((reading(sim)["id"], collected_at(sim)))
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("value", "shown", "total"), [("last", 0.00624, 0.0058), ("zero", 0, 0.0058), ("omit", None, 0.0058)]
)
def test_a_failed_generator_is_outside_the_totals(
    sim: Simulator, value: Any, shown: float | None, total: float
) -> None:
    sim.plant.fail_source("turbine_north", "timeout", value)
    got = reading(sim)
    source = got["generation"].get("turbine_north")
    if shown is None:
        assert source is None
    else:
        assert (source["status"], source["value_mw"]) == ("timeout", pytest.approx(shown, abs=1e-4))
    assert got["totals"]["generation_mw"] == pytest.approx(total, abs=1e-4)
    sim.plant.restore_source()
    assert reading(sim)["generation"]["turbine_north"]["status"] == "success"


def test_an_unknown_source_cannot_fail(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="turbine_north"):
        sim.plant.fail_source("turbine_west")


def test_containers_come_and_go(sim: Simulator) -> None:
    sim.plant.set_container_kw("village", 3.0)
    assert reading(sim)["consumption"]["village"]["value_mw"] == pytest.approx(0.003)
    sim.plant.remove_container("village")
    assert "village" not in reading(sim)["consumption"]


@pytest.mark.parametrize(("fault", "status"), [("http401", 401), ("http400", 400), ("http500", 500)])
def test_status_faults(sim: Simulator, fault: str, status: int) -> None:
    sim.plant.set_fault(fault)
    assert fetch(sim).status_code == status
    sim.plant.clear_faults()
    assert fetch(sim).status_code == 200


@pytest.mark.parametrize("fault", ["hang", "close", "truncated"])
def test_faults_that_break_the_connection(sim: Simulator, fault: str) -> None:
    sim.plant.set_fault(fault)
    with pytest.raises((requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)):
        fetch(sim, timeout=0.3)
    sim.plant.clear_faults()
    assert fetch(sim).status_code == 200


def test_slow_and_trickle(sim: Simulator) -> None:
    sim.plant.set_fault("slow", seconds=0.2, times=1)
    assert fetch(sim).elapsed.total_seconds() >= 0.2
    sim.plant.set_fault("trickle", times=1)
    with pytest.raises(requests.ConnectionError):
        fetch(sim, timeout=0.2)


@pytest.mark.parametrize("fault", ["html", "deep"])
def test_bodies_that_are_no_json(sim: Simulator, fault: str) -> None:
    sim.plant.set_fault(fault)
    answer = fetch(sim)
    assert answer.status_code == 200
    with pytest.raises((ValueError, RecursionError)):
        json.loads(answer.text)


def test_null_and_missing_parts(sim: Simulator) -> None:
    sim.plant.set_fault("null")
    assert reading(sim) is None
    sim.plant.clear_faults()
    for part in ("totals", "trust", "consumption"):
        sim.plant.set_fault(f"missing_{part}")
        assert part not in reading(sim)
        sim.plant.clear_faults()


def test_a_frozen_timestamp_stands_while_values_move(sim: Simulator) -> None:
    sim.plant.set_fault("frozen_timestamp")
    before = collected_at(sim)
    sim.plant.set_generation_kw(33)
    assert collected_at(sim) == before
    assert reading(sim)["totals"]["generation_mw"] == pytest.approx(0.033)


def test_frozen_values_stand_while_the_timestamp_moves(sim: Simulator) -> None:
    sim.plant.set_fault("frozen_values")
    before = reading(sim)
    sim.plant.set_generation_kw(33)
    after = reading(sim)
    assert after["totals"] == before["totals"]
    assert after["collection_timestamp"] > before["collection_timestamp"]


def test_a_redirect_takes_the_key_along(sim: Simulator) -> None:
    sim.plant.set_fault("redirect")
    headers = {"Authorization": f"Bearer {sim.plant_key}"}
    answer = requests.get(sim.plant_url, headers=headers, timeout=3, allow_redirects=False)
    assert answer.status_code == 307
    assert sim.plant_key in answer.headers["Location"]


def test_values_no_reading_should_have(sim: Simulator) -> None:
    sim.plant.set_fault("untrusted")
    assert reading(sim)["trust"]["confidence_score"] == 0.5
    sim.plant.clear_faults()
    sim.plant.set_fault("echo")
    assert sim.plant_key in reading(sim)["trust"]["summary"]
    sim.plant.clear_faults()
    sim.plant.set_fault("nan")
    assert math.isnan(reading(sim)["totals"]["generation_mw"])
    sim.plant.clear_faults()
    sim.plant.set_fault("negative")
    assert reading(sim)["totals"]["generation_mw"] < 0
    sim.plant.clear_faults()
    sim.plant.set_fault("strings")
    assert isinstance(reading(sim)["totals"]["generation_mw"], str)
    sim.plant.clear_faults()
    sim.plant.set_fault("nulls")
    assert reading(sim)["generation"]["turbine_north"]["value_mw"] is None


@pytest.mark.parametrize(("which", "generation", "consumption"), [("generation", 2, 1), ("all", 2, 2)])
def test_doubled_values(sim: Simulator, which: str, generation: int, consumption: int) -> None:
    before = reading(sim)["totals"]
    sim.plant.set_fault("doubled", which=which)
    after = reading(sim)["totals"]
    assert after["generation_mw"] == pytest.approx(generation * before["generation_mw"])
    assert after["consumption_mw"] == pytest.approx(consumption * before["consumption_mw"])


@pytest.mark.parametrize(("fault", "seconds"), [("clock_ahead", 120), ("clock_behind", -120)])
def test_the_plants_clock_can_be_wrong(sim: Simulator, fault: str, seconds: int) -> None:
    before = collected_at(sim)
    sim.plant.set_fault(fault)
    assert collected_at(sim) - before == timedelta(seconds=seconds)


def test_the_date_header_can_be_wrong(sim: Simulator) -> None:
    sim.plant.set_fault("date_skew", seconds=600)
    assert parsedate_to_datetime(fetch(sim).headers["Date"]) - datetime.now(UTC) > timedelta(seconds=590)


def test_the_day_drifts_steps_within_the_first_minute_and_keeps_its_mean() -> None:
    day = HydroDay(mean_kw=1_000, seed=7)
    assert day.generation_kw(FIRST_STEP_S + 10) < 0.97 * day.generation_kw(FIRST_STEP_S - 1)
    values = [day.generation_kw(t) for t in range(0, 86_400, 37)]
    assert sum(values) / len(values) == pytest.approx(1_000, rel=0.02)
    assert 700 < min(values) < max(values) < 1_300
    assert values == [HydroDay(mean_kw=1_000, seed=7).generation_kw(t) for t in range(0, 86_400, 37)]
