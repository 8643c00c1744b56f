"""Which miners may be moved now, where to, and - for the others - why not."""

from __future__ import annotations

from app.core import ladder, power, switching
from app.core.memo import Memo
from app.core.policies import Candidate, Step
from app.core.power import Account
from app.core.readings import MinerState
from app.core.types import ChangeKind, MinerView, Outcome, Settings

MAX_ATTEMPTS = 3  # how often one wish is sent before it counts as not to be had (SPEC 4)
BACK_OFF_S = 900.0  # how long it then rests
GAVE_UP = f"did not take {MAX_ATTEMPTS} changes: load that cannot be shed for now"


def untouchable(miner: MinerView) -> str | None:
    """Return why nothing automatic may be sent to this managed miner at all, or None."""
    if miner.held:
        return "held by an operator"
    if not miner.identified:
        return "not identified by discovery"
    if miner.model_alias is None:
        return "unknown model"
    if miner.max_preset_w is None:
        return f"no max preset is set for {miner.model_alias}"
    return unreachable(miner) if miner.silent_s is not None or miner.failed_this_cycle else None


def unreachable(miner: MinerView) -> str | None:
    """Return why no command of this cycle would get through to this miner, or None."""
    if miner.silent_s is not None:
        return f"offline for {miner.silent_s:.0f} s"
    return "a command of this cycle failed" if miner.failed_this_cycle else None


def not_cuttable(miner: MinerView) -> str | None:
    """Return why this managed miner cannot be brought to a lower preset now, or None.

    Neither doubtful facts nor a change on its way block a cut: only the cooldown, and three cuts it did not take.
    """
    reason = untouchable(miner)
    if reason is not None:
        return reason
    if miner.state in (MinerState.STOPPED, MinerState.SHUTTING_DOWN):
        return f"is {miner.state}"
    if gave_up_cutting(miner):
        return GAVE_UP
    return cooling_down(miner)


def no_lower(miner: MinerView) -> str:
    """Return why a miner that could be cut has no preset to go down to."""
    if miner.throttled_percent is not None and miner.throttled_percent < 100:
        return f"is throttled to {miner.throttled_percent} % by its firmware: no lower preset draws less than it does"
    return "already at its lowest preset"


def not_raisable(miner: MinerView) -> str | None:
    """Return why this managed miner cannot be brought to a higher preset now, or None."""
    reason = untouchable(miner) or cooling_down(miner)
    if reason is not None:
        return reason
    if miner.change_on_way is not None:
        return "a change is on its way"
    if miner.state is not MinerState.MINING:
        return f"is {miner.state}, not settled"
    if gave_up(miner):
        return f"did not take {MAX_ATTEMPTS} changes"
    if switching.is_soon(miner):
        return "was changed moments ago: another change now would need a restart"
    if miner.throttled_percent is not None and miner.throttled_percent < 100:
        return f"is throttled to {miner.throttled_percent} % by its firmware"
    running = miner.ladder.get(miner.running_preset)
    if running is None or running.firmware_power_w is None:
        return f"runs preset {miner.running_preset or 'unknown'}, whose watts are unknown"
    return None


def not_startable(miner: MinerView) -> str | None:
    """Return why this miner, stopped by PowerHive, cannot be started now, or None."""
    reason = untouchable(miner) or cooling_down(miner)
    if reason is None and miner.change_on_way is not None:
        reason = "a change is on its way"
    if reason is None and gave_up(miner):
        reason = f"did not take {MAX_ATTEMPTS} starts"
    return reason


def stopped_by_us(miner: MinerView) -> bool:
    """Whether this miner stands still because PowerHive stopped it, and may be started by it again."""
    return miner.stopped_by_us and miner.state is MinerState.STOPPED


def cooling_down(miner: MinerView) -> str | None:
    """Return the sentence of the cooldown, while it lasts."""
    return f"in cooldown for {miner.cooldown_left_s:.0f} s" if miner.cooldown_left_s > 0 else None


def gave_up(miner: MinerView) -> bool:
    """Whether the same wish was sent three times in vain, a short while ago."""
    change = miner.last_change
    if change is None or change.attempt < MAX_ATTEMPTS or change.age_s >= BACK_OFF_S:
        return False
    vain = change.outcome in (Outcome.FAILED, Outcome.NOT_APPLIED, Outcome.UNKNOWN)
    return vain or (change.outcome is Outcome.SENT and change.polled_unchanged)


def gave_up_cutting(miner: MinerView) -> bool:
    """Whether a cut was sent three times in vain; raises that were in vain never block a cut (SPEC 5.5)."""
    return miner.last_change is not None and not power.raising(miner.last_change) and gave_up(miner)


