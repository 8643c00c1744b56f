"""The one form of a miner model: its ladder with the operator's own numbers, and how its presets are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, RadioField, StringField, ValidationError
from wtforms.validators import Optional

from app.core import switching
from app.core.ladder import OWN_HASHRATE_THS, OWN_POWER_W
from app.core.types import UntunedUse
from app.models import MinerModel
from app.store import miner_models
from app.web import formats
from app.web.forms import PlainFloatField, options
from app.web.words import gettext as _

POWER, HASHRATE = "power_w:", "hashrate_ths:"  # how the fields of a preset's numbers begin; its name follows
COLUMNS = {POWER: "expected_power_w", HASHRATE: "expected_hashrate_ths"}


class OwnNumberField(PlainFloatField):
    """A number of the operator's own; empty means none. Shown with all its digits, so that saving changes nothing."""

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else f"{self.data:.12g}"


class ModelForm(FlaskForm):  # type: ignore[misc]
    """What the operator decides about a model; `form_of` adds the two numbers of each preset."""

    version = HiddenField()
    max_preset = StringField()  # a radio button per preset; the store judges it
    allow_modded_psu = BooleanField()
    untuned_use = RadioField(choices=options([(use.value, use.value) for use in UntunedUse]))
    settle_s = OwnNumberField()
    switch_loss_s = OwnNumberField()


def form_of(model: MinerModel, *, posted: bool) -> ModelForm:
    """Return the form of this model's ladder: as it was posted, or with what is stored."""
    fields: dict[str, Any] = {
        "settle_s": OwnNumberField(validators=[Optional(), _within(switching.OWN_SETTLE_S)]),
        "switch_loss_s": OwnNumberField(validators=[Optional(), _within(switching.OWN_LOSS_S)]),
    }
    for rung in miner_models.rungs(model):
        fields[POWER + rung.name] = OwnNumberField(validators=[Optional(), _within(OWN_POWER_W, whole=True)])
        fields[HASHRATE + rung.name] = OwnNumberField(validators=[Optional(), _within(OWN_HASHRATE_THS)])
    made = type("LadderForm", (ModelForm,), fields)
    form: ModelForm = made() if posted else made(formdata=None, data=stored(model))
    return form


def stored(model: MinerModel) -> dict[str, Any]:
    """Return what the form shows of a model as it is stored."""
    values: dict[str, Any] = {
        "version": str(model.version),
        "max_preset": model.max_preset or "",
        "allow_modded_psu": model.allow_modded_psu,
        "untuned_use": model.untuned_use,
        "settle_s": model.settle_s,
        "switch_loss_s": model.switch_loss_s,
    }
    for rung in model.presets:
        values |= {prefix + rung.name: getattr(rung, column) for prefix, column in COLUMNS.items()}
    return values


def changes(form: ModelForm, model: MinerModel) -> dict[str, Any]:
    """Return what the form wants changed, as `store.miner_models.change` takes it; nothing where all is as it was."""
    before = stored(model)
    wanted: dict[str, Any] = {}
    for name in ("allow_modded_psu", "untuned_use", "settle_s", "switch_loss_s"):
        if form[name].data != before[name]:
            wanted[name] = form[name].data
    # No button is chosen, or none was sent: as it is.
    if form.max_preset.data is not None and form.max_preset.data != before["max_preset"]:
        wanted["max_preset"] = form.max_preset.data
    expected: dict[str, dict[str, Any]] = {}
    for rung in model.presets:
        for prefix, column in COLUMNS.items():
            field = form[prefix + rung.name]
            number = field.data or None  # 0 is none, as in the API
            if field.raw_data and number != before[prefix + rung.name]:
                whole = prefix == POWER and number is not None
                expected.setdefault(rung.name, {})[column] = int(number or 0) if whole else number
    return wanted | ({"expected": expected} if expected else {})


def seen_version(form: ModelForm) -> int:
    """Return the version of the model that the operator looked at; one that never was where the form names none."""
    text = form.version.data or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def vanished(model: MinerModel) -> str | None:
    """Return the name of a preset that was given a number but is not in the ladder (any more), or None."""
    known = {rung.name for rung in model.presets}
    posted: Mapping[str, str] = request.form
    for field, text in posted.items():
        for prefix in COLUMNS:
            if field.startswith(prefix) and text.strip() and field.removeprefix(prefix) not in known:
                return field.removeprefix(prefix)
    return None


def _within(bounds: tuple[float, float], *, whole: bool = False) -> Any:
    """Refuse what lies outside; the bounds are the rules', the words this page's."""

    def check(_form: FlaskForm, field: Field) -> None:
        number = field.data
        if number is None or (bounds[0] <= number <= bounds[1] and (not whole or number == int(number))):
            return
        low, high = (formats.number(bound) for bound in bounds)
        if whole:
            raise ValidationError(_("Write a whole number from %(low)s to %(high)s, or nothing.", low=low, high=high))
        raise ValidationError(_("Write a number from %(low)s to %(high)s, or nothing.", low=low, high=high))

    return check
