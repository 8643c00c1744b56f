"""Kill -9 of the master at random moments while changes are going out.

Wanted, 20 times: after the restart no change stays `sending`, the cooldown holds across restarts, and the database
is sound.

    python -m benchmarks.kill9 [--rounds 20] [--miners 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.whole_program import Program, prepared

COOLDOWN_S = 30.0
MARGINS = (2.0, 45.0)  # swings the target from one end of the farm's ladders to the other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--miners", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, prepared(Program(Path(folder), miners=options.miners)) as program:
        program.start()
        program.ask("/api/settings", {"surplus_lasts_s": 0}, "PATCH")
        problems = [problem for number in range(options.rounds) for problem in _round(program, number, chance)]
        problems += _cooldown_violations(program)
        changes, unknown = program.rows("SELECT count(*), sum(outcome = 'unknown') FROM preset_changes")[0]
        print(f"{options.rounds} kills, {changes} changes in all, {unknown or 0} ended as unknown")
    print("\n".join(problems) if problems else "as wanted")
    sys.exit(1 if problems else 0)


def _round(program: Program, number: int, chance: random.Random) -> list[str]:
    """Make the farm move, kill the master while it does, start it again, and look."""
    newest = program.rows("SELECT coalesce(max(id), 0) FROM preset_changes")[0][0]
    program.set_margin(MARGINS[number % 2])
    ends_s = time.monotonic() + COOLDOWN_S + 15
    while time.monotonic() < ends_s:  # miners changed last time are still cooling down
        if program.rows("SELECT count(*) FROM preset_changes WHERE id > ?", newest)[0][0]:
            break
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.6))
    program.kill()
    sending = program.rows("SELECT count(*) FROM preset_changes WHERE outcome = 'sending'")[0][0]
    made = program.rows("SELECT count(*) FROM preset_changes WHERE id > ?", newest)[0][0]
    sound_dead = program.rows("PRAGMA integrity_check")[0][0]
    highest = program.rows("SELECT coalesce(max(id), 0) FROM preset_changes")[0][0]
    terms = program.rows("SELECT count(*) FROM scheduler_terms")[0][0]
    program.start()
    while program.rows("SELECT count(*) FROM scheduler_terms")[0][0] == terms:
        time.sleep(0.05)
    time.sleep(4)  # its first cycles
    stuck = program.rows("SELECT count(*) FROM preset_changes WHERE outcome = 'sending' AND id <= ?", highest)[0][0]
    sound = program.rows("PRAGMA integrity_check")[0][0]
    print(f"{number + 1:2}: {made:3} changes going out, {sending:3} `sending` when killed, {stuck} after the restart; "
          f"{sound_dead}, {sound}", flush=True)  # fmt: skip
    problems = [f"round {number + 1}: {stuck} changes stayed `sending`"] if stuck else []
    if (sound_dead, sound) != ("ok", "ok"):
        problems.append(f"round {number + 1}: integrity {sound_dead}, {sound}")
    return problems


def _cooldown_violations(program: Program) -> list[str]:
    """Two changes on one miner closer than the cooldown; only stopping is exempt (SPEC 5.3)."""
    rows = program.rows("SELECT miner_id, recorded_monotonic_s, kind FROM preset_changes ORDER BY miner_id, id")
    return [
        f"miner {miner}: {kind} {second - first:.1f} s after another change"
        for (one, first, _), (miner, second, kind) in pairwise(rows)
        if one == miner and kind != "stop" and second - first < COOLDOWN_S
    ]


if __name__ == "__main__":
    main()
