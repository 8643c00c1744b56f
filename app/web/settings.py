"""The settings that have a form so far: safety margin and mode, both on the dashboard."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.core.types import Mode
from app.errors import SettingError
from app.store import settings
from app.web import dashboard, formats, page
from app.web.dashboard import Refused
from app.web.forms import MarginForm, ModeForm
from app.web.words import gettext as _

bp = Blueprint("settings", __name__, url_prefix="/settings")


@bp.post("/safety-margin")
def change_safety_margin() -> BaseResponse:
    """Change the margin: 303 to the dashboard, or 422 with the message beside the field."""
    form = MarginForm()
    if not form.validate_on_submit() or not _stored(form):
        return _margin_part(form, 422) if page.by_htmx() else dashboard.show(Refused(margin=form), 422)
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
    """Switch the mode: 303 to the dashboard, or 422 with the message beside the field."""
    form = ModeForm()
    if not form.validate_on_submit() or not _is_meant(form):
        return dashboard.show(Refused(mode=form), 422)
    settings.change("mode", form.mode.data, page.who(), (form.reason.data or "").strip() or None, clock.utcnow())
    flash(_("The mode is now %(mode)s.", mode=formats.mode(form.mode.data)))
    return redirect(url_for("dashboard.index"), 303)


def _is_meant(form: ModeForm) -> bool:
    """Whether the operator said so twice, where miners are to be commanded that were not before."""
    if form.mode.data != Mode.ARMED or form.sure.data or settings.load().mode is Mode.ARMED:
        return True
    form.sure.errors = [_("Tick this to arm; the mode was not changed.")]
    return False


def _stored(form: MarginForm) -> bool:
    try:
        settings.change("safety_margin_percent", form.safety_margin_percent.data, page.who(), None, clock.utcnow())
    except SettingError as error:
        form.safety_margin_percent.errors = [str(error)]
        return False
    return True


def _margin_part(form: MarginForm, status: int, saved: str | None = None) -> Response:
    return make_response(render_template("dashboard/_margin.html", margin_form=form, saved=saved), status)
