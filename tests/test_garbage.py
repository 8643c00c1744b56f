"""The garbage collector comes rarely, and never for what is there to stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from app import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_it_comes_rarely() -> None:
    garbage.collect_rarely()
    assert gc.get_threshold()[0] == garbage.COLLECT_EVERY


def test_what_is_loaded_is_looked_through_no_more() -> None:
    frozen = gc.get_freeze_count()
    garbage.settle()
    assert gc.get_freeze_count() > frozen + 1000
    assert gc.get_threshold()[0] == garbage.COLLECT_EVERY
