"""The plant's sources: the formula of the available power in numbers, and what each source's role makes of it."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.core.meter_roles import Contradiction
from app.core.readings import SourceKind, SourceRole
from app.errors import ChangedMeanwhile, Conflict, NotFound
from app.store import formula, plant_history
from app.store.formula import Picture, SourceLine
from app.web import formats, page, sentences
from app.web.language import locale
from app.web.settings import bp
from app.web.words import gettext as _
from app.web.words import ngettext

_FIELD = re.compile(r"(role|seen)-([0-9]{1,9})")


@bp.get("/sources")
def sources() -> Response:
    """The formula, and the form of the roles."""
    return _page()


@bp.get("/sources/formula")
def sources_formula() -> Response:
    """The part that refreshes by itself, and shows other roles while they are being chosen."""
    return make_response(render_template("settings/_formula.html", **_context(_numbered(request.args, "role"))))


@bp.post("/sources")
def change_roles() -> BaseResponse:
    """Change the roles, all or none: 303 back, 409 where somebody else was faster, 422 where one does not fit.

    With `only=show` nothing is saved: the page shows what these roles would make available.
    """
    if not FlaskForm().validate_on_submit():
        return _page(422, _("The form was not complete; nothing was changed."))
    wanted, seen = _numbered(request.form, "role"), _numbered(request.form, "seen")
    if request.form.get("only") == "show":
        return _page(kept=wanted)
    try:
        changed = plant_history.set_roles(wanted, seen, page.who(), clock.utcnow())
    except ChangedMeanwhile as error:
        return _page(409, _("Somebody else changed %(names)s meanwhile. What you chose is kept; look at it, then save "
                            "again.", names=", ".join(error.names)), wanted)  # fmt: skip
    except (Conflict, NotFound) as error:
        return _page(422, formats.said(str(error)))
    flash(_saved([source.name for source in changed]))
    return redirect(url_for("settings.sources"), 303)


@bp.post("/sources/<int:source_id>/insist")
def insist_on_role(source_id: int) -> BaseResponse:
    """Say a role again, against what the meter says: until later readings decide anew. 303 back."""
    line = next((line for line in formula.picture(clock.stamp(), {}).lines if line.row.id == source_id), None)
    if line is None:
        raise NotFound(_("There is no such plant source any more."))
    plant_history.set_role(line.row.name, line.role, page.who(), clock.utcnow(), line.row.kind)
    flash(_("%(name)s keeps its role. Readings from now on may judge it anew.", name=line.row.name))
    return redirect(url_for("settings.sources"), 303)


def role_words(role: str) -> str:
    """A role in words for people."""
    return {
        "generation": _("generation"),
        "foreign": _("foreign load"),
        "miners": _("contains the miners"),
        "retired": _("retired"),
    }.get(role, role)


def source_status(line: SourceLine) -> tuple[str, str]:
    """How a source answers, in words for people, and its CSS class."""
    word = line.row.status
    if word == "success":
        return _("answers"), "ok"
    if line.role is SourceRole.RETIRED:
        return _("retired"), "stale"
    if word == "missing":
        return _("not in the answer"), "bad"
    return (_("never seen"), "stale") if word == "unknown" else (word, "bad")


def meter_says(found: Contradiction) -> str:
    """What is wrong with a role, as the rules say it. Not `|said`: it begins with a meter's name."""
    return sentences.translated(found.sentence, str(locale())) + "."


def verdict(line: SourceLine) -> str:
    """What the meter check says of a source, in a sentence."""
    if line.row.kind != SourceKind.CONSUMPTION or line.role is SourceRole.RETIRED:
        return ""
    slope = None if line.judged is None or line.judged.slope is None else f"{line.judged.slope:.2f}"
    if line.judged is None or line.judged.verdict is None:
        return _("Not decided: the miners have not moved enough yet to tell.")
    if line.judged.verdict == "contains":
        return _("It follows the miners (slope %(slope)s): it contains them.", slope=slope or "–")
    if slope is None:
        return _("It reads less than the miners draw: it does not contain them.")
    return _("It does not follow the miners (slope %(slope)s).", slope=slope)


def _page(status: int = 200, refusal: str = "", kept: dict[int, str] | None = None) -> Response:
    context = _context(kept or {})
    return page.render(
        "settings/sources.html",
        status=status,
        settings=context["picture"].settings,
        refusal=refusal,
        roles=plant_history.ROLES,
        **context,
    )


def _context(wanted: dict[int, str]) -> dict[str, Any]:
    picture = formula.picture(clock.stamp(), wanted)
    return {
        "picture": picture,
        "role_words": role_words,
        "source_status": source_status,
        "verdict": verdict,
        "meter_says": meter_says,
        "has_meter_of_miners": any(line.wanted is SourceRole.MINERS for line in picture.lines),
        "notes": _notes(picture),
    }


def _notes(picture: Picture) -> list[str]:
    """What the roles being looked at would do beside the numbers."""
    notes = []
    for line in picture.lines:
        if line.wanted is SourceRole.RETIRED and line.row.status == "success":
            notes.append(_("%(name)s still answers: retired, it would count again with the next reading.",
                           name=line.row.name))  # fmt: skip
    if picture.differs and picture.then is not None and picture.then.overhead_estimated:
        notes.append(_("The overhead with these roles is estimated from the newest reading alone; the balancer smooths "
                       "it over eight."))  # fmt: skip
    return notes


def _numbered(fields: Any, prefix: str) -> dict[int, str]:
    """Return the values of `<prefix>-<id>` by id."""
    found = {}
    for name, value in fields.items():
        match = _FIELD.fullmatch(name)
        if match and match[1] == prefix:
            found[int(match[2])] = value
    return found


def _saved(names: list[str]) -> str:
    if not names:
        return _("The roles are confirmed as they are.")
    return ngettext(
        "%(names)s has another role now. The next cycle counts by it.",
        "%(names)s have other roles now. The next cycle counts by them.",
        len(names),
        names=", ".join(names),
    )
