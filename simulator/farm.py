"""The farm: simulated miners and other hosts, each on its own loopback address, in one seeded arrangement."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from simulator.clock import Clock
from simulator.http_server import require_loopback
from simulator.miner import MinerSpec, SimMiner
from simulator.miner_api import OtherKind
from simulator.physics import Timing

BASE_IP = "127.20.0.1"
MAX_HOSTS = 20_000

Selector = str | int | Sequence[str | int] | Callable[[SimMiner], bool]
"""Which miners: ``all``, a MAC, an IP, an index, a model alias, several of these, or a predicate."""


@dataclass(frozen=True, slots=True)
class OtherHost:
    """A host in the miners' subnet that is no VNish miner; addresses follow the miners' unless given."""

    kind: OtherKind = "stock"
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class FarmSpec:
    """Which miners and hosts there are, how fast they restart, and where their addresses begin."""

    miners: Sequence[MinerSpec] = ()
    others: Sequence[OtherHost] = ()
    timing: Timing = field(default_factory=Timing)
    base_ip: str = BASE_IP

    @staticmethod
    def of(
        count: int, mix: Sequence[tuple[str, float]] = (("s19jpro", 0.5), ("s19", 0.3), ("s21pro", 0.2))
    ) -> FarmSpec:
        """``count`` miners of a mix of (model alias, share), interleaved so that any part of it is a mix too."""
        return FarmSpec([MinerSpec(model=alias) for alias in _interleaved(count, mix)])


def _interleaved(count: int, mix: Sequence[tuple[str, float]]) -> list[str]:
    total = sum(share for _, share in mix)
    given = {alias: 0 for alias, _ in mix}
    order = []
    for number in range(1, count + 1):
        alias = max(mix, key=lambda item: number * item[1] / total - given[item[0]])[0]
        given[alias] += 1
        order.append(alias)
    return order


def addresses(base_ip: str) -> Iterator[str]:
    """Loopback addresses from ``base_ip`` upward, without those ending in .0 and .255."""
    first = ipaddress.IPv4Address(require_loopback(base_ip))
    last = ipaddress.IPv4Address("127.255.255.254")
    for number in range(int(first), int(last) + 1):
        if number & 0xFF not in (0, 255):
            yield str(ipaddress.IPv4Address(number))


class Farm:
    """All miners of a simulator."""

    def __init__(self, spec: FarmSpec, *, seed: int, clock: Clock) -> None:
        if len(spec.miners) + len(spec.others) > MAX_HOSTS:
            raise ValueError(f"at most {MAX_HOSTS} hosts")
        given = [miner.ip for miner in spec.miners] + [host.ip for host in spec.others]
        taken = {require_loopback(ip) for ip in given if ip}
        free = (ip for ip in addresses(spec.base_ip) if ip not in taken)
        self.spec = spec
        self.miners = [
            SimMiner(miner, index=index, ip=miner.ip or next(free), seed=seed, clock=clock, timing=spec.timing)
            for index, miner in enumerate(spec.miners)
        ]
        self.others: list[tuple[str, OtherKind]] = [(host.ip or next(free), host.kind) for host in spec.others]
        ips = self.ips
        if len(set(ips)) != len(ips):
            raise ValueError("two hosts have the same address")

    @property
    def ips(self) -> list[str]:
        """Every address in use now."""
        return [miner.ip for miner in self.miners] + [ip for ip, _ in self.others]

    @property
    def subnets(self) -> list[str]:
        """The /24 networks that cover every host, sorted: what a discovery is to scan."""
        networks = {ipaddress.IPv4Network(f"{ip}/24", strict=False) for ip in self.ips}
        return [str(network) for network in sorted(networks)]

    def draw_w(self, container: str | None = None) -> float:
        """What the miners (of one container) really draw now at the wall, W."""
        return sum(
            miner.wall_power_w for miner in self.miners if container is None or miner.spec.container == container
        )

    @property
    def max_power_w(self) -> float:
        """What all miners draw on their highest tuned presets, W at the wall."""
        return sum(miner.max_power_w for miner in self.miners)

    @property
    def min_power_w(self) -> float:
        """What all miners draw on their lowest presets, W at the wall."""
        return sum(miner.min_power_w for miner in self.miners)

    @property
    def hashrate_ths(self) -> float:
        """What all miners hash now, TH/s."""
        return sum(miner.hashrate_ths for miner in self.miners)

    def select(self, selector: Selector) -> list[SimMiner]:
        """The chosen miners; LookupError where nothing matches a name or an index."""
        if callable(selector):
            return [miner for miner in self.miners if selector(miner)]
        if isinstance(selector, int):
            return [self.miners[selector]]
        if not isinstance(selector, str):
            return [miner for part in selector for miner in self.select(part)]
        if selector == "all":
            return list(self.miners)
        if selector.lstrip("-").isdigit():
            return [self.miners[int(selector)]]
        wanted = selector.lower()
        found = [miner for miner in self.miners if wanted in (miner.mac, miner.ip, miner.model.alias)]
        if not found:
            raise LookupError(f"no miner is called {selector!r}")
        return found
