"""The models pages: all miner models, and one with its ladder, its max preset and what choosing it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import Field

from app import clock
from app.core import ladder_curve
from app.core.types import UntunedUse
from app.errors import Conflict, SettingError
from app.models import MinerModel, ModelPreset
from app.store import miner_models
from app.store.miner_models import Consequence, Learned
from app.web import chart, formats, model_form, model_words, page
from app.web.chart import Chart, Mark, Series
from app.web.model_form import ModelForm
from app.web.words import gettext as _

bp = Blueprint("miner_models", __name__, url_prefix="/models")
NOBODY = (0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One model in the list: how many miners it has, and what its max preset allows."""

    model: MinerModel
    max_preset: ModelPreset | None
    allows: Consequence
    own_numbers: int


@dataclass(frozen=True, slots=True)
class Row:
    """One preset in the table: why it may not be the max preset (None: it may) and what it would mean.

    `curve`: its place in the ladder's shape, None where it cannot be gone to now. `learned`: what its miners draw and
    hash there on average, None where none has learned it. `power`, `hashrate`: the operator's own numbers.
    """

    preset: ModelPreset
    unfit: str | None
    consequence: Consequence
    curve: ladder_curve.Rung | None
    learned: Learned | None
    power: Field
    hashrate: Field
    power_w: float | None
    hashrate_ths: float | None


@bp.get("")
def index() -> Response:
    """All models by name, those without miners last."""
    counts = miner_models.counts()
    lines = [_line(model, counts.get(model.id, NOBODY)) for model in miner_models.all_models()]
    lines.sort(key=lambda line: (not line.allows.miners, line.model.name.casefold()))
    return page.render("models/index.html", lines=lines)


@bp.get("/<alias>")
def one(alias: str) -> Response:
    """One model."""
    model = miner_models.get(alias)
    return _page(model, model_form.form_of(model, posted=False))


@bp.post("/<alias>")
def save(alias: str) -> BaseResponse:
    """Save what was changed: 303 back; 422 or 409 with what was typed and what is wrong or has to be confirmed."""
    model = miner_models.get(alias)
    form = model_form.form_of(model, posted=True)
    if not form.validate_on_submit():
        return _page(model, form, 422)
    if (gone := model_form.vanished(model)) is not None:
        return _page(model, form, 422, problem=miner_models.not_in_ladder(model, gone))
    wanted = model_form.changes(form, model)
    if not wanted and model_form.seen_version(form) == model.version:
        flash(_("%(model)s: nothing was changed.", model=model.name))
        return redirect(url_for("miner_models.one", alias=alias), 303)
    try:
        asked = _questions(model, wanted)
        if asked and model_form.seen_version(form) == model.version and request.form.get("confirmed") != _key(asked):
            return _page(model, form, 422, questions=asked)
        seen = model_form.seen_version(form)
        model = miner_models.change(alias, wanted, seen, who=page.who(), now=clock.utcnow())
    except SettingError as error:
        form.max_preset.errors = [formats.said(str(error))]
        return _page(model, form, 422)
    except Conflict as error:
        newest = miner_models.get(alias)
        form.version.data = str(newest.version)
        return _page(newest, form, 409, problem=str(error))
    flash(_("%(model)s saved. %(consequence)s", model=model.name, consequence=_consequence_words(model)))
    return redirect(url_for("miner_models.one", alias=alias), 303)


@bp.get("/<alias>/consequence")
def consequence(alias: str) -> Response:
    """What the preset in `max_preset` would mean, as one sentence; for the preview before saving."""
    try:
        sentence = model_words.consequence(miner_models.consequence(alias, request.args.get("max_preset")))
    except SettingError as error:
        sentence = formats.said(str(error))
    response = make_response(sentence)
    response.mimetype = "text/plain"
    return response


@bp.get("/<alias>/ladder")
def ladder(alias: str) -> Response:
    """The ladder as a chart: hashrate and gain over power."""
    model = miner_models.get(alias)
    return chart.answer(_chart(model), _("Ladder of %(model)s", model=model.name))


def _questions(model: MinerModel, wanted: Mapping[str, Any]) -> list[str]:
    """Return what has to be confirmed. Raises SettingError where the max preset may not be chosen."""
    counts = miner_models.counts().get(model.id, NOBODY)
    before = miner_models.consequence_of(_max_preset(model), counts)
    after = before
    if "max_preset" in wanted and "allow_modded_psu" not in wanted:
        after = miner_models.consequence(model.alias, wanted["max_preset"])
    elif "max_preset" in wanted:
        chosen = next((preset for preset in model.presets if preset.name == wanted["max_preset"]), None)
        after = miner_models.consequence_of(chosen, counts)
    return model_words.questions(model, wanted, before, after)


