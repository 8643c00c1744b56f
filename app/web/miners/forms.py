"""The forms about miners: how people write; what is allowed is judged by the rules in `core` and `store`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, PasswordField, SelectField, StringField, ValidationError

from app.web import formats
from app.web.forms import options
from app.web.words import gettext as _

LABEL_LENGTH = 80
REASON_LENGTH = 200
PASSWORD_LENGTH = 120
UNTIL_RELEASED, AS_IT_IS = "0", "as-it-is"
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

    def ask_again(self, choices: list[Any]) -> None:
        """Offer these; where what was chosen is none of them, nothing else is chosen in its place."""
        gone = self.data not in {choice.value for choice in choices}
        self.choices = [*options([("", _("choose"))]), *choices] if gone else choices


class EditForm(FlaskForm):  # type: ignore[misc]
    """Some columns of a miner, as they were `seen` (`fleet.edition`). `newer`: somebody else changed them meanwhile."""

    seen = HiddenField()
    newer = False

    def look_again(self, newest: Any) -> None:
        """Keep what was typed, and take what is stored now (the same form as loaded anew) as seen."""
        self.newer, self.seen.data = True, newest.seen.data


class HoldForm(EditForm):
    """Lock a miner against automatic changes, for how long and why. `running_until`: the end of a hold in force."""

    hold_minutes = _Choice()
    reason = StringField(validators=[_short(REASON_LENGTH)])

    def __init__(self, *args: Any, running_until: datetime | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.running_until = running_until
        self.hold_minutes.choices = self.spans()

    def spans(self) -> list[Any]:
        """How long the hold may be, in words; first to keep its end, where it has one."""
        spans = hold_choices((UNTIL_RELEASED, _("until it is released")))
        if self.running_until is None:
            return spans
        as_it_is = _("as it is (until %(time)s)", time=formats.minute(self.running_until))
        return [*options([(AS_IT_IS, as_it_is)]), *spans]

    def until(self, now: datetime) -> datetime | None:
        """When the hold ends; None: when it is released."""
        return self.running_until if self.hold_minutes.data == AS_IT_IS else hold_end(self.hold_minutes.data, now)

    def look_again(self, newest: Any) -> None:
        """As for every form, and offer to keep the newest hold's end."""
        super().look_again(newest)
        self.running_until = newest.running_until
        self.hold_minutes.ask_again(self.spans())


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


class LabelForm(EditForm):
    """A miner's name for people."""

    label = StringField(validators=[_short(LABEL_LENGTH)])


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
