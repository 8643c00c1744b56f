"""Many miners at once, in time."""

from __future__ import annotations

import threading
import time

import pytest

from app.errors import MinerError
from app.jobs.fan_out import fan_out


def never() -> bool:
    return False


def test_nobody_to_ask() -> None:
    replies = fan_out(str, [], threads=4, time_is_up=never)
    assert (replies.answered, replies.failed, replies.unasked, replies.bugs) == ([], [], [], [])


def test_errors_of_one_cost_no_other() -> None:
    def ask(n: int) -> int:
        if n == 2:
            raise MinerError("no")
        return 10 // n

    replies = fan_out(ask, [0, 1, 2, 5], threads=2, time_is_up=never)
    assert replies.answered == [(1, 10), (5, 2)]
    assert [n for n, _ in replies.failed] == [2]
    assert [n for n, _ in replies.bugs] == [0]
    with pytest.raises(ZeroDivisionError):
        replies.raise_bugs()


def test_who_is_cut_off_by_our_own_deadline_was_not_asked() -> None:
    up = threading.Event()

    def ask(n: int) -> int:
        if n == 1:
            up.set()
            raise MinerError("timed out")
        return n

    replies = fan_out(ask, [0, 1, 2, 3], threads=1, time_is_up=up.is_set)
    assert replies.answered == [(0, 0)]
    assert replies.unasked == [1, 2, 3]
    replies.raise_bugs()


def test_every_thread_has_ended_when_it_returns() -> None:
    before = threading.active_count()
    fan_out(lambda _: time.sleep(0.01), range(20), threads=8, time_is_up=never)
    assert threading.active_count() == before
