"""A miner as hardware: what it runs, what it really draws, how it takes commands. True seconds, W at the wall."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.readings import Ladder, MinerState
from app.core.types import ChangeKind, Outcome

RESTART_S = 20.0  # no load at all (CONTRACT 4)
RAMP_S = 90.0


@dataclass
class ModelMiner:
    """`takes`: ok | ignore (says 200, does nothing) | refuse | no_answer (arrives, nobody hears of it) | dead.

    `restarts`: a change runs only after a restart. `refuses_restart`: it says 200, then refuses that restart.
    `answers` False: silent. `powered` False: really off. `draw_share`: true draw over the preset's watts.
    """

    id: int
    alias: str
    ladder: Ladder
    running: str
    saved: str
    takes: str = "ok"
    restarts: bool = False
    refuses_restart: bool = False
    answers: bool = True
    powered: bool = True
    mining: bool = True
    draw_share: float = 1.0
    dip_ends: float = -1e9  # a restart's end; the ramp follows

    def watts(self, name: str) -> float:
        found = self.ladder.get(name)
        assert found is not None
        return float(found.firmware_power_w or 0) * self.draw_share

    def draw_w(self, now: float) -> float:
        """Return what it draws at true time `now`."""
        if not self.powered:
            return 0.0
        if not self.mining:
            return 30.0
        if now < self.dip_ends:
            return 30.0
        return self.watts(self.running) * min(1.0, max(0.1, (now - self.dip_ends) / RAMP_S))

    def state(self, now: float) -> MinerState:
        if not self.mining:
            return MinerState.STOPPED
        if now < self.dip_ends:
            return MinerState.RESTARTING
        return MinerState.MINING if now >= self.dip_ends + RAMP_S / 2 else MinerState.STARTING

    def power_off(self) -> None:
        self.powered = self.answers = False

    def power_on(self, now: float) -> None:
        """Boot with the preset that was saved last, as the firmware does."""
        self.powered = self.answers = True
        self.reload(now)

    def reload(self, now: float) -> None:
        self.running = self.saved
        self.mining = True
        self.dip_ends = now + RESTART_S

    def command(self, kind: ChangeKind, preset: str | None, now: float) -> tuple[Outcome, bool]:
        """Take a command; return what its sender learns: the outcome and whether it was accepted altogether."""
        if not self.answers or not self.powered or self.takes == "dead":
            return Outcome.UNKNOWN, False
        if self.takes == "refuse":
            return Outcome.FAILED, False
        if self.takes == "ignore":
            return Outcome.SENT, True
        accepted = self._obey(kind, preset, now)
        return (Outcome.UNKNOWN, False) if self.takes == "no_answer" else (Outcome.SENT, accepted)

    def _obey(self, kind: ChangeKind, preset: str | None, now: float) -> bool:
        if kind is ChangeKind.STOP:
            self.mining = False
            return True
        assert preset is not None
        self.saved = preset
        if kind is ChangeKind.START:
            self.reload(now)
            return True
        if self.refuses_restart:
            return False
        if self.restarts:
            self.reload(now)
        else:
            self.running = preset
        return True
