"""Orders for the whole farm: all to minimum, stop all, resume. Each leaves a row for the commands job."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.errors import NotFound
from app.store import commands
from app.web import dashboard, page
from app.web.dashboard import Refused
from app.web.dashboard_parts import order_words
from app.web.orders_form import OrderForm
from app.web.words import gettext as _

bp = Blueprint("orders", __name__, url_prefix="/orders")


@bp.post("/<kind>")
def give(kind: str) -> BaseResponse:
    """Leave the order: 303 to the dashboard, which shows what becomes of it; 422 where the word is not typed."""
    if kind not in commands.OVERRIDES:
        raise NotFound(f"There is no order {kind[:40]!r}; there are {', '.join(commands.OVERRIDES)}.")
    form = OrderForm(kind)
    if not form.validate_on_submit():
        return dashboard.show(Refused(order=(kind, form)), 422)
    reason = (form.reason.data or "").strip() or None
    commands.enqueue(kind, by=page.who(), now=clock.utcnow(), reason=reason)
    name = order_words()[kind]
    flash(_("Ordered: %(order)s. It is in force at once; what becomes of it is shown beside.", order=name))
    return redirect(url_for("dashboard.index", _anchor="orders"), 303)
