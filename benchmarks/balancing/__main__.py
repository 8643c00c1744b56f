"""Print one table: policies, traces, their share of the bound, overload, switches, decision time.

`python -m benchmarks.balancing --miners 300 1000 --seed 7`. Further parts: `--static` (against the exact optimum),
`--decide` (decision time up to 20,000 miners), `--wrong` (wrong beliefs, failing commands, deaf miners).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from app.core.farm_hardware import Physics
from app.core.farm_model import Commands
from app.core.plan import plan
from app.core.types import MinerState, MinerView, Mode, PlantView, Settings, Snapshot, Stamp
from benchmarks.balancing import traces
from benchmarks.balancing.farm import Farm, Result, World
from benchmarks.balancing.fleet import LADDERS, fleet

POLICIES = {
    "stepwise": Settings(mode=Mode.ARMED, policy="stepwise"),
    "economic": Settings(mode=Mode.ARMED, policy="economic"),
    # The same allocation, from scratch each cycle, as if a switch cost nothing.
    "naive": Settings(mode=Mode.ARMED, policy="economic", raise_window_readings=3, raise_below_percent=0.0,
                      raise_step_percent=100.0, reoptimise_s=0, reoptimise_gain_percent=0.0),
}  # fmt: skip
DOUBLE = Physics(restart_s=80.0, ramp_s=120.0)
WORLDS = {
    "": World(),
    "15 + 20 s": World(Physics(restart_s=15.0, ramp_s=20.0)),
    "no restart": World(Physics(restart_s=0.0, ramp_s=1.0, idle=1.0)),
    "wrong": World(DOUBLE, Commands(fails=0.05), belief=0.1, deaf=0.05),
    "wrong factors": World(belief=0.1),
    "5 % fail": World(commands=Commands(fails=0.05)),
    "5 % deaf": World(deaf=0.05),
    "double settle": World(DOUBLE),
}
HEAD = ("| miners | trace | policy | % of bound | (off anywhere) | overload kWh | unavoidable | above available | "
        "reached s | changes/miner-day | decision ms |\n" + "| --- " * 11 + "|")  # fmt: skip


def run(job: tuple[int, int, str, str, str]) -> tuple[tuple[int, int, str, str, str], Result]:
    size, seed, trace, policy, physics = job
    farm = Farm(fleet(size, seed), traces.all_of(seed)[trace], POLICIES[policy], WORLDS[physics], seed)
    if policy == "naive":
        farm.miners = [replace(m, view=replace(m.view, switch_loss_s=0.0)) for m in farm.miners]
    result = farm.run()
    result.reasons.clear()
    return job, result


def table(jobs: list[tuple[int, int, str, str, str]], processes: int) -> None:
    print(HEAD)
    with ProcessPoolExecutor(processes) as pool:
        for (size, _, trace, policy, physics), r in pool.map(run, jobs):
            name = f"{trace} ({physics})" if physics else trace
            print(f"| {size} | {name} | {policy} | {r.share:.2f} | {r.share_off:.2f} | {r.overload_kwh:.2f} | "
                  f"{r.unavoidable_kwh:.2f} | {r.over_available_kwh:.2f} | {r.reached_s} | {r.changes:.1f} | "
                  f"{r.decision_ms:.1f} |", flush=True)  # fmt: skip


def decide(sizes: list[int], repeats: int = 5) -> None:
    """Print the time of one decision: a cut by 30 %, a raise, an exchange; learned factors differ by miner."""
    print("| miners | cut ms | raise ms | exchange ms |\n| --- | --- | --- | --- |")
    for size in sizes:
        farm = fleet(size, 11)
        views = [
            MinerView(
                id=i, mac=f"{i:012x}", ladder=LADDERS[alias], model_alias=alias, managed=True,
                max_preset=LADDERS[alias].presets[-1].name, max_preset_w=LADDERS[alias].presets[-1].firmware_power_w,
                state=MinerState.MINING, running_preset=LADDERS[alias].presets[5 + i % 6].name,
                power_factor=round(200 * float(farm.power[i])) / 200,
                hashrate_factor=round(200 * float(farm.hashrate[i])) / 200,
            )
            for i, alias in enumerate(farm.aliases)
        ]  # fmt: skip
        now = datetime(2026, 1, 1, tzinfo=UTC)
        base = Snapshot(Stamp(now, 1e6, "bench"), POLICIES["economic"], tuple(views), None, uptime_s=1e6,
                        fresh_since_start=True, polled_since_start=True)  # fmt: skip
        used_kw = plan(replace(base, plant=PlantView(1, now, 1e9, 0.0, 0.0))).current_w / 900.0
        row = []
        for share in (0.7, 1.3, 1.0):
            kw = used_kw * share
            picture = replace(base, plant=PlantView(1, now, kw, 0.0, 0.0), recent_available_kw=(kw,) * 12)
            if share == 1.0:
                picture = replace(picture, memory=replace(picture.memory, reoptimised_at=Stamp(now, 0.0, "bench")))
            took = []
            for _ in range(repeats):
                began = time.perf_counter()
                decided = plan(picture)
                took.append(1000.0 * (time.perf_counter() - began))
            assert decided.changes
            row.append(statistics.median(took))
        print(f"| {size} | " + " | ".join(f"{ms:.1f}" for ms in row) + " |", flush=True)


def static() -> None:
    """Print the worst and the mean share of the exact optimum."""
    from benchmarks.balancing.static import compare

    print("| miners | switching priced | worst % of MILP | mean % | solver ms |\n| --- | --- | --- | --- | --- |")
    for size, cases in ((50, 20), (300, 10), (1000, 4)):
        for priced in (False, True):
            worst, mean, took_ms = compare(size, cases, priced=priced)
            print(f"| {size} | {priced} | {worst:.4f} | {mean:.4f} | {took_ms:.2f} |", flush=True)


def main() -> int:
    cli = argparse.ArgumentParser(description="how well the farm is balanced")
    cli.add_argument("--miners", type=int, nargs="*", default=[50, 300])
    cli.add_argument("--seed", type=int, default=7)
    cli.add_argument("--policies", nargs="*", default=list(POLICIES))
    cli.add_argument("--traces", nargs="*", default=list(traces.all_of(0)))
    cli.add_argument("--physics", nargs="*", default=[""])
    cli.add_argument("--processes", type=int, default=2)
    for part in ("static", "decide"):
        cli.add_argument(f"--{part}", action="store_true")
    args = cli.parse_args()
    if args.static:
        static()
    elif args.decide:
        decide([300, 1000, 3000, 5000, 20_000])
    else:
        jobs = [(size, args.seed, trace, policy, physics) for size in args.miners for physics in args.physics
                for trace in args.traces for policy in args.policies]  # fmt: skip
        table(jobs, args.processes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
