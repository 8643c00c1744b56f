"""Settings as fields of a form: one per setting, with what it was loaded with, so that two people do not collide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, SelectField, StringField, ValidationError
from wtforms.validators import Length

from app.core.settings import SPECS, SettingSpec
from app.errors import SettingError
from app.web import setting_words
from app.web.forms import options, printable

_NUMBER = re.compile(r"[+-]?[0-9]{1,12}([.,][0-9]{1,12})?")
SEEN = "seen_"


class SettingsForm(FlaskForm):  # type: ignore[misc]
    """Some settings by name, each with a hidden `seen_<name>`: the value the form was loaded with, as JSON."""

    names: tuple[str, ...] = ()
    reason = StringField("reason", [Length(max=300, message=_l("At most 300 characters.")), printable])

    def wanted(self) -> dict[str, Any]:
        """Return the values that differ from what the form was loaded with; only after it was found valid.

        A setting that was not sent is not changed.
        """
        sent = [name for name in self.names if self[name].raw_data]
        seen, values = self.seen(), {name: read(SPECS[name], self[name].data or "") for name in sent}
        return {name: value for name, value in values.items() if name not in seen or seen[name] != value}

    def seen(self) -> dict[str, Any]:
        """Return what the form was loaded with; what is damaged is left out, so that it equals nothing."""
        return {key: value for name in self.names for key, value in as_seen(name, self[SEEN + name].data).items()}

    def look_again(self, in_force: Mapping[str, Any]) -> None:
        """Keep what was typed, and take what is in force now as seen."""
        for name in self.names:
            self[SEEN + name].data = json.dumps(in_force[name])
            self[SEEN + name].raw_data = None


def form(names: Iterable[str], in_force: Mapping[str, Any] | None = None, **fields: Any) -> SettingsForm:
    """Return a form of these settings and other `fields`: with `in_force` to show, without as it was sent."""
    names = tuple(names)
    members: dict[str, Any] = {name: _field(SPECS[name]) for name in names}
    members |= {SEEN + name: HiddenField() for name in names}
    kind = type("Form", (SettingsForm,), {**members, **fields, "names": names})
    if in_force is None:
        return kind()
    values = {name: text(in_force[name]) for name in names}
    values |= {SEEN + name: json.dumps(in_force[name]) for name in names}
    return kind(formdata=None, data=values)


def as_seen(name: str, written: str | None) -> dict[str, Any]:
    """Return the value, by its setting's name, that a form was loaded with; what is damaged is nobody's: nothing."""
    try:
        return {name: SPECS[name].check(json.loads(written or ""))}
    except (ValueError, RecursionError, SettingError):
        return {}


def text(value: Any) -> str:
    """Return a value as it stands in its field."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def read(spec: SettingSpec, written: str) -> Any:
    """Return the checked value that a person wrote, with decimal point or comma; empty is none.

    Raises:
        SettingError: it is no value of this setting.
    """
    written = written.strip()
    if spec.kind not in ("choice", "boolean"):
        if written and not _NUMBER.fullmatch(written):
            raise SettingError(spec.name, setting_words.refusal(spec))
        written = written.replace(",", ".")
    return spec.check(spec.from_text(written))


def _field(spec: SettingSpec) -> Field:
    words = setting_words.words(spec.name)
    if spec.kind == "boolean":
        choices = [("true", setting_words.value(spec.name, True)), ("false", setting_words.value(spec.name, False))]
    elif spec.kind == "choice":
        choices = [(choice, words.choices.get(choice, choice)) for choice in spec.choices]
    else:
        return StringField(words.label, [_valid])
    return SelectField(words.label, [_valid], choices=options(choices), validate_choice=False)


def _valid(_form: FlaskForm, field: Field) -> None:
    if not field.raw_data:
        return
    try:
        read(SPECS[field.name], field.data or "")
    except SettingError as error:
        raise ValidationError(setting_words.refusal(SPECS[field.name])) from error
