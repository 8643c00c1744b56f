"""What a miner really draws and hashes, as factors of what its presets say: learned from polls that can be believed.

From the issue "The economic balancer": running averages, clipped, learned only from a miner that mines on the preset
that is wanted and whose power is flat over two polls. A factor learned on a ramp would corrupt every plan after it.

Safety. Learned power changes what a miner counts with, so a factor that is too low overloads the plant. Four things
bound that: the clip (never less than 85 % of the firmware's own watts), the flatness, the settle time after every
change and restart, and `wall_factor`, which scales learned watts like all others. The hard limits never look at
factors (SPEC 5.1), and a miner that boots, has a change on its way or was stopped teaches nothing.

Nothing is learned where polls are less than 5 s apart: on so short a way a ramp looks flat.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.ladder import DISABLED
from app.core.readings import MinerState, MinerStatus, Preset
from app.core.types import ChangeKind, ChangeView, Outcome

WEIGHT = 0.3  # of the newest observation (issue)
POWER_CLIP = (0.85, 1.15)  # (issue)
HASHRATE_CLIP = (0.70, 1.15)  # (issue)
# A settled miner's watts wander by some tenths of a percent (2498 of 2500, 2699 of 2700: CONTRACT 4.5). The slowest
# ramp on record takes 3 min (CONTRACT 4), which is 2.5 % of the final power in 5 s and 8 % in 15 s.
POWER_FLAT = 0.02
HASHRATE_FLAT = 0.05  # shares that are found at random make a present hashrate less calm than the power
APART_S = (5.0, 45.0)  # two polls "in succession": long enough for a ramp to show, at most three sweeps
# Below half of its watts a miner is not on its preset: it idles (no pool), or comes up in a state that says `mining`.
# A lost board (two of three: 67 %) is what it draws for now and is taken; the clip keeps it from counting for little
# once a restart brings the board back.
LEAST_SHARE = 0.5
STEPS = 200  # of 0.005 each: the factors in plans, see `rounded`


@dataclass(frozen=True, slots=True)
class Factors:
    """What a miner draws (hashes) over what the firmware's label of the running preset says; 1: as labelled."""

    power: float = 1.0
    hashrate: float = 1.0


