"""The telemetry poller: the hash boards of every miner that answers, each 10 min, a sixtieth of them at a time.

All of them at once took a minute of a farm of 3,000, in which the pages waited for a processor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clock import monotonic_s, utcnow
from app.config import Config
from app.core.presence import in_subnets, telemetry_slice, telemetry_slice_s
from app.core.readings import MinerStatus
from app.extensions import db
from app.jobs.fan_out import fan_out
from app.jobs.runner import JobContext
from app.store import polls
from app.store.polls import PollTarget

THREADS = 16
RESERVE_S = 1.5  # of the deadline, for the database

Ask = Callable[[SweepSession, PollTarget, int], MinerStatus]


def ask(session: SweepSession, target: PollTarget, port: int) -> MinerStatus:
    """Read one miner with its boards' chips and its uptime."""
    address = MinerAddress(target.ip, port, None if target.api_key is None else target.api_key.reveal())
    return miner.read_status(session, address, target.hr_measure, target.algorithm, detail=True)


def run(context: JobContext, ask: Ask = ask) -> str:
    """Sample the boards of those whose turn it is: who was asked longest ago first, and no more than a slice."""
    now = utcnow()
    due = _due(context.config, now)
    db.session.rollback()  # no read transaction stays open while miners answer
    ends_at = monotonic_s() + max(0.0, context.deadline.left_s() - RESERVE_S)
    with SweepSession(len(due), only=context.config.subnets, ends_at=ends_at) as session:
        replies = fan_out(
            lambda target: ask(session, target, context.config.miner_port),
            due,
            threads=THREADS,
            time_is_up=lambda: monotonic_s() >= ends_at,
        )
    failed = [target.miner_id for target, _ in (*replies.failed, *replies.bugs)]
    failed += [target.miner_id for target in replies.cut_off]  # else a few slow ones would have every turn
    boards = polls.record_boards({target.miner_id: status for target, status in replies.answered}, now, failed)
    replies.raise_bugs()
    note = f"{boards} boards of {len(replies.answered)} of {len(due)} miners"
    return note if not replies.unasked else f"{note}; {len(replies.unasked)} left for the next run"


def _due(config: Config, now: datetime) -> list[PollTarget]:
    interval_s = config.telemetry_interval_s
    turns = [turn for turn in polls.board_turns() if in_subnets(turn.ip, config.subnets)]
    latest = now - timedelta(seconds=interval_s - telemetry_slice_s(interval_s))
    due = [t.miner_id for t in turns if t.asked_at is None or t.asked_at <= latest or t.asked_at > now]
    order = {miner_id: n for n, miner_id in enumerate(due[: telemetry_slice(len(turns), interval_s)])}
    return sorted(polls.targets(list(order)), key=lambda target: order[target.miner_id])
