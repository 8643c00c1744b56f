"""The models page: per miner model its ladder, the max preset and what choosing it means."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, flash, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.errors import Conflict, SettingError
from app.models import MinerModel, ModelPreset
from app.store import miner_models
from app.store.miner_models import Consequence
from app.web import page
from app.web.forms import MaxPresetForm, options

bp = Blueprint("miner_models", __name__, url_prefix="/models")


@dataclass(frozen=True, slots=True)
class Rung:
    """One preset in the table: why it may not be the max preset (None: it may) and what it would mean."""

    preset: ModelPreset
    unfit: str | None
    consequence: Consequence


@dataclass(frozen=True, slots=True)
class Card:
    """One model on the page."""

    model: MinerModel
    miners: int
    managed: int
    rungs: tuple[Rung, ...]
    chosen: Consequence
    form: MaxPresetForm


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


def _page(alias: str | None = None, refused: MaxPresetForm | None = None, status: int = 200) -> Response:
    counts = miner_models.counts()
    cards = [
        _card(model, counts.get(model.id, (0, 0)), refused if model.alias == alias else None)
        for model in sorted(miner_models.all_models(), key=lambda model: model.name.casefold())
    ]
    return page.render("models/index.html", status=status, cards=cards)


def _card(model: MinerModel, counts: tuple[int, int], refused: MaxPresetForm | None) -> Card:
    rungs = tuple(
        Rung(
            preset,
            miner_models.unfit(preset, model.allow_modded_psu),
            miner_models.consequence_of(preset, counts),
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
            *((preset.name, f"{preset.name} – {page.number(preset.firmware_power_w)} W") for preset in fit),
        ]
    )
    chosen = miner_models.consequence_of(current, counts)
    return Card(model, *counts, rungs=rungs, chosen=chosen, form=form)
