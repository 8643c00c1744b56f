"""Manage, hold, release or label many miners: those checked, or all that the filter matches after a confirmation."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.errors import Conflict
from app.store import fleet_bulk, fleet_list, miner_models
from app.store.fleet_bulk import Chosen
from app.web import page
from app.web.miners import forms, listing
from app.web.miners import view as views
from app.web.miners.blueprint import bp
from app.web.miners.forms import MATCHING, BulkForm
from app.web.words import gettext as _
from app.web.words import ngettext


@bp.post("/bulk")
def change_many() -> BaseResponse:
    """Change them: 303 back to the same view; 422 with what is missing; a question where all that match are meant."""
    form, view = BulkForm(), views.current()
    checked = forms.macs(request.form.getlist("mac"))
    if not form.validate_on_submit():
        return listing.show(422, _("Nothing was changed: see the messages beside the fields."), form, checked)
    if form.scope.data == MATCHING:
        if form.confirmed is None:
            return _question(form, view)
        chosen = Chosen(None, view.fleet_filter(), view.sort, form.confirmed)
    elif checked:
        chosen = Chosen(checked, sort=view.sort)
    else:
        return listing.show(422, _("No miner is checked: check some rows, or choose all that match."), form)
    try:
        flash(_carry_out(form, chosen))
    except Conflict:
        return _question(form, view, 409)
    return redirect(url_for("miners.index", **view.arguments), 303)


def _question(form: BulkForm, view: views.View, status: int = 200) -> BaseResponse:
    """Ask before all that match are changed; 409 where their number changed since it was last asked."""
    total = fleet_list.count(view.fleet_filter())
    form.expected.data = str(total)
    return page.render(
        "miners/confirm.html",
        status=status,
        form=form,
        view=view,
        total=total,
        sentence=_sentence(form, total),
        filters=views.filter_words(view, dict(miner_models.names())),
        changed=status == 409,
    )


def _sentence(form: BulkForm, total: int) -> str:
    action = form.action.data
    if action == "manage":
        return ngettext("Manage %(num)s miner?", "Manage %(num)s miners?", total)
    if action == "unmanage":
        return ngettext("Manage %(num)s miner no more?", "Manage %(num)s miners no more?", total)
    if action == "hold":
        return ngettext("Hold %(num)s miner?", "Hold %(num)s miners?", total)
    if action == "release":
        return ngettext("Release %(num)s miner?", "Release %(num)s miners?", total)
    return ngettext("Label %(num)s miner?", "Label %(num)s miners?", total)


def _carry_out(form: BulkForm, chosen: Chosen) -> str:
    """Do it, and return what was done."""
    now, action = clock.utcnow(), form.action.data
    if action in ("manage", "unmanage"):
        done = fleet_bulk.set_managed(chosen, action == "manage", now, who=page.who())
        if action == "manage":
            return ngettext("%(num)s miner is managed now.", "%(num)s miners are managed now.", done)
        return ngettext("%(num)s miner is not managed any more.", "%(num)s miners are not managed any more.", done)
    if action == "hold":
        done = fleet_bulk.hold(chosen, form.until(now), (form.reason.data or "").strip() or None, now, who=page.who())
        return ngettext("%(num)s miner is held.", "%(num)s miners are held.", done)
    if action == "release":
        done = fleet_bulk.release(chosen, now, who=page.who())
        return ngettext("%(num)s miner is released.", "%(num)s miners are released.", done)
    done = fleet_bulk.label(chosen, (form.label.data or "").strip(), now, who=page.who())
    return ngettext("%(num)s miner is labelled.", "%(num)s miners are labelled.", done)
