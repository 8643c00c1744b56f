"""What a preset change costs a miner model: how long until it is settled, and the hashrate lost meanwhile.

Measured on the farm's own changes (issue "The economic balancer"): from the moment the miner was told until its power
and hashrate are flat, near the level of the new preset. Polls come every 15 s, so one measurement is rough; the median
of the last fifty is not. Changes with a restart and without are kept apart. What is interrupted by another change, by
silence or by a failure is no measurement, nor is an untuned preset that first tunes itself for an hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from app.core.learning import (
    APART_S,
    HASHRATE_CLIP,
    HASHRATE_FLAT,
    POWER_CLIP,
    POWER_FLAT,
    Poll,
    in_succession,
    is_flat,
    within,
)
from app.core.readings import MinerState, Preset
from app.core.types import ChangeKind, ChangeView, MinerView, Outcome

START_LOSS_S = 70.0  # until a model's own changes tell (issue): 40 s near zero and half of a ramp of 60 s
START_SETTLE_S = 100.0  # the same restart and ramp
# Polls every 15 s see next to nothing of a change without restart. It still is not free: a second one soon after the
# first may need a restart (CONTRACT 4), and at no cost at all presets would be exchanged for nothing.
LEAST_LOSS_S = 5.0
# So soon after a change another may need a restart that it would not need later (CONTRACT 4 suspects 0 to 120 s).
SOON_S = 90.0
EVENTS_KEPT = 50  # of each kind, per model
EVENTS_NEEDED = 3  # fewer do not replace the start values
MEASURED_FOR_S = 600.0  # what has not settled by then is not a change like others: dropped
OWN_SETTLE_S = (15, 1800)  # what an operator may set: one poll to half an hour
OWN_LOSS_S = (0, 1800)


@dataclass(frozen=True, slots=True)
class Switch:
    """What one change cost: seconds until settled, and how many seconds of the new preset's full hashrate were lost."""

    with_restart: bool
    settle_s: float
    loss_s: float


@dataclass(frozen=True, slots=True)
class Measuring:
    """A change that has not settled yet. `hashed_ths_s`: TH/s x s hashed since the miner was told."""

    hashed_ths_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """The medians over `events` changes of one kind; None while they are too few."""

    events: int = 0
    settle_s: float | None = None
    loss_s: float | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What is known of a model's changes. `likely`: the kind that the next one is expected to be of."""

    with_restart: Cost
    without_restart: Cost
    likely: Cost


# --- one change ------------------------------------------------------------------------------------------------------


def begin(change: ChangeView, now: Poll) -> Measuring | None:
    """Return the measurement of `change` at the first poll after it; None where there is nothing to measure (yet).

    What came before that poll is taken to have been as it shows: a restart takes the load to nothing at once.
    """
    ths = _ths(now)
    if ths is None or change.age_s > APART_S[1] or not _is_measurable(change):
        return None
    return Measuring(ths * change.age_s)


def follow(
    measuring: Measuring, change: ChangeView, now: Poll, before: Poll, *, apart_s: float, preset: Preset | None,
    with_restart: bool,
) -> Measuring | Switch | None:  # fmt: skip
    """Return the measurement after the poll `now`, its result where the miner has settled, or None: it is dropped.

    `apart_s`: since the poll before; `preset`: what ran then, as the miner's own ladder has it.
    """
    ths, ths_before = _ths(now), _ths(before)
    if ths is None or ths_before is None or not _is_measurable(change):
        return None
    if apart_s > APART_S[1] or change.age_s > MEASURED_FOR_S:
        return None
    if in_succession(apart_s) and _is_at_rest(change, now, before, preset):
        # It had come to rest by the poll before; the two together tell the final level best.
        settle_s = max(0.0, change.age_s - apart_s)
        hashed_s = measuring.hashed_ths_s / ((ths + ths_before) / 2.0)
        return Switch(with_restart, settle_s, loss_s=max(0.0, settle_s - hashed_s))
    return Measuring(measuring.hashed_ths_s + (ths + ths_before) / 2.0 * apart_s)


def _is_measurable(change: ChangeView) -> bool:
    """Whether the miner is known to have taken the change on, and nothing is known to have come between."""
    taken = change.outcome in (Outcome.SENT, Outcome.CONFIRMED)
    return taken and change.effective and change.kind is ChangeKind.PRESET


