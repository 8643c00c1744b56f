"""The audit itself: each broken limit is found, and a clean deed is none. Quick: nothing is served, no time passes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from simulator import FarmSpec, MinerSpec, SimMiner, Simulator
from simulator.http_server import Reply
from simulator.miner import Write
from tests.long.audit import Audit
from tests.long.journal import Journal, Samples, Timeline

AT = 1000.0  # when the change of each test is decided; the term began at 100, the reading is of 995
TERM = (100.0, "2026-11-20 12:00:00", "2026-11-20 12:00:05", "2026-11-20 12:00:10")


class Scene:
    def __init__(self, folder: Path) -> None:
        self.simulator = Simulator(FarmSpec([MinerSpec("s19", preset="2100")]))
        self.miner: SimMiner = self.simulator.miners[0]
        mac = self.miner.mac
        self.journal = Journal(
            Timeline.of("armed"), Timeline.of("none"), {"s19": Timeline.of(2620)},
            {mac: Timeline.of(True)}, {mac: Timeline.of(False)},
        )  # fmt: skip
        self.samples = Samples(self.simulator, self.journal)
        self.samples.miners[mac] = [(0.0, "2100", "mining")]
        self.rows: list[tuple[Any, ...]] = []
        self.readings: list[tuple[float, float, int]] = [(995.0, 2.0, 0)]
        self.terms = [TERM]
        self.path = folder / "audited.db"

    def change(self, preset: str | None, at_s: float = AT, *, kind: str = "preset", **columns: Any) -> None:
        """A row and the write it led to."""
        row = {"origin": "balancer", "outcome": "confirmed", "accepted": 1, **columns}
        self.rows.append(
            (len(self.rows) + 1, 1, kind, row["origin"], "2100", preset, row["outcome"], at_s, 1, row["accepted"], None)
        )
        self.write(preset, at_s + 0.1, kind)

    def write(self, preset: str | None, at_s: float, kind: str = "preset") -> None:
        body = None if preset is None else {"miner": {"overclock": {"preset": preset}}}
        path = "/api/v1/settings" if kind == "preset" else f"/api/v1/mining/{kind}"
        self.miner.writes.append(Write(at_s, at_s, path, body, Reply().status))

    def violations(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(
                "CREATE TABLE miners (id, mac); CREATE TABLE preset_changes (id, miner_id, kind, origin, old_preset,"
                " new_preset, outcome, recorded_monotonic_s, attempt, accepted, command_id);"
                "CREATE TABLE plant_readings (id INTEGER PRIMARY KEY, received_monotonic_s, age_at_receipt_s,"
                " generation_doubtful); CREATE TABLE scheduler_terms (id INTEGER PRIMARY KEY, started_monotonic_s,"
                " started_at, first_fresh_reading_at, first_full_poll_at);"
            )
            connection.execute("INSERT INTO miners VALUES (1, ?)", (self.miner.mac,))
            connection.executemany(f"INSERT INTO preset_changes VALUES ({','.join('?' * 11)})", self.rows)
            connection.executemany("INSERT INTO plant_readings VALUES (NULL, ?, ?, ?)", self.readings)
            connection.executemany("INSERT INTO scheduler_terms VALUES (NULL, ?, ?, ?, ?)", self.terms)
            connection.commit()
        return Audit(self.path, self.simulator, self.journal, self.samples).run().violations


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_raise_on_fresh_data_and_a_cut_after_the_cooldown_are_clean(scene: Scene) -> None:
    scene.change("2350")
    scene.change("1900", AT + 31)
    scene.change(None, AT + 33, kind="stop")
    assert scene.violations() == []


def _unmanaged(scene: Scene) -> None:
    scene.journal.managed[scene.miner.mac] = Timeline.of(False)
    scene.change("1900")


def _held(scene: Scene) -> None:
    scene.journal.held[scene.miner.mac] = Timeline.of(True)
    scene.change("1900")


def _observing(scene: Scene) -> None:
    scene.journal.mode = Timeline.of("observe")
    scene.change("1900")


def _without_ceiling(scene: Scene) -> None:
    scene.journal.max_w["s19"] = Timeline.of(None)
    scene.change("1900")


def _too_soon(scene: Scene) -> None:
    scene.change("1900")
    scene.change("1700", AT + 29)


def _stale(scene: Scene) -> None:
    scene.readings = [(AT - 50, 0.0, 0)]
    scene.change("2350")


def _doubtful(scene: Scene) -> None:
    scene.readings = [(AT - 20, 0.0, 1), (AT - 5, 0.0, 1)]
    scene.change("2350")


def _unpolled(scene: Scene) -> None:
    scene.terms = [(*TERM[:3], None)]  # type: ignore[list-item]
    scene.change("2350")


def _technicians(scene: Scene) -> None:
    scene.journal.technician_stops[scene.miner.mac] = [[AT - 60, AT + 60]]
    scene.change("1900")
    scene.write(None, AT + 0.2, "restart")


def _sending(scene: Scene) -> None:
    scene.change("1900", outcome="sending", accepted=None)


def _refusable(scene: Scene) -> None:
    scene.journal.untrustworthy.append((AT - 30, AT, "nan"))


@pytest.mark.parametrize(
    "deed, word",
    [
        (lambda scene: scene.write("1900", AT), "no intent row"),
        (lambda scene: scene.change("2950"), "above the max preset"),
        (lambda scene: scene.change("disabled"), "forbidden preset"),
        (lambda scene: scene.change("1900", origin="operator"), "nobody gave"),
        (_unmanaged, "unmanaged"), (_held, "held"), (_observing, "not armed"), (_without_ceiling, "without max preset"),
        (_too_soon, "29.00 s after"), (_stale, "50.0 s"), (_doubtful, "generation source"), (_unpolled, "full poll"),
        (_technicians, "technician"), (_sending, "stayed `sending`"), (_refusable, "answered with nan"),
    ],
)  # fmt: skip
def test_what_breaks_a_limit_is_found(scene: Scene, deed: Callable[[Scene], None], word: str) -> None:
    deed(scene)
    violations = scene.violations()
    assert len(violations) == 1, violations
    assert word in violations[0]
