"""The models page: per miner model its ladder, the max preset and what choosing it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, flash, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import Field

from app.core import switching
from app.core.switching import Cost
from app.core.types import UntunedUse
from app.errors import Conflict, SettingError
from app.models import MinerModel, ModelPreset
from app.store import miner_models
from app.store.miner_models import Consequence, Learned
from app.web import formats, page
from app.web.forms import MaxPresetForm, UntunedUseForm, options

bp = Blueprint("miner_models", __name__, url_prefix="/models")


@dataclass(frozen=True, slots=True)
class Rung:
    """One preset in the table: why it may not be the max preset (None: it may) and what it would mean.

    `learned`: what its miners draw and hash there on average; None where none has learned it.
    """

    preset: ModelPreset
    unfit: str | None
    consequence: Consequence
    learned: Learned | None


@dataclass(frozen=True, slots=True)
class CostTile:
    """What a change of presets costs: seconds of full hashrate lost (None: not known), and where that is from."""

    label: str
    loss_s: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """One model on the page."""

    model: MinerModel
    miners: int
    managed: int
    rungs: tuple[Rung, ...]
    chosen: Consequence
    form: MaxPresetForm
    untuned: Field
    costs: tuple[CostTile, ...]


@bp.get("")
def index() -> Response:
    """All models."""
    return _page()


@bp.get("/<alias>/consequence")
def consequence(alias: str) -> Response:
    """What the preset in `max_preset` would mean, as one sentence; for the preview before saving."""
    try:
        sentence = miner_models.consequence(alias, request.args.get("max_preset")).sentence
    except SettingError as error:
        sentence = str(error)
    response = make_response(sentence)
    response.mimetype = "text/plain"
    return response


@bp.post("/<alias>/max-preset")
def change_max_preset(alias: str) -> BaseResponse:
    """Set or clear the max preset: 303 back, or 422/409 with the message beside the field."""
    form = MaxPresetForm()
    wanted = form.max_preset.data or ""
    if not form.validate_on_submit():
        return _page(alias, form, 422)
    seen = form.version.data or ""
    version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else None
    try:
        model = miner_models.set_max_preset(alias, wanted, version)
    except (SettingError, Conflict) as error:
        form.max_preset.errors = [str(error)]
        return _page(alias, form, 409 if isinstance(error, Conflict) else 422)
    flash(f"{model.name}: {miner_models.consequence(alias, model.max_preset).sentence}")
    return redirect(url_for("miner_models.index", _anchor=alias), 303)


@bp.post("/<alias>/untuned-use")
def change_untuned_use(alias: str) -> BaseResponse:
    """Say whether untuned presets may be chosen: 303 back, or 422 with the message on the page."""
    form = UntunedUseForm()
    if not form.validate_on_submit():
        flash(f"Untuned presets must be one of {', '.join(UntunedUse)}; nothing was changed.")
        return _page(status=422)
    model = miner_models.change(alias, {"untuned_use": form.untuned_use.data})
    flash(f"{model.name}: untuned presets {UntunedUse(model.untuned_use).replace('_', ' ')}.")
    return redirect(url_for("miner_models.index", _anchor=alias), 303)


def _page(alias: str | None = None, refused: MaxPresetForm | None = None, status: int = 200) -> Response:
    counts = miner_models.counts()
    learned = miner_models.learned()
    cards = [
        _card(model, counts.get(model.id, (0, 0)), learned, refused if model.alias == alias else None)
        for model in sorted(miner_models.all_models(), key=lambda model: model.name.casefold())
    ]
    return page.render("models/index.html", status=status, cards=cards)


def _card(
    model: MinerModel,
    counts: tuple[int, int],
    learned: Mapping[tuple[int, str], Learned],
    refused: MaxPresetForm | None,
) -> Card:
    rungs = tuple(
        Rung(
            preset,
            miner_models.unfit(preset, model.allow_modded_psu),
            miner_models.consequence_of(preset, counts),
            learned.get((model.id, preset.name)),
        )
        for preset in miner_models.rungs(model)
    )
    current = next((rung.preset for rung in rungs if rung.preset.name == model.max_preset), None)
    form = refused or MaxPresetForm(
        formdata=None, data={"max_preset": model.max_preset or "", "version": str(model.version)}, prefix=""
    )
    fit = [rung.preset for rung in rungs if rung.unfit is None]
    form.max_preset.choices = options(
        [
            ("", "none: do not touch these miners"),
            *((preset.name, f"{preset.name} – {formats.number(preset.firmware_power_w)} W") for preset in fit),
        ]
    )
    chosen = miner_models.consequence_of(current, counts)
    untuned = UntunedUseForm(formdata=None, data={"untuned_use": model.untuned_use}).untuned_use
    return Card(model, *counts, rungs=rungs, chosen=chosen, form=form, untuned=untuned, costs=_costs(model))


def _costs(model: MinerModel) -> tuple[CostTile, ...]:
    found = miner_models.costs(model)
    if model.switch_loss_s is not None:
        source = "set by the operator"
    elif found.likely.loss_s is not None:
        source = "learned"
    else:
        source = f"assumed until {switching.EVENTS_NEEDED} changes have been measured"
    own_s = model.settle_s
    settling = "" if own_s is None else f"; settle time set to {formats.number(own_s)} s"
    return (
        CostTile("A preset change costs", switching.loss_s(found, model.switch_loss_s), source + settling),
        _cost_tile("With restart, measured", found.with_restart),
        _cost_tile("Without restart, measured", found.without_restart),
    )


def _cost_tile(label: str, cost: Cost) -> CostTile:
    if cost.settle_s is None:
        return CostTile(label, None, f"{cost.events} of {switching.EVENTS_NEEDED} changes seen")
    return CostTile(label, cost.loss_s, f"settled after {formats.number(cost.settle_s)} s; median of {cost.events}")
