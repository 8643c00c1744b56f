"""The form of an order for the whole farm: the operator types a word, so that no slip of a finger stops a farm."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import StringField, ValidationError
from wtforms.validators import Length

from app.web.forms import printable
from app.web.words import gettext as _

WORDS = {"all_to_minimum": "MINIMUM", "stop_all": "STOP", "resume": "RESUME"}  # accepted in every language


def word_of(kind: str) -> str:
    """Return the word to type for an order, in the reader's language."""
    return {"all_to_minimum": _("MINIMUM"), "stop_all": _("STOP"), "resume": _("RESUME")}[kind]


class OrderForm(FlaskForm):  # type: ignore[misc]
    """The typed word, and why."""

    word = StringField()
    reason = StringField(validators=[Length(max=300, message=lazy_gettext("At most 300 characters.")), printable])

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.expected = word_of(kind)

    def validate_word(self, field: StringField) -> None:
        """Accept the word in the reader's language or in English, in any case."""
        typed = (field.data or "").strip().casefold()
        if typed not in (self.expected.casefold(), WORDS[self.kind].casefold()):
            raise ValidationError(_("Type %(word)s to confirm; nothing was ordered.", word=self.expected))
