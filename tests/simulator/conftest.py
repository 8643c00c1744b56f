from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import requests

from simulator import FAST, FarmSpec, MinerSpec, PlantSpec, SimMiner, Simulator

KEY = "0123456789abcdef0123456789abcdef"
STEADY = {"power_share": 1.0, "hash_share": 1.0}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Two fast S19j Pros that know our key, an S19 and an S21 Pro; a plant that gives 12 kW."""
    ours = {KEY: "PowerHive"}
    miners = [
        MinerSpec("s19jpro", "2500", api_keys=ours, change_mode="quick", **STEADY),
        MinerSpec("s19jpro", "2500", api_keys=ours, change_mode="restart", **STEADY),
        MinerSpec("s19", api_keys=ours),
        MinerSpec("s21pro", api_keys=ours),
    ]
    plant = PlantSpec(constant_kw=12.0, collection_interval_s=30)
    with Simulator(FarmSpec(miners, timing=FAST), plant, control_port=0) as running:
        yield running


class Client:
    """A miner's API with our key, one connection per call."""

    def __init__(self, sim: Simulator, index: int = 0, headers: dict[str, str] | None = None) -> None:
        self.base = sim.miner_url(index)
        self.headers = {"x-api-key": KEY} if headers is None else headers

    def get(self, path: str, timeout: float = 3.0) -> requests.Response:
        return requests.get(f"{self.base}/api/v1{path}", headers=self.headers, timeout=timeout)

    def post(self, path: str, body: object = None, timeout: float = 3.0) -> requests.Response:
        return requests.post(f"{self.base}/api/v1{path}", json=body, headers=self.headers, timeout=timeout)

    def set_preset(self, name: object, timeout: float = 3.0) -> requests.Response:
        return self.post("/settings", {"miner": {"overclock": {"preset": name}}}, timeout)


@pytest.fixture
def client(sim: Simulator) -> Client:
    return Client(sim)


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds; fails after 5 s."""

    def wait(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.01)

    return wait


@pytest.fixture
def miner(sim: Simulator) -> SimMiner:
    return sim.miners[0]


@pytest.fixture
def client_of(sim: Simulator) -> Callable[..., Client]:
    def make(index: int = 0, headers: dict[str, str] | None = None) -> Client:
        return Client(sim, index, headers)

    return make
