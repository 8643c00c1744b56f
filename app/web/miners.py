"""The miners page: search, filter, sort, page; manage one or all of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.models import Miner
from app.store import cycles, fleet, miner_models
from app.store.fleet import SORTS, FleetFilter
from app.web import page
from app.web.forms import BulkManagedForm, ManagedForm, options

bp = Blueprint("miners", __name__, url_prefix="/miners")
STATES = {"": "any state", "online": "online", "offline": "offline", "stopped": "stopped", "failing": "in failure"}
MANAGED = {"": "managed or not", "1": "managed", "0": "not managed"}
EVERYONE = "*"


@dataclass(frozen=True, slots=True)
class View:
    """What part of the fleet the operator looks at; the query string, checked."""

    q: str = ""
    model: str = ""
    managed: str = ""
    state: str = ""
    sort: str = "address"
    page: int = 1

    @property
    def query(self) -> dict[str, Any]:
        """The query string again, without what is default."""
        plain = asdict(View())
        return {name: str(value) for name, value in asdict(self).items() if value != plain[name]}

    def fleet_filter(self) -> FleetFilter:
        managed = None if self.managed == "" else self.managed == "1"
        return FleetFilter(text=self.q, model=self.model, managed=managed, state=self.state)


@bp.get("")
def index() -> Response:
    """One page of miners."""
    return _page()


@bp.post("/<mac>/managed")
def change_managed(mac: str) -> BaseResponse:
    """Manage this miner or not: its row for htmx, else 303 back to the same view."""
    form = ManagedForm()
    miner = fleet.get(mac)
    if not form.validate_on_submit():
        return _page(422, "Choose managed or not managed.")
    fleet.set_managed(form.managed.data == "1", clock.utcnow(), macs=[miner.mac])
    if page.by_htmx():
        changed = fleet.get(mac)
        context = _row_context([changed])
        return make_response(render_template("miners/_row.html", miner=changed, view=_view(), **context))
    return redirect(url_for("miners.index", **_view().query, _anchor=_row_id(miner.mac)), 303)


@bp.post("/managed")
def change_many() -> BaseResponse:
    """Manage every miner of one model, or every miner; 303 back to the same view."""
    form = _bulk_form(miner_models.names())
    if not form.validate_on_submit():
        return _page(422, "Choose which miners, and managed or not managed.")
    managed, model = form.managed.data == "1", form.model.data
    everyone = model == EVERYONE
    changed = fleet.set_managed(managed, clock.utcnow(), model=None if everyone else model, everyone=everyone)
    word = "managed now" if managed else "not managed any more"
    flash(f"{changed:,} miner{'' if changed == 1 else 's'} {'is' if changed == 1 else 'are'} {word}.")
    return redirect(url_for("miners.index", **_view().query), 303)


def _page(status: int = 200, refusal: str | None = None) -> Response:
    view, names = _view(), miner_models.names()
    found = fleet.page(view.fleet_filter(), view.sort, view.page)
    return page.render(
        "miners/index.html",
        status=status,
        found=found,
        view=view,
        models=names,
        states=STATES,
        managed_choices=MANAGED,
        sorts=list(SORTS),
        **_row_context(found.miners),
        bulk_form=_bulk_form(names),
        refusal=refusal,
    )


def _row_context(miners: Sequence[Miner]) -> dict[str, Any]:
    return {
        "form": ManagedForm(formdata=None),
        "is_held": fleet.is_held,
        "now": clock.utcnow(),
        "why": cycles.explain_each(miners),
    }


def _bulk_form(names: list[tuple[str, str]]) -> BulkManagedForm:
    form = BulkManagedForm()
    form.model.choices = options([*((alias, f"all {name}") for alias, name in names), (EVERYONE, "all miners")])
    return form


def _view() -> View:
    args = request.args
    number = args.get("page", "1")
    return View(
        q=args.get("q", "").strip()[:80],
        model=args.get("model", "")[:64],
        managed=args["managed"] if args.get("managed") in MANAGED else "",
        state=args["state"] if args.get("state") in STATES else "",
        sort=args["sort"] if args.get("sort") in SORTS else "address",
        page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
    )


def _row_id(mac: str) -> str:
    return "miner-" + mac.replace(":", "")
