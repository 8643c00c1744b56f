"""The setup assistant: from an empty installation to an armed farm, each step with its live state and its cure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import HiddenField, RadioField, SelectField

from app import clock
from app.config import Config
from app.core.types import Mode
from app.errors import Conflict, SettingError
from app.store import commands, fleet, miner_models, records, settings
from app.store import setup as store
from app.store.setup import Facts, ModelFacts
from app.web import formats, model_words, page, setup_steps
from app.web.forms import ModeForm, options
from app.web.questionnaire import CONNECTION, connections
from app.web.setup_steps import Step
from app.web.source_roles import meter_says, role_words
from app.web.words import gettext as _
from app.web.words import ngettext

bp = Blueprint("setup", __name__, url_prefix="/setup")


class ConnectionForm(FlaskForm):  # type: ignore[misc]
    """How the plant is connected."""

    connection = RadioField(validate_choice=True)


class MaxPresetForm(FlaskForm):  # type: ignore[misc]
    """A model's max preset, and the version of the model that was looked at."""

    max_preset = SelectField(validate_choice=False)
    version = HiddenField()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model: its choices say what each of them means."""

    facts: ModelFacts
    form: MaxPresetForm
    consequence: str


@bp.get("")
def index() -> Response:
    """All steps."""
    return _page()


@bp.get("/steps")
def live_steps() -> Response:
    """The list of the steps as they stand now; `shown`: the version of the page below it."""
    facts = store.facts(clock.stamp())
    found = _steps(facts)
    version = _version(found, facts)
    older = None if request.args.get("shown") == version else version  # in the link: a mere #step would load nothing
    return make_response(render_template("setup/_steps.html", **_steps_context(found), older=older))


@bp.post("/scan")
def scan() -> BaseResponse:
    """Order a scan of the subnets: 303 back."""
    if not FlaskForm().validate_on_submit():
        return _page(422, _("The form was not complete; nothing was changed."))
    commands.enqueue(commands.SCAN, by=page.who(), now=clock.utcnow(), reason="setup")
    flash(_("A scan is ordered. What it finds shows here within a minute."))
    return _back("miners")


@bp.post("/unit")
def confirm_unit() -> BaseResponse:
    """Keep that an operator found the reading plausible in the unit set: 303 to the next step."""
    if not FlaskForm().validate_on_submit():
        return _page(422, _("The form was not complete; nothing was changed."))
    records.state(setup_steps.UNIT, _config().plant_power_unit, page.who(), clock.utcnow())
    return _back("connection")


@bp.post("/connection")
def say_connection() -> BaseResponse:
    """Keep how the plant is connected: 303 to the next step, or 422 with the message beside the field."""
    form = _connection_form()
    if not form.validate_on_submit():
        form.connection.errors = [_("Choose one of the three.")]
        return _page(422, connection_form=form)
    records.state(CONNECTION, form.connection.data, page.who(), clock.utcnow())
    return _back("connection" if form.connection.data == "islanded" else "miners")


@bp.post("/models/<alias>/max-preset")
def choose_max_preset(alias: str) -> BaseResponse:
    """Set a model's max preset: 303 back, 422 or 409 with the message beside the field."""
    form = MaxPresetForm()
    if not form.validate_on_submit():
        return _page(422, refused=(alias, form))
    if not form.max_preset.raw_data:  # not sent at all: no wish for none
        form.max_preset.errors = [_("Choose a preset, or none.")]
        return _page(422, refused=(alias, form))
    seen = form.version.data or ""
    version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    try:
        wanted = form.max_preset.data or ""
        model = miner_models.set_max_preset(alias, wanted, version, who=page.who(), now=clock.utcnow())
    except (SettingError, Conflict) as error:
        form.max_preset.errors = [formats.said(str(error))]
        return _page(409 if isinstance(error, Conflict) else 422, refused=(alias, form))
    meant = model_words.consequence(miner_models.consequence(alias, model.max_preset))
    flash(_("%(model)s saved. %(consequence)s", model=model.name, consequence=meant))
    return _back("presets")


