"""Changes on miners, from intent to confirmation: the memory of the one door and the events operators read.

A row is written before anything is sent, and only if the hard limits allow it at that very moment. Life of a row:
sending -> sent | failed | unknown -> confirmed | not_applied | superseded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import scoped_session

from app.core import following
from app.core.limits import LimitFacts, is_increase, violation
from app.core.readings import MinerState, Stamp
from app.core.types import ChangeKind, ChangeView, MinerView, Origin, Outcome, Override, PresetChange
from app.extensions import writing
from app.models import Miner, PresetChangeRow
from app.redaction import Secret
from app.store import settings as settings_store
from app.store.confirmation import OPEN, Confirmation, confirm_by_polls, expire, finished
from app.store.snapshot import load_miners

__all__ = [
    "NOT_SENT", "ChangeContext", "Confirmation", "Ending", "Intent", "Refused", "begin", "begin_many",
    "confirm_by_polls", "expire", "finish", "recover",
]  # fmt: skip

NOT_SENT = "not sent"  # how the error of a change begins that certainly never left: it is no attempt
STOP_AGAIN_S = 30.0  # a stop needs no cooldown, but a refused one must not use up all its attempts in a second
ADOPT_AGAIN_S = 300.0  # how long a miner that refused to be adopted is left in peace (a loop ends in its lock-out)
ERROR_LENGTH = 300

_ORDERED = {
    Override.MINIMUM: "all to minimum was ordered: nothing is raised or started until resume",
    Override.STOP: "stop all was ordered: nothing is raised or started until resume",
}


@dataclass(frozen=True, slots=True)
class ChangeContext:
    """What a group of changes is based on: for the event rows, and for the limits that the farm's facts decide.

    `current_w` is the farm's accounted power before the group; `decided` is the moment `increases_allowed` and
    `data_age_s` speak of.
    """

    cycle_id: int | None = None
    command_id: int | None = None
    current_w: float | None = None
    available_w: float | None = None
    target_w: float | None = None
    increases_allowed: bool = False
    data_age_s: float | None = None
    decided: Stamp | None = None

    def increases_allowed_at(self, now: Stamp, stale_after_s: float) -> bool:
        """Whether a raise is still allowed now: the reading it was decided on may have grown stale since."""
        if not self.increases_allowed or self.data_age_s is None or self.decided is None:
            return False
        return self.data_age_s + self.decided.elapsed_s(now) <= stale_after_s


@dataclass(frozen=True, slots=True)
class Intent:
    """A change whose row is written: it may be sent, once. Holds all that a thread needs without the database.

    `restart_owed`: the miner took this very preset before, but not the restart it asked for. `stands_still`: it was
    last seen stopped, so that a restart would start it, whoever stopped it (SPEC 5.7). `may_adopt`: a dead key
    may be replaced now (not while a refused password is being left in peace).
    """

    change_id: int
    change: PresetChange
    recorded: Stamp
    ip: str
    api_key: Secret
    unlock_password: Secret | None
    attempt: int
    restart_owed: bool
    stands_still: bool
    may_adopt: bool

    def __repr__(self) -> str:  # secrets stay out of logs
        return f"Intent({self.change_id}, {self.change.mac}, {self.change.kind}, {self.change.new_preset})"


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that a hard limit stopped at the door: no row, nothing sent."""

    change: PresetChange
    sentence: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a change that was to be sent.

    `begun`: when its first call was made, None where none was; intents wait for a thread where many miners hang, and
    the cooldown counts from the call. `new_api_key`: the miner was adopted anew on the way; `adoption_error`: it would
    not be, and is left in peace for `adopt_again_s`. `unknown_preset`: the miner does not know the preset, so its
    ladder has to be read again.
    """

    intent: Intent
    outcome: Outcome  # sent | failed | unknown
    accepted: bool | None = None
    restart_required: bool | None = None
    restart_accepted: bool | None = None
    error: str | None = None
    new_api_key: Secret | None = None
    adoption_error: str | None = None
    adopt_again_s: float = ADOPT_AGAIN_S
    unknown_preset: bool = False
    begun: Stamp | None = None

    @property
    def effective(self) -> bool:
        """Whether the miner took the change on and, where it asked for a restart, took that on too."""
        return bool(self.accepted) and (not self.restart_required or bool(self.restart_accepted))


# --- the door --------------------------------------------------------------------------------------------------------


def begin(
    change: PresetChange, context: ChangeContext, now: Stamp, *, reachable: Callable[[str], bool]
) -> Intent | Refused:
    """Pass one change through the door; see `begin_many`."""
    return begin_many([change], context, now, reachable=reachable)[0]


def begin_many(
    changes: Sequence[PresetChange], context: ChangeContext, now: Stamp, *, reachable: Callable[[str], bool]
) -> list[Intent | Refused]:
    """Check every change against the facts of this moment and write the rows of those that may be sent.

    One transaction, so that a hundred intents cost one fsync and nobody can change mode, hold, max preset or the last
    change between the check and the row, nor order "stop all". The answers keep the order. `reachable` says whether an
    address lies in the configured subnets. A still open change of the same miner becomes `superseded`.

    Raises:
        sqlalchemy.exc.OperationalError: the database cannot be written; then nothing may be sent.
    """
    with writing() as session:
        settings = settings_store.load()
        facts = LimitFacts(
            mode=settings.mode, increases_allowed=context.increases_allowed_at(now, settings.stale_after_s)
        )
        wanted = {change.miner_id for change in changes}
        # For databases that have no one write lock: nobody else may pass with the same miner meanwhile.
        session.execute(select(Miner.id).where(Miner.id.in_(wanted)).order_by(Miner.id).with_for_update()).all()
        views = load_miners(session, wanted, now)
        miners = _miners(session, list(views))
        door = _Door(facts, settings.override, views, miners, reachable)
        decided: list[PresetChangeRow | Refused] = []
        total_w = context.current_w
        for change in changes:
            sentence = door.objection(change)
            if sentence is not None:
                decided.append(Refused(change, sentence))
                continue
            row = _intent_row(change, context, now, total_w)
            last = views[change.miner_id].last_change
            left = last is None or not _never_left(last, miners[change.miner_id].last_error)
            row.attempt = following.attempt(change, last, last_left=left)
            total_w = row.total_after_w
            decided.append(row)
        rows = [row for row in decided if isinstance(row, PresetChangeRow)]
        _make_room(session, [row.miner_id for row in rows], now)
        _mark_stopped(session, [row.miner_id for row in rows if row.kind == ChangeKind.STOP], now)
        session.add_all(rows)
        session.flush()
        return [
            item
            if isinstance(item, Refused)
            else _intent(item, change, views[change.miner_id], miners[change.miner_id], now)
            for item, change in zip(decided, changes, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _MinerFacts:
    """What sending needs to know beside the view. The `last_*` are its latest change's."""

    ip: str
    api_key: Secret | None
    unlock_password: Secret | None
    adoption_retry_at: datetime | None
    last_error: str | None
    last_accepted: bool | None
    last_restart_required: bool | None
    last_restart_accepted: bool | None

    @property
    def restart_open(self) -> bool:
        return bool(self.last_accepted and self.last_restart_required and not self.last_restart_accepted)


