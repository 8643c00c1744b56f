"""The simulator as one object: a plant and a farm served on loopback by one thread.

with Simulator(FarmSpec.of(10), time_scale=20) as sim:
    sim.plant.set_generation_kw(20)
    sim.set_fault(0, "slow", seconds=1.5)
"""

from __future__ import annotations

import asyncio
import errno
import math
import resource
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from simulator import cgminer, control_api
from simulator.clock import ScaledClock
from simulator.demo import Topology, sized
from simulator.farm import Farm, FarmSpec, Selector
from simulator.faults import FaultValue
from simulator.http_server import Endpoint, Handler, require_loopback
from simulator.listener import Listener, LoopThread, free_port, http_listener
from simulator.miner import MinerSpec, SimMiner
from simulator.miner_api import MinerApi, other_host
from simulator.plant import PlantSpec, SimPlant
from simulator.plant_api import PATH, PlantApi

LOOPBACK = "127.0.0.1"
PORT_TRIES = 20
UNPLUGGING = frozenset({"offline", "power_cut"})
FILES_PER_MINER = 4


class Simulator:
    """A running plant and farm. Ports 0 mean "find a free one"; ``control_port`` None means no control API.

    ``time_scale`` makes the miners' and the river's time run faster; the plant's time stamps stay real.
    """

    def __init__(
        self,
        farm: FarmSpec | Sequence[MinerSpec] | int = 3,
        plant: PlantSpec | None = None,
        *,
        topology: Topology = "miners",
        seed: int = 1,
        time_scale: float = 1.0,
        miner_port: int = 0,
        plant_port: int = 0,
        control_port: int | None = None,
        plant_ip: str = LOOPBACK,
        with_cgminer: bool = False,
    ) -> None:
        if isinstance(farm, int):
            farm = FarmSpec.of(farm)
        elif not isinstance(farm, FarmSpec):
            farm = FarmSpec(farm)
        self.clock = ScaledClock(time_scale)
        self.seed = seed
        self.farm = Farm(farm, seed=seed, clock=self.clock)
        spec = sized(plant or PlantSpec(), topology=topology, max_kw=self.farm.max_power_w / 1000)
        self.plant = SimPlant(
            spec, mean_kw=spec.mean_generation_kw or 0.0, seed=seed, clock=self.clock, draw_w=self.farm.draw_w
        )
        self.miner_port = miner_port
        self._thread = LoopThread()
        self._with_cgminer = with_cgminer
        self._plant_listener = self._http(plant_ip, plant_port, PlantApi(self.plant).handle)
        self._control_listener: Listener | None = None
        if control_port is not None:
            self._control_listener = self._http(LOOPBACK, control_port, control_api.ControlApi(self).handle)
        self._miner_listeners: dict[int, list[Listener]] = {}
        self._other_listeners: list[Listener] = []
        self._collecting: asyncio.TimerHandle | None = None
        self._running = False

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Bind everything and serve; OSError where an address is taken, ValueError where one is not loopback."""
        _allow_open_files(FILES_PER_MINER * len(self.farm.ips) + 256)
        self._thread.start()
        try:
            self._thread.call(self._open_all)
        except (OSError, ValueError):
            self.stop()
            raise
        self._running = True
        return self

    def stop(self) -> None:
        """Close everything and end the thread; harmless when it is stopped already."""
        if self._thread.is_alive:
            self._thread.call(self._close_all)
        self._running = False
        self._thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- where things are ------------------------------------------------------------------------------------

    @property
    def miners(self) -> list[SimMiner]:
        """All miners, by index."""
        return self.farm.miners

    @property
    def subnets(self) -> list[str]:
        """CIDRs that cover every host of the farm."""
        return self.farm.subnets

    @property
    def plant_url(self) -> str:
        """The endpoint to read the plant from."""
        return f"http://{self._plant_listener.ip}:{self._plant_listener.port}{PATH}"

    @property
    def plant_key(self) -> str:
        """The bearer key the plant accepts."""
        return self.plant.spec.key

    @property
    def control_url(self) -> str | None:
        """The base of the control API, or None where there is none."""
        if self._control_listener is None:
            return None
        return f"http://{self._control_listener.ip}:{self._control_listener.port}"

    def miner_url(self, index: int = 0) -> str:
        """The base address of one miner."""
        return f"http://{self.miners[index].ip}:{self.miner_port}"

    def where(self) -> dict[str, Any]:
        """Where everything is, for people and for `python -m simulator`."""
        return {
            "plant_url": self.plant_url,
            "plant_key": self.plant_key,
            "plant_id": self.plant.spec.plant_id,
            "plant_unit": self.plant.unit,
            "mean_generation_kw": round(self.plant.mean_generation_kw, 1),
            "miners": len(self.miners),
            "miner_port": self.miner_port,
            "subnets": self.subnets,
            "miner_password": self.miners[0].spec.password if self.miners else None,
            "control_url": self.control_url,
            "max_power_w": round(self.farm.max_power_w),
            "min_power_w": round(self.farm.min_power_w),
        }

    # -- what is done to the miners --------------------------------------------------------------------------

    def set_fault(self, selector: Selector, fault: str, **args: FaultValue) -> list[SimMiner]:
        """Switch a fault on for the chosen miners (see ``faults.MINER_FAULTS``) and return them.

        ``path``, ``method`` and ``times`` narrow transport faults. UnknownFaultError, LookupError.
        """
        chosen = self.farm.select(selector)
        for miner in chosen:
            miner.set_fault(fault, args)
        if fault in UNPLUGGING and self._running:
            self._thread.call(lambda: self._close_miners(chosen))
        return chosen

    def clear_faults(self, selector: Selector = "all", fault: str | None = None) -> None:
        """Switch one fault or all off; a miner that was unplugged listens again."""
        chosen = self.farm.select(selector)
        for miner in chosen:
            miner.clear_faults(fault)
        if self._running:
            self._thread.call(lambda: self._open_miners(chosen))

    def change_ip(self, selector: Selector, ip: str) -> None:
        """Move one miner to another loopback address, as a DHCP server would."""
        chosen = self.farm.select(selector)
        if len(chosen) != 1:
            raise ValueError("one miner at a time can change its address")
        if require_loopback(ip) in self.farm.ips:
            raise ValueError(f"{ip} is taken")

        def move() -> None:
            self._close_miners(chosen)
            chosen[0].ip = ip
            self._miner_listeners.pop(chosen[0].index, None)
            self._open_miners(chosen)

        self._thread.call(move)

    # -- inside ----------------------------------------------------------------------------------------------

    def _http(self, ip: str, port: int, handle: Handler, accepts: Callable[[], bool] | None = None) -> Listener:
        endpoint = Endpoint(handle, self.clock, accepts or (lambda: True))
        return http_listener(ip, port, endpoint)

    def _open_all(self) -> None:
        loop = self._thread.loop
        self._open_farm()
        self._plant_listener.open(loop)
        if self._control_listener is not None:
            self._control_listener.open(loop)
        self._collect()

    def _open_farm(self) -> None:
        search = self.miner_port == 0
        for attempt in range(1, PORT_TRIES + 1):
            if search:
                self.miner_port = free_port(self.farm.ips[0]) if self.farm.ips else 0
            try:
                self._open_miners(self.miners)
                for ip, kind in self.farm.others:
                    listener = self._http(ip, self.miner_port, other_host(kind))
                    self._other_listeners.append(listener)
                    listener.open(self._thread.loop)
                return
            except OSError as exc:
                self._close_farm()
                if not search or exc.errno != errno.EADDRINUSE or attempt == PORT_TRIES:
                    raise

    def _open_miners(self, miners: Sequence[SimMiner]) -> None:
        for miner in miners:
            if any(miner.faults.get(name) for name in UNPLUGGING):
                continue
            listeners = self._miner_listeners.get(miner.index)
            if listeners is None:
                listeners = self._miner_listeners[miner.index] = self._listeners_of(miner)
            for listener in listeners:
                listener.open(self._thread.loop)

    def _listeners_of(self, miner: SimMiner) -> list[Listener]:
        listeners = [self._http(miner.ip, self.miner_port, MinerApi(miner).handle, miner.accepts)]
        if self._with_cgminer:
            endpoint = Endpoint(MinerApi(miner).handle, self.clock)
            listeners.append(
                Listener(
                    miner.ip,
                    cgminer.PORT,
                    lambda: cgminer.CgminerProtocol(miner, endpoint.connections),
                    endpoint,
                )
            )
        return listeners

    def _close_miners(self, miners: Sequence[SimMiner]) -> None:
        for miner in miners:
            for listener in self._miner_listeners.get(miner.index, ()):
                listener.close(self._thread.loop)

    def _close_farm(self) -> None:
        self._close_miners(self.miners)
        for listener in self._other_listeners:
            listener.close(self._thread.loop)
        self._miner_listeners.clear()
        self._other_listeners.clear()

    def _close_all(self) -> None:
        if self._collecting is not None:
            self._collecting.cancel()
        self._close_farm()
        self._plant_listener.close(self._thread.loop)
        if self._control_listener is not None:
            self._control_listener.close(self._thread.loop)

    def _collect(self) -> None:
        self.plant.collect()
        self._collecting = self._thread.loop.call_later(self.plant.spec.collection_interval_s, self._collect)


def _allow_open_files(needed: int) -> None:
    """Raise the soft limit of open files towards ``needed``, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    ceiling = math.inf if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(min(needed, ceiling)), hard))
