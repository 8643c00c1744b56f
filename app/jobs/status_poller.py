"""The status poller: one sweep over every known miner each 15 s (SPEC 4)."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import SimpleQueue

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clock import monotonic_s, stamp
from app.core import presence
from app.core.readings import MinerStatus, Stamp
from app.errors import MinerUnauthorized
from app.extensions import db
from app.jobs import runner
from app.jobs.fan_out import fan_out
from app.jobs.runner import JobContext
from app.redaction import Secret
from app.store import polls, sightings, terms
from app.store.polls import PollTarget, Sweep, Turns

log = logging.getLogger(__name__)

THREADS = 128
RESERVE_S = 1.5  # of the deadline, for the database
_NAMED = 5  # miners named in one line of the log

_sweeps = itertools.count()  # which quarter of the offline miners is asked; a restart may begin anywhere

_RefusedKey = tuple[int, Secret, str]  # miner id, the key it refused, in which words
Ask = Callable[[SweepSession, PollTarget, int], MinerStatus]


def ask(session: SweepSession, target: PollTarget, port: int) -> MinerStatus:
    """Read one miner's status. The flags of /status are worth a call only while a change is on its way."""
    address = MinerAddress(target.ip, port, None if target.api_key is None else target.api_key.reveal())
    return miner.read_status(session, address, target.hr_measure, target.algorithm, with_flags=target.change_on_way)


def run(context: JobContext, ask: Ask = ask) -> str:
    """Make one sweep; `ask` stands in for the miners in tests.

    A miner that was not asked by the deadline is reported, and counts as nothing: neither answered nor missed.
    """
    known = polls.targets()
    term = terms.of(context.term_id)
    everyone = term is not None and term.first_full_poll_at is None  # the first of a term asks everyone (SPEC 5.5)
    due = presence.to_ask([t.presence for t in known], next(_sweeps), everyone=everyone)
    by_id = {t.miner_id: t for t in known}
    wanted = [by_id[i] for i in due]
    reachable = [t for t in wanted if presence.in_subnets(t.ip, context.config.subnets)]
    missed = {t.miner_id: _no_address(t) for t in wanted if not presence.in_subnets(t.ip, context.config.subnets)}
    refused: SimpleQueue[_RefusedKey] = SimpleQueue()
    ends_at = monotonic_s() + max(0.0, context.deadline.left_s() - RESERVE_S)
    now = stamp()  # of the whole sweep: no answer is taken for younger than it is
    db.session.rollback()  # no read transaction stays open while miners answer: the WAL could not be folded in
    with SweepSession(len(reachable), only=context.config.subnets, ends_at=ends_at) as session:
        replies = fan_out(
            lambda target: _asked(ask, session, target, context.config.miner_port, refused),
            reachable,
            threads=THREADS,
            time_is_up=lambda: monotonic_s() >= ends_at,
        )
    missed |= {target.miner_id: str(error) for target, error in replies.failed}
    missed |= {target.miner_id: f"PowerHive's own error: {error!r}" for target, error in replies.bugs}
    answered = {target.miner_id: status for target, status in replies.answered}
    _log_turns(polls.record_sweep(known, Sweep(answered, missed), now))
    _doubt_keys(refused)
    if term is not None and everyone and _is_full(replies.unasked, term.started.elapsed_s(now), now):
        terms.note_full_poll(context.term_id, now.utc)
    replies.raise_bugs()
    return _note(len(answered), len(known), len(replies.unasked))


def _asked(
    ask: Ask, session: SweepSession, target: PollTarget, port: int, refused: SimpleQueue[_RefusedKey]
) -> MinerStatus:
    """Ask a miner; where it refuses the key ask once more without: its status is open to everybody (CONTRACT 2)."""
    try:
        return ask(session, target, port)
    except MinerUnauthorized as error:
        if target.api_key is None:
            raise
        refused.put((target.miner_id, target.api_key, str(error)))
        return ask(session, replace(target, api_key=None), port)


def _doubt_keys(refused: SimpleQueue[_RefusedKey]) -> None:
    found = False
    while not refused.empty():
        sightings.doubt_key(*refused.get())
        found = True
    if found:
        runner.request("discovery")


def _is_full(unasked: Sequence[PollTarget], acting_s: float, now: Stamp) -> bool:
    """Tell whether a sweep over everyone leaves nobody out but those not heard in all the sweeps of a minute.

    One that is too slow for any sweep, or many dead ones, must not keep a restarted PowerHive from ever raising.
    """
    if acting_s <= presence.OFFLINE_AFTER_S:
        return not unasked
    return all(t.presence.answered is None or presence.is_offline(t.presence, now) for t in unasked)


def _no_address(target: PollTarget) -> str:
    if not target.ip:
        return "Its last address belongs to another miner by now; discovery has not found its new one."
    return f"Its address {target.ip} is outside the configured subnets, so it is not contacted."


def _note(answered: int, known: int, unasked: int) -> str:
    note = f"{answered} of {known} miners answered"
    return note if not unasked else f"{note}; {unasked} not asked in time"


def _log_turns(turns: Turns) -> None:
    for names, words in ((turns.lost, "offline"), (turns.back, "answering again")):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            log.warning("%s: %s%s", words, ", ".join(names[:_NAMED]), more)
