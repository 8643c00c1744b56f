"""What the refreshing parts of the dashboard show, each as a frozen picture.

A picture's version is made of exactly what it shows. Ages and times left are `repr=False`: they count on in the
browser and are no news. So a part whose version the browser already has need not be rendered, nor sent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from flask import url_for
from markupsafe import Markup

from app.core.outlook import Step
from app.core.readings import SourceKind, Stamp
from app.core.types import BalanceStatus, Mode, Override, Settings
from app.models import PlantSource
from app.store import commands
from app.store.headlines import EventHeadline, OrderHeadline, SilentMiner
from app.store.status_board import StatusBoard
from app.web import attention, formats, headline, page
from app.web.attention import Problem
from app.web.words import gettext as _
from app.web.words import ngettext

SHOWN_PROBLEMS = 12
SHOWN_EVENTS = 6
ORDER_SHOWN_S = 6 * 3600.0  # a finished order that no longer rules the farm is of interest that long
LARGE_THS = 10_000.0  # from here on a hashrate is shown in PH/s
_LONGEST_REASON = 110


@dataclass(frozen=True, slots=True)
class Tile:
    """One number. `kind`: "", main, warn or bad."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    kind: str = ""
    age_s: float | None = field(default=None, repr=False)  # shown instead of `value`, counting
    is_age: bool = False
    there: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """Where loads, target and generation lie on a bar of 1,000 units."""

    foreign: float
    current: float
    target: float
    generation: float
    words: str
    keys: tuple[tuple[str, str], ...]  # (class, words)


@dataclass(frozen=True, slots=True)
class Now:
    """Status line, bar and tiles."""

    kind: str
    word: str
    is_so: str
    step: str  # what comes next, without its time
    reason: str
    mode: str
    cycle_id: int | None
    bar: Bar | None
    tiles: tuple[Tile, ...]
    recorded_at: datetime | None
    next: Markup = field(repr=False)  # ... and with it
    cycle_age_s: float | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attention:
    """The worst problems, and how many there are beside."""

    problems: tuple[Problem, ...]
    more: int


@dataclass(frozen=True, slots=True)
class SourceBar:
    """One generator or meter. `width`: of 100, by the largest source. `kind`: ok, bad or stale."""

    name: str
    role: str
    is_generation: bool
    value: str
    width: float
    kind: str
    state: str
    age_s: float | None = field(default=None, repr=False)  # since its last good value, where that matters


@dataclass(frozen=True, slots=True)
class Order:
    """The newest order for the whole farm and what became of it."""

    what: str
    by: str
    given_at: datetime
    kind: str  # of the mark: wait, ok or bad
    state: str
    result: str


@dataclass(frozen=True, slots=True)
class InForce:
    """What people have put into force. It is said all over the page: at its top, over the mode's form, on orders."""

    mode: Mode
    mode_banner: str | None
    override_banner: str | None
    orders: tuple[tuple[str, bool], ...]  # (kind, whether it is in force)


def version(picture: object, reader: str) -> str:
    """Return what changes whenever the picture, or who it is for (language and zone), does."""
    return hashlib.sha256(f"{reader}{picture!r}".encode()).hexdigest()[:10]


def now(board: StatusBoard, at: Stamp, interval_s: float) -> Now:
    """Return the picture of status line, bar and tiles."""
    seen = headline.what_next(board, at, interval_s)
    step = headline.in_words(seen, board.settings)
    cycle = board.cycle
    return Now(
        kind=_kind(board, seen.step),
        word=formats.status(board.status),
        is_so=headline.how_it_is(board),
        step=step,
        next=headline.with_time_left(step, seen.in_s),
        reason=formats.said(board.reason) if cycle else "",
        mode=formats.mode(board.settings.mode),
        cycle_id=None if cycle is None else cycle.id,
        cycle_age_s=board.cycle_age_s,
        bar=_bar(board),
        tiles=_tiles(board),
        recorded_at=None if board.reading is None else board.reading.recorded_at,
    )


def attention_of(board: StatusBoard, silent: list[SilentMiner]) -> Attention:
    """Return the picture of what needs attention."""
    found = attention.problems(board, silent)
    return Attention(tuple(found[:SHOWN_PROBLEMS]), max(0, len(found) - SHOWN_PROBLEMS))


