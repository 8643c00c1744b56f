"""What pure functions found, kept from one cycle to the next: ladders and factors seldom change."""

from __future__ import annotations

from typing import Generic, TypeVar

Found = TypeVar("Found")

MOST = 20_000  # entries of some KB at most; a farm of 3,000 needs a third of them


class Memo(Generic[Found]):
    """Results by key. A key may hold ids of objects: the entry keeps those alive, so that no id comes to mean another.

    Nothing depends on what is in it but the time a decision takes. So it begins anew only where `make_room` is called,
    between two decisions: within one, equal miners share what is found, and are chosen from as equals.
    """

    def __init__(self, most: int = MOST) -> None:
        self._found: dict[tuple[object, ...], tuple[object, Found]] = {}
        self._most = most

    def find(self, key: tuple[object, ...]) -> Found | None:
        """Return what is kept under `key`, or None."""
        entry = self._found.get(key)
        return None if entry is None else entry[1]

    def keep(self, key: tuple[object, ...], alive: object, found: Found) -> Found:
        """Keep `found` under `key`, and return it. `alive`: the objects whose ids are in the key."""
        self._found[key] = alive, found
        return found

    def make_room(self) -> None:
        """Forget everything where it is full."""
        if len(self._found) >= self._most:
            self._found.clear()
