"""Accounted power, foreign load, overhead, available power and target (SPEC 3, 4). W for miners, kW for the plant."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.plant import is_fresh
from app.core.readings import MinerState, Preset
from app.core.types import ChangeKind, ChangeView, MinerView, Outcome, PlantView, Settings, Snapshot

STOPPED_W = 30.0  # control board and fans of a stopped miner (SPEC 4)
SILENT_GIVEN_UP_S = 900.0  # silent for longer: a few may count 0 on their own
SILENT_GIVEN_UP_SHARE = 0.02  # ... at most this share of the fleet
METER_SETTLE_S = 60.0  # how long after its end a change may still be missing in a meter's reading (ramp, averaging)
OVERHEAD_READINGS = 8  # smoothing of the overhead
REFUSED_COUNTS_S = 45.0  # how long a refused cut counts with the old power, whatever an older poll showed
METER_CONFIRMS_SHARE = 0.9  # share of a silent miner's power a meter must miss to confirm that it is off


@dataclass(slots=True)
class Account:
    """What one miner counts with, the preset that stands for it (None: unknown) and the rule that decided.

    Never changed, but not frozen: made for every miner in every cycle, and a frozen one takes three times as long.
    """

    power_w: float
    preset: str | None
    basis: str


@dataclass(frozen=True, slots=True)
class Balance:
    """The farm's books of one cycle. kW for the plant's side, W for the miners'.

    `remembered`: what each miner is to count with if it is silent in the next cycle. That a meter confirmed its drop
    stays true until it answers; that it is one of the 2 % given up is found anew each time.
    """

    accounts: dict[int, Account]
    remembered: dict[int, float]
    current_w: float
    unmanaged_w: float
    overhead_kw: float
    foreign_kw: float
    available_kw: float


def preset_w(miner: MinerView, name: str | None, settings: Settings) -> float | None:
    """Return what preset `name` is expected to draw at the wall in W, None where unknown."""
    return wall_w(miner, miner.ladder.get(name), settings)


def wall_w(miner: MinerView, preset: Preset | None, settings: Settings) -> float | None:
    """Return what `preset` is expected to draw on `miner` at the wall in W, None where unknown.

    The operator's own number wins over what was learned (SPEC 4).
    """
    if preset is None:
        return None
    if preset.expected_power_w is not None:
        return preset.expected_power_w * settings.wall_factor
    if preset.firmware_power_w is None:
        return None
    return preset.firmware_power_w * miner.power_factor * settings.wall_factor


def preset_ths(miner: MinerView, preset: Preset) -> float:
    """Return the hashrate `preset` is expected to give on `miner` in TH/s; 0 where it is unknown."""
    if preset.expected_hashrate_ths is not None:
        return preset.expected_hashrate_ths
    return (preset.hashrate_ths or 0.0) * miner.hashrate_factor


def account(miner: MinerView, settings: Settings) -> Account:
    """Return what `miner` counts with: what it will draw, not what it happens to draw (SPEC 4, first that applies)."""
    if miner.retired:
        return Account(0.0, None, "retired")
    change = miner.change_on_way
    if change is not None:
        return _on_its_way(miner, change, settings)
    if miner.silent_s is not None and miner.last_accounted_w is not None:
        return Account(miner.last_accounted_w, miner.running_preset, "silent: last accounted")
    if miner.state is MinerState.STOPPED:
        return _stopped(miner, settings)
    now = _booting(miner, settings) if miner.state.booting else _running(miner, settings)
    last = miner.last_change
    if last is not None and last.outcome is Outcome.FAILED and not raising(last) and last.age_s < REFUSED_COUNTS_S:
        return _at_least_old(last, now, "cut refused")
    return now


def _on_its_way(miner: MinerView, change: ChangeView, settings: Settings) -> Account:
    if raising(change):
        return Account(max(change.old_power_w, change.new_power_w), change.new_preset, "raise on its way")
    if change.effective and not change.polled_unchanged:
        return Account(change.new_power_w, change.new_preset, "cut accepted")
    if miner.silent_s is not None or not miner.state.hashing:
        return Account(change.old_power_w, change.old_preset, "cut not accepted yet")
    return _at_least_old(change, _running(miner, settings), "cut not accepted yet")


def raising(change: ChangeView) -> bool:
    """Return whether a change asks for more power than its miner counted with."""
    return change.kind is ChangeKind.START or change.new_power_w > change.old_power_w


def _at_least_old(cut: ChangeView, now: Account, basis: str) -> Account:
    """The old power of a cut that may not have happened, or what is polled where an earlier cut did not happen either.

    The cut before it was accounted as done when this one was planned; neither has been read back.
    """
    if now.preset is not None and now.power_w > cut.old_power_w:
        return now
    return Account(cut.old_power_w, cut.old_preset, basis)


def _stopped(miner: MinerView, settings: Settings) -> Account:
    measured_w = 0.0 if miner.stopped_by_us else (miner.measured_power_w or 0.0)
    return Account(max(STOPPED_W, measured_w) * settings.wall_factor, None, "stopped")


def _booting(miner: MinerView, settings: Settings) -> Account:
    saved_w = preset_w(miner, miner.saved_preset, settings)
    if saved_w is None:
        return Account(_worst_case_w(miner, settings), None, "booting: worst case")
    return Account(saved_w, miner.saved_preset, "booting: saved preset")


def _running(miner: MinerView, settings: Settings) -> Account:
    throttled = miner.throttled_percent is not None and miner.throttled_percent < 100
    expected_w = wall_w(miner, miner.ladder.get(miner.running_preset), settings)
    if expected_w is not None and not (throttled and miner.measured_power_w):
        return Account(expected_w, miner.running_preset, "running preset")
    if miner.measured_power_w:
        preset = miner.running_preset if throttled else None
        return Account(miner.measured_power_w * settings.wall_factor, preset, "measured")
    return Account(_worst_case_w(miner, settings), None, "worst case")


def _worst_case_w(miner: MinerView, settings: Settings) -> float:
    return miner.worst_case_w * settings.wall_factor


def expected_ths(miner: MinerView, account_: Account) -> float:
    """Return the hashrate in TH/s that the accounted preset stands for; 0 where it is unknown."""
    preset = miner.ladder.get(account_.preset)
    return preset_ths(miner, preset) if preset is not None else 0.0


# --- the farm's books ------------------------------------------------------------------------------------------------


def balance(snapshot: Snapshot) -> Balance:
    """Return the books of this cycle: every known miner's account, the overhead, foreign load and available power."""
    settings = snapshot.settings
    known = [miner for miner in snapshot.miners if not miner.retired]
    accounts = {miner.id: account(miner, settings) for miner in snapshot.miners}
    remembered = {miner.id: accounts[miner.id].power_w for miner in known}
    _count_silent(accounts, remembered, known, snapshot)
    overhead_kw = _overhead_kw(accounts, known, snapshot)
    current_w = sum(accounts[miner.id].power_w for miner in known if miner.managed)
    unmanaged_w = sum(accounts[miner.id].power_w for miner in known if not miner.managed)
    unmanaged_w += _other_firmware_w(snapshot)
    plant = snapshot.plant
    foreign_kw = overhead_kw + (unmanaged_w / 1000.0 if settings.count_unmanaged else 0.0)
    available_kw = 0.0
    if plant is not None:
        foreign_kw += plant.foreign_kw
        available_kw = plant.generation_kw - foreign_kw
    return Balance(accounts, remembered, current_w, unmanaged_w, overhead_kw, foreign_kw, available_kw)


