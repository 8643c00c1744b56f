"""What pure functions found, from one cycle to the next."""

from __future__ import annotations

import gc
import weakref

from app.core.memo import Memo


class Thing:
    """Something with an identity."""


def test_it_finds_what_was_kept_and_nothing_else() -> None:
    memo: Memo[int] = Memo()
    assert [memo.find(("a",)), memo.keep(("a",), None, 1), memo.find(("a",)), memo.find(("b",))] == [None, 1, 1, None]


def test_an_id_in_a_key_belongs_to_the_same_object_for_as_long_as_the_entry_lives() -> None:
    memo: Memo[str] = Memo(most=2)
    thing = Thing()
    known = weakref.ref(thing)
    key = (id(thing),)
    memo.keep(key, thing, "first")
    del thing
    gc.collect()
    assert known() is not None
    memo.make_room()
    assert memo.find(key) == "first"
    memo.keep(("another",), None, "full")
    memo.make_room()
    gc.collect()
    assert known() is None
    assert memo.find(key) is None


def test_it_begins_anew_only_when_told_to_make_room() -> None:
    memo: Memo[int] = Memo(most=2)
    for number in range(5):
        memo.keep((number,), None, number)
    assert [memo.find((number,)) for number in range(5)] == [0, 1, 2, 3, 4]
    memo.make_room()
    assert [memo.find((number,)) for number in range(5)] == [None] * 5
