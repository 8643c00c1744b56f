"""Print how well the farm is balanced: policies, traces, their share of the bound, overload, switches, decision time.

`python -m benchmarks.balancing --miners 50 300 1000 --seed 7`, other physics with `--worlds`. Further parts: `--prove`
(the issue's known rows beside ours), `--wrong` (wrong beliefs, failing commands, deaf miners, other physics),
`--static` (against the exact optimum), `--decide` (decision time up to 20,000 miners), `--large` (up to 20,000 miners
through one drop), `--week`, `--spread 10` (the economic policy over so many seeds: mean and standard error), `--causal`
(what noise allows those who do not know it beforehand). `--set cut_above_percent=0.1` tries other settings.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from app.core.farm_hardware import Physics
from app.core.farm_model import Commands
from app.core.plan import plan
from app.core.readings import Stamp
from app.core.types import Mode, PlantView, Settings, Snapshot
from app.garbage import collect_rarely
from benchmarks.balancing import prove, traces
from benchmarks.balancing.farm import Bench, Result, World, miner_view
from benchmarks.balancing.fleet import LADDERS, fleet
from benchmarks.balancing.planners import plan_naively

SETTINGS = {
    "stepwise": Settings(mode=Mode.ARMED, policy="stepwise"),
    "economic": Settings(mode=Mode.ARMED, policy="economic"),
    "naive": Settings(mode=Mode.ARMED, policy="naive", surplus_lasts_s=15),
}
DOUBLE = Physics(restart_s=80.0, ramp_s=120.0)
WORLDS = {
    "": World(),
    "15 + 20 s": World(Physics(restart_s=15.0, ramp_s=20.0)),
    "no restart": World(Physics(restart_s=0.0, ramp_s=1.0, idle=1.0)),
    "reading 10 s old": World(reading_age_s=10.0),
    "10 commands/s": World(commands=Commands(per_s=10.0)),
    "factors off by 10 %": World(belief=0.1),
    "5 % fail": World(commands=Commands(fails=0.05)),
    "5 % deaf": World(deaf=0.05),
    "double settle time": World(DOUBLE),
    "all four": World(DOUBLE, Commands(fails=0.05), belief=0.1, deaf=0.05),
    "all four, learning": World(DOUBLE, Commands(fails=0.05), belief=0.1, deaf=0.05, learns=True),
}
WRONG = [name for name in WORLDS if name]
HEAD = ("| miners | trace | policy | % of bound | (may stop any) | overload kWh | unavoidable from there | ratio | "
        "in band / slow / other % | perfect cutter | ratio | above available kWh | ratio | above target s | "
        "changes/miner-day | decision ms |\n" + "| --- " * 16 + "|")  # fmt: skip
LEAST_KWH = 0.05  # of less, no ratio is told


@dataclass(frozen=True)
class Job:
    """One trace in one world, under some policies."""

    size: int
    seed: int
    trace: str
    policies: tuple[str, ...]
    world: str = ""
    shortened_s: int | None = None
    foresight: bool = True
    changed: tuple[tuple[str, float], ...] = ()

    def settings(self, policy: str) -> Settings:
        return replace(SETTINGS[policy], **dict(self.changed))


@dataclass(frozen=True)
class Row:
    job: Job
    results: dict[str, Result]
    cutter_kwh: float
    foresight: float | None


def run(job: Job) -> Row:
    trace = traces.of(job.trace, job.seed)
    if job.shortened_s is not None:  # around the drop
        trace = trace[len(trace) // 3 - job.shortened_s // 3 :][: job.shortened_s]
    bench = Bench(fleet(job.size, job.seed), trace, WORLDS[job.world])
    results = {
        name: bench.run(job.settings(name), job.seed, plan_naively if name == "naive" else plan)
        for name in job.policies
    }
    cutter_kwh = bench.cutter_kwh(job.settings("economic"), job.seed) if "economic" in job.policies else np.nan
    return Row(job, results, cutter_kwh, bench.foresight() if job.foresight else None)


def table(jobs: list[Job], processes: int) -> None:
    """Print a line per job and policy; below, the issue's rows beside those that they can be compared with."""
    print(HEAD)
    compared: list[str | None] = []
    with ProcessPoolExecutor(processes) as pool:
        for row in pool.map(run, jobs):
            job = row.job
            name = f"{job.trace} ({job.world})" if job.world else job.trace
            like_given = job.size == prove.MINERS and not job.world and job.shortened_s is None
            if row.foresight is not None:
                compared += [prove.report_foresight(job.trace, row.foresight)] if like_given else []
                print(f"| {job.size} | {name} | foresight, at most | {row.foresight:.2f} |" + " |" * 12)
            for policy, r in row.results.items():
                compared += [prove.report(policy, job.trace, r.share, r.changes)] if like_given else []
                print(f"| {job.size} | {name} | {policy} | {r.share:.2f} | {r.share_off:.2f} | "
                      f"{_overload(r, row.cutter_kwh)} | {r.longest_s} | {r.changes:.1f} | {r.decision_ms:.1f} |",
                      flush=True)  # fmt: skip
    lines = sorted(line for line in compared if line is not None)
    if lines:
        print("\n| policy | trace | the issue | here | points | switches | within |\n" + "| --- " * 7 + "|")
        print("\n".join(lines), flush=True)


