"""The `economic` policy: as much hashrate as the water allows, with the price of every switch in it.

What: one preset per miner, so that the hashrate of the coming minutes (less what switching loses) is the most within
the budget; a multiple-choice knapsack, solved in `allocation`. When: cuts at once, raises only towards the lowest
target of the last minutes (`usable`). Limits, modes, ages and ramps are `plan`'s, as with every policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core import allocation, power
from app.core.allocation import Menu
from app.core.policies import Candidate, Move, Step
from app.core.types import Settings, Snapshot

# A preset of more watts counts at least so much more hashrate, whatever its label says (TH/s per W; real ones: 0.02 to
# 0.07): labels without TH, or with less TH for more watts, are not believed.
LEAST_THS_PER_W = 0.001


@dataclass(frozen=True, slots=True)
class Usable:
    """How much of a surplus may be used now (W), and the sentence that says why not more."""

    power_w: float
    reason: str


def cut_above_w(target_w: float, settings: Settings) -> float:
    """Return how far above the target the farm is left alone (W)."""
    return max(settings.tolerance_w, settings.cut_above_percent / 100.0 * target_w)


def usable(snapshot: Snapshot, target_w: float, planned_w: float, fleet_max_w: float) -> Usable:
    """Return how much may be raised in this cycle: towards the lowest target of the last readings.

    The targets are computed from the available power of those readings with today's settings, so that a new margin acts
    at once. Fewer readings than the window (just started, or a gap): only the fast path, which needs two.
    """
    settings = snapshot.settings
    wanted = settings.raise_window_readings
    targets = recent_targets_w(snapshot, target_w)
    least_w = max(settings.tolerance_w, settings.raise_below_percent / 100.0 * fleet_max_w)
    room_w = min(targets) - planned_w if len(targets) >= wanted else 0.0
    if len(targets) >= 2:
        lower_w = min(targets[-2:])
        room_w = max(room_w, lower_w * (1.0 - settings.fast_raise_percent / 100.0) - planned_w)
    surplus = f"surplus {(target_w - planned_w) / 1000.0:,.1f} kW"
    if room_w < least_w:
        if target_w - planned_w < least_w:
            return Usable(0.0, f"{surplus}: less than {least_w / 1000.0:,.1f} kW is left alone")
        lasted = _lasted(targets, planned_w + least_w)
        ages_s = lasted * snapshot.interval_s, wanted * snapshot.interval_s
        return Usable(0.0, f"{surplus} has lasted {ages_s[0]:.0f} of {ages_s[1]:.0f} s")
    step_w = settings.raise_step_percent / 100.0 * fleet_max_w
    return Usable(min(room_w, step_w), f"{surplus}, of it {min(room_w, step_w) / 1000.0:,.1f} kW may be used now")


def recent_targets_w(snapshot: Snapshot, target_w: float) -> list[float]:
    """Return the targets of the last readings by today's settings, the newest last (W)."""
    before = snapshot.settings.raise_window_readings - 1
    recent = snapshot.recent_available_kw[-before:] if before > 0 else ()
    return [*(power.target_w(kw, snapshot.settings) for kw in recent), target_w]


def _lasted(targets: Sequence[float], level_w: float) -> int:
    """Return how many readings up to now have been at `level_w` or above."""
    return next((n for n, target in enumerate(reversed(targets)) if target < level_w), len(targets))


