"""Small builders of rows: each adds and commits one row with sensible values; name what matters to the test.

They need an application context. Times are `now` unless given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from app import clock
from app.extensions import Base, db
from app.models import (
    BalanceCycle,
    BoardSample,
    JobRun,
    Miner,
    MinerModel,
    MinerPreset,
    MinerSample,
    MinerStatusRow,
    ModelPreset,
    OtherHost,
    PlantReadingRow,
    PlantRefusal,
    PlantSource,
    PresetChangeRow,
)

LADDER = (("1500", 1500, 60.0), ("2300", 2300, 85.0), ("2800", 2800, 98.0), ("3420", 3420, 110.0))
JOBS = (("plant", 15.0), ("balancer", 15.0), ("status", 15.0), ("commands", 1.0))


_in_one_go = False


def add(row: Base) -> Any:
    db.session.add(row)
    if _in_one_go:
        db.session.flush()
    else:
        db.session.commit()
    return row


@contextmanager
def in_one_go() -> Iterator[None]:
    """Commit once at the end: many rows in little time."""
    global _in_one_go  # noqa: PLW0603
    _in_one_go = True
    try:
        yield
        db.session.commit()
    finally:
        _in_one_go = False


def ago(seconds: float) -> datetime:
    return clock.utcnow() - timedelta(seconds=seconds)


def _columns(prefix: str, age_s: float) -> dict[str, Any]:
    return {
        f"{prefix}_at": ago(age_s),
        f"{prefix}_monotonic_s": clock.monotonic_s() - age_s,
        f"{prefix}_boot_id": clock.boot_id(),
    }


def reading(age_s: float = 5.0, **values: Any) -> PlantReadingRow:
    recorded_at = values.pop("recorded_at", ago(age_s))
    defaults: dict[str, Any] = {
        "plant_id": "plant-1",
        "recorded_at": recorded_at,
        "generation_kw": 3200.0,
        "container_kw": 40.0,
        "foreign_kw": 40.0,
        "available_kw": 3160.0,
        "confidence": 0.98,
        "sources": [
            {"name": "UG1", "kind": "generation", "role": "generation", "value_kw": 3200.0, "status": "success",
             "counted_kw": 3200.0},
            {"name": "C1", "kind": "consumption", "role": "foreign", "value_kw": 40.0, "status": "success",
             "counted_kw": 40.0},
        ],
        "unchanged_since": recorded_at,
        "age_at_receipt_s": 0.0,
        **_columns("received", age_s),
    }  # fmt: skip
    return add(PlantReadingRow(**(defaults | values)))


def source(name: str = "C1", kind: str = "consumption", **values: Any) -> PlantSource:
    role = "generation" if kind == "generation" else "foreign"
    defaults = {"name": name, "kind": kind, "role": role, "status": "success", "last_value_kw": 40.0}
    return add(PlantSource(**(defaults | values)))


def contradicted(name: str = "C1", **values: Any) -> PlantSource:
    """A meter in the role foreign that was found to contain the miners."""
    defaults = {"verdict": "contains", "slope": 1.04, "effect_kw": 412.0, "judged_role": "foreign",
                "judged_together": [name], "judged_reading_id": 1, "decided_at": ago(600), "checked_at": ago(30),
                "check_note": "it follows the miners"}  # fmt: skip
    return source(name, **(defaults | values))


def refusal(age_s: float = 0.0, **values: Any) -> PlantRefusal:
    defaults = {"refused_at": ago(age_s), "kind": "timeout", "reason": "the plant did not answer within 10 s"}
    return add(PlantRefusal(**(defaults | values)))


def model(alias: str = "s19jpro", ladder: tuple[Any, ...] = LADDER, **values: Any) -> MinerModel:
    defaults: dict[str, Any] = {"alias": alias, "name": f"Antminer {alias.upper()}", "created_at": ago(3600)}
    row = MinerModel(**(defaults | values))
    row.presets = [
        ModelPreset(name=name, firmware_power_w=power_w, hashrate_ths=ths, tuned_count=2, miner_count=3)
        for name, power_w, ths in ladder
    ]
    return add(row)


def miner(number: int = 1, model: MinerModel | None = None, *, online: bool = True, **values: Any) -> Miner:
    """Miner `number` with a fitting MAC and address, a ladder as its model's, and its last poll."""
    status = values.pop("status", {})
    defaults: dict[str, Any] = {
        "mac": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
        "ip": f"10.0.{number // 250}.{number % 250 + 1}",
        "model": model,
        "firmware_version": "1.2.6",
        "last_seen_at": ago(5 if online else 900),
        "created_at": ago(3600),
        "updated_at": ago(60),
    }
    row = Miner(**(defaults | values))
    if model is not None:
        row.presets = [
            MinerPreset(name=p.name, firmware_power_w=p.firmware_power_w, hashrate_ths=p.hashrate_ths, tuned=True,
                        modded_psu_required=p.modded_psu_required)
            for p in model.presets
        ]  # fmt: skip
    row.status = MinerStatusRow(**(_status(online) | status))
    return add(row)


def _status(online: bool) -> dict[str, Any]:
    return {
        "state": "mining",
        "raw_state": "mining",
        "running_preset": "2300",
        "power_w": 2310,
        "hashrate_ths": 85.5,
        "chip_temp_c": 71,
        "pcb_temp_c": 58,
        "uptime_s": 86_000,
        "fans": [{"fan": 1, "rpm": 5880, "ok": True}],
        "boards": [{"board": 1, "state": "mining", "hashrate_ths": 28.5}],
        "online": online,
        "missed_polls": 0 if online else 9,
        "accounted_power_w": 2300.0,
        **_columns("polled", 5.0 if online else 900.0),
    }


