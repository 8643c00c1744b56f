"""Small builders of the facts the rules see: ladders, miners, changes, a plant, a snapshot. W, kW, TH/s, seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core import ladder
from app.core.readings import Ladder, MinerState, Preset, Stamp
from app.core.types import (
    ChangeKind,
    ChangeView,
    CycleMemory,
    MinerView,
    Mode,
    Outcome,
    Plan,
    PlantView,
    PresetChange,
    Settings,
    Snapshot,
)

POLICY = "stepwise"  # the classic rule, unless a test says otherwise
T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)

S19JPRO = ((1740, 65), (1850, 76), (2000, 80), (2150, 83), (2300, 87), (2500, 92), (2700, 96), (2970, 100))
S19 = ((1100, 53), (1300, 58), (1500, 63), (1700, 68), (1900, 73), (2100, 78), (2350, 85), (2620, 91), (2950, 99))
S21PRO = tuple((2550 + 90 * i, 170 + 6 * i) for i in range(12))  # flat: 15 W/TH over the whole ladder
MODELS = {"s19jpro": S19JPRO, "s19": S19, "s21pro": S21PRO}


def stamp(seconds: float = 0.0, boot: str = "boot", wall_ahead_s: float = 0.0) -> Stamp:
    """Return the moment `seconds` after T0 of one boot; `wall_ahead_s`: how far the wall clock is off."""
    return Stamp(T0 + timedelta(seconds=seconds + wall_ahead_s), 1000.0 + seconds, boot)


def preset(power_w: int | None, ths: float | None = None, **facts: Any) -> Preset:
    """Return a tuned preset named by its watts; any field may be given."""
    name = facts.pop("name", "odd" if power_w is None else str(power_w))
    return Preset(**{"name": name, "firmware_power_w": power_w, "hashrate_ths": ths, "tuned": True} | facts)


def ladder_of(steps: Iterable[tuple[int, float]], *more: Preset) -> Ladder:
    """Return a ladder of tuned presets, with the firmware's `disabled` and what else is given."""
    named = [preset(watts, ths) for watts, ths in steps]
    return ladder.build([*named, Preset("disabled", None), *more])


LADDERS = {alias: ladder_of(steps) for alias, steps in MODELS.items()}


def miner(number: int = 1, alias: str = "s19jpro", runs: str | None = "2300", **facts: Any) -> MinerView:
    """Return a managed miner that mines on preset `runs` and may go up to the top of its ladder."""
    steps = LADDERS[alias]
    top = [p for p in steps.presets if p.firmware_power_w is not None][-1]
    known: dict[str, Any] = {
        "id": number,
        "mac": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
        "ladder": steps,
        "model_alias": alias,
        "max_preset": top.name,
        "max_preset_w": top.firmware_power_w,
        "managed": True,
        "state": MinerState.MINING,
        "running_preset": runs,
        "saved_preset": runs,
    }
    if "max_preset" in facts and "max_preset_w" not in facts:
        named = steps.get(facts["max_preset"])
        facts["max_preset_w"] = None if named is None else named.firmware_power_w
    return MinerView(**known | facts)


def fleet(count: int, **facts: Any) -> tuple[MinerView, ...]:
    """Return `count` equal miners."""
    return tuple(miner(number, **facts) for number in range(1, count + 1))


def _watts(name: str | None, otherwise: float) -> float:
    return float(name) if name is not None and name.isdigit() else otherwise


def change(old: str | None = "2300", new: str | None = "2000", age_s: float = 20.0, **facts: Any) -> ChangeView:
    """Return a change between two presets named by their watts, sent and effective unless told otherwise."""
    kind = facts.get("kind", ChangeKind.PRESET)
    known: dict[str, Any] = {
        "kind": kind,
        "old_preset": old,
        "new_preset": None if kind is ChangeKind.STOP else new,
        "old_power_w": _watts(old, 30.0),
        "new_power_w": 30.0 if kind is ChangeKind.STOP else _watts(new, 2000.0),
        "outcome": Outcome.SENT,
        "age_s": age_s,
        "effective": True,
    }
    return ChangeView(**known | facts)


def plant(generation_kw: float = 100.0, foreign_kw: float = 0.0, **facts: Any) -> PlantView:
    """Return a fresh reading: what the turbines give and what load is foreign (kW)."""
    meter_kw = facts.get("miners_meter_kw")
    known: dict[str, Any] = {
        "reading_id": 1,
        "recorded_at": T0,
        "generation_kw": generation_kw,
        "container_kw": foreign_kw + (meter_kw or 0.0),
        "foreign_kw": foreign_kw,
    }
    return PlantView(**known | facts)


def settings(**values: Any) -> Settings:
    """Return the default settings, armed, with the policy of the test."""
    return replace(Settings(mode=Mode.ARMED, policy=POLICY), **values)


# Any surplus has lasted.
LASTED = CycleMemory(surplus_since=stamp(-3600), restart_room_since=stamp(-3600), restart_room_w=1e9)


def snapshot(miners: Iterable[MinerView] = (), generation_kw: float | None = 100.0, **facts: Any) -> Snapshot:
    """Return a snapshot in which everything is allowed: armed, fresh, polled, long up, a surplus that has lasted.

    Settings may be given by name beside the snapshot's own fields.
    """
    own = {name: facts.pop(name) for name in list(facts) if name in Snapshot.__slots__}
    view = own.pop("plant", None if generation_kw is None else plant(generation_kw))
    known: dict[str, Any] = {
        "now": stamp(),
        "settings": settings(**facts),
        "miners": tuple(miners),
        "plant": view,
        "memory": LASTED,
        "uptime_s": 3600.0,
        "fresh_since_start": True,
        "polled_since_start": True,
    }
    return Snapshot(**known | own)


def moves(plan: Plan) -> dict[int, str]:
    """Return what a plan does by miner: the new preset, or `stop`; a start is `start <preset>`."""
    return {planned.miner_id: _word(planned) for planned in plan.changes}


def _word(planned: PresetChange) -> str:
    if planned.kind is ChangeKind.STOP:
        return "stop"
    return f"start {planned.new_preset}" if planned.kind is ChangeKind.START else str(planned.new_preset)


def why(plan: Plan, miner_id: int) -> str | None:
    """Return why a miner was passed over, None where it was not."""
    return next((skip.reason for skip in plan.skipped if skip.miner_id == miner_id), None)
