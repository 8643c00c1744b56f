"""Ask many miners at once, and be done in time: every thread has ended when this returns (STACK notes 1.2).

The threads talk to miners only; none of them touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.errors import MinerError

Item = TypeVar("Item")
Reply = TypeVar("Reply")


@dataclass(slots=True)
class Replies(Generic[Item, Reply]):
    """What came of it, in the order of asking.

    `unasked`: the time was up before or while they were asked, which says nothing about them; `cut_off`: those of them
    that were being asked. `bugs`: errors of our
    own; the caller stores the rest first, then raises them (`raise_bugs`), so that one odd miner costs no other one.
    """

    answered: list[tuple[Item, Reply]] = field(default_factory=list)
    failed: list[tuple[Item, MinerError]] = field(default_factory=list)
    unasked: list[Item] = field(default_factory=list)
    cut_off: list[Item] = field(default_factory=list)
    bugs: list[tuple[Item, BaseException]] = field(default_factory=list)

    def raise_bugs(self) -> None:
        """Raise the first error that is no miner's fault, if there is one."""
        for _, error in self.bugs:
            raise error


class _Unasked(Exception):
    """The time was up."""


class _CutOff(_Unasked):
    """... while the miner was being asked."""


def fan_out(
    ask: Callable[[Item], Reply], items: Sequence[Item], *, threads: int, time_is_up: Callable[[], bool]
) -> Replies[Item, Reply]:
    """Call `ask` for every item, in that order, `threads` at a time; none is begun once `time_is_up()`."""

    def ask_in_time(item: Item) -> Reply:
        if time_is_up():
            raise _Unasked
        try:
            return ask(item)
        except MinerError:
            if time_is_up():  # it was our own deadline that cut it off
                raise _CutOff from None
            raise

    replies: Replies[Item, Reply] = Replies()
    if not items:
        return replies
    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="fan-out") as pool:
        futures = [pool.submit(ask_in_time, item) for item in items]
    for item, future in zip(items, futures, strict=True):
        error = future.exception()
        if error is None:
            replies.answered.append((item, future.result()))
        elif isinstance(error, MinerError):
            replies.failed.append((item, error))
        elif isinstance(error, _Unasked):
            replies.unasked.append(item)
            if isinstance(error, _CutOff):
                replies.cut_off.append(item)
        else:
            replies.bugs.append((item, error))
    return replies
