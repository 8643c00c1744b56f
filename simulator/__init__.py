"""A hydro plant and a farm of VNish miners on loopback, for the demo and the tests. Imports nothing of the app."""

from simulator.demo import demo_farm
from simulator.farm import FarmSpec, OtherHost
from simulator.miner import MinerSpec, SimMiner
from simulator.physics import FAST, Timing
from simulator.plant import ContainerSpec, PlantSpec, SimPlant
from simulator.server import Simulator

__all__ = [
    "FAST",
    "ContainerSpec",
    "FarmSpec",
    "MinerSpec",
    "OtherHost",
    "PlantSpec",
    "SimMiner",
    "SimPlant",
    "Simulator",
    "Timing",
    "demo_farm",
]
