"""The settings page: every run-time setting in groups, a form each; their history; what the deployment set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Response, abort, current_app, flash, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.core import power
from app.core import settings as rules
from app.core.settings import SPECS, SettingSpec
from app.core.types import Settings
from app.errors import ChangedMeanwhile, SettingError
from app.models import BalanceCycle, SettingChange
from app.store import cycles, setting_history
from app.store import settings as store
from app.web import csv_file, deployment, formats, page, setting_fields, setting_words
from app.web.setting_fields import SettingsForm
from app.web.setting_words import Group
from app.web.settings import bp
from app.web.words import gettext as _
from app.web.words import ngettext

LIMITS = ("safety_margin_percent", "farm_limit_kw")  # what the target at the present reading follows from

BY_DEFAULT = "back to the default"  # the reason in the history: rows keep English (decision 0008)
CSV_HEADER = ("changed_at", "setting", "old_value", "new_value", "changed_by", "reason")


@dataclass(frozen=True, slots=True)
class Line:
    """One setting on the page. `newer`: somebody's change since the form was loaded, to be looked at first."""

    spec: SettingSpec
    words: setting_words.Words
    value: Any
    last_change: SettingChange | None
    newer: bool

    @property
    def is_default(self) -> bool:
        return bool(self.value == self.spec.default)


@dataclass(frozen=True, slots=True)
class Card:
    """One group with its form."""

    group: Group
    form: SettingsForm
    lines: tuple[Line, ...]


@bp.get("")
def index() -> Response:
    """Every setting."""
    return _page()


@bp.post("/group/<key>")
def change_group(key: str) -> BaseResponse:
    """Change the settings of one group, all or none: 303 back, 422 with messages, 409 where they are newer."""
    group = next((group for group in setting_words.groups() if group.key == key), None)
    if group is None:
        abort(404)
    form = setting_fields.form(group.names)
    if not form.validate_on_submit():
        return _page(422, group, form)
    wanted = form.wanted()
    if wanted:
        try:
            store.change_seen(wanted, form.seen(), page.who(), _reason(form), clock.utcnow())
        except ChangedMeanwhile as error:
            form.look_again(store.as_values())
            return _page(409, group, form, error.names)
    flash(_saved(len(wanted)))
    return redirect(url_for("settings.index", _anchor=key), 303)


@bp.post("/default")
def back_to_default() -> BaseResponse:
    """Put one setting's default into force: 303 back, or 409 where somebody changed it meanwhile."""
    name = request.form.get("name", "")
    group = next((group for group in setting_words.groups() if name in group.names), None)
    if group is None:
        abort(404)
    seen = setting_fields.form([name]).seen()
    default = SPECS[name].default
    try:
        store.change_seen({name: default}, seen, page.who(), BY_DEFAULT, clock.utcnow())
    except ChangedMeanwhile as error:
        return _page(409, group, None, error.names)
    flash(_("%(label)s is back at its default: %(value)s.", label=setting_words.words(name).label,
            value=setting_words.value(name, default)))  # fmt: skip
    return redirect(url_for("settings.index", _anchor=name), 303)


@bp.get("/consequence")
def consequence() -> Response:
    """What the margin and the farm limit in the query would mean at the present reading, in a sentence."""
    try:
        values = {name: setting_fields.read(SPECS[name], request.args[name]) for name in LIMITS if name in request.args}
    except SettingError as error:
        sentence = setting_words.refusal(SPECS[error.field])
    else:
        sentence = _consequence(rules.changed(store.load(), values), cycles.latest())
    response = make_response(sentence)
    response.mimetype = "text/plain"
    return response