def sources(board: StatusBoard, at: Stamp) -> tuple[SourceBar, ...]:
    """Return a bar for each generator and meter that is not retired."""
    rows = [row for row in board.sources if row.role != "retired"]
    largest_kw = max((row.last_value_kw or 0.0 for row in rows), default=0.0) or 1.0
    return tuple(_source(row, largest_kw, at) for row in rows)


def order(found: OrderHeadline | None, at: Stamp) -> Order | None:
    """Return the newest order, while it is of interest."""
    if found is None or (at.utc - found.created_at).total_seconds() > ORDER_SHOWN_S:
        return None
    states = {
        "waiting": (_("waiting"), "wait"),
        "running": (_("being carried out"), "wait"),
        "done": (_("done"), "ok"),
        "failed": (_("failed"), "bad"),
    }
    state, kind = states.get(found.status, (found.status, "stale"))
    return Order(
        order_words().get(found.kind, found.kind), found.created_by, found.created_at, kind, state,
        formats.said(found.result) if found.result else "",
    )  # fmt: skip


def in_force(settings: Settings) -> InForce:
    """Return the picture of what people have put into force."""
    orders = {kind: override for kind, override in commands.OVERRIDES.items() if override is not Override.NONE}
    return InForce(**page.banners(settings), orders=tuple((kind, settings.override is orders[kind]) for kind in orders))


def order_words() -> dict[str, str]:
    """Name the orders for the whole farm."""
    return {"all_to_minimum": _("All to minimum"), "stop_all": _("Stop all"), "resume": _("Resume")}


def reason_of(event: EventHeadline) -> str:
    """Return why a change was made and what went wrong with it, short enough for a list."""
    text = formats.said(event.reason)
    if event.error_message:
        text = f"{text} \N{EN DASH} {formats.said(event.error_message)}"
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1].rstrip() + "…"


# --- inside ----------------------------------------------------------------------------------------------------------


def _kind(board: StatusBoard, step: Step) -> str:
    """How the line is coloured: a farm that nobody balances is not green, whatever its numbers say."""
    if step in (Step.LOST, Step.BALANCER_SILENT):
        return "bad"
    if board.status is BalanceStatus.OK and step in (Step.UNTIL_RESUME, Step.OFF):
        return "stale"
    return formats.STATUS_CLASS[board.status]


def _tiles(board: StatusBoard) -> tuple[Tile, ...]:
    return (*_plant_tiles(board), *_farm_tiles(board), *_miner_tiles(board), _reading_tile(board))


def _plant_tiles(board: StatusBoard) -> tuple[Tile, ...]:
    seen, cycle = board.cycle or board.reading, board.cycle
    margin = _("%(margin)s %% margin", margin=_short(board.settings.safety_margin_percent))
    return (
        Tile(_("Generation"), formats.number(seen.generation_kw if seen else None, 1), "kW"),
        Tile(_("Containers"), formats.number(seen.container_kw if seen else None, 1), "kW"),
        Tile(_("Available"), formats.number(seen.available_kw if seen else None, 1), "kW"),
        Tile(_("Target"), formats.kw_of_w(cycle.target_w if cycle else None), "kW", margin),
    )  # fmt: skip


def _farm_tiles(board: StatusBoard) -> tuple[Tile, ...]:
    cycle, counts = board.cycle, board.counts
    measured = _("measured %(power)s kW", power=formats.kw_of_w(counts.measured_power_w)) if counts.online else ""
    kind = "bad" if board.status == "OVER_TARGET" else "main"
    return (
        Tile(_("Consumption"), formats.kw_of_w(cycle.current_w if cycle else None), "kW", measured, kind),
        Tile(_("Can be cut"), formats.kw_of_w(cycle.cut_capacity_w if cycle else None), "kW"),
        Tile(_("Can be raised"), formats.kw_of_w(cycle.raise_room_w if cycle else None), "kW"),
    )


