"""The miner models: their ladders, the operator's max preset and expected numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session, selectinload, undefer
from sqlalchemy.sql.base import ExecutableOption

from app.core import ladder_curve, switching
from app.core.audit import Action
from app.core.ladder import DISABLED
from app.core.ladder_curve import Point, Rung
from app.core.switching import Costs
from app.errors import Conflict, NotFound, SettingError
from app.extensions import db, writing
from app.models import Miner, MinerModel, MinerPreset, MinerStatusRow, ModelPreset
from app.store import audit


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a max preset would mean: how many miners could draw how much at most (W each, kW together).

    `power_w` None: there is no max preset, the miners are not touched.
    """

    miners: int
    managed: int
    preset: str
    power_w: int | None
    total_kw: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What a model's miners were seen to draw and to hash, on average, where they run a preset (W, TH/s).

    By their factors, which each miner learns on the presets it runs; `miners`: how many have learned one.
    """

    miners: int
    power_w: float | None
    hashrate_ths: float | None


def all_models() -> list[MinerModel]:
    """Return every miner model with its ladder, newest first."""
    return list(db.session.scalars(select(MinerModel).options(*_whole()).order_by(MinerModel.id.desc())))


def get(alias: str) -> MinerModel:
    """Return one miner model by its firmware alias.

    Raises:
        NotFound: no such model.
    """
    return _by_alias(db.session, alias)


def rungs(model: MinerModel) -> list[ModelPreset]:
    """Return a model's presets by firmware watts, unknown watts last."""
    return sorted(model.presets, key=lambda p: (p.firmware_power_w is None, p.firmware_power_w or 0, p.name))


def unfit(preset: ModelPreset, allow_modded_psu: bool) -> str | None:
    """Return why a preset cannot be a max preset (SPEC 5.4), or None."""
    if preset.name.casefold() == DISABLED:
        return "it means manual clocks with unknown watts"
    if preset.firmware_power_w is None:
        return "its firmware watts are unknown"
    if preset.modded_psu_required and not allow_modded_psu:
        return "it needs a modified power supply"
    return None


def max_preset_choices(model: MinerModel) -> list[ModelPreset]:
    """Return the presets that the operator may choose as max preset, lowest first."""
    return [preset for preset in rungs(model) if unfit(preset, model.allow_modded_psu) is None]


def counts() -> dict[int, tuple[int, int]]:
    """Return (miners, managed miners) by model id, without retired ones."""
    managed = func.sum(func.coalesce(Miner.managed, False).cast(db.Integer))
    query = select(Miner.model_id, func.count(Miner.id), managed)
    query = query.where(Miner.model_id.is_not(None), Miner.retired.is_(False)).group_by(Miner.model_id)
    return {model_id: (total, int(some or 0)) for model_id, total, some in db.session.execute(query)}


def learned(model_id: int | None = None) -> dict[tuple[int, str], Learned]:
    """Return what was learned (of one model, None: of all), by model id and preset; nothing where nobody has."""
    status, rung = MinerStatusRow, MinerPreset
    query = (
        select(
            Miner.model_id, rung.name, func.count(),
            func.avg(rung.firmware_power_w * status.power_factor), func.avg(rung.hashrate_ths * status.hashrate_factor),
        )
        .join(status, status.miner_id == Miner.id)
        .join(rung, rung.miner_id == Miner.id)
        .where(Miner.model_id.is_not(None), Miner.retired.is_(False), status.power_factor.is_not(None))
        .where(rung.firmware_power_w.is_not(None))
        .group_by(Miner.model_id, rung.name)
    )  # fmt: skip
    if model_id is not None:
        query = query.where(Miner.model_id == model_id)
    return {(row[0], row[1]): Learned(*row[2:]) for row in db.session.execute(query)}


def curve(model: MinerModel) -> dict[str, Rung]:
    """Return the shape of a model's ladder by preset: of the presets that may be gone to, by the numbers that count.

    Those are the fit ones up to the max preset by firmware watts (SPEC 5.1), all fit ones where there is none.
    """
    fit = max_preset_choices(model)
    top = next((preset.firmware_power_w for preset in fit if preset.name == model.max_preset), None)
    points = [
        Point(preset.name, preset.expected_power_w or preset.firmware_power_w or 0, ths)
        for preset in fit
        if (ths := preset.expected_hashrate_ths or preset.hashrate_ths)
        and (top is None or (preset.firmware_power_w or 0) <= top)
    ]
    return {rung.point.name: rung for rung in ladder_curve.curve(points)}


def costs(model: MinerModel) -> Costs:
    """Return what this model's preset changes were measured to cost."""
    return switching.costs(switching.read(model.switches))


def consequence(alias: str, preset: str | None) -> Consequence:
    """Return what choosing `preset` ("" or None: none) as max preset of this model would mean.

    Raises:
        NotFound: no such model.
        SettingError: the preset may not be chosen.
    """
    model = get(alias)
    return consequence_of(_chosen(model, preset), counts().get(model.id, (0, 0)))


