"""One's own account: password, sessions, API tokens, and the way out."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, session, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import IntegerField, PasswordField, SelectField, StringField
from wtforms.validators import InputRequired

from app import clock
from app.core import people as rules
from app.core.access import Scope
from app.errors import Conflict, SettingError, TooManyAttempts, WrongLogin
from app.store import people, sessions, tokens
from app.web import access, formats, page
from app.web.forms import options
from app.web.words import gettext as _

bp = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """The old password, and the new one twice."""

    old = PasswordField()
    new = PasswordField()
    again = PasswordField()


class TokenForm(FlaskForm):  # type: ignore[misc]
    """What a new token is called, what it may do, and for how many days."""

    name = StringField()
    scope = SelectField(choices=options([(scope.value, scope.value) for scope in Scope]), validate_choice=False)
    days = IntegerField(default=rules.TOKEN_DAYS, validators=[InputRequired()])


@bp.get("")
def index() -> Response:
    """The page; without any user it says how to add the first one."""
    return _page()


@bp.post("/password")
def change_password() -> BaseResponse:
    """Change one's password: 303 with a new session, every other one ended; or 422/429 beside the field."""
    form, user_id = PasswordForm(), people.check_is_person(access.caller().user_id)
    if not form.validate_on_submit():
        return _page(422, password_form=form)
    if form.new.data != form.again.data:
        form.again.errors = [_("The two new passwords differ.")]
        return _page(422, password_form=form)
    try:
        key = sessions.change_own_password(
            user_id, form.old.data or "", form.new.data or "", page.who(), clock.utcnow()
        )
    except SettingError as error:
        form.new.errors = [formats.said(str(error))]
        return _page(422, password_form=form)
    except WrongLogin:
        form.old.errors = [_("This is not your password.")]
        return _page(422, password_form=form)
    except TooManyAttempts as error:
        form.old.errors = [_("Too many wrong passwords. Wait %(seconds)s s and try again.", seconds=error.wait_s)]
        response = _page(429, password_form=form)
        response.headers["Retry-After"] = str(error.wait_s)
        return response
    access.begin(key)
    flash(_("Your password is changed. All your other log-ins have ended."))
    return redirect(url_for("account.index"), 303)


@bp.post("/tokens")
def add_token() -> BaseResponse:
    """Make a token and show it, this once: that is why it is no redirect. 422 with the message beside the field."""
    form = TokenForm()
    people.check_is_person(access.caller().user_id)
    if not form.validate_on_submit():
        return _page(422, token_form=form)
    try:
        made = tokens.add(
            access.caller().name, form.name.data or "", form.scope.data or "", days=form.days.data or 0, who=page.who(),
            now=clock.utcnow(),
        )  # fmt: skip
    except SettingError as error:
        form[error.field].errors = [formats.said(str(error))]
        return _page(422, token_form=form)
    except Conflict as error:
        form.name.errors = [formats.said(str(error))]
        return _page(409, token_form=form)
    return _page(201, new_key=made.key, new_name=made.row.name)


@bp.post("/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> BaseResponse:
    """End one of one's own tokens: 303 back."""
    user_id = people.check_is_person(access.caller().user_id)
    row = tokens.revoke(token_id, page.who(), clock.utcnow(), user_id=user_id)
    flash(_("The token %(name)s opens nothing any more.", name=row.name))
    return redirect(url_for("account.index"), 303)


@bp.post("/log-out")
def leave() -> BaseResponse:
    """End this session: 303 to the log-in."""
    people.check_is_person(access.caller().user_id)
    sessions.end(access.caller().session, page.who(), clock.utcnow())
    session.clear()
    return redirect(url_for("login.show"), 303)


@bp.post("/log-out-everywhere")
def leave_everywhere() -> BaseResponse:
    """End all of one's sessions, this one included: 303 to the log-in."""
    user_id = people.check_is_person(access.caller().user_id)
    sessions.end_all(user_id, page.who(), clock.utcnow())
    session.clear()
    return redirect(url_for("login.show"), 303)


def _page(
    status: int = 200,
    *,
    password_form: PasswordForm | None = None,
    token_form: TokenForm | None = None,
    new_key: str | None = None,
    new_name: str = "",
) -> Response:
    user_id = access.caller().user_id
    return page.render(
        "account/index.html",
        status=status,
        password_form=password_form or PasswordForm(formdata=None),
        token_form=token_form or TokenForm(formdata=None),
        new_key=new_key,
        new_name=new_name,
        sessions=sessions.of_user(user_id) if user_id is not None else [],
        tokens=tokens.of_user(user_id) if user_id is not None else [],
        now=clock.utcnow(),
        scopes=scopes(),
    )


def scopes() -> dict[str, str]:
    """What each scope means, in the reader's words."""
    return {Scope.READ: _("read only"), Scope.WRITE: _("read and change")}
