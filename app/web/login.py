"""Logging in: one form, and as little about what was wrong as helps an honest person."""

from __future__ import annotations

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import HiddenField, PasswordField, StringField

from app import clock
from app.core.access import ANYBODY, Actor
from app.errors import TooManyAttempts, WrongLogin
from app.store import people, sessions
from app.web import access
from app.web.language import local_path
from app.web.words import gettext as _

bp = Blueprint("login", __name__, url_prefix="/login")


class LoginForm(FlaskForm):  # type: ignore[misc]
    """Name, password, and where to go then."""

    name = StringField()
    password = PasswordField()
    next = HiddenField()


@bp.get("")
def show() -> BaseResponse:
    """The form; whoever is logged in already goes on to where it wanted to go."""
    form = LoginForm(formdata=None, data={"next": local_path(request.args.get("next"))})
    g.caller = who = access.identify()
    if who.user_id is not None and not who.by_token:
        return redirect(form.next.data or "/", 303)
    return _page(form, is_open=who == ANYBODY)


@bp.post("")
def enter() -> BaseResponse:
    """Log in: 303 to the page that was wanted; 422 where name and password do not fit, 429 where one must wait."""
    form = LoginForm()
    form.next.data = local_path(form.next.data)
    if not form.validate_on_submit():
        return _page(form, status=422, sentence=" ".join(str(e) for e in form.errors.values()))
    actor = Actor("", "page", access.address())
    try:
        key = sessions.log_in(form.name.data or "", form.password.data or "", actor, clock.utcnow(), access.limits())
    except WrongLogin:
        return _page(form, status=422, sentence=_("Name and password do not fit together."))
    except TooManyAttempts as error:
        sentence = _("Too many wrong passwords. Wait %(seconds)s s and try again.", seconds=error.wait_s)
        response = _page(form, status=429, sentence=sentence)
        response.headers["Retry-After"] = str(error.wait_s)
        return response
    access.begin(key)
    return redirect(form.next.data, 303)


def _page(form: LoginForm, *, status: int = 200, sentence: str | None = None, is_open: bool = False) -> Response:
    form.password.data = ""
    nobody_yet = is_open or not people.anybody()
    return make_response(
        render_template("login/index.html", form=form, sentence=sentence, nobody_yet=nobody_yet), status
    )
