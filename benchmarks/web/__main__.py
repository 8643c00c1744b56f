"""`make bench-web`: the pages of a farm with a month of history and its jobs running, asked 20 times a second.

Prints, per fleet size, the milliseconds of the dashboard's refresh and of every page that lists 50 rows, and what a
first visit costs over the wire. Goals: refresh p95 <= 10 ms, 50-row pages p95 <= 25 ms, first view <= 300 kB.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.web import history, load
from benchmarks.whole_program import Program, prepared
from demo import processes

# The other benchmarks have these come every 10 s; telemetry of 3,000 miners would then never end.
AS_BY_DEFAULT = {"POWERHIVE_TELEMETRY_INTERVAL_S": "600", "POWERHIVE_DISCOVERY_INTERVAL_S": "300"}


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    for miners in args.miners:
        folder = Path(tempfile.mkdtemp(prefix="powerhive-web-"))
        try:
            with prepared(Program(folder, miners=miners, interval_s=15.0, port=0, more_env=AS_BY_DEFAULT)) as program:
                _decide_once(program)
                rows = history.fill(folder / "powerhive.db", args.days)
                program.start()
                print(f"\n{miners} miners, " + ", ".join(f"{count:,} {table}" for table, count in rows.items()))
                _measure(program, args)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _decide_once(program: Program) -> None:
    """Let the program run until it has decided something: history is copied from its own rows."""
    program.start()
    ends_s = time.monotonic() + 90
    while not program.rows("SELECT 1 FROM balance_cycles") and time.monotonic() < ends_s:
        time.sleep(0.5)
    assert program.server is not None
    processes.stop(program.server, patience_s=30)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-web", description=__doc__)
    parser.add_argument("--miners", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--days", type=float, default=30.0, help="of history (default 30)")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second (default 20)")
    parser.add_argument("--seconds", type=float, default=20.0, help="per address (default 20)")
    return parser


def _measure(program: Program, args: argparse.Namespace) -> None:
    port = program.port
    mac = program.rows("SELECT mac FROM miners ORDER BY id LIMIT 1 OFFSET ?", args.miners[0] // 2)[0][0]
    (cycle,) = program.rows("SELECT max(id) FROM balance_cycles")[0]
    for _ in range(20):  # both workers have loaded everything
        load.ask(port, "/")
    print("| what | p50 ms | p95 ms | p99 ms | largest kB | answers |\n| --- | --- | --- | --- | --- | --- |")
    refresher = load.Refresher(port)
    print(load.at_rate("the dashboard's refresh", refresher, args.rate, args.seconds).row(), flush=True)
    for path in _paths(mac, cycle):
        if load.ask(port, path)[0].status == 404:
            continue
        result = load.at_rate(path, lambda path=path: load.ask(port, path)[0], args.rate, args.seconds)
        print(result.row(), flush=True)
    sizes = load.first_view_bytes(port)
    print(f"first view of the dashboard: {sum(sizes.values()) / 1000:.0f} kB in {len(sizes)} requests")
    for path, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"  {size / 1000:7.1f} kB {path}")


def _paths(mac: str, cycle: int) -> list[str]:
    return [
        "/", "/dashboard/chart?span=1h", "/dashboard/chart?span=30d", "/miners", "/miners?sort=power&page=5",
        f"/miners/{mac}", f"/miners/{mac}/chart?span=30d", "/models", "/events", "/events?outcome=not_applied",
        "/cycles", f"/cycles/{cycle}", "/settings", "/settings/history", "/settings/questionnaire", "/setup",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
