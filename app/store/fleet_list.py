"""The miners as a list: which of them match, in what order, page by page; and hosts that are no miners of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, func, or_, select
from sqlalchemy.orm import aliased, contains_eager

from app import clock
from app.core.readings import MinerState
from app.core.types import Outcome
from app.extensions import db
from app.models import Miner, MinerModel, MinerPreset, MinerStatusRow, ModelPreset, OtherHost, PresetChangeRow
from app.redaction import Secret

PAGE_SIZE = 50
LABEL_GROUPS = 60
CSV_BATCH = 500

Columns: TypeAlias = tuple[ColumnElement[Any], ...]


@dataclass(frozen=True, slots=True)
class FleetFilter:
    """Which miners. `text` is looked for in MAC, address, label and hostname; `label`: how a label begins.

    `state`: a key of `STATES`; `problem`: a key of `PROBLEMS`; anything else matches every miner.
    """

    text: str = ""
    model: str = ""  # alias
    managed: bool | None = None
    state: str = ""
    problem: str = ""
    label: str = ""
    retired: bool | None = False  # None: both
    before_id: int | None = None  # continues an earlier list, the last added first


class ListedMiner(NamedTuple):
    """What a list shows of a miner; from `state` on its last answer, be it `online` or not.

    No entity: to make 50 of 60 columns each, and to look into them, takes a third of the time of a whole page.
    """

    id: int
    mac: str
    ip: str
    label: str
    api_key: Secret | None
    managed: bool
    hold: bool
    hold_until: datetime | None
    retired: bool
    updated_at: datetime
    model: str | None
    online: bool | None
    state: str | None
    description: str | None
    running_preset: str | None
    power_w: int | None
    hashrate_ths: float | None
    chip_temp_c: int | None
    accounted_power_w: float | None


@dataclass(frozen=True, slots=True)
class FleetPage:
    """One page of miners. `page` counts from 1 and never lies beyond `pages`."""

    miners: Sequence[ListedMiner]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a miner stands in a list: the MACs before and after it (None: it is the first, the last), its number."""

    before: str | None
    after: str | None
    number: int
    total: int

    @property
    def page(self) -> int:
        return -(-self.number // PAGE_SIZE)


_ONLINE = func.coalesce(MinerStatusRow.online, False).is_(True)
_STATE = MinerStatusRow.state
STATES: dict[str, ColumnElement[bool]] = {
    "online": _ONLINE,
    "offline": ~_ONLINE,
    "mining": and_(_ONLINE, _STATE.in_([state for state in MinerState if state.hashing])),
    "starting": and_(_ONLINE, _STATE.in_([state for state in MinerState if state.booting])),
    "stopped": and_(_ONLINE, _STATE == MinerState.STOPPED),
    "failing": and_(_ONLINE, _STATE == MinerState.FAILURE),
}


def _now_shown(column: Any) -> ColumnElement[Any]:
    """The column of a miner that answers; None of one that does not: what it last said is no present number."""
    return case((_ONLINE, column))


SORTS: dict[str, Columns] = {
    "address": (func.length(Miner.ip), Miner.ip.expression),
    "name": (func.coalesce(func.nullif(Miner.label, ""), Miner.ip),),
    "model": (MinerModel.name.expression,),
    "state": (_ONLINE, MinerStatusRow.state.expression),
    "preset": (_now_shown(func.length(MinerStatusRow.running_preset)), _now_shown(MinerStatusRow.running_preset)),
    "power": (_now_shown(MinerStatusRow.power_w),),
    "hashrate": (_now_shown(MinerStatusRow.hashrate_ths),),
    "efficiency": (_now_shown(MinerStatusRow.power_w / func.nullif(MinerStatusRow.hashrate_ths, 0)),),
    "temperature": (_now_shown(MinerStatusRow.chip_temp_c),),
    "managed": (Miner.managed.expression,),
    "added": (Miner.id.expression,),
}


_OF_THE_MINER = ("address", "name", "managed", "added")  # sorted by without model and status


def page(wanted: FleetFilter, sort: str = "address", page_number: int = 1, size: int = PAGE_SIZE) -> FleetPage:
    """Return one page of the miners that match, sorted by a key of `SORTS`, or by `-key` the other way round."""
    # A filter that joins is looked through once, whatever it finds; without one, 3,000 ids cost more than a count.
    found = _ids(wanted, sort) if _asks_more(wanted) else None
    total = count(wanted) if found is None else len(found)
    pages = max(1, -(-total // size))
    number = min(max(1, page_number), pages)
    start = (number - 1) * size
    shown = _ids(wanted, sort, limit=size, offset=start) if found is None else found[start : start + size]
    return FleetPage(rows(shown), total, number, pages)


def count(wanted: FleetFilter) -> int:
    """Return how many miners match."""
    return db.session.scalar(matching(select(func.count(Miner.id)), wanted, joined=_asks_more(wanted))) or 0


def listed(wanted: FleetFilter, sort: str = "address", *, limit: int = 1000, offset: int = 0) -> list[Miner]:
    """Return matching miners with model and status loaded. An unknown sort is by address."""
    return _of_ids(_ids(wanted, sort, limit=limit, offset=offset))


def batches(wanted: FleetFilter, sort: str) -> Iterator[Sequence[Miner]]:
    """Yield every matching miner, a batch at a time: for files of the whole fleet. A batch is good until the next.

    Who matches is found at the beginning: the order may change while the file is taken, nobody is left out.
    """
    ids = _ids(wanted, sort)
    for start in range(0, len(ids), CSV_BATCH):
        db.session.rollback()  # no read transaction stays open while a slow reader takes the file
        yield _of_ids(ids[start : start + CSV_BATCH])


_THESE = Miner.id.in_(bindparam("ids", expanding=True))
_STATUS = MinerStatusRow
_ROWS = (
    select(
        Miner.id, Miner.mac, Miner.ip, Miner.label, Miner.api_key, Miner.managed, Miner.hold, Miner.hold_until,
        Miner.retired, Miner.updated_at, MinerModel.name, _STATUS.online, _STATUS.state, _STATUS.description,
        _STATUS.running_preset, _STATUS.power_w, _STATUS.hashrate_ths, _STATUS.chip_temp_c, _STATUS.accounted_power_w,
    )
    .outerjoin(Miner.model)
    .outerjoin(Miner.status)
    .where(_THESE)
)  # fmt: skip


def rows(ids: Sequence[int]) -> list[ListedMiner]:
    """Return what a list shows of these miners, in this order; unknown ids are left out."""
    found = {row.id: ListedMiner._make(row) for row in db.session.execute(_ROWS, {"ids": ids})}
    return [found[i] for i in ids if i in found]


def _of_ids(ids: Sequence[int]) -> list[Miner]:
    query = select(Miner).outerjoin(Miner.model).outerjoin(Miner.status).where(Miner.id.in_(ids))
    query = query.options(contains_eager(Miner.model), contains_eager(Miner.status))
    found = {miner.id: miner for miner in db.session.scalars(query)}
    return [found[i] for i in ids if i in found]


_CHANGE = PresetChangeRow
_ENDS = select(_CHANGE.miner_id, _CHANGE.outcome, _CHANGE.new_preset).where(
    _CHANGE.is_latest, _CHANGE.miner_id.in_(bindparam("ids", expanding=True))
)


def latest_ends(ids: Sequence[int]) -> dict[int, tuple[str, str | None]]:
    """Return (outcome, new preset) of each of these miners' latest change, by id."""
    return {miner_id: (outcome, preset) for miner_id, outcome, preset in db.session.execute(_ENDS, {"ids": ids})}


def place(miner: Miner, wanted: FleetFilter, sort: str) -> Place | None:
    """Return where a miner stands in this list; None where it is not in it."""
    by = order(sort)
    ranked = matching(
        select(
            Miner.id, func.lag(Miner.mac).over(order_by=by), func.lead(Miner.mac).over(order_by=by),
            func.row_number().over(order_by=by), func.count().over(),
        ),
        wanted,
        joined=_asks_more(wanted, sort),
    ).subquery()  # fmt: skip
    row = db.session.execute(select(ranked).where(ranked.c.id == miner.id)).first()
    return None if row is None else Place(*row[1:])


_LABEL_BEGINS = func.rtrim(Miner.label, "0123456789")
_LABEL_GROUPS = (
    select(_LABEL_BEGINS, func.count())
    .where(Miner.label != "", Miner.retired.is_(False))
    .group_by(_LABEL_BEGINS)
    .having(func.count() > 1, _LABEL_BEGINS != "")
    .order_by(_LABEL_BEGINS)
    .limit(LABEL_GROUPS)
)


def label_groups() -> list[tuple[str, int]]:
    """Return (how labels begin, miners) for labels that differ in their last digits only: `C1-` of C1-01 and C1-02."""
    return [(begins, total) for begins, total in db.session.execute(_LABEL_GROUPS)]


def matching(query: Select[Any], wanted: FleetFilter, *, joined: bool = True) -> Select[Any]:
    """Return the query, which is about `Miner`, for the miners that match only.

    `joined`: with model and status; without them where neither filter nor order needs them (a third of the time).
    """
    if joined:
        query = query.outerjoin(Miner.model).outerjoin(Miner.status)
    if wanted.text.strip():
        columns = (Miner.mac, Miner.ip, Miner.label, Miner.hostname)
        query = query.where(or_(*(column.icontains(wanted.text.strip(), autoescape=True) for column in columns)))
    if wanted.model:
        query = query.where(MinerModel.alias == wanted.model)
    if wanted.managed is not None:
        query = query.where(Miner.managed.is_(wanted.managed))
    if wanted.retired is not None:
        query = query.where(Miner.retired.is_(wanted.retired))
    if wanted.before_id is not None:
        query = query.where(Miner.id < wanted.before_id)
    if wanted.label:
        query = query.where(Miner.label.startswith(wanted.label, autoescape=True))
    if wanted.state in STATES:
        query = query.where(STATES[wanted.state])
    if wanted.problem in PROBLEMS:
        query = query.where(PROBLEMS[wanted.problem](clock.utcnow()))
    return query


def order(sort: str) -> Columns:
    """Return the columns to sort by, unknown values last in both directions, each miner at a place of its own."""
    columns = SORTS.get(sort.removeprefix("-"), SORTS["address"])
    down = sort.startswith("-")
    return (*((column.desc() if down else column.asc()).nulls_last() for column in columns),
            Miner.id.desc() if down else Miner.id.asc())  # fmt: skip


def _ids(wanted: FleetFilter, sort: str, *, limit: int | None = None, offset: int = 0) -> list[int]:
    """Return the ids of matching miners in this order: to sort 3,000 whole rows takes three times as long."""
    query = matching(select(Miner.id), wanted, joined=_asks_more(wanted, sort)).order_by(*order(sort))
    return list(db.session.scalars(query.limit(limit).offset(offset)))


def _asks_more(wanted: FleetFilter, sort: str = "address") -> bool:
    """Whether filter or order look at more than the miner itself."""
    if wanted.model or wanted.state in STATES or wanted.problem in PROBLEMS:
        return True
    return sort.removeprefix("-") in SORTS and sort.removeprefix("-") not in _OF_THE_MINER


# --- problems --------------------------------------------------------------------------------------------------------


def _last_change(*outcomes: Outcome) -> Callable[[datetime], ColumnElement[bool]]:
    """The latest change ended so."""
    change = PresetChangeRow
    ended_so = select(change.miner_id).where(change.is_latest, change.outcome.in_(outcomes))
    return lambda _now: Miner.id.in_(ended_so)


def _in_trouble(now: datetime) -> ColumnElement[bool]:
    """In failure, or the latest change failed or was not applied: as `FleetCounts.in_trouble` counts."""
    return or_(STATES["failing"], PROBLEMS["not_applied"](now))


def _above_max(_now: datetime) -> ColumnElement[bool]:
    """It runs a preset above its model's max preset, by the firmware's own watts."""
    runs, top = aliased(MinerPreset), aliased(ModelPreset)
    return and_(
        _ONLINE,
        exists()
        .where(
            runs.miner_id == Miner.id, runs.name == MinerStatusRow.running_preset,
            top.model_id == Miner.model_id, top.name == MinerModel.max_preset,
            runs.firmware_power_w > top.firmware_power_w,
        )
        .correlate(Miner, MinerModel, MinerStatusRow),
    )  # fmt: skip


def _held(now: datetime) -> ColumnElement[bool]:
    return and_(Miner.hold, or_(Miner.hold_until.is_(None), Miner.hold_until > now))


def _any_problem(now: datetime) -> ColumnElement[bool]:
    kinds = ("offline", "failing", "not_applied", "above_max", "no_max_preset", "no_key")
    return or_(*(PROBLEMS[kind](now) for kind in kinds))


PROBLEMS: dict[str, Callable[[datetime], ColumnElement[bool]]] = {
    "any": _any_problem,
    "offline": lambda _now: STATES["offline"],
    "failing": lambda _now: STATES["failing"],
    "failed": _last_change(Outcome.FAILED),
    "unapplied": _last_change(Outcome.NOT_APPLIED),
    "not_applied": _last_change(Outcome.FAILED, Outcome.NOT_APPLIED),
    "trouble": _in_trouble,
    "above_max": _above_max,
    "no_max_preset": lambda _now: MinerModel.max_preset.is_(None),
    "no_model": lambda _now: Miner.model_id.is_(None),
    "no_key": lambda _now: Miner.api_key.is_(None),
    "held": _held,
    "stopped": lambda _now: STATES["stopped"],
    "stopped_by_us": lambda _now: and_(STATES["stopped"], Miner.stopped_by_us_at.is_not(None)),
    "stopped_by_others": lambda _now: and_(STATES["stopped"], Miner.stopped_by_us_at.is_(None)),
}


# --- hosts that are no miners of ours ---------------------------------------------------------------------------------


def other_hosts(limit: int, offset: int = 0) -> list[OtherHost]:
    """Return hosts that answer in the subnets without VNish, those that draw power first."""
    query = select(OtherHost).order_by(OtherHost.draws_power.desc(), func.length(OtherHost.ip), OtherHost.ip)
    return list(db.session.scalars(query.limit(limit).offset(offset)))


_OTHER_HOSTS = select(func.count(OtherHost.ip), func.coalesce(func.sum(case((OtherHost.draws_power, 1), else_=0)), 0))


def count_other_hosts() -> tuple[int, int]:
    """Return (hosts without VNish, those of them that draw power)."""
    total, some = db.session.execute(_OTHER_HOSTS).one()
    return total, int(some)
