"""Seeded disturbances of a farm, each with its end: faults of miners and plant, operators, technicians, kills."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.errors import PowerHiveError
from simulator import SimMiner
from simulator.faults import FaultValue
from simulator.physics import HASHING
from tests.long.farm import TestedFarm

Undo = Callable[[], None]

MINER_FAULTS: tuple[tuple[str, dict[str, FaultValue]], ...] = (
    ("hang", {}), ("hang", {"method": "POST"}), ("close", {}), ("slow", {"seconds": 1.5}), ("slow", {"seconds": 4.0}),
    ("http500", {}), ("garbage", {}), ("truncated", {}), ("trickle", {}), ("html", {}),
    ("lost_answer", {"method": "POST"}), ("lost_answer", {"path": "/settings"}), ("lost_answer", {"path": "/restart"}),
    ("reject", {"status": 500}), ("reject", {"status": 400}), ("accept_not_apply", {}),
    ("accept_not_apply", {"save": True}), ("reject_restart", {}), ("lost_key", {}), ("power_zero", {}),
    ("switcher_moves", {"direction": "up", "every_s": 15.0}),
    ("switcher_moves", {"direction": "down", "every_s": 15.0}),
    ("failure", {}), ("lost_board", {}), ("offline", {}), ("power_cut", {}),
)  # fmt: skip
UNTRUSTWORTHY = (
    "http401", "http400", "http500", "hang", "html", "truncated", "close", "null", "untrusted", "nan", "negative",
    "strings", "nulls", "missing_trust", "missing_consumption", "deep",
)  # fmt: skip
OTHER_PLANT_FAULTS: tuple[tuple[str, dict[str, FaultValue]], ...] = (
    ("slow", {"seconds": 4.0}), ("trickle", {}), ("frozen_timestamp", {}), ("frozen_values", {}), ("doubled", {}),
    ("clock_ahead", {"seconds": 40.0}), ("clock_ahead", {"seconds": 120.0}), ("clock_behind", {"seconds": 120.0}),
    ("date_skew", {"seconds": 300.0}), ("date_skew", {"seconds": -300.0}), ("missing_totals", {}),
)  # fmt: skip
MENUS: dict[str, dict[str, float]] = {
    "miners": {"miner_fault": 6, "reboot": 1, "step": 2, "margin": 1, "technician": 2, "technician_preset": 1},
    "plant": {"plant_fault": 4, "source": 3, "step": 4, "lost_action": 1},
    "operator": {"hand": 4, "hold": 2, "managed": 1, "override": 2, "margin": 2, "mode": 1, "ceiling": 2, "step": 2,
                 "technician": 1, "miner_fault": 3, "addresses": 1},
    "switch": {"group_offline": 2, "group_power": 2, "step": 2, "source": 1, "kill": 1},
    "kills": {"kill": 2, "step": 4, "miner_fault": 6, "margin": 2, "override": 1, "plant_fault": 1},
    "everything": {"miner_fault": 8, "reboot": 1, "step": 3, "margin": 1, "technician": 1, "technician_preset": 1,
                   "plant_fault": 2, "source": 1, "hand": 2, "hold": 1, "managed": 1, "override": 1, "mode": 1,
                   "ceiling": 1, "group_offline": 1, "group_power": 1, "kill": 1, "lost_action": 1,
                   "addresses": 1},
}  # fmt: skip


@dataclass
class Chaos:
    """Switches disturbances of one menu on and off for a while, then all off."""

    farm: TestedFarm
    menu: dict[str, float]
    pause_s: tuple[float, float] = (1.0, 6.0)
    _next_address: int = 200
    _open: list[tuple[float, Undo]] = field(default_factory=list)

    def rage(self, seconds: float) -> None:
        chance, ends = self.farm.chance, time.monotonic() + seconds
        while time.monotonic() < ends:
            kind = chance.choices(list(self.menu), list(self.menu.values()))[0]
            undo = getattr(self, f"_{kind}")()
            if undo is not None:
                self._open.append((time.monotonic() + chance.uniform(8, 60), undo))
            time.sleep(chance.uniform(*self.pause_s))
            self._undo_due(time.monotonic())
        self.calm()

    def calm(self) -> None:
        """End every disturbance: the farm gets back what it had before the first one, for good."""
        farm = self.farm
        self._undo_due(float("inf"))
        for miner in farm.simulator.miners:
            self._technician_starts(miner)
        farm.simulator.clear_faults()
        farm.simulator.plant.clear_faults()
        farm.simulator.plant.restore_source()
        farm.simulator.plant.set_generation_kw(farm.simulator.plant.mean_generation_kw)
        if farm.process is None:
            farm.start_acting()
        farm.set_override("resume")
        farm.set_margin(10.0)
        farm.set_mode("armed")
        farm.journal.note("calm")
        farm.journal.faults_ended_s = time.monotonic()

    def _undo_due(self, now: float) -> None:
        due = [undo for at, undo in self._open if at <= now]
        self._open = [(at, undo) for at, undo in self._open if at > now]
        for undo in due:
            undo()

    def _some(self, most: int) -> list[SimMiner]:
        """Some miners that no technician stopped (a recovery would start them)."""
        stops = self.farm.journal.technician_stops
        free = [m for m in self.farm.simulator.miners if not any(s[1] == float("inf") for s in stops.get(m.mac, []))]
        return self.farm.chance.sample(free, min(len(free), self.farm.chance.randint(1, most)))

    # --- miners ---

    def _miner_fault(self) -> Undo:
        fault, args = self.farm.chance.choice(MINER_FAULTS)
        chosen = [miner.index for miner in self._some(8)]
        if fault == "lost_key" and self.farm.chance.random() < 0.3:
            args = {"password": "somebody's"}
        return self._set(chosen, fault, args)

    def _set(self, chosen: list[int], fault: str, args: dict[str, FaultValue]) -> Undo:
        simulator = self.farm.simulator
        self.farm.journal.note(f"{fault} {args} on {len(chosen)} miners")
        span = [time.monotonic(), float("inf")]
        if fault in ("garbage", "html"):
            for index in chosen:
                self.farm.journal.babble.setdefault(simulator.miners[index].mac, []).append(span)
        simulator.set_fault(chosen, fault, **args)

        def undo() -> None:
            span[1] = time.monotonic()
            simulator.clear_faults(chosen, fault)
            if "password" in args:
                for index in chosen:
                    simulator.miners[index].auth.forget_keys("admin")

        return undo

    def _reboot(self) -> None:
        for miner in self._some(5):
            miner.reboot()

    def _addresses(self) -> None:
        """A DHCP server's day: one miner moves, and another one gets its old address."""
        one, other = self.farm.chance.sample(self.farm.simulator.miners, 2)
        free = f"{one.ip.rsplit('.', 1)[0]}.{self._next_address}"
        self._next_address += 1
        self.farm.journal.note(f"{one.mac} moves from {one.ip} to {free}, {other.mac} takes its address")
        old = one.ip
        self.farm.simulator.change_ip(one.index, free)
        self.farm.simulator.change_ip(other.index, old)

    def _group_offline(self) -> Undo:
        half = self.farm.chance.choice((0, 1))
        chosen = [m.index for m in self.farm.simulator.miners if m.index % 2 == half]
        return self._set(chosen, self.farm.chance.choice(("offline", "offline", "hang")), {})

    def _group_power(self) -> Undo:
        miners = self.farm.simulator.miners
        part = self.farm.chance.choice((len(miners), len(miners) // 2))
        for miner in miners[:part]:
            self._technician_stop_ends(miner)
        return self._set([miner.index for miner in miners[:part]], "power_cut", {})

    def _technician(self) -> Undo | None:
        miner = self._some(1)[0]
        if miner.state not in {str(state) for state in HASHING} or self.farm.journal.override.now != "none":
            return None
        miner.technician_stop()
        self.farm.journal.technician_stops.setdefault(miner.mac, []).append([time.monotonic(), float("inf")])
        return lambda: self._technician_starts(miner)

    def _technician_starts(self, miner: SimMiner) -> None:
        if self._technician_stop_ends(miner):
            miner.technician_start()

    def _technician_stop_ends(self, miner: SimMiner) -> bool:
        open_ = [s for s in self.farm.journal.technician_stops.get(miner.mac, []) if s[1] == float("inf")]
        for span in open_:
            span[1] = time.monotonic()
        return bool(open_)

    def _technician_preset(self) -> None:
        miner = self._some(1)[0]
        if miner.physics.failure is None:
            miner.technician_preset(self.farm.chance.choice(self.farm.choices(miner.model.alias)))

    # --- plant ---

    def _plant_fault(self) -> Undo:
        plant, journal = self.farm.simulator.plant, self.farm.journal
        begun = time.monotonic()
        if self.farm.chance.random() < 0.5:
            fault: str = self.farm.chance.choice(UNTRUSTWORTHY)
            plant.set_fault(fault)
        else:
            fault, args = self.farm.chance.choice(OTHER_PLANT_FAULTS)
            plant.set_fault(fault, **args)
        journal.note(f"plant: {fault}")

        def undo() -> None:
            if fault in UNTRUSTWORTHY and plant.faults.get(fault) is not None:
                journal.untrustworthy.append((begun, time.monotonic(), fault))
            plant.clear_faults(fault)

        return undo

    def _source(self) -> Undo | None:
        plant, chance = self.farm.simulator.plant, self.farm.chance
        name = chance.choice([*plant.latest.generation, *plant.latest.consumption] or [""])
        if not name:
            return None
        plant.fail_source(name, "timeout", chance.choice(("last", "zero", "omit")))
        self.farm.journal.note(f"plant: {name} fails")
        return lambda: plant.restore_source(name)

    def _step(self) -> Undo:
        plant = self.farm.simulator.plant
        share = self.farm.chance.choice((0.7, 0.7, 0.4, 0.85, 1.15, 0.0))
        self.farm.journal.note(f"generation x {share}")
        plant.set_generation_kw(plant.mean_generation_kw * share)
        return lambda: plant.set_generation_kw(plant.mean_generation_kw)

    def _lost_action(self) -> None:
        self.farm.set_lost_action(self.farm.chance.choice(("minimum", "minimum", "stop", "hold")))

    # --- operators ---

    def _hand(self) -> None:
        miner = self._some(1)[0]
        preset = self.farm.chance.choice([p.name for p in miner.model.presets])
        try:
            self.farm.order_preset(miner, preset)
        except PowerHiveError as refused:
            self.farm.journal.note(f"refused: {refused}")

    def _hold(self) -> Undo:
        miner = self._some(1)[0]
        self.farm.set_hold(miner, not self.farm.journal.held[miner.mac].now)
        return lambda: self.farm.set_hold(miner, False)

    def _managed(self) -> Undo:
        miner = self._some(1)[0]
        before = self.farm.journal.managed[miner.mac].now
        self.farm.set_managed(miner, not before)
        return lambda: self.farm.set_managed(miner, before)

    def _override(self) -> Undo:
        kind = self.farm.chance.choice(("all_to_minimum", "stop_all"))
        self.farm.journal.note(kind)
        self.farm.set_override(kind)
        return lambda: self.farm.set_override("resume")

    def _margin(self) -> None:
        self.farm.set_margin(self.farm.chance.choice((2.0, 10.0, 25.0, 40.0)))

    def _mode(self) -> Undo:
        self.farm.set_mode(self.farm.chance.choice(("observe", "off")))
        return lambda: self.farm.set_mode("armed")

    def _ceiling(self) -> None:
        """Another max preset for a model that has one."""
        alias = self.farm.chance.choice([a for a, t in sorted(self.farm.journal.max_w.items()) if t.now is not None])
        preset = self.farm.chance.choice(self.farm.choices(alias)[3:])
        self.farm.journal.note(f"max preset of {alias}: {preset}")
        self.farm.set_max_preset(alias, preset)

    def _kill(self) -> Undo | None:
        if self.farm.process is None:
            return None
        how = self.farm.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        self.farm.journal.note(f"acting process ends: {how.name}")
        self.farm.end_acting(how)
        time.sleep(self.farm.chance.choice((0.0, 0.5, 5.0)))
        self.farm.start_acting()
        return None
