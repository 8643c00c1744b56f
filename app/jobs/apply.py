"""The one door to a miner: intent row, calls, outcome row. Balancer and operator pass it alike.

Cuts go out first and all at once, raises afterwards in small groups. Threads talk to miners and never to the database;
they end before `apply` returns, within the job's deadline. One miner's error ends that change only.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Protocol

from sqlalchemy.exc import OperationalError

from app.clients import miner as miner_client
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress, SetResult
from app.clock import monotonic_s, stamp
from app.config import Config
from app.core.presence import in_subnets
from app.core.readings import MinerIdentity
from app.core.types import ChangeKind, Outcome, PresetChange
from app.errors import MinerError, MinerUnauthorized, PowerHiveError
from app.jobs.runner import JobContext
from app.redaction import Secret
from app.store import changes as change_store
from app.store import commands as command_store
from app.store.changes import NOT_SENT, ChangeContext, Ending, Intent, Refused

log = logging.getLogger(__name__)

CUT_THREADS = 32
RAISE_GROUP = 8  # restarts of raises: a few inrushes at a time
SAVE_EVERY_S = 0.3  # outcomes are stored in groups: a crash loses little, and a hundred rows cost a few fsyncs
SAVE_EVERY = 32
CONNECT_S = 1.5
CUT_CALL_S = 2.0  # saving a lower preset takes milliseconds, and what this miner does not give others must
CALL_S = 5.0  # every other call: what a restart or stop takes before it answers is not known
RESERVE_S = 1.0  # of the deadline, kept for storing the last outcomes


class Hands(Protocol):
    """What the door does to a miner; `app.clients.miner` is the real one. All raise MinerError."""

    def set_preset(self, session: SweepSession, address: MinerAddress, preset: str) -> SetResult: ...
    def restart(self, session: SweepSession, address: MinerAddress) -> None: ...
    def stop(self, session: SweepSession, address: MinerAddress) -> None: ...
    def start(self, session: SweepSession, address: MinerAddress) -> None: ...
    def read_saved_preset(self, session: SweepSession, address: MinerAddress) -> str | None: ...
    def identify(self, session: SweepSession, address: MinerAddress) -> MinerIdentity: ...
    def adopt(self, session: SweepSession, address: MinerAddress, password: str, mac: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one change: stopped at the door (`ending` None, `sentence` says why) or sent, with its ending."""

    change: PresetChange
    ending: Ending | None
    sentence: str | None

    @property
    def outcome(self) -> Outcome | None:
        return None if self.ending is None else self.ending.outcome

    @property
    def effective(self) -> bool:
        """Whether the change counts as done: the miner took it on, and the restart where it asked for one."""
        return self.ending is not None and self.ending.effective


def recover(job: JobContext) -> str:
    """Settle what a dead predecessor left half done; for the begin of a term, before any job runs."""
    unknown = change_store.recover(stamp())
    interrupted = command_store.fail_interrupted(job.started.utc)
    if unknown or interrupted:
        log.warning("found %d changes and %d commands that were interrupted", unknown, interrupted)
    return f"{unknown} changes and {interrupted} commands had been interrupted"


def apply(
    changes: Iterable[PresetChange], context: ChangeContext, job: JobContext, *, hands: Hands | None = None
) -> list[Result]:
    """Pass `changes` through the door and send them: cuts at once, in the order given; then raises in small groups.

    Returns one result per change that was tried. A raise for which no time is left is not tried at all (it keeps no
    row and no cooldown); a cut for which none is left gets its row and fails as "not sent".

    Raises:
        PowerHiveError: the database takes no rows. What could not get one was not sent.
    """
    wanted = list(changes)
    cuts = [change for change in wanted if change.is_cut]
    raises = [change for change in wanted if not change.is_cut]
    results = _pass(cuts, context, job, hands or miner_client) if cuts else []
    for group in _groups(raises, RAISE_GROUP):
        if job.deadline.left_s() <= RESERVE_S + CALL_S:
            break
        context = _moved_on(context, results)
        results += _pass(group, context, job, hands or miner_client)
    return results


def _groups(changes: Sequence[PresetChange], size: int) -> Iterator[Sequence[PresetChange]]:
    for begin in range(0, len(changes), size):
        yield changes[begin : begin + size]


def _moved_on(context: ChangeContext, results: Sequence[Result]) -> ChangeContext:
    """Return the context for the next group: the farm's power after the changes that were taken on."""
    if context.current_w is None or not results:
        return context
    moved_w = sum(result.change.delta_w for result in results if result.ending is not None)
    return replace(context, current_w=context.current_w + moved_w)


def _pass(changes: Sequence[PresetChange], context: ChangeContext, job: JobContext, hands: Hands) -> list[Result]:
    """Take one group through the door: rows, calls, rows."""
    subnets = job.config.subnets
    try:
        answers = change_store.begin_many(changes, context, stamp(), reachable=lambda ip: in_subnets(ip, subnets))
    except OperationalError as e:
        raise _unwritable(e, "nothing was sent") from e
    intents = [answer for answer in answers if isinstance(answer, Intent)]
    endings = _send(intents, job, hands, CUT_CALL_S if changes[0].is_cut else CALL_S) if intents else {}
    return [_result(answer, endings) for answer in answers]


