"""The settings that have a form so far: safety margin and mode, both on the dashboard."""

from __future__ import annotations

import json

from flask import Blueprint, Response, flash, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.core.types import Mode
from app.errors import ChangedMeanwhile, SettingError
from app.store import settings
from app.web import dashboard, formats, page, setting_fields
from app.web.dashboard import Refused
from app.web.forms import MarginForm, ModeForm, SettingForm
from app.web.setting_words import value
from app.web.words import gettext as _

bp = Blueprint("settings", __name__, url_prefix="/settings")


@bp.post("/safety-margin")
def change_safety_margin() -> BaseResponse:
    """Change the margin: 303 to the dashboard, 422 with the message beside the field, 409 where it is newer."""
    form = MarginForm()
    status = _put(form, "safety_margin_percent") if form.validate_on_submit() else 422
    if status != 200:
        return _margin_part(form, status) if page.by_htmx() else dashboard.show(Refused(margin=form), status)
    margin = form.safety_margin_percent.data or 0.0
    shown = formats.number(margin, 0 if margin == int(margin) else 1)
    saved = _("Saved: %(margin)s %%. The next cycle acts by it.", margin=shown)
    if page.by_htmx():
        response = _margin_part(form, 200, saved)
        response.headers["HX-Trigger"] = "refresh"
        return response
    flash(saved)
    return redirect(url_for("dashboard.index"), 303)


@bp.post("/mode")
def change_mode() -> BaseResponse:
    """Switch the mode: 303 to the dashboard, 422 with the message beside the field, 409 where it is newer."""
    form = ModeForm()
    if form.mode.data != Mode.ARMED:
        form.seen.data = None  # who wants no commands sent gets that, whatever others did meanwhile
    meant = form.validate_on_submit() and _is_meant(form)
    status = _put(form, "mode", (form.reason.data or "").strip() or None) if meant else 422
    if status != 200:
        return dashboard.show(Refused(mode=form), status)
    flash(_("The mode is now %(mode)s.", mode=formats.mode(form.mode.data)))
    return redirect(url_for("dashboard.index"), 303)


def _is_meant(form: ModeForm) -> bool:
    """Whether the operator said so twice, where miners are to be commanded that were not before."""
    if form.mode.data != Mode.ARMED or form.sure.data or settings.load().mode is Mode.ARMED:
        return True
    form.sure.errors = [_("Tick this to arm; the mode was not changed.")]
    return False


def _put(form: SettingForm, name: str, reason: str | None = None) -> int:
    """Put the form's setting into force, or say in the form why not; return the answer's status.

    A form that does not say what it was loaded with has nothing to compare: its value counts.
    """
    wanted, who, now = form[name].data, page.who(), clock.utcnow()
    try:
        if form.seen.data is None:
            form.seen.data = json.dumps(settings.change(name, wanted, who, reason, now))
        else:
            seen = setting_fields.as_seen(name, form.seen.data)
            form.seen.data = json.dumps(settings.change_seen({name: wanted}, seen, who, reason, now)[name])
    except ChangedMeanwhile:
        form.look_again(settings.newest(name))
        return 409
    except SettingError as error:
        form[name].errors = [str(error)]
        return 422
    return 200


def _margin_part(form: MarginForm, status: int, saved: str | None = None) -> Response:
    return make_response(render_template("dashboard/_margin.html", margin_form=form, saved=saved, value=value), status)
