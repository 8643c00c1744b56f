"""Scan a /22 with 400 open hosts, silent ones and closed ones: how long, and is every open one found?

Exits with 1 where one is missed or the scan takes longer than 3 s. Run: `python benchmarks/scan.py`.
"""

from __future__ import annotations

import resource
import socket
import sys
import time
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.clients.scan import hosts_of, scan

SUBNET = "127.20.0.0/22"
OPEN, SILENT = 400, 300  # the rest refuses
LIMIT_S = 3.0


def main() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hosts = list(hosts_of([ip_network(SUBNET)]))
    with ExitStack() as stack:
        port = stack.enter_context(socket.create_server((hosts[0], 0))).getsockname()[1]
        alive = {hosts[0]} | {listening(stack, host, port) for host in hosts[2 : OPEN * 2 : 2]}
        quiet = [silent(stack, host, port) for host in hosts[1 : SILENT * 2 : 2]]
        time.sleep(0.2)
        began, cpu = time.monotonic(), time.process_time()
        found = scan(hosts, port)
        took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
    good = set(found) == alive and len(found) == OPEN and took_s <= LIMIT_S
    refusing = len(hosts) - len(alive) - len(quiet)
    print(f"scan of {len(hosts)} hosts ({OPEN} open, {len(quiet)} silent, {refusing} refusing):", end=" ")
    print(f"{took_s:.2f} s, {cpu_s:.2f} s CPU, found {len(found)}, wrong {len(set(found) ^ alive)}")
    return 0 if good else 1


def listening(stack: ExitStack, host: str, port: int) -> str:
    """Open a port that accepts."""
    stack.enter_context(socket.create_server((host, port)))
    return host


def silent(stack: ExitStack, host: str, port: int) -> str:
    """Open a port whose backlog is full, so that the kernel drops what comes: nobody answers, nobody refuses."""
    listener = stack.enter_context(socket.socket())
    listener.bind((host, port))
    listener.listen(0)
    for _ in range(3):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex((host, port))
    return host


if __name__ == "__main__":
    sys.exit(main())
