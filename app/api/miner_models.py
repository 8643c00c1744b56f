"""The miner models: ladders, max preset, expected power per preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify

from app import clock
from app.api import answers, body, listing
from app.api.blueprint import bp
from app.core import switching
from app.core.ladder import OWN_HASHRATE_THS, OWN_POWER_W
from app.core.switching import Cost
from app.core.types import UntunedUse
from app.models import MinerModel
from app.store import miner_models
from app.store.miner_models import Learned

CHANGEABLE = ("max_preset", "presets_power", "allow_modded_psu", "settle_s", "switch_loss_s", "untuned_use", "version")
LARGEST_VERSION = 2**31 - 1
PRESET_FIELDS = ("preset", "power_w", "hashrate_th")


@bp.get("/models")
def all_models() -> Response:
    """Return every miner model, newest first."""
    learned = miner_models.learned()
    return listing.by_content(jsonify([_model(model, learned) for model in miner_models.all_models()]))


@bp.get("/models/<alias>")
def one_model(alias: str) -> Response:
    """Return one miner model."""
    model = miner_models.get(alias)
    return jsonify(_model(model, miner_models.learned(model.id)))


@bp.patch("/models/<alias>")
def change_model(alias: str) -> Response:
    """Set `max_preset` ("" or null clears it) and/or the expected numbers of some presets (`presets_power`).

    `settle_s` and `switch_loss_s`: own numbers of what a preset change costs; null goes back to the learned ones.
    `allow_modded_psu`: whether all its miners have a modified power supply.
    `untuned_use`: whether PowerHive may choose untuned presets by itself. `version`: the model's version that was
    looked at; 409 where it has changed since.
    """
    miner_models.get(alias)
    wanted = body.read(CHANGEABLE)
    changes: dict[str, Any] = {}
    if "max_preset" in wanted:
        name = wanted["max_preset"]
        if name is not None and not isinstance(name, str):
            body.refuse("max_preset", 'the name of a preset of the ladder, or "" or null for none', name)
        changes["max_preset"] = name
    if "allow_modded_psu" in wanted:
        changes["allow_modded_psu"] = body.boolean(wanted, "allow_modded_psu")
    for name, bounds in (("settle_s", switching.OWN_SETTLE_S), ("switch_loss_s", switching.OWN_LOSS_S)):
        if name in wanted:
            changes[name] = body.number(wanted, name, *bounds)
    if "untuned_use" in wanted:
        use = wanted["untuned_use"]
        if not isinstance(use, str) or use not in set(UntunedUse):
            body.refuse("untuned_use", f"one of {', '.join(UntunedUse)}", use)
        changes["untuned_use"] = use
    if "presets_power" in wanted:
        changes["expected"] = _expected(wanted["presets_power"])
    version = body.whole_number(wanted, "version", 1, LARGEST_VERSION)
    model = miner_models.change(alias, changes, version, who=answers.who(), now=clock.utcnow())
    return jsonify(_model(model, miner_models.learned()))


def _expected(rows: Any) -> dict[str, dict[str, Any]]:
    shape = "a list of objects with preset, power_w and hashrate_th"
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        body.refuse("presets_power", shape, rows)
    expected: dict[str, dict[str, Any]] = {}
    for row in rows:
        unknown = [name for name in row if name not in PRESET_FIELDS]
        if unknown or not isinstance(row.get("preset"), str):
            body.refuse("presets_power", shape, row)
        if row["preset"] in expected:
            body.refuse("presets_power", "a list that names each preset once", row["preset"])
        expected[row["preset"]] = _numbers(row)
    return expected


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers a row names; null or 0 clears one, an absent one is left as it is."""
    power = body.number(row, "power_w", *OWN_POWER_W, words="a whole number", name="presets_power.power_w")
    if power is not None and power != int(power):
        body.refuse("presets_power.power_w", f"a whole number from 0 to {OWN_POWER_W[1]}, or null", row["power_w"])
    hashrate = body.number(row, "hashrate_th", *OWN_HASHRATE_THS, name="presets_power.hashrate_th")
    numbers = {"expected_power_w": int(power) if power else None, "expected_hashrate_ths": hashrate or None}
    named = {"expected_power_w": "power_w", "expected_hashrate_ths": "hashrate_th"}
    return {column: value for column, value in numbers.items() if named[column] in row}


def _model(model: MinerModel, learned: Mapping[tuple[int, str], Learned]) -> dict[str, Any]:
    rungs = miner_models.rungs(model)
    costs = miner_models.costs(model)
    return {
        "name": model.name,
        "alias": model.alias,
        "max_preset": model.max_preset,
        "presets": [rung.name for rung in rungs],
        "presets_power": [
            {
                "preset": rung.name,
                "power_w": rung.expected_power_w or rung.firmware_power_w or 0,
                "hashrate_th": rung.expected_hashrate_ths or rung.hashrate_ths or 0.0,
                "firmware_power_w": rung.firmware_power_w,
                "configured": rung.expected_power_w is not None or rung.expected_hashrate_ths is not None,
                "modded_psu_required": rung.modded_psu_required,
                "tuned_count": rung.tuned_count,
                "miner_count": rung.miner_count,
                **_learned(learned.get((model.id, rung.name), Learned(0, None, None))),
            }
            for rung in rungs
        ],
        "created_at": answers.instant(model.created_at),
        "allow_modded_psu": model.allow_modded_psu,
        "untuned_use": model.untuned_use,
        "version": model.version,
        "settle_s": model.settle_s,
        "switch_loss_s": model.switch_loss_s,
        "switch_loss_counted_s": switching.loss_s(costs, model.switch_loss_s),
        "learned_with_restart": _cost(costs.with_restart),
        "learned_without_restart": _cost(costs.without_restart),
    }


def _learned(seen: Learned) -> dict[str, Any]:
    """What the preset draws and hashes on average; null where none of its miners has learned it."""
    return {
        "learned_power_w": None if seen.power_w is None else round(seen.power_w),
        "learned_hashrate_th": None if seen.hashrate_ths is None else round(seen.hashrate_ths, 1),
        "learned_miner_count": seen.miners,
    }


def _cost(cost: Cost) -> dict[str, Any]:
    """The medians of the measured changes of one kind; null while they are too few."""
    return {"events": cost.events, "settle_s": cost.settle_s, "switch_loss_s": cost.loss_s}