@bp.get("/history")
def history() -> Response:
    """Who changed what, when and why; with `format=csv` as a file."""
    args = request.args
    name, text, number = args.get("name", ""), args.get("q", "").strip()[:80], args.get("page", "")
    name = name if name in SPECS else ""
    if args.get("format") == "csv":
        return csv_file.answer("setting-changes", CSV_HEADER, _rows(name, text))
    found = setting_history.page(
        name, text, int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    )
    labels = sorted(((key, setting_words.words(key).label) for key in SPECS), key=lambda pair: pair[1].casefold())
    query = {key: value for key, value in (("name", name), ("q", text)) if value}
    return page.render(
        "settings/history.html", found=found, name=name, text=text, labels=labels, words=setting_words.words,
        value=setting_words.value, query=query,
    )  # fmt: skip


def _rows(name: str, text: str) -> Iterator[tuple[Any, ...]]:
    for change in setting_history.everything(name, text):
        yield (formats.iso(change.changed_at), change.name, change.old_value, change.new_value, change.changed_by,
               change.reason)  # fmt: skip


def _page(
    status: int = 200, group: Group | None = None, refused: SettingsForm | None = None, newer: tuple[str, ...] = ()
) -> Response:
    values = store.values()
    in_force = {value.spec.name: value.value for value in values}
    by_name = {value.spec.name: value for value in values}
    settings = rules.from_values(in_force)
    latest = cycles.latest()
    cards = []
    for one in setting_words.groups():
        mine = group is not None and group.key == one.key
        lines = tuple(_line(by_name[name], mine and name in newer) for name in one.names)
        cards.append(Card(one, refused if mine and refused else setting_fields.form(one.names, in_force), lines))
    return page.render(
        "settings/index.html",
        status=status,
        settings=settings,
        cards=cards,
        refused=None if group is None else group.key,
        conflict=bool(newer),
        elsewhere=[_line(by_name[name], newer=False) for name in setting_words.ELSEWHERE],
        value=setting_words.value,
        bounds=setting_words.bounds,
        unit=setting_words.unit,
        limits=LIMITS,
        consequence=_consequence(_as_typed(settings, refused), latest),
        deployed=deployment.lines(current_app.extensions["powerhive_config"]),
    )


def _line(value: store.SettingValue, newer: bool) -> Line:
    return Line(value.spec, setting_words.words(value.spec.name), value.value, value.last_change, newer)


def _as_typed(settings: Settings, refused: SettingsForm | None) -> Settings:
    """The settings with what a refused form says of margin and limit, where that can be read."""
    if refused is None or LIMITS[0] not in refused.names:
        return settings
    typed = {}
    for name in LIMITS:
        with suppress(SettingError):
            typed[name] = setting_fields.read(SPECS[name], refused[name].data or "")
    return rules.changed(settings, typed)


def _consequence(settings: Settings, cycle: BalanceCycle | None) -> str:
    """The target that these settings make of the latest cycle's available power."""
    if cycle is None:
        return _("What that means in kW shows here once the plant has been read.")
    target_kw = power.target_w(cycle.available_kw, settings) / 1000
    numbers: Mapping[str, str] = {
        "available": formats.number(cycle.available_kw, 1),
        "margin": formats.number(cycle.available_kw * settings.safety_margin_percent / 100, 1),
        "target": formats.number(target_kw, 1),
        "current": formats.kw_of_w(cycle.current_w),
    }
    without_limit_kw = cycle.available_kw * (1 - settings.safety_margin_percent / 100)
    if settings.farm_limit_kw is not None and settings.farm_limit_kw < without_limit_kw:
        return _("At the present reading: %(available)s kW available, %(margin)s kW stay unused, and the farm limit "
                 "holds the target at %(target)s kW. The farm counts with %(current)s kW now.", **numbers)  # fmt: skip
    return _("At the present reading: %(available)s kW available, %(margin)s kW stay unused, so the target is "
             "%(target)s kW. The farm counts with %(current)s kW now.", **numbers)  # fmt: skip


def _reason(form: SettingsForm) -> str | None:
    return (form.reason.data or "").strip() or None


def _saved(changed: int) -> str:
    if not changed:
        return _("Nothing was different, so nothing was changed.")
    return ngettext(
        "%(num)d setting was saved. The next cycle acts by it.",
        "%(num)d settings were saved. The next cycle acts by them.",
        changed,
    )
