"""What an operator decides about one miner. Each form answers 303, or 422/409 with the page and its message."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import Field

from app import clock
from app.errors import Conflict, SettingError
from app.store import commands, fleet
from app.web import page
from app.web.miners import one
from app.web.miners import view as views
from app.web.miners.blueprint import bp
from app.web.miners.forms import HoldForm, LabelForm, PasswordForm, PresetForm, RetireForm
from app.web.words import gettext as _


@bp.post("/<mac>/preset")
def order_preset(mac: str) -> BaseResponse:
    """Order a preset by hand; the commands job carries it out, and the hard limits are judged again there."""
    miner, form = fleet.get(mac), PresetForm()
    if not form.validate_on_submit():
        return one.show(miner.mac, status=422, forms={"preset_form": form})
    try:
        commands.enqueue_preset(
            miner.mac,
            form.preset.data or "",
            by=page.who(),
            now=clock.utcnow(),
            hold_minutes=form.minutes,
            reason=(form.reason.data or "").strip() or None,
        )
    except (SettingError, Conflict) as error:
        form.preset.errors = [str(error)]
        return one.show(miner.mac, status=_status_of(error), forms={"preset_form": form})
    flash(_("Preset %(preset)s is ordered; what becomes of it is shown below.", preset=form.preset.data))
    return _back(miner.mac)


@bp.post("/<mac>/hold")
def hold(mac: str) -> BaseResponse:
    """Lock the miner against automatic changes; the hold of another person meanwhile is a conflict."""
    miner, now = fleet.get(mac), clock.utcnow()
    form = HoldForm(running_until=one.running_until(miner, now))
    if not form.validate_on_submit():
        form.hold_minutes.ask_again(form.spans())
        return one.show(miner.mac, status=422, forms={"hold_form": form})
    reason = (form.reason.data or "").strip() or None
    changes = {"hold": True, "hold_until": form.until(now), "hold_reason": reason}
    return _edit(miner.mac, changes, form, form.hold_minutes, "hold_form") or _done(miner.mac, _("Held."))


@bp.post("/<mac>/release")
def release(mac: str) -> BaseResponse:
    """End the hold."""
    miner = fleet.get(mac)
    fleet.set_hold(miner.mac, False, clock.utcnow(), who=page.who())
    return _done(miner.mac, _("Released: the balance may move it again if it is managed."))


@bp.post("/<mac>/label")
def change_label(mac: str) -> BaseResponse:
    """Give the miner a name; that of another person meanwhile is a conflict."""
    miner, form = fleet.get(mac), LabelForm()
    if not form.validate_on_submit():
        return one.show(miner.mac, status=422, forms={"label_form": form})
    changes = {"label": (form.label.data or "").strip()}
    return _edit(miner.mac, changes, form, form.label, "label_form") or _done(miner.mac, _("Saved."))


@bp.post("/<mac>/unlock-password")
def change_password(mac: str) -> BaseResponse:
    """Store the miner's own unlock password, or go back to the deployment's (`default`). It is never shown."""
    miner, form = fleet.get(mac), PasswordForm()
    if "default" in request.form:
        fleet.set_unlock_password(miner.mac, None, clock.utcnow(), who=page.who())
        return _done(miner.mac, _("The default unlock password counts again."))
    if not form.validate_on_submit():
        return one.show(miner.mac, status=422, forms={"password_form": form})
    fleet.set_unlock_password(miner.mac, form.unlock_password.data, clock.utcnow(), who=page.who())
    return _done(miner.mac, _("The unlock password is saved; it counts from the next scan on."))


@bp.post("/<mac>/retire")
def retire(mac: str) -> BaseResponse:
    """Take the miner out of the farm, or (`back`) in again."""
    miner, form = fleet.get(mac), RetireForm()
    if "back" in request.form:
        fleet.edit(miner.mac, {"retired": False}, clock.utcnow(), who=page.who())
        return _done(miner.mac, _("It belongs to the farm again and is polled."))
    if not form.validate_on_submit():
        return one.show(miner.mac, status=422, forms={"retire_form": form})
    fleet.edit(miner.mac, {"retired": True}, clock.utcnow(), who=page.who())
    return _done(miner.mac, _("Retired: it counts nothing, is not polled and not changed."))


def _edit(mac: str, changes: dict[str, Any], form: Any, field: Field, name: str) -> BaseResponse | None:
    """Write what nobody else has changed since the page was loaded; else 409, with the newest values beside."""
    try:
        fleet.edit(mac, changes, clock.utcnow(), form.seen.data or "", who=page.who())
    except Conflict:
        form.look_again(one.newest_form(mac, name))
        field.errors = [
            _("Somebody else changed this meanwhile. What you wrote is kept and nothing was saved: look at the newest "
              "value beside it, then save again.")
        ]  # fmt: skip
        return one.show(mac, status=409, forms={name: form})
    return None


def _done(mac: str, sentence: str) -> BaseResponse:
    flash(sentence)
    return _back(mac)


def _back(mac: str) -> BaseResponse:
    return redirect(url_for("miners.one", mac=mac, **views.current().list_arguments), 303)


def _status_of(error: SettingError | Conflict) -> int:
    return 409 if isinstance(error, Conflict) else 422
