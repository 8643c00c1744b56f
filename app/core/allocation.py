"""The multiple-choice knapsack: one option per item, the most value within a budget of watts.

Solved by the items' upper hulls: the segments of all hulls, taken by their value per watt, best first, are the optimum
of the relaxed problem (its Lagrangian). What is left of the budget, less than one segment, is used by changes of up to
three items around that price, options off the hulls among them. Most it can miss is the value of one hull segment,
whatever the number of items.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

NEAR = 64  # items around the end of the budget whose options off the hulls are tried in pairs
TRIED = 160  # ... and how many of their changes: those that give up the least at the price of a watt
ROUNDS = 12
CLOSE = 1e-5  # share of the relaxed optimum that is close enough
FAR = 5e-5  # ... and from which changes are tried in threes
FIRSTS = 12


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
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for number, item in enumerate(menus):
        groups[id(item)].append(number)
    members = list(groups.values())
    shared = [menus[group[0]] for group in members]
    segments = [(-slope, group, level) for group, item in enumerate(shared) for level, slope in enumerate(item.slopes)]
    segments.sort(key=itemgetter(0))  # equal ones stay in the order of their items
    reached = [0] * len(members)
    broke = len(segments)
    for at, (_, group, level) in enumerate(segments):
        need_w = _segment_w(shared[group], level) * len(members[group])
        if need_w > left_w:
            broke = at
            break
        left_w -= need_w
        reached[group] = level + 1
    if broke == len(segments):
        return [item.hull[-1] for item in menus]
    picks = [0] * len(menus)
    for group, level in enumerate(reached):
        for number in members[group]:
            picks[number] = shared[group].hull[level]
    slope, group, level = segments[broke]
    one_w = _segment_w(shared[group], level)
    fitting = members[group][: int(left_w / one_w)]
    for number in fitting:
        picks[number] = shared[group].hull[level + 1]
    left_w -= one_w * len(fitting)
    possible = -slope * left_w  # what the relaxed optimum would still win
    near = list(dict.fromkeys(number for found in _around(segments, broke) for number in members[found][:NEAR]))[:NEAR]
    value = sum(item.options[pick][1] for item, pick in zip(menus, picks, strict=True))
    _improve(menus, picks, near, left_w, _Goal(-slope, possible, value + possible))
    return picks


def _around(segments: Sequence[tuple[float, int, int]], broke: int) -> list[int]:
    """Return the groups whose segments lie around the one at which the budget ended, the nearest first."""
    lowest, highest = max(0, broke - NEAR), min(len(segments), broke + NEAR)
    return [segments[at][1] for at in sorted(range(lowest, highest), key=lambda at: abs(at - broke))]


def _segment_w(item: Menu, level: int) -> float:
    return item.options[item.hull[level + 1]][0] - item.options[item.hull[level]][0]


@dataclass(frozen=True, slots=True)
class _Goal:
    """The price of a watt (value per W), what the relaxed optimum could still win, and all that it is worth."""

    price: float
    possible: float
    optimum: float


def _improve(menus: Sequence[Menu], picks: list[int], near: Sequence[int], left_w: float, goal: _Goal) -> None:
    """Change one, two or three items at a time so that the rest of the budget wins more, until close to the bound."""
    possible = goal.possible
    for _ in range(ROUNDS):
        if possible <= CLOSE * goal.optimum:
            return
        changes = _changes(menus, picks, near, goal.price)
        best = _best_pair(changes, left_w)
        if best is None and possible > FAR * goal.optimum:
            best = _best_three(changes, left_w, goal.price)
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


def _best_three(changes: Sequence[_Change], left_w: float, price: float) -> tuple[_Change, ...] | None:
    """Return three changes of different items that fit and together win most; None: none wins.

    The first is one of those that give up the least at that price; the others are its best pair.
    """
    best: tuple[_Change, ...] | None = None
    most = 0.0
    for first in sorted(changes, key=lambda change: price * change[0] - change[1])[:FIRSTS]:
        others = [change for change in changes if change[2] != first[2]]
        pair = _best_pair(others, left_w - first[0])
        if pair is not None and (won := first[1] + sum(change[1] for change in pair)) > most:
            best, most = (first, *pair), won
    return best
