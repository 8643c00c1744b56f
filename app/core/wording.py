"""The farm's reason of a cycle, in one sentence with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.data_age import DataAge
from app.core.policies import Candidate
from app.core.readings import Stamp
from app.core.types import ChangeKind

if TYPE_CHECKING:
    from app.core.draft import Draft


def kw(power_w: float) -> str:
    """Return watts as kilowatts for people, with one decimal."""
    return f"{power_w / 1000.0:,.1f} kW"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def on_target(draft: Draft) -> str:
    """Return what is so when nothing needs to be done."""
    if draft.snapshot.plant is None:
        return "There is no plant reading yet: nothing is changed"
    if not draft.managed:
        return f"{kw(draft.target_w)} could be used, but no miner is managed"
    moved = _moved(draft)
    near = draft.books.current_w <= draft.target_w + draft.snapshot.settings.tolerance_w
    left = ", on target" if near else ", above the target"
    return f"{kw(draft.books.current_w)} of {kw(draft.target_w)} used" + (f"; {moved}" if moved else left)


def reduced(draft: Draft, target_w: float, limit_w: float) -> str:
    """Return why and how far the farm is cut. `limit_w`: what it may draw at the very most, by books and meters."""
    over = f"{kw(draft.books.current_w)} used, {kw(draft.books.current_w - target_w)} above the target"
    if draft.emergency and limit_w < draft.books.available_kw * 1000.0:
        excess_w = draft.books.current_w - limit_w
        over = f"Emergency: {kw(excess_w)} more are drawn than generated, by the meters"
    elif draft.emergency:
        over = f"Emergency: {kw(draft.books.current_w)} used, {kw(draft.books.available_kw * 1000.0)} available"
    left_w = draft.planned_w - target_w
    rest = ""
    if left_w > draft.snapshot.settings.tolerance_w:
        rest = f"; {kw(left_w)} cannot be shed in this cycle ({_count(len(draft.skips), 'miner')} passed over)"
    return f"{over}: {_moved(draft) or 'no miner can be cut'}{rest}"


def increased(draft: Draft, surplus_w: float, reserved_w: float, candidates: list[Candidate]) -> str:
    """Return what a lasting surplus is used for, or why not."""
    moved = _moved(draft)
    if moved:
        return f"{kw(surplus_w)} below the target: {moved}"
    if reserved_w > 0:
        return f"{kw(surplus_w)} below the target, kept for {kw(reserved_w)} of stopped miners"
    if not draft.managed:
        return on_target(draft)
    if not candidates:
        return f"{kw(surplus_w)} below the target, but no miner can be raised now"
    return f"{kw(surplus_w)} below the target: no next preset fits into that"


def surplus_lasts(draft: Draft, surplus_w: float, since: Stamp) -> str:
    """Return how long the surplus has lasted and how long it must."""
    lasted_s, needed_s = since.elapsed_s(draft.snapshot.now), draft.snapshot.settings.surplus_lasts_s
    moved = _moved(draft)
    return f"Surplus of {kw(surplus_w)} has lasted {lasted_s:.0f} of {needed_s} s" + (f"; {moved}" if moved else "")


def with_moves(draft: Draft, sentence: str) -> str:
    """Return the sentence, and what was decided."""
    moved = _moved(draft)
    text = sentence[:1].upper() + sentence[1:]
    return f"{text}; {moved}" if moved and moved not in text else text


def stays(draft: Draft, reason: str) -> str:
    """Return why a miner without a reason of its own stays: what decided for the farm, and that it took others."""
    others = "; others were chosen for it" if draft.changes else ""
    return f"stays: {reason[:1].lower()}{reason[1:]}{others}"


def waiting(draft: Draft, age: DataAge, surplus_w: float) -> str:
    """Return why a surplus is not used now."""
    text = on_target(draft)
    told = surplus_w > draft.snapshot.settings.tolerance_w or (age.stale and draft.snapshot.plant is not None)
    if told and age.why_no_increase is not None:
        return f"{text.removesuffix(', on target')}, nothing is raised: {age.why_no_increase}"
    return text


def _moved(draft: Draft) -> str:
    cuts: list[float] = []
    stops: list[float] = []
    starts: list[float] = []
    raises: list[float] = []
    lowered: list[float] = []
    for change in draft.changes.values():
        delta_w = change.delta_w
        if change.kind is ChangeKind.PRESET and change.is_cut and delta_w >= 0:
            lowered.append(delta_w)
        elif change.kind is ChangeKind.PRESET:
            (cuts if delta_w < 0 else raises).append(delta_w)
        else:
            (stops if change.kind is ChangeKind.STOP else starts).append(delta_w)
    parts = [
        f"{_count(len(group), noun)} {verb} {kw(abs(sum(group)))}"
        for group, noun, verb in (
            (cuts, "cut", "freeing"),
            (lowered, "move", "below a max preset taking"),
            (stops, "stop", "freeing"),
            (starts, "start", "taking"),
            (raises, "raise", "taking"),
        )
        if group
    ]
    return ", ".join(parts)