def _result(answer: Intent | Refused, endings: dict[int, Ending]) -> Result:
    if isinstance(answer, Refused):
        return Result(answer.change, None, answer.sentence)
    ending = endings[answer.change_id]
    return Result(answer.change, ending, ending.error)


def _unwritable(error: OperationalError, consequence: str) -> PowerHiveError:
    return PowerHiveError(f"The database cannot be written ({error.orig}), so {consequence}. Is the disk full?")


# --- sending ---------------------------------------------------------------------------------------------------------


def _send(intents: Sequence[Intent], job: JobContext, hands: Hands, call_s: float) -> dict[int, Ending]:
    """Carry the intents out in threads and store how they end, in groups as they come; return them by change id."""
    ends_at = monotonic_s() + max(0.0, job.deadline.left_s() - RESERVE_S)
    arrived: SimpleQueue[Ending] = SimpleQueue()
    only = job.config.subnets
    with (
        SweepSession(len(intents), only=only, connect_s=CONNECT_S, deadline_s=call_s, ends_at=ends_at) as quick,
        SweepSession(len(intents), only=only, connect_s=CONNECT_S, deadline_s=CALL_S, ends_at=ends_at) as patient,
        ThreadPoolExecutor(min(CUT_THREADS, len(intents)), thread_name_prefix="apply") as pool,
    ):
        hand = _Hand(hands, _Sessions(quick, patient), job.config, ends_at)
        futures = [pool.submit(_deliver, hand, intent, arrived) for intent in intents]
        endings, unsaved = _store_as_they_come(arrived, len(intents))
    if unsaved:
        _store_or_raise(unsaved)
    _raise_defect(futures)
    return {ending.intent.change_id: ending for ending in endings}


def _deliver(hand: _Hand, intent: Intent, arrived: SimpleQueue[Ending]) -> None:
    """Carry one intent out; whatever happens, something is said about it."""
    ending = Ending(intent, Outcome.UNKNOWN, error="PowerHive itself failed while sending; see its log.")
    try:
        ending = hand.carry_out(intent)
    finally:
        arrived.put(ending)


def _store_as_they_come(arrived: SimpleQueue[Ending], count: int) -> tuple[list[Ending], list[Ending]]:
    """Store endings in groups until all have come; return all of them, and those that could not be stored.

    A full disk must not stop what is being sent, since its intent rows are written: the rest is tried once more later.
    """
    endings: list[Ending] = []
    unsaved: list[Ending] = []
    saved_s = monotonic_s()
    while len(endings) < count:
        try:
            ending = arrived.get(timeout=SAVE_EVERY_S)
            endings.append(ending)
            unsaved.append(ending)
        except Empty:
            pass
        if unsaved and (len(unsaved) >= SAVE_EVERY or monotonic_s() - saved_s >= SAVE_EVERY_S):
            saved_s = monotonic_s()
            try:
                change_store.finish(unsaved, stamp())
                unsaved = []
            except OperationalError as e:
                log.error("outcomes of changes could not be stored: %s", e.orig)
    return endings, unsaved


def _store_or_raise(endings: Sequence[Ending]) -> None:
    try:
        change_store.finish(endings, stamp())
    except OperationalError as e:
        raise _unwritable(e, f"the outcome of {len(endings)} changes is not stored") from e


def _raise_defect(futures: Sequence[Future[None]]) -> None:
    """Let a defect of ours (anything but a miner's error) come out, once everything else is stored."""
    for future in futures:
        future.result()


_turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


@contextmanager
def _one_at_a_time(miner_id: int, ends_at: float) -> Iterator[bool]:
    """Wait until no other job sends to this miner; yield whether that was so in time.

    A stop needs no cooldown, so it may come while an order of an operator is being sent: between that one's preset and
    its restart it would be undone by the restart.
    """
    turn = _turns[miner_id]
    got_it = turn.acquire(timeout=max(0.0, ends_at - monotonic_s()))
    try:
        yield got_it
    finally:
        if got_it:
            turn.release()


@dataclass(frozen=True, slots=True)
class _Sessions:
    """`quick`: for saving a preset, which decides whether others must give more. `patient`: for all else."""

    quick: SweepSession
    patient: SweepSession


