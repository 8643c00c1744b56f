"""What an operator decides about many miners at once: those chosen by hand, or all that a filter matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from app.core.audit import Action
from app.errors import Conflict
from app.extensions import writing
from app.models import Miner
from app.store import audit, fleet_list
from app.store.fleet_list import FleetFilter

PLACEHOLDER = "#"  # in a label: a digit of the running number


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which miners: by MAC, or (`macs` None) all that `wanted` matches. `sort`: the order in which labels count."""

    macs: tuple[str, ...] | None
    wanted: FleetFilter = field(default_factory=FleetFilter)
    sort: str = "address"
    expected: int | None = None  # how many the operator was told; Conflict where it is another number by now


def set_managed(chosen: Chosen, managed: bool, now: datetime, *, who: str) -> int:
    """Let PowerHive change these miners' presets, or not any more; return how many were changed by this.

    Retired miners are left out.

    Raises:
        Conflict: the number of miners is not the expected one any more.
    """
    values = {"managed": managed}
    return _update(chosen, values, now, Miner.managed.is_not(managed), Miner.retired.is_(False), who=who)


def hold(chosen: Chosen, until: datetime | None, reason: str | None, now: datetime, *, who: str) -> int:
    """Lock these miners against automatic changes, until then or until released; return how many.

    Raises:
        Conflict: as in `set_managed`.
    """
    return _update(chosen, {"hold": True, "hold_until": until, "hold_reason": reason}, now, who=who)


def release(chosen: Chosen, now: datetime, *, who: str) -> int:
    """End these miners' holds; return how many were held.

    Raises:
        Conflict: as in `set_managed`.
    """
    values = {"hold": False, "hold_until": None, "hold_reason": None}
    return _update(chosen, values, now, Miner.hold.is_(True), who=who)


def label(chosen: Chosen, text: str, now: datetime, *, who: str) -> int:
    """Give these miners this label; `C1-##` counts them in the list's order: C1-01, C1-02. Return how many.

    Raises:
        Conflict: as in `set_managed`.
    """
    with writing() as session:
        every: Any = select(Miner.id, Miner.mac)
        query = fleet_list.matching(every, _filter(chosen)).order_by(*fleet_list.order(chosen.sort))
        found = list(session.execute(_restricted(query, chosen)))
        _check_count(chosen, len(found))
        rows = [{"id": row.id, "label": numbered(text, n), "updated_at": now} for n, row in enumerate(found, start=1)]
        if rows:
            session.execute(update(Miner), rows)
            _note(session, chosen, [row.mac for row in found], {"label": text}, now=now, who=who)
    return len(found)


def numbered(text: str, number: int) -> str:
    """Return the label with its first run of `#` replaced by the number, at least that many digits long."""
    start = text.find(PLACEHOLDER)
    if start < 0:
        return text
    end = start
    while text[end : end + 1] == PLACEHOLDER:
        end += 1
    return f"{text[:start]}{number:0{end - start}d}{text[end:]}"


def _update(chosen: Chosen, values: dict[str, Any], now: datetime, *which: Any, who: str) -> int:
    with writing() as session:
        if chosen.expected is not None:
            _check_count(chosen, fleet_list.count(chosen.wanted))
        ids = _restricted(fleet_list.matching(select(Miner.id), _filter(chosen)), chosen)
        macs = list(session.scalars(select(Miner.mac).where(Miner.id.in_(ids), *which)))
        change = update(Miner).where(Miner.id.in_(ids), *which).values(**values, updated_at=now)
        session.execute(change.execution_options(synchronize_session=False))
        session.expire_all()
        _note(session, chosen, macs, values, now=now, who=who)
        return len(macs)


def _note(
    session: Any, chosen: Chosen, macs: Sequence[str], values: Mapping[str, Any], *, now: datetime, who: str
) -> None:
    """Write it down: miners chosen by hand one by one, all of a filter as one entry with their number."""
    new = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    if chosen.macs is not None:
        for mac in macs:
            audit.note(session, who, Action.MINER, mac, now, new=new)
    elif macs:
        audit.note(session, who, Action.MINER, "all of a filter", now, new=new | {"miners": len(macs)})


def _filter(chosen: Chosen) -> FleetFilter:
    return FleetFilter(retired=None) if chosen.macs is not None else chosen.wanted


def _restricted(query: Select[Any], chosen: Chosen) -> Select[Any]:
    return query if chosen.macs is None else query.where(Miner.mac.in_([mac.lower() for mac in chosen.macs]))


def _check_count(chosen: Chosen, found: int) -> None:
    if chosen.expected is not None and chosen.expected != found:
        raise Conflict(f"{found:,} miners match by now, not {chosen.expected:,}: look at them and confirm again.")
