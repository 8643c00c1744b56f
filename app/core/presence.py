"""When a miner counts as offline, and which miners one status sweep asks, in which order (SPEC 4, "Status")."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from app.core.readings import Stamp

OFFLINE_AFTER_MISSES = 3
OFFLINE_AFTER_S = 60.0
OFFLINE_EVERY = 4  # an offline miner is asked in every fourth sweep: dead addresses cost the most time

TELEMETRY_SLICES = 60  # of its interval: all boards of 3,000 miners at once would keep the pages waiting for a minute
SHORTEST_SLICE_S = 1.0
LEAST_PER_SLICE = 16  # miners: a small farm's boards need not wait for ten minutes after the first start
_SPARE = 1.25  # so that what a slice had no time for is made up for


@dataclass(frozen=True, slots=True)
class Presence:
    """How well a miner has been heard: polls missed since its last answer, and when that was (None: never)."""

    miner_id: int
    missed_polls: int
    answered: Stamp | None


def is_offline(presence: Presence, now: Stamp) -> bool:
    """Tell whether a miner counts as offline: three polls missed in a row, or 60 s without an answer.

    One that has never answered is offline after three missed polls: nothing is known of it before.
    """
    if presence.missed_polls >= OFFLINE_AFTER_MISSES:
        return True
    return presence.answered is not None and presence.answered.elapsed_s(now) > OFFLINE_AFTER_S


def to_ask(presences: Sequence[Presence], sweep: int, *, everyone: bool) -> list[int]:
    """Return the ids of the miners that sweep number `sweep` asks, in the order in which it should.

    A miner that missed three polls is asked in every fourth sweep only, spread by id. Those that answer come first,
    then those that missed: dead addresses cost the most time, and a thousand that die at once must not keep the living
    from being asked. Among equals the one that answered longest ago comes first, so that what a deadline cuts off is
    asked at the next sweep. `everyone`: leave none out (the first full poll after a start, SPEC 5.5).
    """
    missing = [p for p in presences if p.missed_polls >= OFFLINE_AFTER_MISSES]
    missing_ids = {p.miner_id for p in missing}
    answering = [p for p in presences if p.miner_id not in missing_ids]
    due = [p for p in missing if everyone or p.miner_id % OFFLINE_EVERY == sweep % OFFLINE_EVERY]
    return [p.miner_id for p in (*sorted(answering, key=_turn), *sorted(due, key=_turn))]


def _turn(presence: Presence) -> tuple[bool, bool, float, int]:
    answered = presence.answered
    missed = presence.missed_polls > 0
    return (missed, answered is not None, 0.0 if answered is None else answered.utc.timestamp(), presence.miner_id)


def telemetry_slice_s(interval_s: float) -> float:
    """Return how often a part of the miners is asked for its boards, where each is to be asked every `interval_s`."""
    return max(SHORTEST_SLICE_S, interval_s / TELEMETRY_SLICES)


def telemetry_slice(online: int, interval_s: float) -> int:
    """Return how many of the miners one slice asks at most."""
    share = telemetry_slice_s(interval_s) / interval_s
    return max(LEAST_PER_SLICE, math.ceil(_SPARE * share * online))


def in_subnets(ip: str, subnets: Iterable[IPv4Network]) -> bool:
    """Tell whether `ip` is an address within the configured subnets: no other may ever be contacted."""
    try:
        address = IPv4Address(ip)
    except ValueError:
        return False
    return any(address in subnet for subnet in subnets)
