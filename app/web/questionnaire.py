"""The plant owner's questionnaire: answers that are settings act at once, the others are kept as a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response, flash, redirect, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import Field, HiddenField, SelectField, TextAreaField, ValidationError
from wtforms.validators import Length

from app import clock
from app.core.settings import SPECS, SettingSpec
from app.errors import ChangedMeanwhile
from app.models import OperatorRecord, SettingChange
from app.store import records
from app.store import settings as store
from app.web import page, setting_fields, setting_words
from app.web.forms import options
from app.web.setting_fields import SettingsForm
from app.web.settings import bp
from app.web.words import gettext as _
from app.web.words import ngettext

CONNECTION = "connection"  # the record of how the plant is connected: a key of `connections()`
BY_QUESTIONNAIRE = "the plant owner's questionnaire"  # the reason in the history: rows keep English (decision 0008)
LONGEST_ANSWER = 2000
SEEN_RECORD = "record_"
_PARAGRAPHS = {"\n", "\r", "\t"}


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `name`: of the setting it stands for, or of the record where no setting can act on it."""

    name: str
    words: str
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def acts(self) -> bool:
        return self.name in SPECS


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with its answer in force: of a setting its value and latest change, else the newest record."""

    question: Question
    text: str
    change: SettingChange | None = None
    record: OperatorRecord | None = None
    newer: bool = False

    @property
    def spec(self) -> SettingSpec:
        return SPECS[self.question.name]


def connections() -> dict[str, str]:
    """The ways in which a plant may be connected, in words; the first one is no answer."""
    return {
        "": _("not answered"),
        "grid": _("tied to the grid"),
        "dump_load": _("islanded, with a dump load that takes the surplus"),
        "islanded": _("islanded, generation follows the load: not supported"),
    }


def sections() -> list[Section]:
    """Return the questions, in the order in which one talks with a plant's owner."""
    return [
        Section(_("The plant"), (
            Question("owner", _("Whose plant is this, and who answers here?"), _("Plant, owner, and your name.")),
            Question(CONNECTION, _("How is the plant connected?"),
                     _("PowerHive takes the reading as what the plant can give. An islanded plant whose generation "
                       "follows its load is not supported."), connections()),
        )),
        Section(_("How much"), (
            Question("safety_margin_percent", _("How much of the available power must stay unused?")),
            Question("farm_limit_kw", _("Is there an absolute limit for the farm, like a transformer?")),
            Question("other_limits", _("Which other limits does the plant have?"),
                     _("Least flow, water rights, hours of the day.")),
        )),
        Section(_("How often and how fast"), (
            Question("cooldown_s", _("How often may the power of one miner be changed at most?")),
            Question("frequency_of_changes", _("How often may the power of the whole farm change?"),
                     _("The farm decides every 15 s and changes something when it must or when it pays.")),
            Question("ramp_up_kw_per_min", _("How fast may the farm's power rise?")),
            Question("ramp_down_kw_per_s", _("How fast may it fall, where there is no emergency?")),
        )),
        Section(_("Quality of power"), (
            Question("phase_balance", _("How evenly must the three phases be loaded?")),
            Question("frequency", _("Which frequency and voltage limits must be kept, and what protects them?")),
        )),
        Section(_("When something fails"), (
            Question("plant_lost_action", _("What must the farm do when the plant gives no reading any more?")),
            Question("lost_after_s", _("After how long without a reading is that?")),
            Question("last_resort", _("What must happen when even the lowest presets take more than there is?")),
            Question("sudden_loss", _("What else must be done on a sudden loss of load or generation?"),
                     _("Switches, people to call, what must never be done.")),
        )),
        Section(_("People"), (
            Question("emergency_contacts", _("Who is called in an emergency, day and night?"), _("Names and numbers.")),
            Question("reporting", _("Which reports are wanted, how often, and by whom?")),
        )),
    ]  # fmt: skip


@bp.get("/questionnaire", endpoint="questionnaire")
def show() -> Response:
    """The form."""
    return _page()


@bp.post("/questionnaire", endpoint="answer_questionnaire")
def answer() -> BaseResponse:
    """Take the answers, all or none: 303 back, 422 with messages, 409 where somebody else answered meanwhile."""
    form = _form()
    if not form.validate_on_submit():
        return _page(422, form)
    wanted, stated, seen = form.wanted(), _stated(form), _seen_records(form)
    known = records.newest()
    changed = {topic: text for topic, text in stated.items() if text != (known[topic].answer if topic in known else "")}
    try:
        records.answer_all(
            wanted, form.seen(), changed, seen,
            who=page.who(), reason=_reason(form), now=clock.utcnow(),
        )  # fmt: skip
    except ChangedMeanwhile as error:
        form.look_again(store.as_values())
        return _page(409, form, error.names)
    flash(_told(len(wanted), len(changed)))
    return redirect(url_for("settings.questionnaire"), 303)


