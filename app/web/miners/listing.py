"""The list of miners: search, filter, sort, page, refresh, file; and the hosts that are no miners of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.models import Miner
from app.store import cycles, fleet, fleet_list, miner_history, miner_models
from app.store.fleet_list import ListedMiner
from app.web import csv_file, formats, page, sparkline
from app.web.forms import ManagedForm
from app.web.miners import view as views
from app.web.miners.blueprint import bp
from app.web.miners.forms import ACTIONS, BulkForm
from app.web.miners.view import View
from app.web.words import gettext as _

_ANY = "00:00:00:00:00:00"  # stands for a miner's MAC in an address
LINE_HOURS = 24
CSV_COLUMNS = (
    "label", "ip", "mac", "hostname", "model", "model_alias", "firmware_version", "online", "state", "description",
    "failure_code", "running_preset", "saved_preset", "max_preset", "power_w", "power_is_metered", "hashrate_ths",
    "efficiency_w_per_ths", "accounted_power_w", "pcb_temp_c", "chip_temp_c", "fan_duty_percent", "fans_not_ok",
    "throttled_percent", "uptime_s", "managed", "held", "hold_until", "hold_reason", "retired", "power_factor",
    "hashrate_factor", "learned_at", "decision", "decision_reason", "missed_polls", "last_error", "adoption_error",
    "polled_at", "last_seen_at", "first_seen_at",
)  # fmt: skip


@bp.get("")
def index() -> Response:
    """One page of miners."""
    return show()


@bp.get("/rows")
def rows() -> Response:
    """The rows of these very miners (`id`), in this order: so that a refresh moves nothing under a pointing finger.

    204 where nothing differs from the version `shown`.
    """
    body = _rows(_asked_ids())
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    if request.args.get("shown") == version:
        return Response(status=204)
    response = make_response(body)
    response.headers["X-Version"] = version
    return response


@bp.get("/lines")
def lines() -> str:
    """The power of the last day of these very miners (`id`) as small lines, each to its place in the list.

    The list asks for them once it is shown: it need not wait for a day of samples to know what the miners do now.
    """
    return render_template("miners/_lines.html", lines=_power_lines(_asked_ids()))


@bp.get("/file.csv")
def as_csv() -> Response:
    """Every miner that matches, as a file."""
    view = views.current()
    return csv_file.answer("miners", CSV_COLUMNS, _lines_of_file(view))


@bp.get("/other-hosts")
def other_hosts() -> Response:
    """Hosts in the subnets that answer without VNish: seen, counted, left alone."""
    number = views.current().page
    total, drawing = fleet_list.count_other_hosts()
    pages = max(1, -(-total // fleet_list.PAGE_SIZE))
    number = min(number, pages)
    hosts = fleet_list.other_hosts(fleet_list.PAGE_SIZE, (number - 1) * fleet_list.PAGE_SIZE)
    return page.render(
        "miners/other_hosts.html", hosts=hosts, total=total, drawing=drawing, page_number=number, pages_count=pages
    )


@bp.post("/<mac>/managed")
def change_managed(mac: str) -> BaseResponse:
    """Manage this miner or not: its row for htmx, else 303 back to where the switch was."""
    form = ManagedForm()
    miner = fleet.get(mac)
    if not form.validate_on_submit():
        return show(422, _("Choose managed or not managed."))
    fleet.set_managed(form.managed.data == "1", clock.utcnow(), macs=[miner.mac], who=page.who())
    view = views.current()
    if page.by_htmx():
        return make_response(_rows([miner.id]))
    if request.args.get("back") == "one":
        return redirect(url_for("miners.one", mac=miner.mac, **view.list_arguments), 303)
    return redirect(url_for("miners.index", **view.arguments, _anchor=row_id(miner.mac)), 303)


def show(
    status: int = 200, refusal: str | None = None, form: BulkForm | None = None, selected: Sequence[str] = ()
) -> Response:
    """The page; with a refused bulk form its values and messages."""
    view = views.current()
    found = fleet_list.page(view.fleet_filter(), view.sort, view.page)
    context = _row_context(found.miners, view)
    return page.render(
        "miners/index.html",
        status=status,
        found=found,
        view=view,
        models=miner_models.names(),
        label_groups=_label_groups(view),
        states=views.states(),
        problems=views.problems(),
        managed_choices=views.managed_choices(),
        bulk=form or BulkForm(formdata=None),
        actions=action_words(),
        refusal=refusal,
        others=fleet_list.count_other_hosts(),
        why=context["why"],
        rows_at=_address_of_these("miners.rows", found.miners, view),
        lines_at=_address_of_these("miners.lines", found.miners),
        rows=Markup(render_template("miners/_rows.html", selected=set(selected), **context)),  # noqa: S704 - escaped there
    )


def _rows(ids: Sequence[int]) -> str:
    return render_template("miners/_rows.html", **_row_context(fleet_list.rows(ids), views.current()))


def _asked_ids() -> list[int]:
    """The ids in the address, a page of them at most; what is none is left out."""
    asked = request.args.getlist("id")[: fleet_list.PAGE_SIZE]
    return [int(text) for text in asked if text.isascii() and text.isdigit() and len(text) < 12]


def _address_of_these(endpoint: str, miners: Sequence[ListedMiner], view: View | None = None) -> str:
    """Return the address of something of these very miners: `url_for` takes half a millisecond for fifty ids."""
    address = url_for(endpoint, **(view.list_arguments if view else {}))
    return f"{address}{'&' if '?' in address else '?'}{'&'.join(f'id={miner.id}' for miner in miners)}"


def _row_context(miners: Sequence[ListedMiner], view: View) -> dict[str, Any]:
    """What the rows of these miners need. Addresses are built once: 100 `url_for` a page are 3 ms."""
    page_of = url_for("miners.one", mac=_ANY, **view.list_arguments).split(_ANY)
    switch_of = url_for("miners.change_managed", mac=_ANY, **view.arguments).split(_ANY)
    return {
        "rows": [(miner, miner.mac.join(page_of), miner.mac.join(switch_of)) for miner in miners],
        "is_held": fleet.is_held,
        "now": clock.utcnow(),
        "why": cycles.explain_each(miners),
        "ends": fleet_list.latest_ends([miner.id for miner in miners]),
        "mark_words": views.mark_words(),
    }


def row_id(mac: str) -> str:
    """The id of a miner's row in the page."""
    return "miner-" + mac.replace(":", "")