@bp.post("/models/<alias>/manage")
def manage_model(alias: str) -> BaseResponse:
    """Let PowerHive move every miner of a model: 303 back."""
    if not FlaskForm().validate_on_submit():
        return _page(422, _("The form was not complete; nothing was changed."))
    changed = fleet.set_managed(True, clock.utcnow(), model=alias, who=page.who())
    flash(ngettext("%(num)d more miner is managed now.", "%(num)d more miners are managed now.", changed))
    return _back("managed")


@bp.post("/arm")
def arm() -> BaseResponse:
    """Switch the mode to armed, with a reason: 303 to the dashboard, or 422 with the message beside the field."""
    form = ModeForm()
    if not form.validate_on_submit() or form.mode.data != Mode.ARMED:
        return _page(422, mode_form=form)
    settings.change("mode", Mode.ARMED.value, page.who(), (form.reason.data or "").strip() or None, clock.utcnow())
    flash(_("PowerHive is armed: the next cycle moves miners."))
    return redirect(url_for("dashboard.index"), 303)


def _page(
    status: int = 200,
    refusal: str = "",
    *,
    connection_form: ConnectionForm | None = None,
    refused: tuple[str, MaxPresetForm] | None = None,
    mode_form: ModeForm | None = None,
) -> Response:
    now = clock.stamp()
    facts = store.facts(now)
    found = _steps(facts)
    said = facts.records.get(CONNECTION)
    return page.render(
        "setup/index.html",
        status=status,
        settings=facts.settings,
        refusal=refusal,
        facts=facts,
        config=_config(),
        version=_version(found, facts),
        cards=[_card(one, refused) for one in facts.fleet.models],
        connection_form=connection_form or _connection_form(said.answer if said else ""),
        mode_form=mode_form or ModeForm(formdata=None),
        cure=setup_steps.cure(facts.refusal.kind) if facts.refusal else "",
        observe_s=setup_steps.OBSERVE_S,
        by_key={step.key: step for step in found},
        older=None,
        refused=status != 200,
        role_words=role_words,
        meter_says=meter_says,
        **_steps_context(found),
    )


def _steps(facts: Facts) -> list[Step]:
    return setup_steps.steps(facts, _config(), clock.utcnow())


def _steps_context(found: list[Step]) -> dict[str, Any]:
    return {"steps": found, "next": setup_steps.next_step(found), "words": setup_steps.words}


def _version(found: list[Step], facts: Facts) -> str:
    """What the forms below the list depend on: a new one means that they show what is over."""
    models = [(one.model.alias, one.model.version, one.miners, one.managed) for one in facts.fleet.models]
    state = [[(step.key, step.state) for step in found], models, [row.name for row in facts.meters]]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:12]


def _connection_form(answer: str = "") -> ConnectionForm:
    form = ConnectionForm() if request.method == "POST" else ConnectionForm(formdata=None, data={"connection": answer})
    form.connection.choices = options((key, words) for key, words in connections().items() if key)
    return form


def _card(one: ModelFacts, refused: tuple[str, MaxPresetForm] | None) -> ModelCard:
    model, counts = one.model, (one.miners, one.managed)
    form = refused[1] if refused and refused[0] == model.alias else None
    if form is None:
        form = MaxPresetForm(formdata=None, data={"max_preset": model.max_preset or ""})
    if form.max_preset.data is None:
        form.max_preset.data = model.max_preset or ""
    form.version.data, form.version.raw_data = str(model.version), None
    choices = [("", _("none: not touched"))]
    chosen = None
    for preset in miner_models.max_preset_choices(model):
        meant = miner_models.consequence_of(preset, counts)
        chosen = meant if preset.name == model.max_preset else chosen
        words = _("%(preset)s: %(watts)s W each, at most %(kw)s kW", preset=preset.name,
                  watts=formats.number(meant.power_w), kw=formats.number(meant.total_kw, 1))  # fmt: skip
        choices.append((preset.name, words))
    form.max_preset.choices = options(choices)
    none = miner_models.consequence_of(None, counts)
    return ModelCard(one, form, model_words.consequence(chosen or none))


def _config() -> Config:
    found: Config = current_app.extensions["powerhive_config"]
    return found


def _back(step: str) -> BaseResponse:
    return redirect(url_for("setup.index", _anchor=step), 303)
