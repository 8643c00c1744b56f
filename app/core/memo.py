"""What pure functions found, kept from one cycle to the next: ladders and factors seldom change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Found = TypeVar("Found")

MOST = 20_000  # entries of some KB at most; a farm of 3,000 needs a third of them


class Memo(Generic[Found]):
    """Results by key. A key may hold ids of objects: the entry keeps those alive, so that no id comes to mean another.

    Nothing depends on what is in it but the time a decision takes; full, it begins anew.
    """

    def __init__(self, most: int = MOST) -> None:
        self._found: dict[tuple[object, ...], tuple[object, Found]] = {}
        self._most = most

    def get(self, key: tuple[object, ...], alive: object, make: Callable[[], Found]) -> Found:
        """Return what `make` gives for `key`. `alive`: the objects whose ids are in the key."""
        entry = self._found.get(key)
        if entry is None:
            if len(self._found) >= self._most:
                self._found.clear()
            entry = self._found[key] = (alive, make())
        return entry[1]