def spread(jobs: list[list[Job]], processes: int) -> None:
    """Print a line per trace and size, over all seeds of it; ratios are of the kWh of all seeds together."""
    print("| miners | trace | seeds | % of bound | from-to | foresight | changes/miner-day | overload kWh | "
          "ratio | with the band granted | to the perfect cutter | above available kWh | ratio | above target s |\n"
          + "| --- " * 14 + "|")  # fmt: skip
    with ProcessPoolExecutor(processes) as pool:
        for same in jobs:
            rows = list(pool.map(run, same))
            print(_spread(rows), flush=True)


def _spread(rows: list[Row]) -> str:
    results, job = [row.results["economic"] for row in rows], rows[0].job
    shares = [r.share for r in results]
    foresight = [row.foresight for row in rows if row.foresight is not None]
    over, above = [r.overload for r in results], [r.over_available for r in results]
    total_kwh, unavoidable_kwh = sum(o.total_kwh for o in over), sum(o.unavoidable_kwh for o in over)
    in_band_kwh, above_kwh = sum(o.in_band_kwh for o in over), sum(o.total_kwh for o in above)
    return " | ".join((
        f"| {job.size}", job.trace, f"{job.seed}-{rows[-1].job.seed}",
        _mean(shares), f"{min(shares):.2f}-{max(shares):.2f}",
        _mean(foresight) if foresight else "", _mean([r.changes for r in results]), f"{total_kwh:.2f}",
        _ratio(total_kwh, unavoidable_kwh), _ratio(total_kwh, unavoidable_kwh + in_band_kwh),
        _ratio(total_kwh, sum(row.cutter_kwh for row in rows)), f"{above_kwh:.2f}",
        _ratio(above_kwh, sum(o.unavoidable_kwh for o in above)), f"{max(r.longest_s for r in results)} |",
    ))  # fmt: skip


