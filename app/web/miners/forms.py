"""The forms about miners: how people write; what is allowed is judged by the rules in `core` and `store`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, PasswordField, SelectField, StringField, ValidationError

from app.web.forms import options
from app.web.words import gettext as _

LABEL_LENGTH = 80
REASON_LENGTH = 200
PASSWORD_LENGTH = 120
UNTIL_RELEASED = "0"
HOLD_MINUTES = (15, 60, 240, 720, 1440, 4320, 10080, 43200)
ACTIONS = ("manage", "unmanage", "hold", "release", "label")
SELECTED, MATCHING = "selected", "matching"


def hold_words(minutes: int) -> str:
    """A span of a hold in words."""
    if minutes < 60:
        return _("%(number)s minutes", number=minutes)
    if minutes < 1440:
        return _("1 hour") if minutes == 60 else _("%(number)s hours", number=minutes // 60)
    return _("1 day") if minutes == 1440 else _("%(number)s days", number=minutes // 1440)


def hold_choices(first: tuple[str, str]) -> list[Any]:
    """The choices of how long, `first` before the spans."""
    return options([first, *((str(minutes), hold_words(minutes)) for minutes in HOLD_MINUTES)])


def _short(longest: int) -> Any:
    def check(_form: FlaskForm, field: Field) -> None:
        text = field.data or ""
        if len(text) > longest:
            raise ValidationError(_("At most %(number)s characters.", number=longest))
        if not text.isprintable():
            raise ValidationError(_("Leave out line breaks and control characters."))

    return check


class _Choice(SelectField):
    """One of a list; what is not on it is refused in the reader's language."""

    def pre_validate(self, form: FlaskForm) -> None:
        if self.data not in {value for value, *_rest in self.iter_choices()}:
            raise ValidationError(_("Choose one of the list."))


class HoldForm(FlaskForm):  # type: ignore[misc]
    """Lock a miner against automatic changes, for how long and why."""

    hold_minutes = _Choice()
    reason = StringField(validators=[_short(REASON_LENGTH)])
    seen = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hold_minutes.choices = hold_choices((UNTIL_RELEASED, _("until it is released")))

    def until(self, now: datetime) -> datetime | None:
        """When the hold ends; None: when it is released."""
        return hold_end(self.hold_minutes.data, now)


class PresetForm(FlaskForm):  # type: ignore[misc]
    """One preset by hand; its choices are the miner's own ladder, judged again by the store."""

    preset = StringField()
    hold_minutes = _Choice()
    reason = StringField(validators=[_short(REASON_LENGTH)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hold_minutes.choices = hold_choices((UNTIL_RELEASED, _("not at all: the balance may move it again")))

    def validate_preset(self, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Choose a preset."))

    @property
    def minutes(self) -> int | None:
        """For how long the miner is held; None: not at all."""
        return int(self.hold_minutes.data) or None


class LabelForm(FlaskForm):  # type: ignore[misc]
    """A miner's name for people."""

    label = StringField(validators=[_short(LABEL_LENGTH)])
    seen = HiddenField()


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """A miner's own unlock password: goes in, never comes out. Blanks at its ends count."""

    unlock_password = PasswordField(validators=[_short(PASSWORD_LENGTH)])

    def validate_unlock_password(self, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Write the password, or use the default one."))


class RetireForm(FlaskForm):  # type: ignore[misc]
    """Take a miner out of the farm for good; `sure` is asked for because its watts count no more."""

    sure = BooleanField()

    def validate_sure(self, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Say that it draws no power any more."))


class BulkForm(FlaskForm):  # type: ignore[misc]
    """What to do with many miners. Only the action's own fields count."""

    scope = _Choice(choices=options([(SELECTED, SELECTED), (MATCHING, MATCHING)]))
    action = _Choice(choices=options((name, name) for name in ACTIONS))
    hold_minutes = _Choice(default=UNTIL_RELEASED)
    reason = StringField(validators=[_short(REASON_LENGTH)])
    label = StringField(validators=[_short(LABEL_LENGTH)])
    expected = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hold_minutes.choices = hold_choices((UNTIL_RELEASED, _("until it is released")))

    @property
    def confirmed(self) -> int | None:
        """How many miners the operator was told, where that was confirmed."""
        text = self.expected.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None

    def until(self, now: datetime) -> datetime | None:
        """When the hold ends; None: when it is released."""
        return hold_end(self.hold_minutes.data, now)


def hold_end(minutes: str | None, now: datetime) -> datetime | None:
    """When a hold of that many minutes ends; None for `UNTIL_RELEASED`."""
    return None if minutes in (None, UNTIL_RELEASED) else now + timedelta(minutes=int(minutes or 0))


def macs(values: Sequence[str]) -> tuple[str, ...]:
    """The MACs of checked boxes, what is no MAC left out."""
    return tuple(dict.fromkeys(value.lower() for value in values if len(value) == 17 and value.isascii()))
