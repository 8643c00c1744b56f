"""What pure functions found, from one cycle to the next."""

from __future__ import annotations

import gc
import weakref

from app.core.memo import Memo


class Thing:
    """Something with an identity."""


def test_it_makes_a_result_once_per_key() -> None:
    memo: Memo[int] = Memo()
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [memo.get(("a",), None, make), memo.get(("a",), None, make), memo.get(("b",), None, make)] == [1, 1, 2]


def test_an_id_in_a_key_belongs_to_the_same_object_for_as_long_as_the_entry_lives() -> None:
    memo: Memo[str] = Memo(most=2)
    thing = Thing()
    known = weakref.ref(thing)
    memo.get((id(thing),), thing, lambda: "first")
    del thing
    gc.collect()
    assert known() is not None
    for number in range(2):  # full, it begins anew
        memo.get((number,), None, lambda: "more")
    gc.collect()
    assert known() is None
