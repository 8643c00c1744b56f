"""Find addresses with an open port, many at a time, in bounded time (STACK 1.6). Nothing is sent to any of them."""

from __future__ import annotations

import errno
import resource
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

_IN_PROGRESS = (0, errno.EINPROGRESS)
_KERNEL_FULL = (errno.ENOBUFS, errno.EAGAIN, errno.EMFILE, errno.ENFILE)  # neighbours, ports, files: for a moment
_TRIES = 10  # while nothing of ours is in flight: then waiting for room is all that can be done
_SPARE_FILES = 64  # for the database, the log and whatever else runs in this process


def hosts_of(subnets: Sequence[IPv4Network | IPv6Network]) -> Iterator[str]:
    """Yield every host address of the subnets once; never one outside them, no network or broadcast address."""
    seen: set[int] = set()
    for subnet in subnets:
        for host in subnet.hosts():
            if int(host) not in seen:
                seen.add(int(host))
                yield str(host)


def scan(hosts: Iterable[str], port: int, *, timeout_s: float = 1.0, in_flight: int = 512) -> list[str]:
    """Return those of `hosts` (IP addresses) that accept a TCP connection on `port` within `timeout_s`, as given.

    At most `in_flight` connections are tried at once, fewer where the process may not open so many files. Duplicates
    are tried once. A refused or unreachable address is closed; no address raises an error, but something that is no
    address does (ValueError).
    """
    probe = _Probe(port, timeout_s, max(1, min(in_flight, _free_files())))
    try:
        return probe.run({host: ip_address(host).version for host in hosts})
    finally:
        probe.close()


class _Probe:
    """One scan: addresses waiting, connections in flight in the order of their deadlines, addresses found open."""

    def __init__(self, port: int, timeout_s: float, in_flight: int) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._in_flight = in_flight
        self._selector = selectors.DefaultSelector()
        self._flying: dict[socket.socket, tuple[str, float]] = {}  # insertion order is deadline order
        self._open: set[str] = set()

    def close(self) -> None:
        for sock in self._flying:
            sock.close()
        self._selector.close()

    def run(self, hosts: dict[str, int]) -> list[str]:
        """Return the open ones of `hosts` (address -> IP version), in their order."""
        waiting = deque((host, _TRIES) for host in hosts)
        while waiting or self._flying:
            while waiting and len(self._flying) < self._in_flight:
                host, tries_left = waiting.popleft()
                if self._try(host, hosts[host]):
                    continue
                if self._flying:
                    waiting.append((host, tries_left))
                elif tries_left > 1:
                    waiting.append((host, tries_left - 1))
                    time.sleep(0.01)
                break
            self._collect()
        return [host for host in hosts if host in self._open]

    def _try(self, host: str, version: int) -> bool:
        """Begin a connection; False where the kernel has no room for it at the moment."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as e:
            if e.errno in _KERNEL_FULL:
                return False
            raise
        code = sock.connect_ex((host, self._port))
        if code in _IN_PROGRESS:
            self._flying[sock] = (host, time.monotonic() + self._timeout_s)
            self._selector.register(sock, selectors.EVENT_WRITE)
            return True
        sock.close()
        return code not in _KERNEL_FULL

    def _collect(self) -> None:
        """Wait for the next answer or deadline, and take in all there are."""
        if not self._flying:
            return
        _, deadline = next(iter(self._flying.values()))
        for key, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)  # noqa: S101  # what we registered
            host = self._land(sock)
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                self._open.add(host)
            sock.close()
        now = time.monotonic()
        for sock, (_, ends) in list(self._flying.items()):
            if ends > now:
                break
            self._land(sock)
            sock.close()

    def _land(self, sock: socket.socket) -> str:
        host, _ = self._flying.pop(sock)
        self._selector.unregister(sock)
        return host


def _free_files() -> int:
    """Return how many more files this process may open, with some to spare."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft_limit == resource.RLIM_INFINITY:
        return 65_536
    try:
        used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        used = soft_limit // 4
    return soft_limit - used - _SPARE_FILES
