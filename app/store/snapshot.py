"""One frozen picture of plant, farm and wishes, read in one transaction with a handful of queries.

Everything the rules may use in a cycle is here; `load_miner` reads the same of a few miners again for the door.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Row, String, case, cast, func, select
from sqlalchemy.orm import Session, scoped_session, undefer

from app.core import ladder as ladders
from app.core import learning, presence, river, switching
from app.core import settings as rules
from app.core.presence import Presence
from app.core.readings import Ladder, MinerState, Preset, Stamp
from app.core.types import ChangeKind, ChangeView, MinerView, Origin, Outcome, Settings, Snapshot, UntunedUse
from app.errors import NotFound
from app.extensions import db
from app.models import (
    Miner,
    MinerModel,
    MinerPreset,
    MinerStatusRow,
    ModelPreset,
    OtherHost,
    PresetChangeRow,
)
from app.store import cycles, meter_roles, readings, terms
from app.store import settings as settings_store

AnySession: TypeAlias = Session | scoped_session[Any]
_Row: TypeAlias = Row[*tuple[Any, ...]]

WORST_CASE_W = 4000.0  # a miner whose model has no known watts at all
RAISE_WINDOW_S = 60.0  # `ramp_up_kw_per_min` looks back this far
LATE_CALL_S = 30.0  # rows stand in the order of their intents; the call that dates one may begin some 12 s later
MOST_RECENT_CHANGES = 20_000  # more than any farm makes in 90 s; by a clock that was set back, old rows never grow old

_FIELD, _PRESET = "\x1f", "\x1e"  # unit and record separator: they occur in no preset's name
_STATES = {str(state): state for state in MinerState}
_KINDS = {str(kind): kind for kind in ChangeKind}
_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
_ORIGINS = {str(origin): origin for origin in Origin}

_Expected: TypeAlias = tuple[str, int | None, float | None]  # preset name, the operator's W and TH/s


@dataclass(frozen=True, slots=True)
class _ModelFacts:
    alias: str
    max_preset: str | None
    max_preset_w: int | None
    allow_modded_psu: bool
    untuned_use: UntunedUse
    worst_case_w: float
    switch_loss_s: float
    soon_loss_s: float | None
    expected: tuple[_Expected, ...]


@contextmanager
def _reading() -> Iterator[AnySession]:
    """One read transaction that sees the newest commit and ends with the block (a long one would hold the WAL)."""
    db.session.rollback()
    try:
        yield db.session
    finally:
        db.session.rollback()


def load(
    now: Stamp,
    *,
    interval_s: float,
    reading_interval_s: float = 15.0,
    term_id: int | None = None,
    changed: Mapping[str, Any] | None = None,
) -> Snapshot:
    """Return the picture of this moment. Retired miners are in it, so that the rules can say why they count 0.

    Ages come from stamps, so that a stepped clock changes none. Without a scheduler's term (a run by hand) nothing
    counts as seen since the start: such a snapshot never allows an increase. `changed`: checked values of settings that
    are not in force, to see what they would do.
    """
    with _reading() as session:
        settings = settings_store.load()
        if changed:
            settings = rules.changed(settings, changed)
        plant = readings.plant_view(now, settings)
        term = terms.of(term_id)
        began = None if term is None else term.started
        readings_before = river.readings_needed(settings, reading_interval_s) - 1
        window = cycles.Window(readings_before, reading_interval_s, interval_s)
        return Snapshot(
            now=now,
            settings=settings,
            miners=_views(session, now, settings, None),
            plant=None if plant is None else cycles.with_is_new(session, plant),
            memory=cycles.memory(session, began),
            uptime_s=0.0 if term is None else term.started.elapsed_s(now),
            fresh_since_start=term is not None and term.first_fresh_reading_at is not None,
            polled_since_start=term is not None and term.first_full_poll_at is not None,
            other_firmware_count=_other_firmware_count(session),
            raised_last_min_w=_raised_last_min_w(session, now),
            last_raise_age_s=None if settings.ramp_up_kw_per_min is None else _last_raise_age_s(session, now),
            cut_last_interval_w=_cut_last_interval_w(session, now, settings, interval_s),
            interval_s=interval_s,
            reading_interval_s=reading_interval_s,
            recent_available_kw=cycles.recent_available_kw(session, plant, settings, began, window),
        )


def load_miner(session: AnySession, miner_id: int, now: Stamp) -> MinerView:
    """Return what is known of one miner, read inside the caller's transaction.

    Raises:
        NotFound: no such miner.
    """
    views = load_miners(session, [miner_id], now)
    if miner_id not in views:
        raise NotFound(f"There is no miner with the id {miner_id}.")
    return views[miner_id]


def load_miners(session: AnySession, miner_ids: Collection[int], now: Stamp) -> dict[int, MinerView]:
    """Return what is known of these miners by id, read inside the caller's transaction; unknown ids are left out."""
    return {view.id: view for view in _views(session, now, settings_store.load(), miner_ids)}


