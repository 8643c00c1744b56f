"""Poll 1,000 simulated miners as the status poller does: two endpoints each, 128 threads, one session per sweep.

The farm runs in a child process, so that the CPU time printed is the clients' alone. Run:
`python benchmarks/status_sweep.py [miners]`.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.errors import MinerError
from simulator.server import Simulator

THREADS = 128
DEAD_SHARE = 0.05
SWEEPS = 3


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    ours, theirs = multiprocessing.Pipe()
    farm = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, count))
    farm.start()
    addresses = [MinerAddress(ip, port) for ip, port in ours.recv()]
    for _ in range(SWEEPS):
        report("none dead", sweep(addresses))
    ours.send(range(0, count, round(1 / DEAD_SHARE)))
    ours.recv()
    for _ in range(SWEEPS):
        report(f"{DEAD_SHARE:.0%} hanging", sweep(addresses))
    ours.send(None)
    farm.join()
    return 0


def serve(pipe: Connection, count: int) -> None:
    """Run the farm; hang the miners named over the pipe; end with None."""
    with Simulator(count) as sim:
        pipe.send([(one.ip, sim.miner_port) for one in sim.miners])
        for index in pipe.recv():
            sim.set_fault(index, "hang")
        pipe.send("hanging")
        pipe.recv()


def sweep(addresses: list[MinerAddress]) -> tuple[float, float, int, int]:
    """Return wall s, CPU s, miners read, miners lost."""
    began, cpu = time.monotonic(), time.process_time()
    with SweepSession(len(addresses)) as session, ThreadPoolExecutor(THREADS) as pool:
        read = sum(pool.map(lambda address: poll(session, address), addresses))
    return time.monotonic() - began, time.process_time() - cpu, read, len(addresses) - read


def poll(session: SweepSession, address: MinerAddress) -> bool:
    try:
        miner.read_status(session, address, "GH/s", "sha256d")
    except MinerError:
        return False
    return True


def report(name: str, result: tuple[float, float, int, int]) -> None:
    wall_s, cpu_s, read, lost = result
    each_ms = cpu_s / (2 * (read + lost)) * 1000
    print(f"{name}: {wall_s:.2f} s wall, {cpu_s:.2f} s CPU ({each_ms:.2f} ms a call), {read} read, {lost} lost")


if __name__ == "__main__":
    sys.exit(main())
