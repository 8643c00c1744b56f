"""What polls teach, kept with the miners and their models: factors, open measurements, what changes cost.

Part of the status poller's transaction, in a handful of statements. An open measurement is two columns of the miner's
status row, so that a restart of PowerHive loses none: it goes on, or the gap in the polls drops it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.orm import Session, scoped_session

from app.core import learning, switching
from app.core.learning import Circumstances, Factors, Poll
from app.core.readings import MinerState, MinerStatus, Preset, Stamp
from app.core.switching import Measuring, Switch
from app.core.types import ChangeKind, ChangeView
from app.models import Miner, MinerModel, MinerPreset, MinerStatusRow, PresetChangeRow
from app.store.snapshot import change_view

AnySession: TypeAlias = Session | scoped_session[Any]
_Row: TypeAlias = Row[*tuple[Any, ...]]

_SettleTimes: TypeAlias = dict[bool, float]  # s; of changes with a restart (True) and without

ROW = "row_id"  # names the status row that the other columns of a dictionary are for
_STATES = {str(state): state for state in MinerState}
_AT_THE_START: _SettleTimes = dict.fromkeys((True, False), switching.START_SETTLE_S)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a sweep taught, as columns of the status rows: new factors, and open or ended measurements."""

    factors: list[dict[str, Any]]
    measured: list[dict[str, Any]]


def polls_before(session: AnySession) -> dict[int, Any]:
    """Return every miner's last poll by id, with the preset it ran then, its latest change and what was learned.

    To be read before a sweep overwrites it.
    """
    row, rung, change = MinerStatusRow, MinerPreset, PresetChangeRow
    newest = select(func.max(change.id)).where(change.miner_id == row.miner_id).correlate(row).scalar_subquery()
    query = (
        select(
            row.miner_id, row.online, row.missed_polls, row.polled_at, row.polled_monotonic_s, row.polled_boot_id,
            row.state, row.running_preset, row.power_w, row.hashrate_ths, row.throttled_percent, row.power_factor,
            row.hashrate_factor, row.measured_change_id, row.measured_ths_s, Miner.model_id, Miner.saved_preset,
            rung.name.label("preset"), rung.firmware_power_w, rung.hashrate_ths.label("preset_ths"),
            change.id.label("change_id"), change.kind, change.origin, change.old_preset, change.new_preset,
            change.old_power_w, change.new_power_w, change.outcome, change.attempt, change.accepted,
            change.restart_required, change.restart_accepted, change.polled_unchanged, change.recorded_at,
            change.recorded_monotonic_s, change.recorded_boot_id, change.finished_at, change.finished_monotonic_s,
            change.finished_boot_id,
        )
        .join(Miner, Miner.id == row.miner_id)
        .outerjoin(rung, and_(rung.miner_id == row.miner_id, rung.name == row.running_preset))
        .outerjoin(change, change.id == newest)
    )  # fmt: skip
    return {found.miner_id: found for found in session.execute(query)}


def teach(
    session: AnySession, before: Mapping[int, Any], answered: Mapping[int, MinerStatus], now: Stamp
) -> Lessons:  # fmt: skip
    """Return what the answers of a sweep teach of each miner; what they teach of a model is written at once.

    Part of the poller's transaction. `before`: see `polls_before`.
    """
    times = _settle_times(session)
    lessons = Lessons([], [])
    ended: dict[int, list[Switch]] = {}
    for miner_id, status in answered.items():
        row = before.get(miner_id)
        if row is not None and row.polled_boot_id is not None:
            switch = _teach(lessons, row, status, times.get(row.model_id, _AT_THE_START), now)
            if switch is not None and row.model_id is not None:
                ended.setdefault(row.model_id, []).append(switch)
    _keep(session, ended)
    return lessons


# --- inside ----------------------------------------------------------------------------------------------------------


def _teach(lessons: Lessons, row: _Row, status: MinerStatus, settle_times_s: _SettleTimes, now: Stamp) -> Switch | None:
    """Add what one answer teaches; return the cost of a change that came to its end with it."""
    poll, before = learning.poll_of(status), _poll(row)
    apart_s = Stamp(row.polled_at, row.polled_monotonic_s, row.polled_boot_id).elapsed_s(now)
    preset = None if row.preset is None else Preset(row.preset, row.firmware_power_w, row.preset_ths)
    change = None if row.change_id is None else change_view(row, now)
    measured = _measured(row, change, poll, before, apart_s=apart_s, preset=preset)
    if measured is not None or _is_open(row):
        ths_s = measured.hashed_ths_s if isinstance(measured, Measuring) else None
        lessons.measured.append({ROW: row.miner_id, "measured_change_id": row.change_id, "measured_ths_s": ths_s})
    facts = Circumstances(
        apart_s=apart_s,
        preset=preset,
        saved_preset=row.saved_preset,
        change=change,
        settle_s=settle_times_s[_with_restart(row)],
        boot_settle_s=settle_times_s[True],
        being_measured=isinstance(measured, Measuring),
    )
    known = Factors() if row.power_factor is None else Factors(row.power_factor, row.hashrate_factor)
    found = learning.learn(known, poll, before, facts)
    if found is not known:
        lessons.factors.append(
            {ROW: row.miner_id, "power_factor": found.power, "hashrate_factor": found.hashrate, "learned_at": now.utc}
        )
    return measured if isinstance(measured, Switch) else None


def _measured(
    row: _Row, change: ChangeView | None, poll: Poll, before: Poll, *, apart_s: float, preset: Preset | None
) -> Measuring | Switch | None:
    """Return where the measurement of the latest change stands; None where it is over, or not begun.

    One that is over stays named in the row, so that no change is measured twice.
    """
    if change is None:
        return None
    if row.measured_change_id != row.change_id:
        return switching.begin(change, poll)
    if row.measured_ths_s is None:
        return None
    return switching.follow(
        Measuring(row.measured_ths_s), change, poll, before,
        apart_s=apart_s, preset=preset, with_restart=_with_restart(row),
    )  # fmt: skip


def _is_open(row: _Row) -> bool:
    """Whether the latest change was being measured when this row was written."""
    return row.measured_ths_s is not None and row.measured_change_id == row.change_id


def _with_restart(row: _Row) -> bool:
    """Whether the latest change needed a restart; starts and stops are taken for one."""
    return row.kind != ChangeKind.PRESET or bool(row.restart_required)


def _poll(row: _Row) -> Poll:
    return Poll(
        state=_STATES.get(row.state, MinerState.UNKNOWN),
        running_preset=row.running_preset,
        power_w=row.power_w,
        hashrate_ths=row.hashrate_ths,
        throttled_percent=row.throttled_percent,
    )


def _settle_times(session: AnySession) -> dict[int, _SettleTimes]:
    query = select(MinerModel.id, MinerModel.settle_s, MinerModel.switches)
    times: dict[int, _SettleTimes] = {}
    for model_id, own_s, entries in session.execute(query):
        costs = switching.costs(switching.read(entries))
        times[model_id] = {kind: switching.settle_s(costs, own_s, with_restart=kind) for kind in (True, False)}
    return times


def _keep(session: AnySession, ended: Mapping[int, Sequence[Switch]]) -> None:
    """Add these changes to those of their models, the last fifty of each kind."""
    for model_id, switches in ended.items():
        entries = session.scalar(select(MinerModel.switches).where(MinerModel.id == model_id)) or []
        kept = switching.kept([*switching.read(entries), *switches])
        session.execute(update(MinerModel).where(MinerModel.id == model_id).values(switches=switching.written(kept)))
