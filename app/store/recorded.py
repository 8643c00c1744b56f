"""What was recorded in a span of time, as a replay needs it: readings, cycles, settings, and the farm at its beginning.

Today's facts stand where no history is kept: who is managed, held, and of which ladder and max preset, and what each
meter measures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select

from app.core import plant
from app.core.readings import MinerState, Stamp
from app.core.replay import RecordedCycle, RecordedReading, Recording
from app.core.types import ChangeKind, MinerView, Origin, Outcome
from app.errors import Conflict
from app.extensions import db
from app.models import BalanceCycle, Miner, MinerSample, PlantReadingRow, PresetChangeRow
from app.store import readings, settings, snapshot
from app.store.polls import SAMPLE_EVERY_S

LONGEST_DAYS = 7  # 40,000 readings; the planner runs for each of them
SAMPLE_LOOK_BACK_S = 2.5 * SAMPLE_EVERY_S
SILENT_S = 3600.0  # how long a miner without any sample counts as silent

_Row = Row[*tuple[Any, ...]]


def load(since: datetime, until: datetime, now: Stamp, *, interval_s: float, reading_interval_s: float) -> Recording:
    """Return what was recorded with since <= time < until; at most `LONGEST_DAYS` (the caller's to check).

    Raises:
        Conflict: there is nothing to replay: no reading in that span, or no miner is managed.
    """
    try:
        return _load(since, until, now, interval_s, reading_interval_s)
    finally:
        db.session.rollback()  # a replay takes minutes; an open read transaction would hold the WAL for as long


def _load(since: datetime, until: datetime, now: Stamp, interval_s: float, reading_interval_s: float) -> Recording:
    found = _readings(since, until)
    if not found:
        raise Conflict(f"There is no plant reading from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC.")
    today = [view for view in snapshot.load(now, interval_s=interval_s).miners if view.managed and not view.retired]
    if not today:
        raise Conflict("No miner is managed: there is nothing to replay.")
    begin = _Beginning(since, until)
    sweeps, drawn_w, hashed_ths = _measured(since, until)
    return Recording(
        span_s=(until - since).total_seconds(),
        interval_s=interval_s,
        reading_interval_s=reading_interval_s,
        readings=tuple(found),
        cycles=tuple(_cycles(since, until)),
        settings=tuple(((at - since).total_seconds(), then) for at, then in settings.timeline(since, until)),
        miners=tuple(begin.view(view) for view in today),
        guessed=sum(begin.knows_nothing_of(view) for view in today),
        switches=_count_changes(since, until),
        by_hand=_count_changes(since, until, PresetChangeRow.origin == Origin.OPERATOR),
        sweeps=sweeps,
        drawn_w=drawn_w,
        hashed_ths=hashed_ths,
    )


def _readings(since: datetime, until: datetime) -> list[RecordedReading]:
    row = PlantReadingRow
    query = select(row.received_at, row.age_at_receipt_s, row.recorded_at, row.unchanged_since, row.generation_kw,
                   row.sources, row.foreign_kw).where(row.recorded_at >= since, row.recorded_at < until)  # fmt: skip
    roles = readings.todays_roles()
    found: list[RecordedReading] = []
    for received_at, age_s, recorded_at, unchanged_since, generation_kw, sources, foreign_kw in db.session.execute(
        query.order_by(row.recorded_at).execution_options(yield_per=1000)
    ):
        at_s = max(0.0, (received_at - since).total_seconds())
        if received_at >= until or (found and at_s <= found[-1].at_s):
            continue  # it came in later, or a clock was stepped back
        found.append(
            RecordedReading(
                at_s=at_s,
                age_s=age_s,
                frozen_s=plant.frozen_s(recorded_at, unchanged_since),
                generation_kw=generation_kw,
                foreign_kw=readings.load_by_role(sources, roles).foreign_kw if sources else foreign_kw,
            )
        )
    return found


def _cycles(since: datetime, until: datetime) -> list[RecordedCycle]:
    row = BalanceCycle
    query = select(row.recorded_at, row.available_kw, row.overhead_kw, row.unmanaged_w, row.target_w, row.current_w)
    query = query.where(row.recorded_at >= since, row.recorded_at < until).order_by(row.recorded_at, row.id)
    return [
        RecordedCycle((recorded_at - since).total_seconds(), *numbers)
        for recorded_at, *numbers in db.session.execute(query)
    ]


def _in_the_farm() -> list[ColumnElement[bool]]:
    return [Miner.managed.is_(True), Miner.retired.is_(False)]


def _took_on() -> ColumnElement[bool]:
    """A change that its miner took on: it said so, or it was read back."""
    return or_(PresetChangeRow.accepted.is_(True), PresetChangeRow.outcome == Outcome.CONFIRMED)


def _count_changes(since: datetime, until: datetime, *which: ColumnElement[bool]) -> int:
    row = PresetChangeRow
    query = select(func.count()).select_from(row).join(Miner, Miner.id == row.miner_id)
    query = query.where(row.recorded_at >= since, row.recorded_at < until, _took_on(), *_in_the_farm(), *which)
    return db.session.scalar(query) or 0


def _measured(since: datetime, until: datetime) -> tuple[int, float | None, float | None]:
    """Return how often the managed miners were sampled, and what they then drew (W) and hashed (TH/s) on average."""
    row = MinerSample
    query = select(func.count(row.recorded_at.distinct()), func.sum(row.power_w), func.sum(row.hashrate_ths))
    query = query.select_from(row).join(Miner, Miner.id == row.miner_id)
    sweeps, power_w, ths = db.session.execute(
        query.where(row.recorded_at >= since, row.recorded_at < until, *_in_the_farm())
    ).one()
    return (sweeps, (power_w or 0.0) / sweeps, (ths or 0.0) / sweeps) if sweeps else (0, None, None)


# --- the farm at the beginning ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """A miner's preset at a moment (None: stopped) by a change or a sample."""

    at: datetime
    preset: str | None
    state: MinerState


class _Beginning:
    """What each managed miner did at `since`: by its last change or sample before, else by its first one after."""

    def __init__(self, since: datetime, until: datetime) -> None:
        before = timedelta(seconds=SAMPLE_LOOK_BACK_S)
        self._changed = {row.miner_id: row for row in _one_change_each(since, last_before=True)}
        self._will_change = {row.miner_id: row for row in _one_change_each(since, last_before=False)}
        self._sampled = {row.miner_id: row for row in _one_sample_each(since - before, since, last=True)}
        self._will_be_sampled = {row.miner_id: row for row in _one_sample_each(since, until, last=False)}
        self._samples_are_kept = bool(self._sampled or self._will_be_sampled)

    def knows_nothing_of(self, view: MinerView) -> bool:
        """Whether nothing tells what the miner did then, though it was there."""
        return not self._is_silent(view.id) and self._seen(view.id) is None

    def view(self, today: MinerView) -> MinerView:
        """Return the miner as it was, as far as that is known; settled, without a change on its way."""
        seen, sample = self._seen(today.id), self._sampled.get(today.id) or self._will_be_sampled.get(today.id)
        known: dict[str, Any] = {"state": today.state if today.state is MinerState.STOPPED else MinerState.MINING}
        if seen is not None:
            known = {"state": seen.state}
            if seen.preset is not None:
                known |= {"running_preset": seen.preset, "saved_preset": seen.preset}
        if self._is_silent(today.id):
            known["state"] = MinerState.STOPPED  # what the model lets it draw; the program sees that it is silent
        last = self._changed.get(today.id)
        stopped = known["state"] is MinerState.STOPPED
        return replace(
            today,
            **known,
            silent_s=SILENT_S if self._is_silent(today.id) else None,
            stopped_by_us=stopped and last is not None and last.kind == ChangeKind.STOP,
            measured_power_w=None if sample is None else sample.power_w,
            measured_hashrate_ths=None if sample is None else sample.hashrate_ths,
            last_change=None,
            cooldown_left_s=0.0,
            throttled_percent=None,
        )

    def _is_silent(self, miner_id: int) -> bool:
        seen = miner_id in self._sampled or miner_id in self._will_be_sampled
        return self._samples_are_kept and not seen

    def _seen(self, miner_id: int) -> _Seen | None:
        changed, sampled = _by_change(self._changed.get(miner_id)), _by_sample(self._sampled.get(miner_id))
        if changed is not None and sampled is not None:
            # A sample right after a change may still show what was before it.
            settled = sampled.at - changed.at > timedelta(seconds=SAMPLE_EVERY_S)
            return sampled if settled else changed
        if changed is not None or sampled is not None:
            return changed or sampled
        return self._seen_later(miner_id)

    def _seen_later(self, miner_id: int) -> _Seen | None:
        row, sampled = self._will_change.get(miner_id), _by_sample(self._will_be_sampled.get(miner_id))
        if row is None or (sampled is not None and sampled.at < row.recorded_at):
            return sampled
        stopped = row.kind == ChangeKind.START
        return _Seen(row.recorded_at, row.old_preset, MinerState.STOPPED if stopped else MinerState.MINING)


def _by_change(row: _Row | None) -> _Seen | None:
    if row is None:
        return None
    state = MinerState.STOPPED if row.kind == ChangeKind.STOP else MinerState.MINING
    return _Seen(row.recorded_at, row.new_preset, state)


def _by_sample(row: _Row | None) -> _Seen | None:
    if row is None:
        return None
    stopped = row.state in (MinerState.STOPPED, MinerState.SHUTTING_DOWN)
    return _Seen(row.recorded_at, row.preset, MinerState.STOPPED if stopped else MinerState.MINING)


def _one_change_each(since: datetime, *, last_before: bool) -> list[_Row]:
    """Return each managed miner's last change before `since` that it took on, or its first one from then on."""
    row = PresetChangeRow
    when = row.recorded_at < since if last_before else row.recorded_at >= since
    chosen = (func.max if last_before else func.min)(row.id)
    this = select(chosen).where(row.miner_id == Miner.id, when, _took_on()).correlate(Miner).scalar_subquery()
    query = select(row.miner_id, row.recorded_at, row.kind, row.old_preset, row.new_preset)
    return list(db.session.execute(query.join(Miner, row.id == this).where(*_in_the_farm())))


def _one_sample_each(since: datetime, until: datetime, *, last: bool) -> list[_Row]:
    """Return each managed miner's last or first sample of a span."""
    row = MinerSample
    chosen = (func.max if last else func.min)(row.recorded_at)
    within = (row.recorded_at >= since, row.recorded_at < until)
    this = select(chosen).where(row.miner_id == Miner.id, *within).correlate(Miner).scalar_subquery()
    query = select(row.miner_id, row.recorded_at, row.state, row.preset, row.power_w, row.hashrate_ths)
    same = and_(row.miner_id == Miner.id, row.recorded_at == this)
    return list(db.session.execute(query.join(Miner, same).where(*_in_the_farm())))
