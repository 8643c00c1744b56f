"""Did PowerHive keep its hard limits (SPEC 5)? Judged from the simulator's own log of writes, the journal of the test
and the rows of the database; nothing of `app` is used, so that a mistake there cannot hide here.

Every write is first joined with the intent row it came from. What an operator can change is judged over the span from
intent to write: a limit counts as broken only if the write was forbidden at every moment of it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from simulator import Simulator
from simulator.ladders import DISABLED
from simulator.miner import SimMiner, preset_in
from simulator.physics import HASHING
from tests.long.journal import Journal, Samples

COOLDOWN_S = 30.0
STALE_AFTER_S = 45.0
LONGEST_SEND_S = 13.0  # from intent to write: one run of a job
EARLY_S = 0.25  # how unevenly two calls may be under way
UNSEEN_S = 25.0  # how long the firmware's own doings may be unknown: a poll interval, a sweep, a cycle
ANSWER_S = 12.0  # a plant's answer may be that long under way
QUIET_PATHS = ("/lock", "/apikeys")
ROWS = """
    SELECT c.id, m.mac, c.kind, c.origin, c.old_preset, c.new_preset, c.outcome, c.recorded_monotonic_s, c.attempt,
           c.accepted, c.command_id
    FROM preset_changes c JOIN miners m ON m.id = c.miner_id ORDER BY c.id