def _miners(session: scoped_session[Any], miner_ids: Sequence[int]) -> dict[int, _MinerFacts]:
    last = PresetChangeRow
    newest = select(func.max(last.id)).where(last.miner_id == Miner.id).correlate(Miner).scalar_subquery()
    query = (
        select(
            Miner.id, Miner.ip, Miner.api_key, Miner.unlock_password, Miner.adoption_retry_at, last.error_message,
            last.accepted, last.restart_required, last.restart_accepted,
        )
        .outerjoin(last, last.id == newest)
        .where(Miner.id.in_(miner_ids))
    )  # fmt: skip
    return {row[0]: _MinerFacts(*row[1:]) for row in session.execute(query)}


class _Door:
    """Says what speaks against a change, by the facts of this transaction; one change per miner and group."""

    def __init__(
        self,
        facts: LimitFacts,
        override: Override,
        views: Mapping[int, MinerView],
        miners: Mapping[int, _MinerFacts],
        reachable: Callable[[str], bool],
    ) -> None:
        self._facts = facts
        self._override = override
        self._views = views
        self._miners = miners
        self._reachable = reachable
        self._taken: set[int] = set()

    def objection(self, change: PresetChange) -> str | None:
        """Return why `change` must not be sent, or None; then its miner is taken."""
        view = self._views.get(change.miner_id)
        if view is None:
            return "there is no such miner any more"
        if change.miner_id in self._taken:
            return "another change on this miner is part of the same group"
        sentence = violation(change, view, self._facts) or self._overridden(change, view)
        if sentence is not None:
            return sentence
        miner = self._miners[change.miner_id]
        if change.kind is ChangeKind.STOP and _just_refused_to_stop(view, miner.last_error):
            return "it refused to stop a moment ago"
        if not miner.api_key:
            return "discovery holds no key for this miner"
        if not self._reachable(miner.ip):
            return f"its address {miner.ip} is outside the configured subnets"
        self._taken.add(change.miner_id)
        return None

    def _overridden(self, change: PresetChange, miner: MinerView) -> str | None:
        """An order for the whole farm that came after this cycle's plan ends its raises and starts at once."""
        if change.origin is Origin.OPERATOR or not is_increase(change, miner):
            return None
        return _ORDERED.get(self._override)