def consequence_of(preset: ModelPreset | None, miners: tuple[int, int]) -> Consequence:
    """As `consequence`, from rows at hand. The larger of firmware's and operator's watts: "at most" is a promise."""
    if preset is None:
        return Consequence(*miners, "", None, 0.0)
    power_w = max(preset.firmware_power_w or 0, preset.expected_power_w or 0)
    return Consequence(*miners, preset.name, power_w, miners[0] * power_w / 1000)


def set_max_preset(
    alias: str, preset: str | None, version: int | None = None, *, who: str, now: datetime
) -> MinerModel:
    """Set the highest preset allowed for a model; "" or None clears it: then its miners are not touched.

    `version`: the model's version the operator looked at; None skips that check.

    Raises:
        NotFound: no such model.
        SettingError: not in the ladder, unknown watts, `disabled`, or it needs a modified power supply.
        Conflict: the model has changed since that version.
    """
    return change(alias, {"max_preset": preset}, version, who=who, now=now)


def change(
    alias: str, changes: Mapping[str, Any], version: int | None = None, *, who: str, now: datetime
) -> MinerModel:
    """Write `max_preset`, `allow_modded_psu`, `untuned_use`, `settle_s`, `switch_loss_s`, `expected`: all or none.

    `allow_modded_psu`: whether all its miners have a modified power supply (SPEC 5.4).
    `settle_s`, `switch_loss_s`: the operator's own numbers of what a change costs; None: what is learned counts.
    `expected`: preset -> the operator's own `expected_power_w` and/or `expected_hashrate_ths`; None clears one.

    Raises:
        NotFound: no such model.
        SettingError: a preset that is not in the ladder or may not be chosen.
        Conflict: the model has changed since `version`.
    """
    with writing() as session:
        model = _by_alias(session, alias)
        if version is not None and version != model.version:
            raise Conflict(f"{model.name} was changed by somebody else meanwhile: look at it again.")
        before = _operators(model)
        for column in ("allow_modded_psu", "settle_s", "switch_loss_s", "untuned_use"):
            if column in changes:
                setattr(model, column, changes[column])
        if "max_preset" in changes or "allow_modded_psu" in changes:
            chosen = _chosen(model, changes.get("max_preset", model.max_preset))
            model.max_preset = chosen.name if chosen else None
        by_name = {preset.name: preset for preset in model.presets}
        for name, numbers in changes.get("expected", {}).items():
            if name not in by_name:
                raise SettingError("presets_power", f"presets_power: {not_in_ladder(model, name)}")
            for column, number in numbers.items():
                setattr(by_name[name], column, number)
        if changes:
            model.version += 1
        audit.note_changes(session, who, Action.MODEL, alias, now, old=before, new=_operators(model))
    return get(alias)


def without_max_preset() -> list[tuple[str, str, int]]:
    """Return (alias, name, miners) of the models that have miners but no max preset."""
    query = select(MinerModel.alias, MinerModel.name, func.count(Miner.id)).join(Miner, Miner.model_id == MinerModel.id)
    query = query.where(MinerModel.max_preset.is_(None), Miner.retired.is_(False))
    query = query.group_by(MinerModel.id, MinerModel.alias, MinerModel.name).order_by(MinerModel.name)
    return [(alias, name, total) for alias, name, total in db.session.execute(query)]


_NAMES = select(MinerModel.alias, MinerModel.name).order_by(MinerModel.name)


def names() -> list[tuple[str, str]]:
    """Return (alias, name) of every model, by name: for the choices of filters."""
    rows = db.session.execute(_NAMES)
    return [(alias, name) for alias, name in rows]


def _operators(model: MinerModel) -> dict[str, Any]:
    """What of a model is the operator's to write, by name; the expected numbers of a preset by "preset: W, TH/s"."""
    columns = ("max_preset", "allow_modded_psu", "settle_s", "switch_loss_s", "untuned_use")
    presets = {f"{p.name}: W, TH/s": [p.expected_power_w, p.expected_hashrate_ths] for p in model.presets}
    return {column: getattr(model, column) for column in columns} | presets


def _whole() -> tuple[ExecutableOption, ...]:
    """A model with its ladder and with what its changes were measured to cost."""
    return selectinload(MinerModel.presets), undefer(MinerModel.switches)


def _by_alias(session: scoped_session[Any] | Session, alias: str) -> MinerModel:
    query = select(MinerModel).where(MinerModel.alias == alias).options(*_whole())
    model = session.scalars(query).one_or_none()
    if model is None:
        raise NotFound(f"There is no miner model {alias[:60]}.")
    return model


def _chosen(model: MinerModel, name: str | None) -> ModelPreset | None:
    if not name:
        return None
    preset = next((p for p in model.presets if p.name == name), None)
    if preset is None:
        raise SettingError("max_preset", f"max_preset: {not_in_ladder(model, name)}")
    why = unfit(preset, model.allow_modded_psu)
    if why:
        raise SettingError("max_preset", f"max_preset cannot be {name[:60]!r}: {why}.")
    return preset


def not_in_ladder(model: MinerModel, name: str) -> str:
    """Return the sentence that says so, with the presets there are."""
    ladder = ", ".join(preset.name for preset in rungs(model)) or "no presets are known yet"
    return f"{name[:60]!r} is not a preset of {model.name}; its ladder: {ladder}."