def miner_now(miner_id: int, now: Stamp) -> tuple[MinerView, Settings]:
    """Return one miner and the settings of this moment, for a change by hand.

    Raises:
        NotFound: no such miner.
    """
    with _reading() as session:
        return load_miner(session, miner_id, now), settings_store.load()


# --- miners ----------------------------------------------------------------------------------------------------------


def _views(session: AnySession, now: Stamp, settings: Settings, only: Collection[int] | None) -> tuple[MinerView, ...]:
    models = _models(session)
    packed = _packed_ladders(session, only)
    changes = _latest_changes(session, now, only)
    query = (
        select(
            Miner.id, Miner.mac, Miner.model_id, Miner.api_key, Miner.saved_preset,
            Miner.stopped_by_us_at.is_not(None).label("stopped_by_us"), Miner.managed, Miner.hold, Miner.hold_until,
            Miner.retired,
            MinerStatusRow.state, MinerStatusRow.running_preset, MinerStatusRow.power_w, MinerStatusRow.hashrate_ths,
            MinerStatusRow.throttled_percent, MinerStatusRow.missed_polls, MinerStatusRow.accounted_power_w,
            MinerStatusRow.polled_at, MinerStatusRow.polled_monotonic_s, MinerStatusRow.polled_boot_id,
            MinerStatusRow.power_factor, MinerStatusRow.hashrate_factor,
        )
        .outerjoin(MinerStatusRow, MinerStatusRow.miner_id == Miner.id)
        .order_by(Miner.id)
    )  # fmt: skip
    if only is not None:
        query = query.where(Miner.id.in_(only))
    rows = session.execute(query).all()
    views = []
    for row in rows:
        model = None if row.model_id is None else models.get(row.model_id)
        ladder = _unpack(packed.get(row.id, ""), () if model is None else model.expected)
        views.append(_view(row, model, ladder, changes.get(row.id), now=now, cooldown_s=settings.cooldown_s))
    return tuple(views)


def _view(
    row: _Row, model: _ModelFacts | None, ladder: Ladder, change: ChangeView | None, *, now: Stamp, cooldown_s: float
) -> MinerView:
    return MinerView(
        id=row.id,
        mac=row.mac,
        ladder=ladder,
        model_alias=None if model is None else model.alias,
        max_preset=None if model is None else model.max_preset,
        max_preset_w=None if model is None else model.max_preset_w,
        allow_modded_psu=model is not None and model.allow_modded_psu,
        untuned_use=UntunedUse.WHEN_NEEDED if model is None else model.untuned_use,
        managed=row.managed,
        held=row.hold and (row.hold_until is None or row.hold_until > now.utc),
        retired=row.retired,
        identified=row.api_key is not None,
        state=_STATES.get(row.state, MinerState.UNKNOWN),
        running_preset=row.running_preset,
        saved_preset=row.saved_preset,
        measured_power_w=row.power_w,
        measured_hashrate_ths=row.hashrate_ths,
        throttled_percent=row.throttled_percent,
        silent_s=_silent_s(row, now),
        last_accounted_w=row.accounted_power_w,
        worst_case_w=WORST_CASE_W if model is None else model.worst_case_w,
        last_change=change,
        cooldown_left_s=0.0 if change is None else max(0.0, cooldown_s - change.age_s),
        stopped_by_us=row.stopped_by_us,
        power_factor=learning.rounded(1.0 if row.power_factor is None else row.power_factor),
        hashrate_factor=learning.rounded(1.0 if row.hashrate_factor is None else row.hashrate_factor),
        switch_loss_s=switching.START_LOSS_S if model is None else model.switch_loss_s,
        soon_loss_s=None if model is None else model.soon_loss_s,
    )


def _silent_s(row: _Row, now: Stamp) -> float | None:
    """Seconds since the last answer; None while it counts as answering, 0 where an offline miner never answered.

    Judged by the stamp of the last answer, not by a flag: the poller itself may have died.
    """
    answered = None
    if row.polled_at is not None and row.polled_monotonic_s is not None and row.polled_boot_id is not None:
        answered = Stamp(row.polled_at, row.polled_monotonic_s, row.polled_boot_id)
    if not presence.is_offline(Presence(row.id, row.missed_polls or 0, answered), now):
        return None
    return 0.0 if answered is None else answered.elapsed_s(now)