def not_taken(miner: MinerView, step: Step | None) -> str | None:
    """Return that this very preset was sent three times in vain, or None; whether it counts as a cut or as a raise."""
    last = miner.last_change
    vain = step is not None and last is not None and last.new_preset == step.name and gave_up(miner)
    return GAVE_UP if vain else None


def gave_up_stopping(miner: MinerView) -> bool:
    """Whether a stop was sent three times in vain; a miner that takes no preset may still take a stop."""
    return miner.last_change is not None and miner.last_change.kind is ChangeKind.STOP and gave_up(miner)


def stoppable(miner: MinerView) -> bool:
    """Whether PowerHive may stop this managed miner by itself; stopping is exempt from the cooldown."""
    return untouchable(miner) is None and not gave_up_stopping(miner)


Steps = tuple[tuple[Step, ...], tuple[Step, ...]]  # down, highest first; up, lowest first
_known_steps: Memo[Steps] = Memo()


def candidate(miner: MinerView, account: Account, settings: Settings) -> Candidate:
    """Return `miner` with its steps down and up; equal miners share them."""
    key = (id(miner.ladder), miner.max_preset_w, miner.allow_modded_psu, miner.untuned_use, miner.power_factor,
           settings.wall_factor, account.preset, account.power_w)  # fmt: skip
    steps = _known_steps.find(key)
    if steps is None:
        steps = _known_steps.keep(key, miner.ladder, _steps(miner, account, settings))
    lower, higher = steps
    return Candidate(miner, account.power_w, account.preset, power.expected_ths(miner, account), lower, higher)


def make_room() -> None:
    """Begin a decision: what is kept of former ones is forgotten now, where it is too much, and not on the way."""
    _known_steps.make_room()


def _steps(miner: MinerView, account: Account, settings: Settings) -> Steps:
    """Return the steps down and up from the preset that stands for the accounted power.

    A step must be lower (higher) by the accounted watts and by the firmware's own, so that a mistaken number of the
    operator's cannot turn a cut into a raise. From an unknown preset only the lowest is surely lower.
    """
    base = miner.ladder.get(account.preset)
    base_w = base.firmware_power_w if base is not None else None
    lower: list[Step] = []
    higher: list[Step] = []
    for preset in ladder.choices(miner):
        firmware_w = preset.firmware_power_w or 0  # choices have watts
        step_w = power.wall_w(miner, preset, settings) or 0.0
        step = Step(preset, step_w)
        if step_w < account.power_w and (base_w is None or firmware_w < base_w):
            lower.append(step)
        elif base_w is not None and step_w > account.power_w and firmware_w > base_w:
            higher.append(step)
    if base_w is None:
        lowest = ladder.lowest(miner)
        lower = [step for step in lower if step.preset is lowest]
    return (
        tuple(sorted(lower, key=lambda s: (-s.power_w, s.name))),
        tuple(sorted(higher, key=lambda s: (s.power_w, s.name))),
    )


def above_max(miner: MinerView) -> bool:
    """Whether the miner runs above its model's max preset by the firmware's watts, and no cut is on its way."""
    running = miner.ladder.get(miner.running_preset)
    if miner.max_preset_w is None or running is None or running.firmware_power_w is None:
        return False
    if miner.state is MinerState.STOPPED or running.firmware_power_w <= miner.max_preset_w:
        return False
    if miner.state.booting and ladder.forbidden(miner.ladder.get(miner.saved_preset), miner) is None:
        return False  # somebody restarted it into a permitted one
    change = miner.change_on_way
    if change is None or change.polled_unchanged or not change.effective:
        return True
    if change.kind is not ChangeKind.PRESET:
        return change.kind is not ChangeKind.STOP
    wanted = miner.ladder.get(change.new_preset)
    return wanted is None or ladder.forbidden(wanted, miner) is not None  # the max preset was lowered meanwhile


def step_below_max(miner: MinerView, found: Candidate, settings: Settings) -> Step | None:
    """Return where a miner above its max preset goes: its next step down, by the firmware's watts where it must be.

    An operator's numbers may make every permitted preset look higher than the running one, and none of the permitted
    ones may be tuned: the hard limit is above both.
    """
    if found.lower:
        return found.lower[0]
    preset = ladder.lowest(miner) or next(iter(ladder.allowed(miner)), None)
    step_w = power.wall_w(miner, preset, settings)
    return None if preset is None or step_w is None else Step(preset, step_w)
