"""One long scenario: a farm is disturbed for minutes, left in peace until it has recovered, and audited.

    python -m tests.long.scenario --menu everything --topology miners --seed 1 [--minutes 4] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import astuple
from pathlib import Path
from typing import get_args

from simulator.demo import Topology
from tests.long.audit import Audit, Report
from tests.long.chaos import MENUS, Chaos
from tests.long.farm import TestedFarm

SETTLE_S = 60.0
RECOVERY_S = 420.0  # five minutes until a change counts as not applied, and one to go on
RECOVERED_FOR_S = 20.0
TOLERANCE_W = 900  # the tolerance, and less than the step that would not fit


def run(folder: Path, menu: str, topology: Topology, seed: int, minutes: float) -> Report:
    with TestedFarm(folder, topology, seed).running() as farm:
        chaos = Chaos(farm, MENUS[menu])
        time.sleep(SETTLE_S)
        begun = time.monotonic()
        farm.journal.note("rage")
        chaos.rage(minutes * 60)
        recovered_s = _recovery(farm)
        raised = farm.samples.overload(begun)
        peaceful = farm.samples.overload(farm.journal.faults_ended_s + (recovered_s or RECOVERY_S))
        report = Audit(farm.database, farm.simulator, farm.journal, farm.samples).run()
        cycle = farm.rows(
            "SELECT current_w, target_w, delta_w, raise_room_w, reason FROM balance_cycles ORDER BY id DESC LIMIT 1"
        )[0]
        true_w = sum(
            farm.samples.power_w[m.mac] for m in farm.simulator.miners if farm.journal.managed[m.mac].now
        )
        report.facts = {
            "menu": menu, "topology": topology, "seed": seed,
            "overload": raised, "overload_after_recovery": peaceful,
            "recovered_s": None if recovered_s is None else round(recovered_s),
            "at_the_end": {"current_w": round(cycle[0]), "target_w": round(cycle[1]), "true_w": round(true_w),
                           "room_w": round(cycle[3]), "reason": cycle[4]},
        } | report.facts  # fmt: skip
        (folder / "events.txt").write_text("\n".join(f"{at:.1f} {what}" for at, what in farm.journal.events))
        lines = (",".join(f"{number:.1f}" for number in astuple(total)) for total in farm.samples.totals)
        (folder / "totals.csv").write_text("\n".join(lines))
        return report


def _recovery(farm: TestedFarm) -> float | None:
    """Seconds from the end of all faults until the farm was at its target, and stayed there for a while."""
    ended = farm.journal.faults_ended_s
    good_since: float | None = None
    while time.monotonic() - ended < RECOVERY_S:
        time.sleep(1.0)
        if not _at_target(farm):
            good_since = None
            continue
        good_since = good_since or time.monotonic()
        if time.monotonic() - good_since >= RECOVERED_FOR_S:
            return good_since - ended
    return None


def _at_target(farm: TestedFarm) -> bool:
    delta_w, room_w, stale = farm.rows(
        "SELECT delta_w, raise_room_w, data_age_s > 45 FROM balance_cycles ORDER BY id DESC LIMIT 1"
    )[0]
    newest = farm.samples.totals[-1]
    if stale or newest.demanded_kw > newest.given_kw:
        return False
    waiting = farm.asked("SELECT count(*) FROM miners WHERE managed AND NOT hold AND stopped_by_us_at IS NOT NULL")
    return abs(delta_w) <= TOLERANCE_W or (delta_w > 0 and room_w <= TOLERANCE_W and not waiting)


def main() -> int:
    cli = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    cli.add_argument("--menu", choices=sorted(MENUS), default="everything")
    cli.add_argument("--topology", choices=get_args(Topology), default="miners")
    cli.add_argument("--seed", type=int, default=1)
    cli.add_argument("--minutes", type=float, default=4.0)
    cli.add_argument("--keep", type=Path, default=None, help="a folder for the database, logs and events")
    args = cli.parse_args()
    with tempfile.TemporaryDirectory(prefix="powerhive-long-") as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = run(folder, args.menu, args.topology, args.seed, args.minutes)
        print(json.dumps(report.facts | {"violations": report.violations, "undecidable": report.undecidable}, indent=1))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