def _ths(poll: Poll) -> float | None:
    """Return the hashrate that counts in a measurement; None where it cannot be told, or the change went wrong."""
    if poll.state.booting or poll.state is MinerState.SHUTTING_DOWN:
        return 0.0  # whatever it still shows
    return poll.hashrate_ths if poll.state is MinerState.MINING and not poll.throttled else None


def _is_at_rest(change: ChangeView, now: Poll, before: Poll, preset: Preset | None) -> bool:
    """Whether both polls show the miner mining on the new preset, flat and near the level of its label.

    A flat dip is not the end, nor is the old preset's power where the new one is shown before it acts.
    """
    if preset is None or not preset.firmware_power_w or now.power_w is None or now.hashrate_ths is None:
        return False
    if not now.running_preset == before.running_preset == preset.name == change.new_preset or now.restart_required:
        return False
    return (
        now.state is before.state is MinerState.MINING
        and is_flat(now.power_w, before.power_w, POWER_FLAT)
        and is_flat(now.hashrate_ths, before.hashrate_ths, HASHRATE_FLAT)
        and within(now.power_w / preset.firmware_power_w, POWER_CLIP)
        and (not preset.hashrate_ths or within(now.hashrate_ths / preset.hashrate_ths, HASHRATE_CLIP))
    )


# --- a model's changes -----------------------------------------------------------------------------------------------


def costs(switches: Sequence[Switch]) -> Costs:
    """Return what a model's changes cost, from its measured ones, newest last.

    Whether the next one will need a restart is not known before it is sent: it is taken to be of the kind that most of
    the last fifty were, and the dearer kind where both were as many.
    """
    recent = switches[-EVENTS_KEPT:]
    restarts = sum(switch.with_restart for switch in recent)
    with_restart, without_restart = _cost(switches, with_restart=True), _cost(switches, with_restart=False)
    return Costs(with_restart, without_restart, with_restart if 2 * restarts >= len(recent) else without_restart)


def loss_s(found: Costs, own_s: float | None) -> float:
    """Return what the next change of a model counts as losing (s): the operator's number, else the learned one."""
    if own_s is not None:
        return own_s
    return START_LOSS_S if found.likely.loss_s is None else max(LEAST_LOSS_S, found.likely.loss_s)


def soon_loss_s(found: Costs, own_s: float | None) -> float | None:
    """Return what a change counts as losing (s) soon after another: with the restart that the model seldom needs.

    None: it counts like any other, as most changes need a restart anyhow, or the operator gave a number.
    """
    if own_s is not None or found.likely is found.with_restart:
        return None
    return START_LOSS_S if found.with_restart.loss_s is None else found.with_restart.loss_s


def is_soon(miner: MinerView) -> bool:
    """Return whether another change of this miner now would probably need a restart, and later would not."""
    change = miner.last_change
    return miner.soon_loss_s is not None and change is not None and change.effective and change.age_s < SOON_S


def settle_s(found: Costs, own_s: float | None, *, with_restart: bool) -> float:
    """Return how long a change of that kind takes to settle: the operator's number, the learned one, the start value.

    The operator's number is for both kinds.
    """
    if own_s is not None:
        return own_s
    cost = found.with_restart if with_restart else found.without_restart
    return START_SETTLE_S if cost.settle_s is None else cost.settle_s


def kept(switches: Sequence[Switch]) -> list[Switch]:
    """Return the last fifty of each kind, in their order: what a model's row keeps."""
    left = {True: EVENTS_KEPT, False: EVENTS_KEPT}
    newest_first = []
    for switch in reversed(switches):
        if left[switch.with_restart] > 0:
            left[switch.with_restart] -= 1
            newest_first.append(switch)
    return newest_first[::-1]


def written(switches: Sequence[Switch]) -> list[dict[str, Any]]:
    """Return measured changes as they are stored, in tenths of a second."""
    return [
        {"with_restart": s.with_restart, "settle_s": round(s.settle_s, 1), "loss_s": round(s.loss_s, 1)}
        for s in switches
    ]


def read(entries: Sequence[Mapping[str, Any]]) -> list[Switch]:
    """Return stored changes as they were `written`."""
    return [Switch(entry["with_restart"], entry["settle_s"], entry["loss_s"]) for entry in entries]


def _cost(switches: Sequence[Switch], *, with_restart: bool) -> Cost:
    kind = [switch for switch in switches if switch.with_restart is with_restart][-EVENTS_KEPT:]
    if len(kind) < EVENTS_NEEDED:
        return Cost(len(kind))
    return Cost(len(kind), median(s.settle_s for s in kind), median(s.loss_s for s in kind))
