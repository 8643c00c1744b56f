"""What an operator decides about many miners at once: those chosen by hand, or all that a filter matches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from app.errors import Conflict
from app.extensions import writing
from app.models import Miner
from app.store import fleet_list
from app.store.fleet_list import FleetFilter

PLACEHOLDER = "#"  # in a label: a digit of the running number


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which miners: by MAC, or (`macs` None) all that `wanted` matches. `sort`: the order in which labels count."""

    macs: tuple[str, ...] | None
    wanted: FleetFilter = field(default_factory=FleetFilter)
    sort: str = "address"
    expected: int | None = None  # how many the operator was told; Conflict where it is another number by now


def set_managed(chosen: Chosen, managed: bool, now: datetime) -> int:
    """Let PowerHive change these miners' presets, or not any more; return how many were changed by this.

    Retired miners are left out.

    Raises:
        Conflict: the number of miners is not the expected one any more.
    """
    values = {"managed": managed}
    return _update(chosen, values, now, Miner.managed.is_not(managed), Miner.retired.is_(False))


def hold(chosen: Chosen, until: datetime | None, reason: str | None, now: datetime) -> int:
    """Lock these miners against automatic changes, until then or until released; return how many.

    Raises:
        Conflict: as in `set_managed`.
    """
    return _update(chosen, {"hold": True, "hold_until": until, "hold_reason": reason}, now)


def release(chosen: Chosen, now: datetime) -> int:
    """End these miners' holds; return how many were held.

    Raises:
        Conflict: as in `set_managed`.
    """
    values = {"hold": False, "hold_until": None, "hold_reason": None}
    return _update(chosen, values, now, Miner.hold.is_(True))


def label(chosen: Chosen, text: str, now: datetime) -> int:
    """Give these miners this label; `C1-##` counts them in the list's order: C1-01, C1-02. Return how many.

    Raises:
        Conflict: as in `set_managed`.
    """
    with writing() as session:
        query = fleet_list.matching(select(Miner.id), _filter(chosen)).order_by(*fleet_list.order(chosen.sort))
        ids = list(session.scalars(_restricted(query, chosen)))
        _check_count(chosen, len(ids))
        rows = [
            {"id": miner_id, "label": numbered(text, n), "updated_at": now} for n, miner_id in enumerate(ids, start=1)
        ]
        if rows:
            session.execute(update(Miner), rows)
    return len(ids)


def numbered(text: str, number: int) -> str:
    """Return the label with its first run of `#` replaced by the number, at least that many digits long."""
    start = text.find(PLACEHOLDER)
    if start < 0:
        return text
    end = start
    while text[end : end + 1] == PLACEHOLDER:
        end += 1
    return f"{text[:start]}{number:0{end - start}d}{text[end:]}"


def _update(chosen: Chosen, values: dict[str, Any], now: datetime, *which: Any) -> int:
    with writing() as session:
        if chosen.expected is not None:
            _check_count(chosen, fleet_list.count(chosen.wanted))
        ids = _restricted(fleet_list.matching(select(Miner.id), _filter(chosen)), chosen)
        change = update(Miner).where(Miner.id.in_(ids), *which).values(**values, updated_at=now)
        result = session.execute(change.execution_options(synchronize_session=False))
        session.expire_all()
        return int(getattr(result, "rowcount", 0))


def _filter(chosen: Chosen) -> FleetFilter:
    return FleetFilter(retired=None) if chosen.macs is not None else chosen.wanted


def _restricted(query: Select[Any], chosen: Chosen) -> Select[Any]:
    return query if chosen.macs is None else query.where(Miner.mac.in_([mac.lower() for mac in chosen.macs]))


def _check_count(chosen: Chosen, found: int) -> None:
    if chosen.expected is not None and chosen.expected != found:
        raise Conflict(f"{found:,} miners match by now, not {chosen.expected:,}: look at them and confirm again.")
