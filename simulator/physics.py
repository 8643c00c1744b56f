"""One miner as a function of time: states, presets, power and hashrate. No network, no clock of its own.

Nothing ticks. Every question carries ``now_s`` (simulated seconds) and the machine first catches up with it, so
a thousand idle miners cost nothing. ``now_s`` may not go backwards. Facts: CONTRACT sections 3 to 5 and 8.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from simulator.ladders import DISABLED, ChangeMode, MinerModel, Preset

UntunedMode = Literal["tune", "stall", "ignore"]
"""What an untuned preset does: tune while hashing, stall at full power with 0 TH, or is silently not taken."""

RESTARTING_W = 25.0
BOOTING_W = 146.0  # CONTRACT section 3: seen while initializing
STOPPED_W = 28.0
FAILED_W = 22.0
DARK_W = 12.0
TUNING_SHARE = 0.923  # CONTRACT section 4: untuned 2800 drew 2583 W, 7.7 % under the label


class State(StrEnum):
    """``miner_state`` of the firmware, and ``dark``: the control board itself boots and answers nobody."""

    MINING = "mining"
    AUTO_TUNING = "auto-tuning"
    INITIALIZING = "initializing"
    STARTING = "starting"
    RESTARTING = "restarting"
    SHUTTING_DOWN = "shutting-down"
    STOPPED = "stopped"
    FAILURE = "failure"
    DARK = "dark"


HASHING = frozenset({State.MINING, State.AUTO_TUNING})
BOOTING = frozenset({State.RESTARTING, State.INITIALIZING, State.STARTING})
_REST_W = {
    State.RESTARTING: RESTARTING_W,
    State.INITIALIZING: BOOTING_W,
    State.STARTING: BOOTING_W,
    State.STOPPED: STOPPED_W,
    State.FAILURE: FAILED_W,
    State.DARK: DARK_W,
}


class UnknownPresetError(Exception):
    """The ladder has no preset of that name."""


class CgminerError(Exception):
    """The mining process cannot do what was asked in this state; the text is the firmware's."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in simulated seconds: dip without load and ramp after a restart, a quick change, tuning, reboot."""

    dip_s: float = 20.0
    ramp_s: float = 60.0
    quick_ramp_s: float = 5.0
    quick_window_s: float = 60.0
    tune_s: float = 300.0
    stop_s: float = 4.0
    reboot_after_s: float = 3.0
    dark_s: float = 35.0