def _key(questions: list[str]) -> str:
    """What the confirming button says: exactly these sentences were read."""
    return " ".join(questions)


def _page(
    model: MinerModel,
    form: ModelForm,
    status: int = 200,
    *,
    problem: str | None = None,
    questions: list[str] | None = None,
) -> Response:
    counts = miner_models.counts().get(model.id, NOBODY)
    return page.render(
        "models/one.html",
        status=status,
        model=model,
        rows=_rows(model, form, counts),
        form=form,
        miners=counts[0],
        managed=counts[1],
        now=model_words.consequence(miner_models.consequence_of(_max_preset(model), counts)),
        lost_max=model.max_preset if model.max_preset and _max_preset(model) is None else None,
        costs=model_words.cost_tiles(model),
        uses=_untuned_uses(),
        saved=_differing(model, form) if status != 200 else {},
        problem=problem,
        questions=questions or [],
        confirming=_key(questions or []),
    )


def _rows(model: MinerModel, form: ModelForm, counts: tuple[int, int]) -> list[Row]:
    learned = miner_models.learned(model.id)
    curve = miner_models.curve(model)
    return [
        Row(
            preset,
            miner_models.unfit(preset, model.allow_modded_psu),
            miner_models.consequence_of(preset, counts),
            curve.get(preset.name),
            learned.get((model.id, preset.name)),
            form[model_form.POWER + preset.name],
            form[model_form.HASHRATE + preset.name],
            preset.expected_power_w or preset.firmware_power_w,
            preset.expected_hashrate_ths or preset.hashrate_ths,
        )
        for preset in miner_models.rungs(model)
    ]


def _line(model: MinerModel, counts: tuple[int, int]) -> Line:
    top = _max_preset(model)
    own = sum(bool(p.expected_power_w or p.expected_hashrate_ths) for p in model.presets)
    return Line(model, top, miner_models.consequence_of(top, counts), own)


def _max_preset(model: MinerModel) -> ModelPreset | None:
    return next((preset for preset in model.presets if preset.name == model.max_preset), None)


def _consequence_words(model: MinerModel) -> str:
    counts = miner_models.counts().get(model.id, NOBODY)
    return model_words.consequence(miner_models.consequence_of(_max_preset(model), counts))


def _differing(model: MinerModel, form: ModelForm) -> dict[str, str]:
    """Return what is stored, in words, by field, where the form says something else."""
    words = {}
    for name, value in model_form.stored(model).items():
        if name == "version" or form[name].data == value:
            continue
        words[name] = formats.number(value, 0 if float(value).is_integer() else 1) if _is_number(value) else str(value)
        if value in (None, ""):
            words[name] = _("none")
    return words


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _untuned_uses() -> list[tuple[str, str, str]]:
    """Whether untuned presets may be chosen: (value, word, meaning)."""
    return [
        (UntunedUse.NEVER, _("Never"), _("only presets that the miner has tuned are chosen")),
        (
            UntunedUse.WHEN_NEEDED,
            _("When needed"),
            _("only on a miner with fewer than two tuned presets, which could not be moved otherwise"),
        ),
        (UntunedUse.ALWAYS, _("Always"), _("like tuned ones, after weighing what the tuning costs")),
    ]


def _chart(model: MinerModel) -> Chart:
    curve = sorted(miner_models.curve(model).values(), key=lambda rung: rung.point.power_w)
    marks = [
        Mark(rung.point.power_w, _("max preset %(preset)s", preset=rung.point.name))
        for rung in curve
        if rung.point.name == model.max_preset
    ]
    return Chart(
        x=[rung.point.power_w for rung in curve],
        series=[
            Series(_("Hashrate of a preset"), "TH/s", [r.point.hashrate_ths for r in curve], "hashrate", 1, "dots"),
            Series(_("Best use of the watts"), "TH/s", [r.hull_ths for r in curve], "available", 1),
            Series(
                _("Gain since the preset before"), "TH/s/kW", [r.ths_per_kw for r in curve], "current", 1, axis="right"
            ),
        ],
        x_label=_("Power, W"),
        time=False,
        marks=marks,
        empty=_("No preset with known watts and hashrate may be used yet."),
    )