def _miner_tiles(board: StatusBoard) -> tuple[Tile, ...]:
    counts = board.counts
    of_all = _("of %(total)s", total=formats.number(counts.total))
    offline = _("%(offline)s offline", offline=formats.number(counts.offline)) if counts.offline else of_all
    large = counts.hashrate_ths >= LARGE_THS
    hashrate = formats.number(counts.hashrate_ths / 1000.0, 1) if large else formats.number(counts.hashrate_ths or None)
    return (
        Tile(_("Hashrate"), hashrate, "PH/s" if large else "TH/s"),
        Tile(_("Efficiency"), formats.number(counts.efficiency_w_per_ths or None, 1), "W/TH"),
        Tile(_("Managed"), formats.number(counts.managed), "", of_all, there=url_for("miners.index", managed="1")),
        Tile(_("Online"), formats.number(counts.online), "", offline, "warn" if counts.offline else "",
             there=url_for("miners.index", state="online")),
        Tile(_("Failing"), formats.number(counts.in_trouble), kind="bad" if counts.in_trouble else "",
             there=url_for("miners.index", problem="trouble")),
    )  # fmt: skip


def _reading_tile(board: StatusBoard) -> Tile:
    stale = board.reading_age_s is not None and board.reading_age_s > board.settings.stale_after_s
    refused = ""
    if board.refusals_24h:
        refused = ngettext("%(shown)s refused in 24 h", "%(shown)s refused in 24 h", board.refusals_24h,
                           shown=formats.number(board.refusals_24h))  # fmt: skip
    return Tile(_("Reading age"), formats.NO_VALUE, note=refused, kind="warn" if stale else "",
                age_s=board.reading_age_s, is_age=True)  # fmt: skip


def _bar(board: StatusBoard) -> Bar | None:
    cycle = board.cycle
    if cycle is None:
        return None
    current_kw, target_kw = cycle.current_w / 1000.0, cycle.target_w / 1000.0
    whole_kw = max(cycle.generation_kw, cycle.foreign_kw + current_kw, 0.001)
    shown = {
        "foreign": formats.number(cycle.foreign_kw, 1),
        "miners": formats.number(current_kw, 1),
        "target": formats.number(target_kw, 1),
        "generation": formats.number(cycle.generation_kw, 1),
    }

    def at(value_kw: float) -> float:
        return round(min(1000.0, max(0.0, value_kw / whole_kw * 1000.0)), 1)

    return Bar(
        foreign=at(cycle.foreign_kw),
        current=at(current_kw),
        target=at(cycle.foreign_kw + target_kw),
        generation=at(cycle.generation_kw),
        words=_(
            "Of %(generation)s kW generation, foreign load takes %(foreign)s kW and the managed miners %(miners)s kW; "
            "their target is %(target)s kW.",
            **shown,
        ),
        keys=(
            ("foreign", _("foreign %(kw)s kW", kw=shown["foreign"])),
            ("current", _("miners %(kw)s kW", kw=shown["miners"])),
            ("targetmark", _("target %(kw)s kW", kw=shown["target"])),
            ("whole", _("generation %(kw)s kW", kw=shown["generation"])),
        ),
    )


def _source(row: PlantSource, largest_kw: float, at: Stamp) -> SourceBar:
    good = row.status == "success"
    generation = row.kind == SourceKind.GENERATION
    return SourceBar(
        name=row.name,
        role=_("generator") if generation else _role(row.role),
        is_generation=generation,
        value=formats.number(row.last_value_kw, 1),
        width=round(min(100.0, max(0.0, (row.last_value_kw or 0.0) / largest_kw * 100.0)), 1),
        kind="ok" if good else "stale" if row.status == "unknown" else "bad",
        state="" if good else _state(row.status),
        age_s=None if good else _good_age_s(row, at),
    )


def _role(word: str) -> str:
    return {"miners": _("contains the miners"), "foreign": _("foreign load")}.get(word, word)


def _state(word: str) -> str:
    known = {"missing": _("missing in the plant's answer"), "unknown": _("not read yet")}
    return known.get(word) or _("failed: %(status)s", status=word)


def _good_age_s(row: PlantSource, at: Stamp) -> float | None:
    if row.last_good_at is None:
        return None
    boot, monotonic_s = row.last_good_boot_id or "unknown", row.last_good_monotonic_s or 0.0
    return Stamp(row.last_good_at, monotonic_s, boot).elapsed_s(at)


def _short(value: float) -> str:
    return formats.number(value, 0 if value == int(value) else 1)