def _models(session: AnySession) -> dict[int, _ModelFacts]:
    presets: dict[int, list[ModelPreset]] = {}
    for preset in session.scalars(select(ModelPreset).order_by(ModelPreset.model_id, ModelPreset.name)):
        presets.setdefault(preset.model_id, []).append(preset)
    models = session.scalars(select(MinerModel).options(undefer(MinerModel.switches)))
    return {model.id: _model_facts(model, presets.get(model.id, [])) for model in models}


def _model_facts(model: MinerModel, presets: list[ModelPreset]) -> _ModelFacts:
    watts = {preset.name: preset.firmware_power_w for preset in presets}
    known_w = [power_w for power_w in watts.values() if power_w is not None]
    try:
        untuned_use = UntunedUse(model.untuned_use)
    except ValueError:
        untuned_use = UntunedUse.NEVER  # a damaged row must not start an hour of tuning
    costs = switching.costs(switching.read(model.switches))
    return _ModelFacts(
        alias=model.alias,
        max_preset=model.max_preset,
        max_preset_w=None if model.max_preset is None else watts.get(model.max_preset),
        allow_modded_psu=model.allow_modded_psu,
        untuned_use=untuned_use,
        worst_case_w=float(max(known_w)) if known_w else WORST_CASE_W,
        switch_loss_s=switching.loss_s(costs, model.switch_loss_s),
        soon_loss_s=switching.soon_loss_s(costs, model.switch_loss_s),
        expected=tuple(
            (preset.name, preset.expected_power_w, preset.expected_hashrate_ths)
            for preset in presets
            if preset.expected_power_w is not None or preset.expected_hashrate_ths is not None
        ),
    )


# --- ladders ---------------------------------------------------------------------------------------------------------


def _packed_ladders(session: AnySession, only: Collection[int] | None) -> dict[int, str]:
    """Return each miner's ladder as one string that the database joins.

    60,000 rows of 3,000 miners take 130-190 ms one by one, 50 ms this way; equal ladders are parsed only once.
    """
    one = (
        MinerPreset.name
        + _FIELD + func.coalesce(cast(MinerPreset.firmware_power_w, String), "")
        + _FIELD + func.coalesce(cast(MinerPreset.hashrate_ths, String), "")
        + _FIELD + case((MinerPreset.tuned, "1"), else_="")
        + _FIELD + case((MinerPreset.modded_psu_required, "1"), else_="")
    )  # fmt: skip
    query = select(MinerPreset.miner_id, func.aggregate_strings(one, _PRESET)).group_by(MinerPreset.miner_id)
    if only is not None:
        query = query.where(MinerPreset.miner_id.in_(only))
    return {row[0]: row[1] for row in session.execute(query)}


@lru_cache(maxsize=8192)
def _unpack(packed: str, expected: tuple[_Expected, ...]) -> Ladder:
    """Parse a ladder; keyed by content, so that nothing in it can be out of date."""
    if not packed:
        return Ladder()
    wishes = {name: (power_w, hashrate_ths) for name, power_w, hashrate_ths in expected}
    return ladders.build(_preset(text.split(_FIELD), wishes) for text in packed.split(_PRESET))


def _preset(fields: list[str], wishes: dict[str, tuple[int | None, float | None]]) -> Preset:
    name, firmware_power_w, hashrate_ths, tuned, modded_psu_required = fields
    expected_power_w, expected_hashrate_ths = wishes.get(name, (None, None))
    return Preset(
        name=name,
        firmware_power_w=int(firmware_power_w) if firmware_power_w else None,
        hashrate_ths=float(hashrate_ths) if hashrate_ths else None,
        tuned=bool(tuned),
        modded_psu_required=bool(modded_psu_required),
        expected_power_w=expected_power_w,
        expected_hashrate_ths=expected_hashrate_ths,
    )


# --- changes ---------------------------------------------------------------------------------------------------------


def _latest_changes(session: AnySession, now: Stamp, only: Collection[int] | None) -> dict[int, ChangeView]:
    """Return the newest change of each miner, by row id: wall clocks may have been stepped between two rows."""
    change = PresetChangeRow
    newest = select(func.max(change.id)).where(change.miner_id == Miner.id).correlate(Miner).scalar_subquery()
    query = select(
        change.miner_id, change.kind, change.origin, change.old_preset, change.new_preset, change.old_power_w,
        change.new_power_w, change.outcome, change.attempt, change.accepted, change.restart_required,
        change.restart_accepted, change.polled_unchanged, change.recorded_at, change.recorded_monotonic_s,
        change.recorded_boot_id, change.finished_at, change.finished_monotonic_s, change.finished_boot_id,
    ).join(Miner, change.id == newest)  # fmt: skip
    if only is not None:
        query = query.where(Miner.id.in_(only))
    return {row.miner_id: change_view(row, now) for row in session.execute(query)}