@dataclass(frozen=True, slots=True)
class Poll:
    """What of one answer of a miner is looked at here; meanings and units as in MinerStatus."""

    state: MinerState
    running_preset: str | None
    power_w: float | None
    hashrate_ths: float | None
    throttled_percent: int | None = None
    restart_required: bool = False  # a restart or a reboot
    state_time_s: float | None = None

    @property
    def throttled(self) -> bool:
        return self.throttled_percent is not None and self.throttled_percent < 100


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else decides whether a poll teaches something.

    `apart_s`: since the poll before. `preset`: the running preset as this miner's own ladder has it. `change`: the
    latest one. `settle_s`: how long the miner's model takes to settle after such a change; `boot_settle_s`: after a
    restart, whoever caused it. `being_measured`: its latest change has not come to rest yet (`switching`).
    """

    apart_s: float
    preset: Preset | None
    saved_preset: str | None
    change: ChangeView | None
    settle_s: float
    boot_settle_s: float
    being_measured: bool = False


def poll_of(status: MinerStatus) -> Poll:
    """Return what of a status is looked at here."""
    return Poll(
        state=status.state,
        running_preset=status.running_preset,
        power_w=status.power_w,
        hashrate_ths=status.hashrate_ths,
        throttled_percent=status.throttled_percent,
        restart_required=bool(status.restart_required or status.reboot_required),
        state_time_s=status.state_time_s,
    )


def learn(known: Factors, now: Poll, before: Poll, facts: Circumstances) -> Factors:
    """Return the factors after the poll `now`; `known` itself where it teaches nothing.

    The base is the firmware's own label, not the operator's numbers: those are not scaled anyway, and what is learned
    must not move when they are edited.
    """
    preset = facts.preset
    if preset is None or not _teaches(now, before, facts):
        return known
    power = _ratio(now.power_w, preset.firmware_power_w)
    if power is None or power < LEAST_SHARE:
        return known
    hashrate = _ratio(now.hashrate_ths, preset.hashrate_ths)
    if hashrate is None or not is_flat(now.hashrate_ths, before.hashrate_ths, HASHRATE_FLAT):
        return Factors(_average(known.power, power, POWER_CLIP), known.hashrate)
    return Factors(_average(known.power, power, POWER_CLIP), _average(known.hashrate, hashrate, HASHRATE_CLIP))


def rounded(factor: float) -> float:
    """Return a factor in steps of 0.005, as plans take it.

    Equal miners share their steps and their menu in the knapsack, keyed by the factors: unrounded ones would make
    every miner a kind of its own. The quarter percent it is off at most is less than a board's watts are known by.
    """
    return round(factor * STEPS) / STEPS


def is_flat(now: float | None, before: float | None, tolerance: float) -> bool:
    """Whether two readings are the same within `tolerance` of the larger; zero and missing ones are unknown."""
    if not now or not before or now < 0 or before < 0:
        return False
    return abs(now - before) <= tolerance * max(now, before)


def in_succession(apart_s: float) -> bool:
    """Whether two polls are as far apart as two must be to be compared."""
    return APART_S[0] <= apart_s <= APART_S[1]


def within(ratio: float, clip: tuple[float, float]) -> bool:
    """Whether a ratio is one that a healthy miner may have."""
    return clip[0] <= ratio <= clip[1]


def _teaches(now: Poll, before: Poll, facts: Circumstances) -> bool:
    """Whether `now` shows a miner at rest on the preset that is wanted, unthrottled, as the poll before did."""
    if not all(poll.state is MinerState.MINING and not poll.throttled for poll in (now, before)):
        return False
    preset = facts.preset
    if preset is None or preset.name.casefold() == DISABLED:
        return False
    if not now.running_preset == before.running_preset == preset.name or now.restart_required:
        return False
    return (
        in_succession(facts.apart_s)
        and is_flat(now.power_w, before.power_w, POWER_FLAT)
        and _is_wanted(preset.name, facts)
        and _has_settled(now, facts)
    )


def _is_wanted(running: str, facts: Circumstances) -> bool:
    """Whether the running preset is the one that was asked for last, by a change or in the miner's settings.

    What a deaf miner goes on with is not, nor what the firmware's own switcher moved to.
    """
    change = facts.change
    if change is None or change.kind is ChangeKind.STOP:
        return running == facts.saved_preset
    if change.outcome is Outcome.CONFIRMED:
        return running in (change.new_preset, facts.saved_preset)
    if change.outcome is Outcome.FAILED:
        return running == facts.saved_preset
    return change.outcome is Outcome.NOT_APPLIED and running == change.new_preset


def _has_settled(now: Poll, facts: Circumstances) -> bool:
    change = facts.change
    if change is not None and (change.outcome.on_its_way or change.age_s < facts.settle_s):
        return False
    if now.state_time_s is not None and now.state_time_s < facts.boot_settle_s:
        return False
    return not facts.being_measured


def _ratio(measured: float | None, label: float | None) -> float | None:
    """Return measured / label; None where either is unknown. Zero on a hashing miner is unknown (CONTRACT 3)."""
    if not measured or not label or measured < 0 or label < 0:
        return None
    return measured / label


def _average(known: float, seen: float, clip: tuple[float, float]) -> float:
    """Return the running average. The observation is clipped before: one wild answer moves it by a few percent."""
    known = _clipped(known, clip)
    return known + WEIGHT * (_clipped(seen, clip) - known)


def _clipped(value: float, clip: tuple[float, float]) -> float:
    return max(clip[0], min(clip[1], value))