def cycle(age_s: float = 4.0, **values: Any) -> BalanceCycle:
    defaults: dict[str, Any] = {
        "recorded_at": ago(age_s),
        "mode": "observe",
        "policy": "stepwise",
        "status": "OK",
        "reason": "313 kW below the target, but no miner can be raised now",
        "generation_kw": 3200.0,
        "container_kw": 40.0,
        "foreign_kw": 40.0,
        "overhead_kw": 0.0,
        "available_kw": 3160.0,
        "safety_margin_percent": 10.0,
        "target_w": 2_844_000.0,
        "current_w": 2_531_000.0,
        "unmanaged_w": 0.0,
        "delta_w": 313_000.0,
        "planned_w": 2_600_000.0,
        "cut_capacity_w": 800_000.0,
        "raise_room_w": 400_000.0,
        **_columns("decided", age_s),
    }
    return add(BalanceCycle(**(defaults | values)))


def decided_cycle(age_s: float = 2.0, **values: Any) -> BalanceCycle:
    """A cycle that raises miner 1, passes over miner 2 (MAC ...:02), and leaves the others where they are."""
    raised = {
        "miner_id": 2, "mac": "02:00:00:00:00:01", "kind": "preset", "old_preset": "2300", "new_preset": "2800",
        "old_power_w": 2300.0, "new_power_w": 2800.0, "origin": "balancer",
        "reason": "2300 -> 2800: takes 500 W for 13.0 TH/s (38 W per TH/s, the best use of the farm's watts)",
    }  # fmt: skip
    defaults: dict[str, Any] = {
        "policy": "economic",
        "stays": "stays: surplus 313.0 kW has lasted 40 of 180 s",
        "changes_count": 1,
        "skipped_count": 1,
        "planned": [raised],
        "skipped": [{"mac": "02:00:00:00:00:02", "reason": "held by an operator"}],
    }
    return cycle(age_s, **(defaults | values))


def a_newer_change_follows(miner_id: int) -> None:
    """What the door does before it writes a change: of each miner one is the latest."""
    db.session.query(PresetChangeRow).filter_by(miner_id=miner_id, is_latest=True).update({"is_latest": False})


def change(miner: Miner, age_s: float = 60.0, **values: Any) -> PresetChangeRow:
    a_newer_change_follows(miner.id)
    defaults: dict[str, Any] = {
        "miner_id": miner.id,
        "kind": "preset",
        "origin": "balancer",
        "old_preset": "2300",
        "new_preset": "2800",
        "old_power_w": 2300.0,
        "new_power_w": 2800.0,
        "reason": "2300 -> 2800: takes 500 W for 13.0 TH/s (38 W per TH/s, the best use of the farm's watts)",
        "total_before_w": 2_531_000.0,
        "total_after_w": 2_531_500.0,
        "available_w": 3_160_000.0,
        "target_w": 2_844_000.0,
        "outcome": "confirmed",
        **_columns("recorded", age_s),
    }
    return add(PresetChangeRow(**(defaults | values)))


def job(name: str, interval_s: float = 15.0, age_s: float = 3.0, **values: Any) -> JobRun:
    defaults: dict[str, Any] = {"name": name, "interval_s": interval_s, "ok": True, "runs": 10}
    return add(JobRun(**(defaults | _columns("started", age_s) | _columns("finished", age_s) | values)))


def all_jobs(age_s: float = 1.0) -> None:
    for name, interval_s in JOBS:
        job(name, interval_s, age_s)


def sample(miner: Miner, age_s: float = 300.0, **values: Any) -> MinerSample:
    defaults: dict[str, Any] = {"state": "mining", "preset": "2300", "power_w": 2310, "hashrate_ths": 85.5,
                                "uptime_s": 100, "recorded_at": ago(age_s)}  # fmt: skip
    return add(MinerSample(miner_id=miner.id, **(defaults | values)))


def board_sample(miner: Miner, board: int = 1, age_s: float = 300.0, **values: Any) -> BoardSample:
    defaults: dict[str, Any] = {"state": "mining", "power_w": 770, "hashrate_ths": 28.5, "recorded_at": ago(age_s)}
    return add(BoardSample(miner_id=miner.id, board=board, **(defaults | values)))


def other_host(ip: str = "10.0.9.9", **values: Any) -> OtherHost:
    defaults = {"firmware": "stock", "draws_power": True, "first_seen_at": ago(3600), "last_seen_at": ago(60)}
    return add(OtherHost(ip=ip, **(defaults | values)))


def full_farm(miners: int = 12) -> None:
    """A farm with something of everything: two models, online and offline miners, events of all ends, jobs."""
    with in_one_go():
        _full_farm(miners)


def _full_farm(miners: int) -> None:
    jpro = model("s19jpro", max_preset="2800")
    xp = model("s21xp", ladder=(("2600", 2600, 180.0), ("3500", 3500, 230.0)))
    xp.presets.append(ModelPreset(name="disabled"))
    xp.presets.append(ModelPreset(name="4200", firmware_power_w=4200, hashrate_ths=260.0, modded_psu_required=True))
    db.session.flush()
    reading()
    cycle()
    all_jobs()
    source("UG1", "generation", last_value_kw=3200.0)
    source("C1")
    rows = [
        miner(n, xp if n % 4 == 3 else jpro, online=n % 5 != 4, managed=n % 3 != 0, label=f"C{n // 6 + 1}-{n:02d}")
        for n in range(miners)
    ]
    for n, row in enumerate(rows):
        change(row, 30.0 * n + 20, outcome=("confirmed", "sent", "not_applied", "failed")[n % 4],
               error_message="Miner 10.0.0.4 refused to save the preset (500)." if n % 4 == 3 else None)  # fmt: skip
        sample(row)
        board_sample(row)