def _just_refused_to_stop(view: MinerView, last_error: str | None) -> bool:
    last = view.last_change
    if last is None or (last.kind, last.outcome) != (ChangeKind.STOP, Outcome.FAILED):
        return False
    return last.age_s < STOP_AGAIN_S and not _never_left(last, last_error)


def _intent_row(change: PresetChange, context: ChangeContext, now: Stamp, total_w: float | None) -> PresetChangeRow:
    return PresetChangeRow(
        miner_id=change.miner_id,
        cycle_id=context.cycle_id,
        command_id=context.command_id,
        kind=change.kind,
        origin=change.origin,
        old_preset=change.old_preset,
        new_preset=change.new_preset,
        old_power_w=change.old_power_w,
        new_power_w=change.new_power_w,
        reason=change.reason,
        total_before_w=total_w,
        total_after_w=None if total_w is None else total_w + change.delta_w,
        available_w=context.available_w,
        target_w=context.target_w,
        outcome=Outcome.SENDING,
        recorded=now,
    )


def _never_left(last: ChangeView, last_error: str | None) -> bool:
    return last.outcome is Outcome.FAILED and (last_error or "").startswith(NOT_SENT)


def _intent(row: PresetChangeRow, change: PresetChange, view: MinerView, miner: _MinerFacts, now: Stamp) -> Intent:
    last = view.last_change
    same_wish = last is not None and (last.kind, last.new_preset) == (change.kind, change.new_preset)
    return Intent(
        change_id=row.id,
        change=change,
        recorded=now,
        ip=miner.ip,
        api_key=miner.api_key or Secret(""),
        unlock_password=miner.unlock_password,
        attempt=row.attempt,
        restart_owed=same_wish and miner.restart_open,
        stands_still=view.state in (MinerState.STOPPED, MinerState.SHUTTING_DOWN),
        may_adopt=miner.adoption_retry_at is None or miner.adoption_retry_at <= now.utc,
    )


def _make_room(session: scoped_session[Any], miner_ids: Sequence[int], now: Stamp) -> None:
    """End what is still open of these miners' changes: a newer one is about to be their latest."""
    session.execute(
        update(PresetChangeRow)
        .where(PresetChangeRow.outcome.in_(OPEN), PresetChangeRow.miner_id.in_(miner_ids))
        .values(outcome=Outcome.SUPERSEDED, **finished(now))
    )
    session.execute(
        update(PresetChangeRow)
        .where(PresetChangeRow.is_latest, PresetChangeRow.miner_id.in_(miner_ids))
        .values(is_latest=False)
    )