@bp.get("/questionnaire/print", endpoint="print_questionnaire")
def printed() -> Response:
    """The answers on paper, for the owner's signature."""
    values = store.values()
    return page.render("settings/questionnaire_print.html", sections=_answers(values), now=clock.utcnow(),
                       bounds=setting_words.bounds, words=setting_words.words)  # fmt: skip


def _page(status: int = 200, refused: SettingsForm | None = None, newer: tuple[str, ...] = ()) -> Response:
    values = store.values()
    answers = _answers(values, newer)
    form = refused or _form({value.spec.name: value.value for value in values}, answers)
    if refused and newer:
        for _section, found in answers:
            for one in found:
                if not one.question.acts:
                    form[SEEN_RECORD + one.question.name].data = str(one.record.id if one.record else 0)
    return page.render(
        "settings/questionnaire.html",
        status=status,
        form=form,
        sections=answers,
        conflict=bool(newer),
        words=setting_words.words,
        value=setting_words.value,
        bounds=setting_words.bounds,
        unit=setting_words.unit,
    )


def _answers(values: list[store.SettingValue], newer: tuple[str, ...] = ()) -> list[tuple[str, list[Answer]]]:
    by_name, known = {value.spec.name: value for value in values}, records.newest()

    def of(question: Question) -> Answer:
        if not question.acts:
            record = known.get(question.name)
            text = record.answer if record else ""
            return Answer(question, question.choices.get(text, text), record=record, newer=question.name in newer)
        value = by_name[question.name]
        text = setting_words.value(question.name, value.value)
        return Answer(question, text, change=value.last_change, newer=question.name in newer)

    return [(section.title, [of(question) for question in section.questions]) for section in sections()]


def _form(
    in_force: Mapping[str, Any] | None = None, answers: list[tuple[str, list[Answer]]] | None = None
) -> SettingsForm:
    questions = [question for section in sections() for question in section.questions]
    longest = _("At most %(most)d characters.", most=LONGEST_ANSWER)
    texts: dict[str, Any] = {
        q.name: SelectField(q.words, [_offered(q.choices)], choices=options(q.choices.items()), validate_choice=False)
        if q.choices
        else TextAreaField(q.words, [Length(max=LONGEST_ANSWER, message=longest), _paragraphs])
        for q in questions
        if not q.acts
    }
    texts |= {SEEN_RECORD + q.name: HiddenField() for q in questions if not q.acts}
    form = setting_fields.form([q.name for q in questions if q.acts], in_force, **texts)
    for one in (one for _title, found in answers or [] for one in found if not one.question.acts):
        form[one.question.name].data = one.record.answer if one.record else ""
        form[SEEN_RECORD + one.question.name].data = str(one.record.id if one.record else 0)
    return form


def _paragraphs(_form: FlaskForm, field: Field) -> None:
    if any(not (mark.isprintable() or mark in _PARAGRAPHS) for mark in field.data or ""):
        raise ValidationError(_("Leave out control characters."))


def _offered(choices: Mapping[str, str]) -> Callable[[FlaskForm, Field], None]:
    """Refuse what is none of the choices; an answer that was not sent is none to refuse."""

    def check(_form: FlaskForm, field: Field) -> None:
        if field.raw_data and field.data not in choices:
            raise ValidationError(_("Choose one of the values offered."))

    return check


def _topics(form: SettingsForm) -> list[str]:
    return [name.removeprefix(SEEN_RECORD) for name in form.data if name.startswith(SEEN_RECORD)]


def _stated(form: SettingsForm) -> dict[str, str]:
    """Return the answers that were sent, with one kind of line break."""
    sent = {topic: form[topic] for topic in _topics(form) if form[topic].raw_data}
    return {topic: "\n".join((field.data or "").split("\r\n")).strip() for topic, field in sent.items()}


def _seen_records(form: SettingsForm) -> dict[str, int]:
    found = {}
    for topic in _topics(form):
        text = form[SEEN_RECORD + topic].data or ""
        if text.isascii() and text.isdigit() and len(text) < 10:
            found[topic] = int(text)
    return found


def _reason(form: SettingsForm) -> str:
    return (form.reason.data or "").strip() or BY_QUESTIONNAIRE


def _told(settings: int, answers: int) -> str:
    if not settings and not answers:
        return _("Nothing was different, so nothing was changed.")
    parts = []
    if settings:
        parts.append(ngettext("%(num)d setting acts from the next cycle on.", "%(num)d settings act from the next "
                              "cycle on.", settings))  # fmt: skip
    if answers:
        parts.append(ngettext("%(num)d answer is kept as a record.", "%(num)d answers are kept as a record.", answers))
    return " ".join(parts)
