"""The status poller: one sweep over every known miner each 15 s (SPEC 4)."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clock import monotonic_s, stamp
from app.core import presence
from app.core.types import MinerStatus
from app.errors import MinerUnauthorized
from app.jobs.fan_out import fan_out
from app.jobs.runner import JobContext
from app.store import polls, sightings, terms
from app.store.polls import PollTarget, Sweep, Turns

log = logging.getLogger(__name__)

THREADS = 128
RESERVE_S = 1.5  # of the deadline, for the database
_NAMED = 5  # miners named in one line of the log

_sweeps = itertools.count()  # which quarter of the offline miners is asked; a restart may begin anywhere

Ask = Callable[[SweepSession, PollTarget, int], MinerStatus]


def ask(session: SweepSession, target: PollTarget, port: int) -> MinerStatus:
    """Read one miner's status. The flags of /status are worth a call only while a change is on its way."""
    address = MinerAddress(target.ip, port, target.api_key)
    return miner.read_status(session, address, target.hr_measure, target.algorithm, with_flags=target.change_on_way)


def run(context: JobContext, ask: Ask = ask) -> str:
    """Make one sweep; `ask` stands in for the miners in tests.

    A miner that was not asked by the deadline is reported, and counts as nothing: neither answered nor missed.
    """
    known = polls.targets()
    everyone = _first_of_term(context)
    due = presence.to_ask([t.presence for t in known], next(_sweeps), everyone=everyone)
    by_id = {t.miner_id: t for t in known}
    wanted = [by_id[i] for i in due]
    reachable = [t for t in wanted if presence.in_subnets(t.ip, context.config.subnets)]
    missed = {t.miner_id: _no_address(t) for t in wanted if not presence.in_subnets(t.ip, context.config.subnets)}
    ends_at = monotonic_s() + max(0.0, context.deadline.left_s() - RESERVE_S)
    with SweepSession(len(reachable), ends_at=ends_at) as session:
        replies = fan_out(
            lambda target: ask(session, target, context.config.miner_port),
            reachable,
            threads=THREADS,
            time_is_up=lambda: monotonic_s() >= ends_at,
        )
    now = stamp()
    missed |= {target.miner_id: str(error) for target, error in replies.failed}
    missed |= {target.miner_id: f"PowerHive's own error: {error!r}" for target, error in replies.bugs}
    answered = {target.miner_id: status for target, status in replies.answered}
    _log_turns(polls.record_sweep(known, Sweep(answered, missed), now))
    for target, error in replies.failed:
        if isinstance(error, MinerUnauthorized) and target.api_key is not None:
            sightings.forget_key(target.miner_id, target.api_key, str(error))
    if everyone and not replies.unasked:
        terms.note_full_poll(context.term_id, now.utc)
    replies.raise_bugs()
    return _note(len(answered), len(known), len(replies.unasked))


def _first_of_term(context: JobContext) -> bool:
    """Tell whether no full poll has been made under this term yet: then everyone is asked (SPEC 5.5)."""
    term = terms.of(context.term_id)
    return term is not None and term.first_full_poll_at is None


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