def _mark_stopped(session: scoped_session[Any], miner_ids: Sequence[int], now: Stamp) -> None:
    """Remember the stop with its intent: a crash must not make us forget that it was ours (SPEC 5.7).

    An earlier stop that has not been undone keeps its time, so that a refusal of this one does not erase it.
    """
    if miner_ids:
        session.execute(
            update(Miner)
            .where(Miner.id.in_(miner_ids))
            .values(stopped_by_us_at=func.coalesce(Miner.stopped_by_us_at, now.utc))
        )


# --- results ---------------------------------------------------------------------------------------------------------


def finish(endings: Sequence[Ending], now: Stamp) -> None:
    """Write what became of a group of sent changes, in one transaction.

    A row that a newer change or the status poller has already ended is left as it is. What the answers taught about
    the miner goes with it: a new key, the saved preset, a ladder to be read anew, a stop that certainly did not happen.
    """
    if not endings:
        return
    with writing() as session:
        outcome = PresetChangeRow.outcome  # no IN: many rows at once cannot expand one
        unsettled = or_(outcome == Outcome.SENDING, outcome == Outcome.UNKNOWN)
        statement = update(PresetChangeRow).where(PresetChangeRow.id == bindparam("which"), unsettled)
        statement = statement.values({name: bindparam(f"new_{name}") for name in _ending_values(endings[0], now)})
        session.connection().execute(
            statement,
            [
                {"which": ending.intent.change_id}
                | {f"new_{name}": value for name, value in _ending_values(ending, now).items()}
                for ending in endings
            ],
        )
        for ending in endings:
            _learn(session, ending, now)


def _ending_values(ending: Ending, now: Stamp) -> dict[str, Any]:
    over = ending.outcome is Outcome.FAILED
    begun = ending.begun or ending.intent.recorded
    return {
        "recorded_at": begun.utc,
        "recorded_monotonic_s": begun.monotonic_s,
        "recorded_boot_id": begun.boot_id,
        "outcome": ending.outcome,
        "accepted": ending.accepted,
        "restart_required": ending.restart_required,
        "restart_accepted": ending.restart_accepted,
        "error_message": None if ending.error is None else ending.error[:ERROR_LENGTH],
    } | {name: value if over else None for name, value in finished(now).items()}


def _learn(session: scoped_session[Any], ending: Ending, now: Stamp) -> None:
    """Store on the miner what the answers to a change taught."""
    change, values = ending.intent.change, dict[str, Any]()
    if ending.new_api_key is not None:
        values |= {"api_key": ending.new_api_key, "adoption_error": None, "adoption_retry_at": None}
    if ending.adoption_error is not None:
        again_at = now.utc + timedelta(seconds=ending.adopt_again_s)
        values |= {"adoption_error": ending.adoption_error, "adoption_retry_at": again_at}
    if ending.unknown_preset:
        values["ladder_read_at"] = None
    if ending.accepted and change.kind is not ChangeKind.STOP and change.new_preset is not None:
        values["saved_preset"] = change.new_preset
    if values:
        session.execute(update(Miner).where(Miner.id == change.miner_id).values(**values))
    if change.kind is ChangeKind.STOP and ending.outcome is Outcome.FAILED:
        session.execute(
            update(Miner)
            .where(Miner.id == change.miner_id, Miner.stopped_by_us_at == ending.intent.recorded.utc)
            .values(stopped_by_us_at=None)
        )


def recover(now: Stamp) -> int:
    """Turn `sending` rows of a former life into `unknown`; return how many there were.

    For the begin of a term, before any job runs: whoever wrote those rows is dead, and nobody knows how far it came.
    """
    with writing() as session:
        found = session.scalars(select(PresetChangeRow.id).where(PresetChangeRow.outcome == Outcome.SENDING)).all()
        session.execute(
            update(PresetChangeRow)
            .where(PresetChangeRow.id.in_(found))
            .values(
                outcome=Outcome.UNKNOWN,
                error_message="PowerHive ended while this was being sent; whether the miner got it is not known.",
                # The row has the time of its intent, but the call may have begun many seconds later, as late as a
                # moment ago: the 30 s until the next change (SPEC 5.3) begin anew.
                recorded_at=now.utc,
                recorded_monotonic_s=now.monotonic_s,
                recorded_boot_id=now.boot_id,
            )
        )
    return len(found)
