"""The people page, for admins: who may use PowerHive in which role, and everybody's tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, flash, redirect, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, SelectField, StringField

from app import clock
from app.core.access import Role
from app.errors import Conflict, SettingError
from app.store import people, sessions, tokens
from app.web import access, formats, page
from app.web.account import scopes
from app.web.forms import options
from app.web.words import gettext as _

bp = Blueprint("people", __name__, url_prefix="/people")


class RoleForm(FlaskForm):  # type: ignore[misc]
    """One user's role."""

    role = SelectField(choices=options([(role.value, role.value) for role in Role]), validate_choice=False)


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password for somebody who lost the old one."""

    password = PasswordField()


class NewUserForm(RoleForm):
    """Name, role and first password of a new user."""

    name = StringField()
    password = PasswordField()


class NothingForm(FlaskForm):  # type: ignore[misc]
    """A button: nothing but its CSRF token."""


@bp.get("")
def index() -> Response:
    """The page."""
    return _page()


@bp.post("")
def add() -> BaseResponse:
    """Add a user: 303 back, or 422/409 with the message beside the field. The first one is added on the machine."""
    form = NewUserForm()
    people.check_is_person(access.caller().user_id)
    if not form.validate_on_submit():
        return _page(422, form=form)
    try:
        user = people.add(
            form.name.data or "", form.role.data or "", form.password.data or "", page.who(), clock.utcnow()
        )
    except SettingError as error:
        form[error.field].errors = [formats.said(str(error))]
        return _page(422, form=form)
    except Conflict as error:
        form.name.errors = [formats.said(str(error))]
        return _page(409, form=form)
    flash(_("%(name)s may log in now.", name=user.name))
    return redirect(url_for("people.index"), 303)


@bp.post("/<name>/role")
def change_role(name: str) -> BaseResponse:
    """Give a user another role, in force from its next request on."""
    form = RoleForm()
    return _change(name, form, lambda: people.set_role(name, form.role.data or "", page.who(), clock.utcnow()))


@bp.post("/<name>/password")
def set_password(name: str) -> BaseResponse:
    """Give a user a new password; its sessions end."""
    form = NewPasswordForm()

    def change() -> None:
        people.set_password(name, form.password.data or "", page.who(), clock.utcnow())
        sessions.forget_failures(name)

    return _change(name, form, change)


@bp.post("/<name>/disable")
def disable(name: str) -> BaseResponse:
    """Shut a user out at once."""
    return _change(name, NothingForm(), lambda: people.set_disabled(name, True, page.who(), clock.utcnow()))


@bp.post("/<name>/enable")
def enable(name: str) -> BaseResponse:
    """Let a user log in again."""
    return _change(name, NothingForm(), lambda: people.set_disabled(name, False, page.who(), clock.utcnow()))


@bp.post("/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> BaseResponse:
    """End anybody's token."""
    row = tokens.revoke(token_id, page.who(), clock.utcnow())
    flash(_("The token %(name)s opens nothing any more.", name=row.name))
    return redirect(url_for("people.index"), 303)


def _change(name: str, form: FlaskForm, change: Callable[[], Any]) -> BaseResponse:
    user = people.get(name)
    if not form.validate_on_submit():
        return _page(422, refusal=_("Nothing was changed."))
    try:
        change()
    except (SettingError, Conflict) as error:
        status = 409 if isinstance(error, Conflict) else 422
        return _page(status, refusal=f"{user.name}: {formats.translated(str(error))}")
    flash(_("%(name)s: changed.", name=user.name))
    return redirect(url_for("people.index"), 303)


def _page(status: int = 200, *, form: NewUserForm | None = None, refusal: str | None = None) -> Response:
    return page.render(
        "people/index.html",
        status=status,
        form=form or NewUserForm(formdata=None),
        role_form=RoleForm(formdata=None),
        people=people.everybody(),
        tokens=tokens.everyones(),
        refusal=refusal,
        now=clock.utcnow(),
        roles=roles(),
        scopes=scopes(),
    )


def roles() -> dict[str, str]:
    """What each role may, in the reader's words."""
    return {
        Role.VIEWER: _("sees everything, changes nothing"),
        Role.OPERATOR: _("steers the farm: margin, mode, miners, presets, orders"),
        Role.ADMIN: _("also users, tokens, sources' roles and the settings of the site"),
    }