FAST = Timing(
    dip_s=0.2, ramp_s=0.2, quick_ramp_s=0.0, quick_window_s=0.0, tune_s=0.5, stop_s=0.0, reboot_after_s=0.05, dark_s=0.3
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How this one machine differs from the next. ``power_share``/``hash_share`` multiply the label's numbers."""

    change_mode: ChangeMode = "recent"
    untuned: UntunedMode = "tune"
    power_share: float = 1.0
    hash_share: float = 1.0
    noise_share: float = 0.003
    stay_stopped_on_reboot: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """Answer to a saved preset: the two flags of ``SaveConfigResult``."""

    restart_required: bool
    reboot_required: bool


@dataclass(frozen=True, slots=True)
class _Ramp:
    start_s: float
    duration_s: float
    from_w: float
    to_w: float
    from_ths: float
    to_ths: float

    def at(self, now_s: float) -> tuple[float, float]:
        elapsed_s = now_s - self.start_s
        if elapsed_s >= self.duration_s:
            return self.to_w, self.to_ths
        share = max(0.0, elapsed_s / self.duration_s)
        return self.from_w + (self.to_w - self.from_w) * share, self.from_ths + (self.to_ths - self.from_ths) * share


class MinerPhysics:
    """The machine. All public methods take ``now_s``; ``saved_preset`` and ``running_preset`` are names."""

    def __init__(
        self,
        model: MinerModel,
        preset: str,
        *,
        now_s: float = 0.0,
        timing: Timing = Timing(),
        behaviour: Behaviour = Behaviour(),
        tuned: frozenset[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.timing = timing
        self.behaviour = behaviour
        self.tuned = set(tuned if tuned is not None else {p.name for p in model.presets if p.tuned})
        model.preset(preset)
        self.saved_preset = preset
        self.running_preset = preset
        self.restart_required = False
        self.reboot_required = False
        self.boards_out = 0
        self.failure: tuple[int, str] | None = None
        self.boot_count = 1
        self.booted_s = now_s
        self.stopped_by_command = False
        self.switcher_enabled = False
        self._switch_every_s = math.inf
        self._next_switch_s = math.inf
        self._switch_step = 0
        self._state = State.MINING
        self._since_s = now_s
        self._coming: list[tuple[float, State]] = []
        self._last_change_s = -math.inf
        self._phase = random.Random(seed).random() * math.tau
        to_w, to_ths = self._target(tuning=False)
        self._ramp = _Ramp(now_s, 0.0, to_w, to_w, to_ths, to_ths)

    # -- questions -------------------------------------------------------------------------------------------

    def state(self, now_s: float) -> State:
        """The firmware's state at ``now_s``."""
        self.settle(now_s)
        return self._state

    def state_time_s(self, now_s: float) -> float:
        """Simulated seconds in the present state."""
        self.settle(now_s)
        return max(0.0, now_s - self._since_s)

    def power_w(self, now_s: float) -> float:
        """Real board power in W: what the miner draws, whatever it reports."""
        self.settle(now_s)
        if self._state in _REST_W:
            return _REST_W[self._state]
        power_w, _ = self._ramp.at(now_s)
        if self._state is State.SHUTTING_DOWN:
            return power_w
        return power_w * self._boards_share() * self._noise(now_s)

    def hashrate_ths(self, now_s: float) -> float:
        """Present hashrate in TH/s; 0 unless mining or tuning with hashing boards."""
        self.settle(now_s)
        if self._state not in HASHING:
            return 0.0
        return self._ramp.at(now_s)[1] * self._boards_share() * self._noise(now_s + 5.0)

    def is_tuned(self, preset: str) -> bool:
        """Whether this machine has a tuning for that preset."""
        return preset in self.tuned

    # -- what the API does -----------------------------------------------------------------------------------

    def save_preset(self, name: str, now_s: float) -> Saved:
        """POST /settings with a preset (CONTRACT section 4). Raises UnknownPresetError."""
        try:
            self.model.preset(name)
        except KeyError as exc:
            raise UnknownPresetError(name) from exc
        self.settle(now_s)
        untuned = name != DISABLED and name not in self.tuned
        if untuned and self.behaviour.untuned == "ignore":
            return Saved(False, False)
        self.saved_preset = name
        if self._state is State.STOPPED:
            self.running_preset = name
            self.restart_required = self.reboot_required = False
        elif name == self.running_preset:
            self.restart_required = self.reboot_required = False
        elif self._state not in HASHING:
            self.restart_required = True
        elif untuned:
            self._boot(now_s, State.RESTARTING)
        elif self._needs_restart(name, now_s):
            self.restart_required = True
            self.reboot_required = self.behaviour.change_mode == "reboot"
        else:
            self.restart_required = self.reboot_required = False
            self._run_now(name, now_s)
        return Saved(self.restart_required, self.reboot_required)

    def restart(self, now_s: float) -> None:
        """POST /mining/restart: no load within milliseconds, then back on the saved preset. Raises CgminerError."""
        self.settle(now_s)
        self._refuse_in_failure("restart")
        if self._state is not State.DARK:
            self.stopped_by_command = False
            self._boot(now_s, State.RESTARTING)

    def stop(self, now_s: float) -> None:
        """POST /mining/stop and /mining/pause: boards unpowered. Raises CgminerError."""
        self.settle(now_s)
        self._refuse_in_failure("activate-pause-mode ")
        self.stopped_by_command = True
        if self._state in (State.STOPPED, State.SHUTTING_DOWN, State.DARK):
            return
        power_w = self.power_w(now_s)
        self._ramp = _Ramp(now_s, self.timing.stop_s, power_w, STOPPED_W, 0.0, 0.0)
        self._coming = [(now_s + self.timing.stop_s, State.STOPPED)]
        self._enter(State.SHUTTING_DOWN, now_s)
        self.settle(now_s)

    def start(self, now_s: float) -> None:
        """POST /mining/start and /mining/resume: comes up on the saved preset. Raises CgminerError."""
        self.settle(now_s)
        self._refuse_in_failure("deactivate-pause-mode ")
        self.stopped_by_command = False
        if self._state in (State.STOPPED, State.SHUTTING_DOWN):
            self._boot(now_s, State.INITIALIZING)

    def reboot(self, now_s: float, *, at_once: bool = False) -> float:
        """POST /system/reboot, or a power cut (``at_once``): returns the seconds until it goes dark."""
        self.settle(now_s)
        after_s = 0.0 if at_once else self.timing.reboot_after_s
        dark_s = now_s + after_s
        back_s = dark_s + self.timing.dark_s
        self._coming = [(dark_s, State.DARK)]
        if self.failure is not None:
            self._coming.append((back_s, State.FAILURE))
        elif self.stopped_by_command and self.behaviour.stay_stopped_on_reboot:
            self._coming.append((back_s, State.STOPPED))
        else:
            self._coming += self._booting(back_s, State.INITIALIZING)
        self.settle(now_s)
        return after_s

    # -- what happens to it ----------------------------------------------------------------------------------

    def fail(self, now_s: float, code: int = 1002, description: str = "Failed to parse miner configuration") -> None:
        """The mining process dies and stays dead until ``recover``."""
        self.settle(now_s)
        self.failure = (code, description)
        self._coming = []
        self._enter(State.FAILURE, now_s)

    def recover(self, now_s: float) -> None:
        """The reason of a failure is gone: the miner comes up again."""
        self.settle(now_s)
        if self.failure is not None:
            self.failure = None
            self._boot(now_s, State.INITIALIZING)

    def protect(self, now_s: float) -> None:
        """Stopped by a technician or by its own protection: like stop, but nobody of the farm asked for it."""
        if self.failure is None:
            self.stop(now_s)

    def move_running(self, steps: int, now_s: float) -> None:
        """The firmware's own preset switcher: the running preset moves by tuned steps, the saved one does not."""
        self.settle(now_s)
        self._move(steps, now_s)

    def switch_every(self, seconds: float, steps: int, now_s: float) -> None:
        """Let the switcher move by ``steps`` now and again every ``seconds`` (0 = once)."""
        self.settle(now_s)
        self.switcher_enabled = True
        self._move(steps, now_s)
        self._switch_every_s = seconds if seconds > 0 else math.inf
        self._switch_step = steps
        self._next_switch_s = now_s + self._switch_every_s

    def switch_off(self) -> None:
        """The switcher is disabled; what runs stays."""
        self.switcher_enabled = False
        self._next_switch_s = math.inf

    # -- inside ----------------------------------------------------------------------------------------------

    def settle(self, now_s: float) -> None:
        """Catch up with ``now_s``: enter every state whose time has come, at its own time."""
        while self._coming and self._coming[0][0] <= now_s:
            at_s, state = self._coming.pop(0)
            self._enter(state, at_s)
        while self._next_switch_s <= now_s:
            at_s = self._next_switch_s
            self._next_switch_s = at_s + self._switch_every_s
            self._move(self._switch_step, at_s)

    def _enter(self, state: State, at_s: float) -> None:
        if state is State.MINING and self._state is not State.AUTO_TUNING and self._untuned_now():
            state = State.AUTO_TUNING
        if state is State.DARK:
            self.boot_count += 1
            self._take_saved()
        if self._state is State.DARK:
            self.booted_s = at_s
        if state is State.AUTO_TUNING:
            self._begin_tuning(at_s)
        elif state is State.MINING:
            self._begin_mining(at_s)
        self._state = state
        self._since_s = at_s

    def _begin_tuning(self, at_s: float) -> None:
        to_w, to_ths = self._target(tuning=True)
        self._ramp = _Ramp(at_s, self.timing.ramp_s, BOOTING_W, to_w, 0.0, to_ths)
        if self.behaviour.untuned != "stall":
            self._coming = [(at_s + self.timing.tune_s, State.MINING)]

    def _begin_mining(self, at_s: float) -> None:
        to_w, to_ths = self._target(tuning=False)
        if self._state is State.AUTO_TUNING:
            self.tuned.add(self.running_preset)
            from_w, from_ths = self._ramp.at(at_s)
            self._ramp = _Ramp(at_s, self.timing.quick_ramp_s, from_w, to_w, from_ths, to_ths)
        else:
            self._ramp = _Ramp(at_s, self.timing.ramp_s, BOOTING_W, to_w, 0.0, to_ths)

    def _boot(self, now_s: float, first: State) -> None:
        self._take_saved()
        self._last_change_s = now_s
        self._coming = self._booting(now_s, first)
        self.settle(now_s)

    def _booting(self, at_s: float, first: State) -> list[tuple[float, State]]:
        dip_s = self.timing.dip_s
        if first is State.RESTARTING:
            return [
                (at_s, State.RESTARTING),
                (at_s + 0.75 * dip_s, State.INITIALIZING),
                (at_s + 0.90 * dip_s, State.STARTING),
                (at_s + dip_s, State.MINING),
            ]
        return [(at_s, State.INITIALIZING), (at_s + 0.6 * dip_s, State.STARTING), (at_s + dip_s, State.MINING)]

    def _take_saved(self) -> None:
        self.running_preset = self.saved_preset
        self.restart_required = self.reboot_required = False

    def _run_now(self, name: str, now_s: float) -> None:
        from_w, from_ths = self._ramp.at(now_s)
        was_tuning = self._state is State.AUTO_TUNING
        self.running_preset = name
        self._last_change_s = now_s
        to_w, to_ths = self._target(tuning=False)
        self._ramp = _Ramp(now_s, self.timing.quick_ramp_s, from_w, to_w, from_ths, to_ths)
        if was_tuning:
            self._coming = []
            self._state, self._since_s = State.MINING, now_s

    def _move(self, steps: int, now_s: float) -> None:
        ladder = [p.name for p in self.model.steps() if p.name in self.tuned and not p.modded_psu_required]
        if self._state is not State.MINING or self.running_preset not in ladder:
            return
        index = ladder.index(self.running_preset) + steps
        self._run_now(ladder[max(0, min(len(ladder) - 1, index))], now_s)

    def _needs_restart(self, name: str, now_s: float) -> bool:
        mode = self.behaviour.change_mode
        if mode in ("restart", "reboot") or DISABLED in (name, self.running_preset):
            return True
        if mode == "recent":
            return now_s - self._last_change_s < self.timing.quick_window_s or self._state is State.AUTO_TUNING
        return False

    def _refuse_in_failure(self, what: str) -> None:
        if self.failure is not None:
            raise CgminerError(f"CGMiner err: Cgminer error failed-to-{what}")

    def _untuned_now(self) -> bool:
        return self.running_preset != DISABLED and self.running_preset not in self.tuned

    def _target(self, *, tuning: bool) -> tuple[float, float]:
        preset = self._effective(self.running_preset)
        power_w = preset.power_w * self.behaviour.power_share
        hashrate_ths = preset.hashrate_ths * self.behaviour.hash_share
        if tuning and self.behaviour.untuned == "stall":
            return power_w, 0.0
        if tuning:
            return power_w * TUNING_SHARE, hashrate_ths * TUNING_SHARE
        return power_w, hashrate_ths

    def _effective(self, name: str) -> Preset:
        preset = self.model.preset(name)
        if name == DISABLED:
            return replace(preset, power_w=self.model.disabled_w, hashrate_ths=self.model.disabled_ths)
        return preset

    def _boards_share(self) -> float:
        return max(0, self.model.num_chains - self.boards_out) / self.model.num_chains

    def _noise(self, now_s: float) -> float:
        return 1.0 + self.behaviour.noise_share * math.sin(now_s / 5.9 + self._phase)
