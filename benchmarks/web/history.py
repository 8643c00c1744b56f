"""A month of history for a farm that exists: written by the database itself, as fast as it can.

What is written is what the program would have: a reading and a cycle every 15 s, a sample of each miner every 5 min,
ten changes per miner and day (the most that the balancing issue allows in a day of drops).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

DAY_S = 86_400
READING_S = 15
SAMPLE_S = 300
CHANGES_PER_MINER_DAY = 10

# The newest row of each table is the pattern: only what changes with time is computed. Times are texts in UTC, as
# SQLAlchemy writes them; `n` counts back from `until`, an epoch in seconds.
_AT = "strftime('%Y-%m-%d %H:%M:%S.000000', :until - n * :step, 'unixepoch')"
_STEPS = "WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps WHERE n < :count)"
_RIVER = "(0.8 + 0.2 * abs(((n * :step) % 86400) / 43200.0 - 1.0))"  # a day's swing


def fill(database: Path, days: float) -> dict[str, int]:
    """Write `days` of history that ends where the farm's own begins; return the rows of each table."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        (until,) = connection.execute(
            "SELECT CAST(strftime('%s', min(recorded_at)) AS INTEGER) - 60 FROM plant_readings"
        ).fetchone()
        readings = {"until": until, "step": READING_S, "count": int(days * DAY_S / READING_S)}
        samples = {"until": until, "step": SAMPLE_S, "count": int(days * DAY_S / SAMPLE_S)}
        with connection:
            _copy(connection, "plant_readings", readings, {
                "recorded_at": _AT, "received_at": _AT, "unchanged_since": _AT,
                "generation_kw": f"generation_kw * {_RIVER}", "available_kw": f"available_kw * {_RIVER}",
            })  # fmt: skip
            _copy(connection, "balance_cycles", readings, {
                "recorded_at": _AT, "decided_at": _AT, "reading_id": "NULL", "planned": "'[]'", "skipped": "'[]'",
                "target_w": f"target_w * {_RIVER}", "available_kw": f"available_kw * {_RIVER}",
            })  # fmt: skip
            connection.execute(
                f"{_STEPS} INSERT INTO miner_samples (miner_id, recorded_at, state, preset, power_w, hashrate_ths,"
                f" pcb_temp_c, chip_temp_c, uptime_s) SELECT miners.id, {_AT}, 'mining', miners.saved_preset,"
                " 2000 + (n * 37 + miners.id * 11) % 900, 85.0, 55, 70, n * 300 FROM miners CROSS JOIN steps",
                samples,
            )
            miners = connection.execute("SELECT count(*) FROM miners").fetchone()[0]
            changes = int(days * miners * CHANGES_PER_MINER_DAY)
            connection.execute(
                f"{_STEPS} INSERT INTO preset_changes (miner_id, kind, origin, old_preset, new_preset, old_power_w,"
                " new_power_w, reason, attempt, outcome, polled_unchanged, recorded_at, recorded_monotonic_s,"
                " recorded_boot_id, finished_at) SELECT 1 + n % :miners, 'preset', 'balancer', '2300', '1850', 2300,"
                " 1850, '2300 -> 1850: frees 450 W for 11 TH/s, the cheapest in the farm', 1,"
                f" CASE n % 50 WHEN 0 THEN 'not_applied' ELSE 'confirmed' END, 0, {_AT}, 0, 'before', {_AT}"
                " FROM steps ORDER BY n DESC",
                {"until": until, "step": max(1, int(days * DAY_S) // max(1, changes)), "count": changes,
                 "miners": miners},
            )  # fmt: skip
            connection.execute("UPDATE preset_changes SET is_latest = 0 WHERE is_latest")
            connection.execute(
                "UPDATE preset_changes SET is_latest = 1"
                " WHERE id IN (SELECT max(id) FROM preset_changes GROUP BY miner_id)"
            )
        connection.execute("ANALYZE")
        tables = ("plant_readings", "balance_cycles", "miner_samples", "preset_changes")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def _copy(connection: sqlite3.Connection, table: str, steps: dict[str, int], values: dict[str, str]) -> None:
    """Write the newest row of `table` once for each step back in time, with these `values` for some columns."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
    chosen = ", ".join(values.get(name, name) for name in names)
    connection.execute(
        f"{_STEPS} INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} FROM steps"
        f" CROSS JOIN (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) ORDER BY n DESC",
        steps,
    )