class Economic:
    """One plan for the whole cut, raise or exchange, several presets at once where that pays."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._menus: dict[tuple[object, ...], tuple[Menu, tuple[Step | None, ...]]] = {}

    def reduce(self, candidates: Sequence[Candidate], need_w: float) -> list[Move]:
        """Free `need_w` where that loses the least; everything there is where it cannot be had."""
        return self._solve(candidates, -need_w, down=True, up=False)

    def increase(self, candidates: Sequence[Candidate], room_w: float, tolerance_w: float) -> list[Move]:
        """Use `room_w` where it wins the most. `tolerance_w` is not needed: small rests are left alone by `usable`."""
        return self._solve(candidates, room_w, down=False, up=True)

    def exchange(self, candidates: Sequence[Candidate], room_w: float) -> list[Move]:
        """Move watts from where they win little to where they win more, and use `room_w` (below 0: free so much).

        Nothing, where all of it would win less than the smallest gain that is worth it.
        """
        moves = self._solve(candidates, room_w, down=True, up=True)
        horizon_s = self._settings.horizon_s
        before = sum(c.expected_ths for c in candidates) * horizon_s
        gain = sum(
            _ths(m.candidate, m.step) * self._lasts_s(m.candidate, m.step) - m.candidate.expected_ths * horizon_s
            for m in moves
        )
        return moves if gain > before * self._settings.reoptimise_gain_percent / 100.0 else []

    def _solve(self, candidates: Sequence[Candidate], room_w: float, *, down: bool, up: bool) -> list[Move]:
        found = [self._menu(candidate, down=down, up=up) for candidate in candidates]
        budget_w = sum(candidate.power_w for candidate in candidates) + room_w
        picks = allocation.allocate([menu for menu, _ in found], budget_w)
        moves = []
        for candidate, (_, steps), pick in zip(candidates, found, picks, strict=True):
            step = steps[pick]
            if step is not None:
                moves.append(Move(candidate, step, _why(candidate, step)))
        return moves

    def _menu(self, candidate: Candidate, *, down: bool, up: bool) -> tuple[Menu, tuple[Step | None, ...]]:
        """Return what the miner may be told, ascending in power, None = stay where it is; equal miners share one."""
        miner = candidate.miner
        key = (id(candidate.lower), id(candidate.higher), candidate.power_w, candidate.expected_ths,
               miner.hashrate_factor, miner.switch_loss_s, down, up)  # fmt: skip
        known = self._menus.get(key)
        if known is None:
            known = self._menus[key] = self._made(candidate, _steps(candidate, down=down, up=up))
        return known

    def _made(self, candidate: Candidate, steps: Iterable[Step | None]) -> tuple[Menu, tuple[Step | None, ...]]:
        options: list[tuple[float, float]] = []
        kept: list[Step | None] = []
        before_w = ths = -1e9
        for step in steps:
            power_w = candidate.power_w if step is None else step.power_w
            if power_w > before_w:
                ths = max(_ths(candidate, step), ths + LEAST_THS_PER_W * (power_w - before_w))
                options.append((power_w, ths * self._lasts_s(candidate, step)))
                kept.append(step)
                before_w = power_w
        return allocation.menu(options), tuple(kept)

    def _lasts_s(self, candidate: Candidate, step: Step | None) -> float:
        """Return for how long of the horizon a choice hashes: a switch loses some of its own new hashrate first."""
        loss_s = 0.0 if step is None else candidate.miner.switch_loss_s
        if step is not None and not step.preset.tuned:
            loss_s += self._settings.untuned_loss_s
        return max(0.0, self._settings.horizon_s - loss_s)


def _ths(candidate: Candidate, step: Step | None) -> float:
    return candidate.expected_ths if step is None else power.preset_ths(candidate.miner, step.preset)


def _steps(candidate: Candidate, *, down: bool, up: bool) -> list[Step | None]:
    lower = candidate.lower[::-1] if down else ()
    return [*lower, None, *(candidate.higher if up else ())]


def _why(candidate: Candidate, step: Step) -> str:
    """Return the numbers of one move: "2300 -> 1850: frees 450 W for 11.0 TH/s (41 W per TH/s)"."""
    watts = step.power_w - candidate.power_w
    ths = _ths(candidate, step) - candidate.expected_ths
    verb = "takes" if watts > 0 else "frees"
    price = f" ({watts / ths:,.0f} W per TH/s, the best use of the farm's watts)" if watts * ths > 0 else ""
    old = candidate.preset or "unknown preset"
    return f"{old} -> {step.preset.name}: {verb} {abs(watts):,.0f} W for {abs(ths):,.1f} TH/s{price}"