def change_view(row: _Row | PresetChangeRow, now: Stamp) -> ChangeView:
    """Return a change's row as the rules see it at `now`."""
    return ChangeView(
        kind=_KINDS[row.kind],
        old_preset=row.old_preset,
        new_preset=row.new_preset,
        old_power_w=row.old_power_w,
        new_power_w=row.new_power_w,
        outcome=_OUTCOMES[row.outcome],
        age_s=Stamp(row.recorded_at, row.recorded_monotonic_s, row.recorded_boot_id).elapsed_s(now),
        effective=bool(row.accepted) and (not row.restart_required or bool(row.restart_accepted)),
        attempt=row.attempt,
        polled_unchanged=row.polled_unchanged,
        finished_age_s=_age_s(row.finished_at, row.finished_monotonic_s, row.finished_boot_id, now),
        origin=_ORIGINS[row.origin],
    )


def _age_s(at: datetime | None, monotonic_s: float | None, boot_id: str | None, now: Stamp) -> float | None:
    if at is None or monotonic_s is None or boot_id is None:
        return None
    return Stamp(at, monotonic_s, boot_id).elapsed_s(now)


def _raised_last_min_w(session: AnySession, now: Stamp) -> float:
    """Return the W that raises of the last minute took or may take."""
    return sum((moved_w for _, moved_w in _moved_w(session, now, RAISE_WINDOW_S) if moved_w > 0.0), start=0.0)


def _last_raise_age_s(session: AnySession, now: Stamp) -> float | None:
    """Return how long ago anything was raised; None where that is not among the newest changes."""
    change = PresetChangeRow
    newest = session.scalar(select(func.max(change.id))) or 0
    query = (
        select(change.recorded_at, change.recorded_monotonic_s, change.recorded_boot_id)
        .where(change.id > newest - MOST_RECENT_CHANGES)
        .where(change.new_power_w > change.old_power_w, change.outcome != Outcome.FAILED)
        .order_by(change.id.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return None if row is None else Stamp(*row).elapsed_s(now)


def is_outdated(snapshot: Snapshot) -> bool:
    """Whether a reading, a mode or an order for the whole farm has come since: the next cycle sees more than this."""
    with _reading():
        settings = settings_store.load()
        newest = meter_roles.newest_reading_id()
    before = 0 if snapshot.plant is None else snapshot.plant.reading_id
    return newest > before or (settings.mode, settings.override) != (snapshot.settings.mode, snapshot.settings.override)


def _cut_last_interval_w(session: AnySession, now: Stamp, settings: Settings, interval_s: float) -> float:
    """Return what cuts and stops took of the ramp down's share that it has not given back yet (W); 0 without a ramp.

    The share comes back by the ramp itself, second by second: cuts are spread over a cycle, and those of its last
    seconds must not be counted against the whole of the next.
    """
    if settings.ramp_down_kw_per_s is None:
        return 0.0
    ramp_w_per_s = settings.ramp_down_kw_per_s * 1000.0
    taken_w, before_s = 0.0, math.inf
    for age_s, moved_w in sorted(_moved_w(session, now, interval_s), reverse=True):
        if moved_w < 0.0:
            left_w = max(0.0, taken_w - ramp_w_per_s * (before_s - age_s))
            taken_w, before_s = min(left_w - moved_w, ramp_w_per_s * interval_s), age_s
    return max(0.0, taken_w - ramp_w_per_s * before_s)


def _moved_w(session: AnySession, now: Stamp, window_s: float) -> Iterator[tuple[float, float]]:
    """Yield age (s) and W of each change of the last `window_s`; one that certainly failed moved nothing.

    From the newest row back, as far as needed: a wall clock that is stepped must neither hide a change nor keep it.
    """
    change = PresetChangeRow
    query = (
        select(
            change.old_power_w, change.new_power_w, change.outcome,
            change.recorded_at, change.recorded_monotonic_s, change.recorded_boot_id,
        )
        .order_by(change.id.desc())
        .limit(MOST_RECENT_CHANGES)
        .execution_options(yield_per=200)
    )  # fmt: skip
    with session.execute(query) as rows:
        for old_power_w, new_power_w, outcome, at, monotonic_s, boot_id in rows:
            age_s = Stamp(at, monotonic_s, boot_id).elapsed_s(now)
            if age_s > window_s + LATE_CALL_S:
                return
            if age_s < window_s and outcome != Outcome.FAILED:
                yield age_s, new_power_w - old_power_w


def _other_firmware_count(session: AnySession) -> int:
    query = select(func.count()).select_from(OtherHost).where(OtherHost.draws_power)
    return session.scalar(query) or 0