class _Hand:
    """Carries out one intent: the calls, and what they prove."""

    def __init__(self, hands: Hands, sessions: _Sessions, config: Config, ends_at: float) -> None:
        self._hands = hands
        self._quick = sessions.quick
        self._patient = sessions.patient
        self._config = config
        self._ends_at = ends_at

    def carry_out(self, intent: Intent) -> Ending:
        """Send what the change asks for; never raises a MinerError."""
        with _one_at_a_time(intent.change.miner_id, self._ends_at) as our_turn:
            begun = stamp()
            if not our_turn or begun.monotonic_s >= self._ends_at:
                return Ending(intent, Outcome.FAILED, error=f"{NOT_SENT}: out of time")
            return replace(self._sent(intent), begun=begun)

    def _sent(self, intent: Intent) -> Ending:
        ending = self._try(intent, intent.api_key)
        if not ending.unauthorized or not intent.may_adopt:
            return ending.ending
        try:
            key = self._adopt(intent)
        except MinerError as e:
            return replace(
                ending.ending,
                error=f"{ending.ending.error} It could not be adopted anew: {e}",
                adoption_error=str(e),
                adopt_again_s=max(change_store.ADOPT_AGAIN_S, float(getattr(e, "retry_after_s", None) or 0.0)),
            )
        return replace(self._try(intent, key).ending, new_api_key=key)

    def _adopt(self, intent: Intent) -> Secret:
        """Adopt the miner anew, once it has been seen that it is still the same one.

        A dead key may mean that the address belongs to another miner by now: that one is nobody's to command here.
        """
        address = self._address(intent, None)
        mac = self._hands.identify(self._patient, address).mac
        if mac != intent.change.mac:
            raise MinerError(f"Another miner ({mac or 'without a MAC'}) answers at its address {intent.ip}.")
        password = intent.unlock_password or self._config.unlock_password
        return Secret(self._hands.adopt(self._patient, address, password.reveal(), mac))

    def _address(self, intent: Intent, key: Secret | None) -> MinerAddress:
        return MinerAddress(intent.ip, self._config.miner_port, None if key is None else key.reveal())

    def _try(self, intent: Intent, key: Secret) -> _Trial:
        """Send with this key. A dead key shows at the first call, before anything has happened."""
        address = self._address(intent, key)
        if intent.change.kind is ChangeKind.STOP:
            return self._stop(intent, address)
        preset = intent.change.new_preset
        if preset is None:
            return _Trial(Ending(intent, Outcome.FAILED, error=f"{NOT_SENT}: the change names no preset"))
        try:
            taken = self._hands.set_preset(self._quick, address, preset)
        except MinerError as e:
            ending = _failure(intent, e)
            return _Trial(replace(ending, unknown_preset=e.permanent and e.answered), _is_unauthorized(e))
        if intent.change.kind is ChangeKind.START:
            return _Trial(self._start(intent, address, preset))
        return _Trial(self._restart_if_asked(intent, address, taken))

    def _stop(self, intent: Intent, address: MinerAddress) -> _Trial:
        try:
            self._hands.stop(self._patient, address)
        except MinerError as e:
            return _Trial(_failure(intent, e), _is_unauthorized(e))
        return _Trial(Ending(intent, Outcome.SENT, accepted=True))

    def _restart_if_asked(self, intent: Intent, address: MinerAddress, taken: SetResult) -> Ending:
        """Without the restart the new preset does not run, so a refused one is a failure of the change.

        A miner that stands still is not restarted: it comes up with the saved preset when it is started.
        """
        required = (taken.restart_required or intent.restart_owed) and not intent.stands_still
        ending = Ending(intent, Outcome.SENT, accepted=True, restart_required=required)
        if not required:
            return ending
        try:
            self._hands.restart(self._patient, address)
        except MinerError as e:
            error = f"The preset is saved, but does not run: {e}"
            return replace(ending, outcome=_outcome(e), restart_accepted=_refusal(e), error=error)
        return replace(ending, restart_accepted=True)

    def _start(self, intent: Intent, address: MinerAddress, preset: str) -> Ending:
        """Start only once the miner has been read back to hold the preset it is to start with."""
        try:
            saved = self._hands.read_saved_preset(self._patient, address)
        except MinerError as e:
            return Ending(intent, Outcome.FAILED, error=f"Not started: its saved preset could not be read back. {e}")
        if saved != preset:
            found = "none" if saved is None else saved
            return Ending(intent, Outcome.FAILED, error=f"Not started: it saved preset {found} instead of {preset}.")
        try:
            self._hands.start(self._patient, address)
        except MinerError as e:
            return _failure(intent, e)
        return Ending(intent, Outcome.SENT, accepted=True)


@dataclass(frozen=True, slots=True)
class _Trial:
    """How sending with one key ended, and whether it was the key that was refused."""

    ending: Ending
    unauthorized: bool = False


def _failure(intent: Intent, error: MinerError) -> Ending:
    """What no miner ever heard is no attempt: one that is rebooting has all of them left when it is back."""
    sentence = str(error) if error.reached else f"{NOT_SENT}: {error}"
    return Ending(intent, _outcome(error), accepted=_refusal(error), error=sentence)


def _outcome(error: MinerError) -> Outcome:
    """A refusal, and a miner that was never reached, are certain; else nobody knows what it did."""
    return Outcome.FAILED if error.answered or not error.reached else Outcome.UNKNOWN


def _refusal(error: MinerError) -> bool | None:
    return False if _outcome(error) is Outcome.FAILED else None


def _is_unauthorized(error: MinerError) -> bool:
    return isinstance(error, MinerUnauthorized)