def _other_firmware_w(snapshot: Snapshot) -> float:
    """What miners with another firmware are taken to draw: they are seen by discovery, but cannot be asked."""
    return float(snapshot.other_firmware_count * snapshot.settings.other_firmware_power_w)


def _count_silent(
    accounts: dict[int, Account], remembered: dict[int, float], known: list[MinerView], snapshot: Snapshot
) -> None:
    """Let silent miners count 0: those whose drop a meter confirms, and after 15 min at most 2 % of the fleet."""
    silent = sorted((m for m in known if m.silent_s is not None), key=lambda m: (-(m.silent_s or 0.0), m.mac))
    if not silent:
        return
    missing_w = _missing_in_meter_w(accounts, known, snapshot)
    may_give_up = int(SILENT_GIVEN_UP_SHARE * len(known))
    for miner in silent:
        power_w = accounts[miner.id].power_w
        if power_w > 0 and missing_w >= METER_CONFIRMS_SHARE * power_w:
            missing_w -= power_w
            accounts[miner.id] = Account(0.0, None, "silent: the meter confirms that it is off")
            remembered[miner.id] = 0.0
        elif may_give_up > 0 and (miner.silent_s or 0.0) > SILENT_GIVEN_UP_S:
            may_give_up -= 1
            accounts[miner.id] = Account(0.0, None, "silent for more than 15 min")


