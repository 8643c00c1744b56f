"""The cycles pages: what each balance cycle decided and why, newest first, and one of them with every miner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from app.core.types import BalanceStatus, Origin
from app.models import BalanceCycle, PresetChangeRow
from app.store import cycle_history, cycles, events
from app.store.cycle_history import CycleFilter
from app.store.keyset import Page
from app.web import formats, listing, page
from app.web.listing import Filters
from app.web.words import gettext as _

bp = Blueprint("cycles", __name__, url_prefix="/cycles")
PAGE_SIZE = 50
SHOWN_CHANGES = 100
SHOWN_SKIPPED = 40  # of each reason
WORTH_A_LINE_KW = 0.05
_NUMBER = re.compile(r"(?<![\w.-])\d[\d.,]*(?![\w-])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Term:
    """One line of the balance in numbers. `sign`: of what is added or taken away, "=" for a result."""

    sign: str
    words: str
    power_kw: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """One change of a cycle's plan, and the event it became (None: it was not sent)."""

    change: Mapping[str, Any]
    event: PresetChangeRow | None
    took_s: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """Miners passed over for one reason. `words`: the reason, with dots for numbers that differ; `miners`: some."""

    words: str
    count: int
    miners: list[tuple[str, str]]  # (MAC, its own reason, "" where it is the group's)


@bp.get("")
def index() -> Response:
    """One page of cycles."""
    filters = Filters()
    wanted = CycleFilter(
        status=filters.choice("status", set(BalanceStatus)),
        changes=filters.choice("changes", {"1"}) == "1",
        since=filters.moment("from"),
        until=filters.moment("to"),
    )
    found: Page[BalanceCycle] = Page([], newer=False, older=False)
    if not filters.errors:
        found = cycle_history.page(wanted, listing.place(), PAGE_SIZE)
    return page.render(
        "cycles/index.html",
        status=422 if filters.errors else 200,
        cycles=found.rows,
        pager=filters.pager(found),
        filters=filters,
        filtered=bool(filters.query),
        statuses={str(word): formats.status(word) for word in BalanceStatus},
        status_class=formats.STATUS_CLASS,
    )


@bp.get("/<int:cycle_id>")
def one(cycle_id: int) -> Response:
    """One cycle: its numbers, what it changed and what became of it, whom it passed over, why the others stay."""
    cycle = cycles.get(cycle_id)
    whole = request.args.get("all") == "1"
    changes = _decided(cycle, None if whole else SHOWN_CHANGES)
    groups = grouped(cycle.skipped, None if whole else SHOWN_SKIPPED)
    macs = [item.change["mac"] for item in changes] + [mac for group in groups for mac, _own in group.miners]
    before, after = cycle_history.neighbours(cycle_id)
    return page.render(
        "cycles/one.html",
        cycle=cycle,
        formula=formula(cycle),
        reading=cycle_history.reading(cycle),
        changes=changes,
        groups=groups,
        whole=whole,
        shortened=len(changes) < len(cycle.planned) or any(group.count > len(group.miners) for group in groups),
        names=cycle_history.names(macs),
        before=before,
        after=after,
        status_class=formats.STATUS_CLASS,
        operator=Origin.OPERATOR,
        outcomes=formats.outcomes(),
    )


def formula(cycle: BalanceCycle) -> list[Term]:
    """Return how the target came about, as the cycle's row keeps it (SPEC 3).

    What is taken away beyond the margin is what a farm limit or an old reading cost: the row does not keep which.
    """
    margin_kw = cycle.available_kw * cycle.safety_margin_percent / 100.0
    held_back_kw = cycle.available_kw - margin_kw - cycle.target_w / 1000.0
    not_managed = _("of which miners that are not managed: %(kw)s kW", kw=formats.kw_of_w(cycle.unmanaged_w))
    lines = [
        Term("", _("Generation"), cycle.generation_kw),
        Term(
            "\N{MINUS SIGN}",
            _("Load that PowerHive does not control"),
            cycle.foreign_kw - cycle.overhead_kw,
            not_managed if cycle.unmanaged_w else "",
        ),
        Term("\N{MINUS SIGN}", _("Overhead: fans, network, losses"), cycle.overhead_kw),
        Term("=", _("Available"), cycle.available_kw),
        Term("\N{MINUS SIGN}", _("Safety margin, %(percent)s %%", percent=_percent(cycle)), margin_kw),
    ]
    if held_back_kw > WORTH_A_LINE_KW and cycle.available_kw > 0:
        lines.append(Term("\N{MINUS SIGN}", _("Held back: farm limit, or an old reading"), held_back_kw))
    return [*lines, Term("=", _("Target for the managed miners"), cycle.target_w / 1000.0)]


def grouped(skipped: list[dict[str, str]], shown: int | None) -> list[Group]:
    """Return the miners passed over by reason, the most frequent first; reasons that differ in numbers only are one."""
    said: dict[str, str] = {}
    groups: dict[str, list[tuple[str, str]]] = {}
    for skip in skipped:
        reason = skip["reason"]
        if reason not in said:
            said[reason] = formats.said(reason)
        groups.setdefault(_NUMBER.sub("…", said[reason]), []).append((skip["mac"], said[reason]))
    found = []
    for words, members in groups.items():
        same = len({own for _mac, own in members}) == 1
        some = [(mac, "" if same else own) for mac, own in members[:shown]]
        found.append(Group(members[0][1] if same else words, len(members), some))
    return sorted(found, key=lambda group: (-group.count, group.words))


def _decided(cycle: BalanceCycle, shown: int | None) -> list[Decided]:
    sent = events.of_cycle(cycle.id) if cycle.planned else {}
    found = []
    for change in cycle.planned[:shown]:
        event = sent.get(change["miner_id"])
        found.append(Decided(change, event, None if event is None else events.took_s(event)))
    return found


def _percent(cycle: BalanceCycle) -> str:
    whole = float(cycle.safety_margin_percent).is_integer()
    return formats.number(cycle.safety_margin_percent, 0 if whole else 1)