"""


@dataclass
class Row:
    """One row of `preset_changes`, with the writes it led to."""

    id: int
    mac: str
    kind: str
    origin: str
    old_preset: str | None
    new_preset: str | None
    outcome: str
    at_s: float
    attempt: int
    accepted: int | None
    command_id: int | None
    writes: list[Sent] = field(default_factory=list)


@dataclass
class Sent:
    """One write as the simulated miner logged it. `what`: preset, restart, start or stop."""

    at_s: float
    what: str
    preset: str | None
    status: int


@dataclass
class Report:
    violations: list[str] = field(default_factory=list)
    undecidable: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class Audit:
    def __init__(self, database: Path, simulator: Simulator, journal: Journal, samples: Samples) -> None:
        self.simulator, self.journal, self.samples = simulator, journal, samples
        self.report = Report()
        with closing(sqlite3.connect(database, timeout=10)) as connection:
            self.rows = [Row(*values) for values in connection.execute(ROWS)]
            self.readings = connection.execute(
                "SELECT received_monotonic_s, age_at_receipt_s, generation_doubtful FROM plant_readings ORDER BY id"
            ).fetchall()
            self.terms = connection.execute(
                "SELECT started_monotonic_s, started_at, first_fresh_reading_at, first_full_poll_at "
                "FROM scheduler_terms ORDER BY id"
            ).fetchall()
            self.sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
        self.by_mac: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            self.by_mac[row.mac].append(row)
        self.least_gap_s = self.least_row_gap_s = self.longest_send_s = float("nan")

    def run(self) -> Report:
        for miner in self.simulator.miners:
            for sent in self._sent(miner):
                row = self._row_of(miner.mac, sent)
                if row is None:
                    self._broken(miner, sent, "has no intent row")
                    continue
                row.writes.append(sent)
                self._judge(miner, row, sent)
            self._cooldowns(miner)
        self._rows_are_true()
        self._readings_were_trustworthy()
        outcomes = Counter(row.outcome for row in self.rows)
        writes = Counter(sent.what for row in self.rows for sent in row.writes)
        self.report.facts |= {
            "rows": len(self.rows),
            "outcomes": dict(outcomes),
            "kinds": dict(Counter(f"{row.origin} {row.kind}" for row in self.rows)),
            "writes": dict(writes),
            "least_gap_s": round(self.least_gap_s, 2),
            "least_row_gap_s": round(self.least_row_gap_s, 2),
            "longest_send_s": round(self.longest_send_s, 2),
            "highest_attempt": max((row.attempt for row in self.rows), default=0),
            "terms": len(self.terms),
            "readings": len(self.readings),
        }
        return self.report

    # --- joining ---

    def _sent(self, miner: SimMiner) -> list[Sent]:
        found = []
        for write in list(miner.writes):
            name = write.path.rsplit("/", 1)[-1]
            preset = preset_in(write.body)
            if write.path.endswith("/settings") and preset is not None:
                found.append(Sent(write.real_s, "preset", preset, write.status))
            elif "/mining/" in write.path and name in ("restart", "start", "stop"):
                found.append(Sent(write.real_s, name, None, write.status))
            elif not write.path.endswith(QUIET_PATHS):
                self.report.violations.append(f"{miner.mac}: an unexpected write to {write.path}")
        return found

    def _row_of(self, mac: str, sent: Sent) -> Row | None:
        kinds = {"preset": ("preset", "start"), "restart": ("preset",), "start": ("start",), "stop": ("stop",)}
        fitting = [
            row
            for row in self.by_mac[mac]
            if 0 <= sent.at_s - row.at_s <= LONGEST_SEND_S
            and row.kind in kinds[sent.what]
            and (sent.preset is None or row.new_preset == sent.preset)
            and (sent.what != "restart" or any(w.what == "preset" for w in row.writes))
        ]
        return fitting[-1] if fitting else None

    # --- one write ---

    def _judge(self, miner: SimMiner, row: Row, sent: Sent) -> None:
        self.longest_send_s = _max(self.longest_send_s, sent.at_s - row.at_s)
        if sum(other.what == sent.what for other in row.writes) > 1:
            self._broken(miner, sent, f"was sent twice for row {row.id}")
        self._judge_who(miner, row, sent)
        if sent.what == "preset":
            self._judge_preset(miner, row, sent)
        if sent.what in ("start", "restart"):
            self._judge_start(miner, row, sent)

    def _judge_who(self, miner: SimMiner, row: Row, sent: Sent) -> None:
        span = (row.at_s, sent.at_s)
        managed = self.journal.managed[miner.mac].possible(*span)
        held = self.journal.held[miner.mac].possible(*span)
        if row.origin == "balancer":
            if "armed" not in self.journal.mode.possible(*span):
                self._broken(miner, sent, "automatic, but not armed")
            if True not in managed:
                self._broken(miner, sent, "automatic on an unmanaged miner")
            if False not in held:
                self._broken(miner, sent, "automatic on a held miner")
        else:
            if True not in managed and True not in held:
                self._broken(miner, sent, "by hand on a miner neither managed nor held")
            ordered = any(
                mac == miner.mac and preset == row.new_preset and at <= row.at_s <= at + 120
                for at, mac, preset in self.journal.orders
            )
            pressed = set(self.journal.override.possible(row.at_s - LONGEST_SEND_S, sent.at_s)) & {"minimum", "stop"}
            if not ordered and not pressed:
                self._broken(miner, sent, "as an operator's order that nobody gave")
        if all(ceiling is None for ceiling in self.journal.max_w[miner.model.alias].possible(*span)):
            self._broken(miner, sent, "on a model without max preset")

    def _judge_preset(self, miner: SimMiner, row: Row, sent: Sent) -> None:
        assert sent.preset is not None
        preset = miner.model.preset(sent.preset)
        if preset.name == DISABLED or preset.modded_psu_required:
            self._broken(miner, sent, "a forbidden preset")
        ceilings = [w for w in self.journal.max_w[miner.model.alias].possible(row.at_s, sent.at_s) if w is not None]
        if ceilings and preset.power_w > max(ceilings):
            self._broken(miner, sent, f"above the max preset of {max(ceilings)} W")
        if row.origin == "balancer" and (row.kind == "start" or self._is_raise(miner, preset.power_w, sent.at_s)):
            self._judge_raise(miner, row, sent)

    def _is_raise(self, miner: SimMiner, power_w: int, at_s: float) -> bool:
        """More than anything it ran of late: what it ran at this very moment PowerHive cannot know."""
        ran = [
            miner.model.preset(preset).power_w
            for preset, state in self.samples.running_between(miner.mac, at_s - UNSEEN_S, at_s)
            if state in HASHING
        ]
        return bool(ran) and power_w > max(ran)

    def _judge_raise(self, miner: SimMiner, row: Row, sent: Sent) -> None:
        known = [reading for reading in self.readings if reading[0] <= row.at_s]
        if not known:
            self._broken(miner, sent, "a raise without any reading")
            return
        received_s, age_s, _ = known[-1]
        if row.at_s - received_s + age_s > STALE_AFTER_S + EARLY_S:
            self._broken(miner, sent, f"a raise on a reading of {row.at_s - received_s + age_s:.1f} s")
        in_force = [r for r in known[:-1] if r[0] > row.at_s - LONGEST_SEND_S] + known[-1:]
        before = [r for r in known if r[0] <= row.at_s - LONGEST_SEND_S][-1:]
        if all(doubtful for _, _, doubtful in before + in_force):
            self._broken(miner, sent, "a raise while a generation source had failed")
        term = [term for term in self.terms if term[0] <= row.at_s][-1]
        for what, at in (("fresh reading", term[2]), ("full poll", term[3])):
            if at is None or _utc_s(at) - _utc_s(term[1]) > row.at_s - term[0] + EARLY_S:
                self._broken(miner, sent, f"a raise before one {what} since the start")

    def _judge_start(self, miner: SimMiner, row: Row, sent: Sent) -> None:
        """Limit 7: what a technician stopped stays stopped, whatever is sent."""
        for stopped_s, until_s in self.journal.technician_stops.get(miner.mac, []):
            if not stopped_s + 0.5 < sent.at_s < until_s:
                continue
            ours = any(w.what == "stop" and stopped_s - 1 < w.at_s < sent.at_s for r in self.by_mac[miner.mac]
                       for w in r.writes)  # fmt: skip
            unseen = row.at_s < stopped_s + UNSEEN_S
            if ours:
                self.report.undecidable.append(f"{miner.mac}: stopped by a technician and, not knowing, by PowerHive")
            elif unseen and sent.what == "restart" and sent.at_s - stopped_s < 3:
                self.report.undecidable.append(f"{miner.mac}: a restart crossed a technician's stop")
            else:
                self._broken(miner, sent, f"{sent.at_s - stopped_s:.1f} s after a technician stopped it")

    # --- more than one ---

    def _cooldowns(self, miner: SimMiner) -> None:
        done = [row for row in self.by_mac[miner.mac] if row.writes]
        for one, other in pairwise(self.by_mac[miner.mac]):
            if other.kind != "stop":
                self.least_row_gap_s = _min(self.least_row_gap_s, other.at_s - one.at_s)
        for one, other in pairwise(done):
            gap_s = other.writes[0].at_s - one.writes[0].at_s
            if other.kind == "stop":
                continue
            self.least_gap_s = _min(self.least_gap_s, gap_s)
            if gap_s < COOLDOWN_S - EARLY_S:
                self._broken(
                    miner, other.writes[0],
                    f"{gap_s:.2f} s after {one.kind} {one.new_preset} (rows {other.at_s - one.at_s:.2f} s apart)",
                )  # fmt: skip

    def _rows_are_true(self) -> None:
        if self.sound != "ok":
            self.report.violations.append(f"the database is not sound: {self.sound}")
        for row in self.rows:
            if row.outcome == "sending":
                self.report.violations.append(f"row {row.id} stayed `sending`")
            spans = self.journal.babble.get(row.mac, [])  # any 200 to a stop is a yes (CONTRACT 5), a web page too
            babbled = any(first <= row.at_s + LONGEST_SEND_S and row.at_s <= last for first, last in spans)
            if row.accepted and not babbled and not any(sent.status == 200 for sent in row.writes):
                self.report.violations.append(f"row {row.id} says accepted, but {row.mac} never took it")

    def _readings_were_trustworthy(self) -> None:
        for received_s, _, _ in self.readings:
            for first_s, last_s, fault in self.journal.untrustworthy:
                if first_s + ANSWER_S < received_s < last_s:
                    self.report.violations.append(f"a reading counted while the plant answered with {fault}")

    def _broken(self, miner: SimMiner, sent: Sent, how: str) -> None:
        what = sent.what if sent.preset is None else f"{sent.what} {sent.preset}"
        self.report.violations.append(f"{miner.mac} ({miner.model.alias}) at {sent.at_s:.1f}: {what} {how}")


def _min(one: float, other: float) -> float:
    return other if one != one else min(one, other)


def _max(one: float, other: float) -> float:
    return other if one != one else max(one, other)


def _utc_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