def _missing_in_meter_w(accounts: dict[int, Account], known: list[MinerView], snapshot: Snapshot) -> float:
    """Return by how much the miners' meters read less than what is certainly drawn, if every silent miner were on."""
    plant = snapshot.plant
    if plant is None or plant.miners_meter_kw is None or not plant.miners_meter_ok:
        return 0.0
    if not is_fresh(plant.age_s, plant.frozen_s, snapshot.settings):
        return 0.0  # an old reading says nothing of miners that have come back since
    certain_w = sum(_least_w(miner, accounts[miner.id], plant) for miner in known)
    return certain_w + snapshot.memory.overhead_kw * 1000.0 - plant.miners_meter_kw * 1000.0


def _least_w(miner: MinerView, account_: Account, plant: PlantView) -> float:
    """The least a miner may be drawing at the time of the reading: coming up or failed it may draw nothing."""
    if miner.silent_s is not None:
        return account_.power_w
    if not miner.state.hashing:
        return 0.0
    if unsettled(miner, plant) is not None:
        return 0.0  # a restart takes the power to nothing for a while, whatever the two presets are
    # An untuned preset may draw some percent less than its label; a hundred of those are no dead miner.
    return min(account_.power_w, miner.measured_power_w or account_.power_w)


def unsettled(miner: MinerView, plant: PlantView) -> ChangeView | None:
    """Return the latest change, while a meter's reading of that age may not show its end yet."""
    change = miner.last_change
    if change is None or change.outcome is Outcome.FAILED:
        return None
    if change.outcome.on_its_way:
        return change
    ended_ago_s = change.age_s if change.finished_age_s is None else change.finished_age_s
    return change if ended_ago_s < METER_SETTLE_S + plant.age_s else None


def _overhead_kw(accounts: dict[int, Account], known: list[MinerView], snapshot: Snapshot) -> float:
    """Return what the miners' meters see beyond all known miners: fans, network, losses, strangers (SPEC 3).

    It falls smoothly and only while no change is on its way; it rises at once, by the certain part only. What a miner
    that restarts by itself does not draw for a minute is no fall either: it counts with what it will draw (SPEC 4).
    """
    plant, before_kw = snapshot.plant, snapshot.memory.overhead_kw
    if plant is None or not plant.is_new:
        return before_kw
    if not snapshot.polled_since_start:
        return before_kw  # what miners ran before a restart says nothing of what they run now
    if plant.miners_meter_kw is None:
        return 0.0
    if not plant.miners_meter_ok:
        return before_kw
    moving = {miner.id: change for miner in known if (change := unsettled(miner, plant)) is not None}
    most_w = sum(
        max(moving[m.id].old_power_w, moving[m.id].new_power_w, accounts[m.id].power_w)
        if m.id in moving
        else accounts[m.id].power_w
        for m in known
    )
    most_w += _other_firmware_w(snapshot)  # known too, and counted with the unmanaged ones
    certain_kw = max(0.0, plant.miners_meter_kw - most_w / 1000.0)
    if certain_kw > before_kw:
        return certain_kw
    if moving:
        return before_kw
    booting_kw = sum(accounts[m.id].power_w for m in known if m.state.booting) / 1000.0
    at_most_kw = max(0.0, plant.miners_meter_kw - most_w / 1000.0 + booting_kw)
    return before_kw + min(0.0, at_most_kw - before_kw) / OVERHEAD_READINGS


def target_w(available_kw: float, settings: Settings, trust: float = 1.0) -> float:
    """Return the target in W: min(available less the margin, farm limit), times the trust left, never below 0."""
    usable_kw = available_kw * (1.0 - settings.safety_margin_percent / 100.0)
    if settings.farm_limit_kw is not None:
        usable_kw = min(usable_kw, settings.farm_limit_kw)
    return max(0.0, usable_kw) * trust * 1000.0


def trust(age_s: float, settings: Settings) -> float:
    """Return the trust left in a reading of that age, 1..0: a river that falls unseen is what overloads a plant."""
    minutes = max(0.0, age_s - settings.trust_melts_after_s) / 60.0
    return max(0.0, 1.0 - settings.stale_derate_percent_per_min / 100.0 * minutes)
