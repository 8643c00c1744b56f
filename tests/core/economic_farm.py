"""A calm farm under the economic policy, and miners that PowerHive stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.core.readings import MinerState
from app.core.types import CycleMemory, MinerView, Snapshot
from tests.core.builders import fleet, miner, snapshot, stamp

ALL_ALONG = 12  # readings before, until room has lasted for three minutes

MARGIN_FREE = {"policy": "economic", "safety_margin_percent": 0.0}


def farm(kw: float, recent: tuple[float, ...] | None = None, miners: Any = None, **values: Any) -> Snapshot:
    """Return a calm economic farm of 20 S19j Pro at 2300 W = 46 kW. `recent`: the readings before (kW)."""
    known = fleet(20) if miners is None else miners
    before = (kw,) * 11 if recent is None else recent
    return snapshot(known, kw, recent_available_kw=before, **(MARGIN_FREE | values))


def memory(age_s: float) -> CycleMemory:
    return CycleMemory(reoptimised_at=stamp(-age_s))


def stopped_one(number: int = 21, alias: str = "s19jpro") -> Any:
    return miner(number, alias, runs=None, state=MinerState.STOPPED, stopped_by_us=True)


def stopped(count: int) -> list[MinerView]:
    return [replace(stopped_one(), id=n, mac=f"02:00:00:00:01:{n:02x}") for n in range(101, 101 + count)]
