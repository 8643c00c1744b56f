"""The scan finds what listens, in bounded time, and touches nothing else."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.clients.scan import hosts_of, scan


def nets(*texts):
    return [ip_network(text) for text in texts]


@pytest.mark.parametrize(
    ("subnets", "hosts"),
    [
        (nets("10.0.0.0/30"), ["10.0.0.1", "10.0.0.2"]),
        (nets("10.0.0.0/31"), ["10.0.0.0", "10.0.0.1"]),
        (nets("10.0.0.7/32"), ["10.0.0.7"]),
        (nets("10.0.0.0/30", "10.0.0.0/29"), [f"10.0.0.{n}" for n in range(1, 7)]),
        (nets("10.0.0.0/30", "10.0.0.4/30"), ["10.0.0.1", "10.0.0.2", "10.0.0.5", "10.0.0.6"]),
        (nets("fd00::/126"), ["fd00::1", "fd00::2", "fd00::3"]),
        ([], []),
    ],
)
def test_hosts_are_those_of_the_subnets_once(subnets, hosts):
    assert list(hosts_of(subnets)) == hosts


def test_a_22_has_1022_hosts_and_none_outside():
    network = ip_network("10.20.0.0/22")
    hosts = list(hosts_of([network]))
    assert len(hosts) == len(set(hosts)) == 1022
    assert all(ip_network(host).subnet_of(network) for host in hosts)


@pytest.fixture
def farm():
    """Return (port, the five of 127.9.0.1-20 that listen on it)."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.9.0.2", 0)))
        port = first.getsockname()[1]
        alive = ["127.9.0.2", "127.9.0.5", "127.9.0.9", "127.9.0.14", "127.9.0.20"]
        for ip in alive[1:]:
            stack.enter_context(socket.create_server((ip, port)))
        yield port, alive


@pytest.mark.timeout(20)
@pytest.mark.parametrize("in_flight", [1, 3, 512])
def test_it_finds_what_listens_in_the_order_given(farm, in_flight):
    port, alive = farm
    hosts = [f"127.9.0.{n}" for n in range(1, 21)]
    assert scan([*hosts, *hosts], port, timeout_s=0.5, in_flight=in_flight) == alive
    assert scan(reversed(hosts), port, timeout_s=0.5, in_flight=in_flight) == alive[::-1]


@pytest.mark.timeout(20)
def test_a_silent_host_is_given_up(farm):
    port, alive = farm
    with socket.socket() as silent, ExitStack() as stack:
        silent.bind(("127.9.0.30", port))
        silent.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.9.0.30", port))
        assert scan(["127.9.0.30", *alive], port, timeout_s=0.3, in_flight=2) == alive


@pytest.mark.timeout(20)
def test_it_works_with_few_open_files_left(farm):
    port, alive = farm
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 1
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 4, hard))
        assert scan([f"127.9.0.{n}" for n in range(1, 21)], port, timeout_s=0.5) == alive
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(20)
def test_it_waits_where_the_kernel_has_no_room_and_misses_nobody(farm, monkeypatch):
    port, alive = farm
    real = socket.socket.connect_ex
    calls = iter(range(10_000))

    def sometimes_full(self, address):
        return 105 if next(calls) % 2 else real(self, address)  # ENOBUFS

    monkeypatch.setattr(socket.socket, "connect_ex", sometimes_full)
    assert scan([f"127.9.0.{n}" for n in range(1, 21)], port, timeout_s=0.5, in_flight=4) == alive
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: 105)
    assert scan(alive, port, timeout_s=0.5) == []


def test_what_is_no_address_is_refused():
    with pytest.raises(ValueError, match="no such host"):
        scan(["no such host"], 80)


def test_nothing_to_scan_finds_nothing():
    assert scan([], 80) == []