def _mean(values: list[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.2f} +- {error:.2f}"


def _overload(result: Result, cutter_kwh: float) -> str:
    over, above = result.overload, result.over_available
    causes = (over.in_band_kwh, over.slow_kwh, over.other_kwh)
    shares = " / ".join(f"{100.0 * kwh / over.total_kwh if over.total_kwh else 0.0:.1f}" for kwh in causes)
    cutter = ("", "") if np.isnan(cutter_kwh) else (f"{cutter_kwh:.2f}", _ratio(over.total_kwh, cutter_kwh))
    return " | ".join((
        f"{over.total_kwh:.2f}", f"{over.unavoidable_kwh:.2f}", _ratio(over.total_kwh, over.unavoidable_kwh), shares,
        *cutter, f"{above.total_kwh:.2f}", _ratio(above.total_kwh, above.unavoidable_kwh),
    ))  # fmt: skip


def _ratio(total_kwh: float, unavoidable_kwh: float) -> str:
    return f"{total_kwh / unavoidable_kwh:.3f}" if unavoidable_kwh >= LEAST_KWH else "-"


def decide(sizes: list[int], repeats: int = 5) -> None:
    """Print the time of one decision: a cut by 30 %, a raise, an exchange; learned factors differ by miner."""
    collect_rarely()  # as the program's master does
    print("| miners | cut ms | raise ms | exchange ms |\n| --- | --- | --- | --- |")
    for size in sizes:
        farm = fleet(size, 11)
        views = []
        for i, alias in enumerate(farm.aliases):
            view = miner_view(alias, i, round(200 * farm.power[i]) / 200, round(200 * farm.hashrate[i]) / 200)
            views.append(replace(view, running_preset=LADDERS[alias].presets[5 + i % 6].name))
        now = datetime(2026, 1, 1, tzinfo=UTC)
        base = Snapshot(Stamp(now, 1e6, "bench"), SETTINGS["economic"], tuple(views), None, uptime_s=1e6,
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
                began = time.process_time()
                decided = plan(picture)
                took.append(1000.0 * (time.process_time() - began))
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


def causal(seeds: range) -> None:
    """Print what noise allows without foresight: proven, and by the issue's rule of when to cut and to raise."""
    from benchmarks.balancing.causal import Noise, Prices, cheapest, most_share, share_by_the_rule

    farms = [fleet(prove.MINERS, seed) for seed in seeds]
    settings, loss_s = SETTINGS["economic"], World().loss_s
    band, least = settings.cut_above_percent / 100.0, settings.raise_below_percent / 100.0
    print("| trace | nobody exceeds % | by the rule, changes for nothing % | ... at the cheapest price % |\n"
          + "| --- " * 4 + "|")  # fmt: skip
    for trace, (deviation, over_s) in traces.NOISES.items():
        at_most, ruled, priced = [], [], []
        for seed, farm in zip(seeds, farms, strict=True):
            prices = cheapest(farm, loss_s)
            at_most.append(most_share(farm, Noise(traces.MIDDLE * farm.max_w, deviation, over_s), prices, band))
            for found, price in ((ruled, Prices(0.0, 0.0)), (priced, prices)):
                found.append(share_by_the_rule(
                    farm, traces.of(trace, seed) * farm.max_w, price, window=settings.raise_window_readings, band=band,
                    least=least, tolerance_w=settings.tolerance_w))  # fmt: skip
        print(f"| {trace} | {_mean(at_most)} | {_mean(ruled)} | {_mean(priced)} |", flush=True)


def main() -> int:
    cli = argparse.ArgumentParser(description="how well the farm is balanced")
    cli.add_argument("--miners", type=int, nargs="*", default=[300])
    cli.add_argument("--seed", type=int, default=7)
    cli.add_argument("--policies", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    cli.add_argument("--traces", nargs="*", default=traces.USUAL, choices=list(traces.TRACES))
    cli.add_argument("--worlds", nargs="*", default=[""], choices=list(WORLDS))
    cli.add_argument("--processes", type=int, default=2)
    cli.add_argument("--spread", type=int, default=0, metavar="SEEDS")
    cli.add_argument("--set", nargs="*", default=[], metavar="NAME=NUMBER")
    for part in ("prove", "wrong", "static", "decide", "large", "week", "causal"):
        cli.add_argument(f"--{part}", action="store_true")
    args = cli.parse_args()
    seed = args.seed
    changed = tuple((name, float(number)) for name, number in (told.split("=") for told in args.set))
    if args.static:
        static()
    elif args.causal:
        causal(range(seed, seed + max(1, args.spread)))
    elif args.decide:
        decide([300, 1000, 3000, 5000, 20_000])
    elif args.wrong:
        table([Job(300, seed, "drop 30 %", ("economic",), world, foresight=False) for world in WRONG], args.processes)
    elif args.large:
        sizes = (1000, 5000, 20_000)
        table([Job(size, seed, "drop 30 %", ("economic",), shortened_s=1500, foresight=False) for size in sizes],
              args.processes)  # fmt: skip
    elif args.week:
        table([Job(100, seed, "week", tuple(args.policies), foresight=False)], args.processes)
    elif args.prove:
        table([Job(prove.MINERS, seed, trace, prove.PROVING) for trace in traces.USUAL], args.processes)
    elif args.spread:
        spread([[Job(size, other, trace, ("economic",), foresight=size <= prove.MINERS, changed=changed)
                 for other in range(seed, seed + args.spread)]
                for size in args.miners for trace in args.traces], args.processes)  # fmt: skip
    else:
        table([Job(size, seed, trace, tuple(args.policies), world, changed=changed) for size in args.miners
               for world in args.worlds for trace in args.traces], args.processes)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
