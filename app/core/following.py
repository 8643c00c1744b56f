"""What became of a change: read back, not taken on, tried again (SPEC 4). Pure; `app.store` keeps the rows."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.readings import MinerState, MinerStatus
from app.core.types import ChangeKind, ChangeView, Outcome, PresetChange

UNCHANGED_AFTER_S = 45.0  # SPEC 4.2
UNCHANGED_AGAIN_AFTER_S = 15.0  # where the cuts before this one were not taken either: what a quick change may need
NOT_APPLIED_AFTER_S = 300.0
RETRY_WINDOW_S = 1800.0  # the like of a change within this long after one in vain is the next attempt
CUTS_LOOKED_AT = 4


def is_done(change: ChangeView, status: MinerStatus) -> bool:
    """Whether the miner does what the change asked for."""
    if change.kind is ChangeKind.STOP:
        return status.state is MinerState.STOPPED
    if change.kind is ChangeKind.START:
        return status.state.hashing
    return status.state.hashing and status.running_preset == change.new_preset and not status.restart_required


def is_unchanged(change: ChangeView, status: MinerStatus) -> bool:
    """Whether the miner goes on as if nothing had been asked of it."""
    if change.kind is ChangeKind.START:
        return status.state is MinerState.STOPPED
    if change.kind is ChangeKind.STOP:
        return status.state.hashing
    return status.state.hashing and status.running_preset is not None and status.running_preset != change.new_preset


def is_cut(change: ChangeView) -> bool:
    """Whether a change brings a miner to a lower preset."""
    return change.kind is ChangeKind.PRESET and change.new_power_w < change.old_power_w


def had_its_time(change: ChangeView, earlier: Sequence[ChangeView], running_preset: str | None) -> bool:
    """Whether the miner had its time to do what the change asks for. `earlier`: the changes before, newest first.

    A river that falls has a miner cut again after each cooldown, which is shorter than that time: so the time runs from
    the first of the cuts in a row that it did not take. Else one that takes none would count with ever less.
    """
    if change.age_s >= UNCHANGED_AFTER_S:
        return True
    if not may_count_earlier(change):
        return False
    for cut in earlier[:CUTS_LOOKED_AT]:
        if cut.outcome is not Outcome.SUPERSEDED or not is_cut(cut) or cut.new_preset == running_preset:
            return False
        if cut.age_s >= UNCHANGED_AFTER_S:
            return True
    return False


def may_count_earlier(change: ChangeView) -> bool:
    """Whether `had_its_time` depends on the changes before."""
    return UNCHANGED_AGAIN_AFTER_S <= change.age_s < UNCHANGED_AFTER_S and is_cut(change)


def attempt(change: PresetChange, last: ChangeView | None, *, last_left: bool = True) -> int:
    """Return how many times in a row the like of this has been sent in vain, this time included.

    Cuts are alike whatever their presets (a miner that takes none shall not get thirty of them because the wish moves
    with the river), stops and starts are, and raises to the same preset. `last_left` False: the latest change certainly
    never reached the miner, so it was no attempt.
    """
    if last is None or last.age_s >= RETRY_WINDOW_S or not _alike(change, last):
        return 1
    in_vain = last.outcome in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_APPLIED) or last.polled_unchanged
    if not in_vain:
        return 1
    return last.attempt + 1 if last_left else last.attempt


def _alike(change: PresetChange, last: ChangeView) -> bool:
    if change.kind is not last.kind:
        return False
    if change.kind is not ChangeKind.PRESET:
        return True
    return is_cut(last) if change.delta_w < 0 else change.new_preset == last.new_preset
