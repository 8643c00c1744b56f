"""The forms. What they let through is still checked by the rules in `core`; here is only how people write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    FloatField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired, Length, NumberRange
from wtforms.widgets import TextInput

from app.core.settings import SPECS
from app.core.types import Mode
from app.store.settings import SettingValue
from app.web.words import gettext as _

_NUMBER = re.compile(r"[+-]?[0-9]{1,12}([.,][0-9]{1,12})?")


def options(pairs: Iterable[tuple[str, Any]]) -> list[Any]:
    """Return (value, words) pairs as the choices of a select field; the words are texts, or lazily translated ones."""
    return [SelectChoice(value, words) for value, words in pairs]


class PlainFloatField(FloatField):
    """A number as people write it, with point or comma; no `1e3`, `5_0`, `nan` or digits of other scripts."""

    widget = TextInput()  # a number input knows no comma and gives "" for half a number

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else f"{self.data:g}"

    def process_formdata(self, valuelist: list[Any]) -> None:
        if not valuelist:
            return
        text = str(valuelist[0]).strip()
        if not _NUMBER.fullmatch(text):
            self.data = None
            raise ValueError(_("Write a number, like 12.5."))
        self.data = float(text.replace(",", ".")) + 0.0  # -0.0 becomes 0.0


def printable(_form: FlaskForm, field: Field) -> None:
    """Refuse control characters."""
    if field.data and not field.data.isprintable():
        raise ValidationError(_("Leave out line breaks and control characters."))


def refusal(form: FlaskForm, ids: Mapping[str, str]) -> tuple[str, str]:
    """Return the first message of a refused form, and the id of its field in the page. `ids`: those, by name."""
    name, errors = next((name, errors) for name, errors in form.errors.items() if name in ids)
    return str(errors[0]), ids[name]


def _reason() -> StringField:
    return StringField(_l("Reason (optional)"), [Length(max=300, message=_l("At most 300 characters.")), printable])


class SettingForm(FlaskForm):  # type: ignore[misc]
    """A form of one setting, whose field has the setting's name. A program need not say what it has `seen`."""

    seen = HiddenField()  # the value that the form was loaded with, as JSON
    newer: SettingValue | None = None  # what somebody else put into force meanwhile

    def look_again(self, newer: SettingValue) -> None:
        """Keep what was typed, take what is in force now as seen, and say whose it is."""
        self.newer = newer
        self.seen.data = json.dumps(newer.value)
        self[newer.spec.name].errors = [
            _("Somebody else changed the same setting meanwhile. What you wrote is kept and nothing was saved: look at "
              "the newest value beside it, then save again.")
        ]  # fmt: skip


class MarginForm(SettingForm):
    """The safety margin, in percent of the available power."""

    safety_margin_percent = PlainFloatField(
        _l("Safety margin"),
        [
            InputRequired(_l("Write a number from 0 to 50.")),
            NumberRange(
                SPECS["safety_margin_percent"].minimum,
                SPECS["safety_margin_percent"].maximum,
                _l("The margin must be from %(min)g to %(max)g %%."),
            ),
        ],
    )


class ModeForm(SettingForm):
    """Observe, armed or off, and why. The page says what each means."""

    mode = RadioField(
        _l("Mode"),
        choices=options(
            [
                (Mode.OBSERVE.value, _l("Observe – send nothing")),
                (Mode.ARMED.value, _l("Armed – control miners")),
                (Mode.OFF.value, _l("Off")),
            ]
        ),
    )
    sure = BooleanField(_l("Arm"))  # must be ticked to arm a farm that is not armed
    reason = _reason()


class ManagedForm(FlaskForm):  # type: ignore[misc]
    """Manage one miner, or not any more."""

    managed = SelectField(_l("Managed"), choices=options([("1", _l("managed")), ("0", _l("not managed"))]))
