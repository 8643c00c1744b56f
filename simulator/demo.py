"""Sizes a plant to a farm, so that a balancer has something to do within the first minute."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from simulator.farm import FarmSpec
from simulator.ladders import MODELS
from simulator.miner import MinerSpec
from simulator.plant import ContainerSpec, PlantSpec

Topology = Literal["miners", "foreign", "mixed"]
"""Which meters there are: ``miners`` container_1 contains the miners, container_2 only other load; ``foreign`` both
contain other load only, the miners are metered nowhere; ``mixed`` container_1 contains the miners and other load."""

MEAN_SHARE_OF_MAX = 0.75
FOREIGN_SHARE = 0.03
VILLAGE_SHARE = 0.05


def containers(topology: Topology, max_kw: float) -> dict[str, ContainerSpec]:
    """The two consumption meters of a farm that draws ``max_kw`` at most."""
    village = ContainerSpec(other_kw=round(max_kw * VILLAGE_SHARE, 1))
    small_kw = round(max_kw * FOREIGN_SHARE, 1)
    if topology == "miners":
        return {"container_1": ContainerSpec(has_miners=True), "container_2": village}
    if topology == "mixed":
        return {"container_1": ContainerSpec(has_miners=True, other_kw=small_kw), "container_2": village}
    return {"container_1": ContainerSpec(other_kw=small_kw), "container_2": village}


def sized(spec: PlantSpec, *, topology: Topology, max_kw: float) -> PlantSpec:
    """The plant with containers, and a mean generation of 75 % of the farm's maximum plus the foreign load, where
    the spec leaves them open."""
    meters = containers(topology, max_kw) if spec.containers is None else spec.containers
    mean_kw = spec.mean_generation_kw
    if mean_kw is None:
        has_meter = any(meter.has_miners for meter in meters.values())
        overhead = 1 + spec.overhead_share if has_meter else 1.0
        mean_kw = MEAN_SHARE_OF_MAX * max_kw * overhead + sum(meter.other_kw for meter in meters.values())
    return replace(spec, containers=meters, mean_generation_kw=mean_kw)


def demo_farm(count: int, *, base_ip: str | None = None) -> FarmSpec:
    """``count`` miners of three models that start in the middle of their ladders."""
    spec = FarmSpec.of(count)
    miners = [replace(miner, preset=_middle_preset(miner)) for miner in spec.miners]
    return replace(spec, miners=miners, base_ip=base_ip or spec.base_ip)


def _middle_preset(miner: MinerSpec) -> str:
    tuned = [preset for preset in MODELS[miner.model].steps() if preset.tuned and not preset.modded_psu_required]
    return tuned[len(tuned) // 2].name
