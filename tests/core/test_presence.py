"""When a miner counts as offline, and whom a sweep asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network

import pytest

from app.core import presence
from app.core.presence import Presence, in_subnets, is_offline, to_ask
from app.core.readings import Stamp

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> Stamp:
    return Stamp(T0 + timedelta(seconds=seconds), 500 + seconds, "boot")


@pytest.mark.parametrize(
    ("missed", "answered", "offline"),
    [
        (0, at(-15), False),
        (2, at(-45), False),  # one poll may fail, and a second
        (3, at(-50), True),
        (1, at(-60), False),
        (1, at(-61), True),
        (0, at(-3600), True),  # not asked for an hour
        (0, None, False),
        (2, None, False),
        (3, None, True),
    ],
)
def test_three_missed_polls_or_a_minute_of_silence(missed: int, answered: Stamp | None, *, offline: bool) -> None:
    assert is_offline(Presence(1, missed, answered), at(0)) is offline
    assert not is_offline(Presence(1, 0, at(0)), at(0))  # one answer brings it back


@pytest.mark.parametrize(
    ("ip", "inside"),
    [("10.9.0.1", True), ("10.9.1.1", False), ("10.8.1.7", True), ("", False), ("::1", False), ("10.9.0.1:80", False)],
)
def test_only_addresses_of_the_subnets_may_be_contacted(ip: str, *, inside: bool) -> None:
    assert in_subnets(ip, (IPv4Network("10.9.0.0/24"), IPv4Network("10.8.1.0/28"))) is inside


def test_a_miner_that_missed_three_polls_is_asked_in_every_fourth_sweep() -> None:
    dead = [Presence(i, 3, None) for i in range(8)]
    sweeps = [to_ask(dead, sweep, everyone=False) for sweep in range(4)]
    assert all(len(asked) == 2 for asked in sweeps)  # spread, not all at once
    assert sorted(i for asked in sweeps for i in asked) == list(range(8))


def test_the_first_full_poll_asks_everyone() -> None:
    assert to_ask([Presence(1, 9, None), Presence(2, 0, at(0))], 0, everyone=True) == [2, 1]


def test_it_asks_first_whom_it_heard_longest_ago_and_dead_addresses_last() -> None:
    presences = [Presence(4, 7, at(-900)), Presence(3, 0, at(-15)), Presence(2, 1, at(-30)), Presence(1, 0, None)]
    assert to_ask(presences, 0, everyone=False) == [1, 3, 2, 4]


def test_miners_that_die_in_their_hundreds_do_not_keep_the_living_from_being_asked() -> None:
    living = [Presence(i, 0, at(-15)) for i in range(100)]
    just_dead = [Presence(i, 1, at(-30)) for i in range(100, 1000)]
    assert set(to_ask([*just_dead, *living], 0, everyone=False)[:100]) == set(range(100))


@pytest.mark.parametrize(
    ("online", "interval_s", "every_s", "most"),
    [(3000, 600.0, 10.0, 63), (20_000, 600.0, 10.0, 417), (100, 600.0, 10.0, 16), (3000, 10.0, 1.0, 375)],
)
def test_boards_are_asked_for_in_slices(online: int, interval_s: float, every_s: float, most: int) -> None:
    """Each miner has its turn within the interval, with a quarter to spare."""
    assert presence.telemetry_slice_s(interval_s) == every_s
    assert presence.telemetry_slice(online, interval_s) == most
    assert most * interval_s / every_s >= 1.25 * online
