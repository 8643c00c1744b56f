"""The telemetry poller: the hash boards of every miner that answers, each 10 min, in slices that keep the deadline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clock import monotonic_s, utcnow
from app.core.presence import in_subnets
from app.core.types import MinerStatus
from app.extensions import db
from app.jobs import runner
from app.jobs.fan_out import fan_out
from app.jobs.runner import JobContext
from app.store import polls
from app.store.polls import PollTarget

THREADS = 32
RESERVE_S = 1.5  # of the deadline, for the database
_DUE_AFTER = 0.8  # of the interval: who was sampled later than that waits for the next round

Ask = Callable[[SweepSession, PollTarget, int], MinerStatus]


def ask(session: SweepSession, target: PollTarget, port: int) -> MinerStatus:
    """Read one miner with its boards' chips and its uptime."""
    address = MinerAddress(target.ip, port, None if target.api_key is None else target.api_key.reveal())
    return miner.read_status(session, address, target.hr_measure, target.algorithm, detail=True)


def run(context: JobContext, ask: Ask = ask) -> str:
    """Sample the boards that are due, the least recently sampled first; ask for one more run where time was short."""
    now = utcnow()
    older_than = timedelta(seconds=_DUE_AFTER * context.config.telemetry_interval_s)
    due = [t for t in polls.board_targets(older_than, now) if in_subnets(t.ip, context.config.subnets)]
    db.session.rollback()  # no read transaction stays open while miners answer
    ends_at = monotonic_s() + max(0.0, context.deadline.left_s() - RESERVE_S)
    with SweepSession(len(due), only=context.config.subnets, ends_at=ends_at) as session:
        replies = fan_out(
            lambda target: ask(session, target, context.config.miner_port),
            due,
            threads=THREADS,
            time_is_up=lambda: monotonic_s() >= ends_at,
        )
    boards = polls.record_boards({target.miner_id: status for target, status in replies.answered}, now)
    if replies.unasked and replies.answered:
        runner.request("telemetry_poller")
    replies.raise_bugs()
    note = f"{boards} boards of {len(replies.answered)} of {len(due)} miners"
    return note if not replies.unasked else f"{note}; {len(replies.unasked)} left for the next run"