def action_words() -> dict[str, str]:
    """What can be done with many miners, in words."""
    words = (_("manage"), _("manage no more"), _("hold"), _("release"), _("label"))
    return dict(zip(ACTIONS, words, strict=True))


def _label_groups(view: View) -> list[tuple[str, str]]:
    groups = [(begins, f"{begins}… ({total})") for begins, total in fleet_list.label_groups()]
    known = {begins for begins, _words in groups}
    return groups if not view.label or view.label in known else [(view.label, f"{view.label}…"), *groups]


def _power_lines(ids: Sequence[int]) -> dict[int, list[str]]:
    """The power of the last hours of each miner as SVG points, all to one scale, so that rows can be compared."""
    until = clock.utcnow()
    found = miner_history.power_lines(ids, until - timedelta(hours=LINE_HOURS), until)
    largest = max((power_w or 0 for line in found.values() for power_w in line), default=0)
    return {miner_id: sparkline.lines(line, largest) for miner_id, line in found.items()}


def _lines_of_file(view: View) -> Iterator[Sequence[Any]]:
    for batch in fleet_list.batches(view.fleet_filter(), view.sort):
        why, now = cycles.explain_each(batch), clock.utcnow()
        for miner in batch:
            yield _line_of_file(miner, why[miner.mac], fleet.is_held(miner, now))


def _line_of_file(miner: Miner, why: cycles.Explanation, held: bool) -> Sequence[Any]:
    model, status = miner.model, miner.status
    polled: Any = status or _Unpolled()
    fans_not_ok = None if status is None else sum(not fan.get("ok") for fan in status.fans)
    return (
        miner.label, miner.ip, miner.mac, miner.hostname, model.name if model else None, model.alias if model else None,
        miner.firmware_version, bool(polled.online), polled.state, polled.description, polled.failure_code,
        polled.running_preset, miner.saved_preset, model.max_preset if model else None, polled.power_w,
        polled.power_metered, _rounded(polled.hashrate_ths, 2), _rounded(polled.efficiency_w_per_ths, 2),
        _rounded(polled.accounted_power_w, 1),
        polled.pcb_temp_c, polled.chip_temp_c, polled.fan_duty_percent, fans_not_ok, polled.throttled_percent,
        polled.uptime_s, miner.managed, held, formats.iso(miner.hold_until if held else None),
        miner.hold_reason if held else None, miner.retired, _rounded(polled.power_factor, 4),
        _rounded(polled.hashrate_factor, 4), formats.iso(polled.learned_at), str(why.decision), why.reason,
        polled.missed_polls, polled.last_error, miner.adoption_error, formats.iso(polled.polled_at),
        formats.iso(miner.last_seen_at), formats.iso(miner.created_at),
    )  # fmt: skip


def _rounded(value: float | None, digits: int) -> float | None:
    """To the digits that mean something."""
    return None if value is None else round(value, digits)


class _Unpolled:
    """A miner that was never polled: every number unknown."""

    def __getattr__(self, _name: str) -> None:
        return None
