"""The multiple-choice knapsack: one option per item, the most value within a budget of watts.

Solved by the items' upper hulls: the segments of all hulls, taken by their value per watt, best first, are the optimum
of the relaxed problem (its Lagrangian); what is left of the budget is filled with the best upgrades that still fit.
Most it can miss is the value of one hull segment, whatever the number of items.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MISSES = 96  # upgrades too large for the rest of the budget before the search ends; the best of them fill it otherwise
NEAR = 96  # items around the end of the budget whose options off the hulls are tried in pairs
TRIED = 256  # ... and how many of their changes: those that give up the least at the price of a watt
ROUNDS = 12
CLOSE = 1e-5  # share of the relaxed optimum that is close enough


@dataclass(frozen=True, slots=True)
class Menu:
    """The options of one item: (power in W, value), ascending in power; items with equal options may share a menu.

    `hull`: indices of the options on the upper hull, from the lowest to the one of most value. `slopes`: value per
    watt from each to the next, strictly falling and above 0.
    """

    options: tuple[tuple[float, float], ...]
    hull: tuple[int, ...]
    slopes: tuple[float, ...]


def menu(options: Iterable[tuple[float, float]]) -> Menu:
    """Return the menu of these (power in W, value), ascending in power; indices mean the same to the caller."""
    known = tuple(options)
    hull: list[int] = []
    slopes: list[float] = []
    for index, (power_w, value) in enumerate(known):
        slope = 0.0
        while hull:
            before_w, before = known[hull[-1]]
            slope = (value - before) / (power_w - before_w)
            if not slopes or slope < slopes[-1]:
                break
            hull.pop()
            slopes.pop()
        if not hull:
            hull.append(index)
        elif slope > 0:
            slopes.append(slope)
            hull.append(index)
    return Menu(known, tuple(hull), tuple(slopes))


def allocate(menus: Sequence[Menu], budget_w: float) -> list[int]:
    """Return the index of one option per menu: the most value within `budget_w`, the lowest of all where none fits."""
    left_w = budget_w - sum(item.options[0][0] for item in menus)
    if left_w < 0:
        return [0] * len(menus)
    groups: dict[int, list[int]] = {}
    for number, item in enumerate(menus):
        groups.setdefault(id(item), []).append(number)
    members = list(groups.values())
    shared = [menus[group[0]] for group in members]
    segments = [(-slope, group, level) for group, item in enumerate(shared) for level, slope in enumerate(item.slopes)]
    segments.sort()
    reached = [0] * len(members)
    broke = len(segments)
    for at, (_, group, level) in enumerate(segments):
        need_w = _segment_w(shared[group], level) * len(members[group])
        if need_w > left_w:
            broke = at
            break
        left_w -= need_w
        reached[group] = level + 1
    levels = [0] * len(menus)
    for group, level in enumerate(reached):
        for number in members[group]:
            levels[number] = level
    if broke == len(segments):
        return [item.hull[-1] for item in menus]
    price = -segments[broke][0]
    possible = price * left_w  # what the relaxed optimum would still win
    before = _value(menus, levels)
    missed, left_w = _one_by_one(menus, levels, left_w)
    possible -= _value(menus, levels) - before
    picks = [item.hull[level] for item, level in zip(menus, levels, strict=True)]
    near = list(dict.fromkeys(number for group in _around(segments, broke) for number in members[group][:NEAR]))
    _improve(menus, picks, near[:NEAR], left_w, _Goal(price, possible, CLOSE * (before + possible)))
    left_w = budget_w - sum(item.options[pick][0] for item, pick in zip(menus, picks, strict=True))
    _fill(menus, picks, missed, left_w)
    return picks


def _value(menus: Sequence[Menu], levels: Sequence[int]) -> float:
    return sum(item.options[item.hull[level]][1] for item, level in zip(menus, levels, strict=True))


def _around(segments: Sequence[tuple[float, int, int]], broke: int) -> list[int]:
    """Return the groups whose segments lie around the one at which the budget ended, the nearest first."""
    lowest, highest = max(0, broke - NEAR), min(len(segments), broke + NEAR)
    return [segments[at][1] for at in sorted(range(lowest, highest), key=lambda at: abs(at - broke))]


def _segment_w(item: Menu, level: int) -> float:
    return item.options[item.hull[level + 1]][0] - item.options[item.hull[level]][0]


def _one_by_one(menus: Sequence[Menu], levels: list[int], left_w: float) -> tuple[list[int], float]:
    """Take segments item by item, the best first; return the items whose next one did not fit, and what is left (W)."""
    waiting = [
        (-item.slopes[level], number)
        for number, (item, level) in enumerate(zip(menus, levels, strict=True))
        if level < len(item.slopes)
    ]
    heapq.heapify(waiting)
    missed: list[int] = []
    while waiting and len(missed) < MISSES:
        number = waiting[0][1]
        item, level = menus[number], levels[number]
        need_w = _segment_w(item, level)
        if need_w > left_w:
            missed.append(number)
            heapq.heappop(waiting)
            continue
        left_w -= need_w
        levels[number] = level + 1
        if level + 1 < len(item.slopes):
            heapq.heapreplace(waiting, (-item.slopes[level + 1], number))
        else:
            heapq.heappop(waiting)
    return missed, left_w


@dataclass(frozen=True, slots=True)
class _Goal:
    """The price of a watt (value per W), what the relaxed optimum could still win, and how little is good enough."""

    price: float
    possible: float
    enough: float


def _improve(menus: Sequence[Menu], picks: list[int], near: Sequence[int], left_w: float, goal: _Goal) -> None:
    """Change one or two items at a time so that the rest of the budget wins more, until it is close to the bound."""
    possible = goal.possible
    for _ in range(ROUNDS):
        if possible <= goal.enough:
            return
        best = _best_pair(_changes(menus, picks, near, goal.price), left_w)
        if best is None:
            return
        for power_w, value, number, pick in best:
            left_w -= power_w
            possible -= value
            picks[number] = pick


_Change = tuple[float, float, int, int]  # more watts, more value, item, its new option


def _changes(menus: Sequence[Menu], picks: Sequence[int], near: Sequence[int], price: float) -> list[_Change]:
    """Return the changes of single items that give up the least at that price, by watts ascending."""
    found: list[tuple[float, _Change]] = []
    for number in near:
        pick = picks[number]
        own_w, own = menus[number].options[pick]
        for other, (power_w, value) in enumerate(menus[number].options):
            if other != pick:
                more_w, more = power_w - own_w, value - own
                found.append((price * more_w - more, (more_w, more, number, other)))
    found.sort()
    return sorted(change for _, change in found[:TRIED])


def _best_pair(changes: Sequence[_Change], left_w: float) -> tuple[_Change, ...] | None:
    """Return the one or two changes of different items that fit into `left_w` and together win most; None: none wins.

    For each change the best partner among those small enough: the best so far, and the best so far of another item.
    """
    best: tuple[_Change, ...] | None = None
    most = 0.0
    first: _Change | None = None
    second: _Change | None = None
    small = 0
    for change in reversed(changes):  # from the largest: the room for a partner grows
        room_w = left_w - change[0]
        while small < len(changes) and changes[small][0] <= room_w:
            partner = changes[small]
            small += 1
            if first is None or partner[1] > first[1]:
                second = first if first is None or first[2] != partner[2] else second
                first = partner
            elif partner[2] != first[2] and (second is None or partner[1] > second[1]):
                second = partner
        if room_w >= 0 and change[1] > most:
            best, most = (change,), change[1]
        other = first if first is None or first[2] != change[2] else second
        if other is not None and change[1] + other[1] > most:
            best, most = (change, other), change[1] + other[1]
    return best


def _fill(menus: Sequence[Menu], picks: list[int], missed: Sequence[int], left_w: float) -> None:
    """Use what is left for options off the hulls: the single upgrade that wins most, again and again."""
    while True:
        best, best_number, best_pick = 0.0, -1, 0
        for number in missed:
            options, pick = menus[number].options, picks[number]
            own_w, own = options[pick]
            for other in range(pick + 1, len(options)):
                power_w, value = options[other]
                if power_w - own_w > left_w:
                    break
                if value - own > best:
                    best, best_number, best_pick = value - own, number, other
        if best_number < 0:
            return
        left_w -= menus[best_number].options[best_pick][0] - menus[best_number].options[picks[best_number]][0]
        picks[best_number] = best_pick
