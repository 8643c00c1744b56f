"""One simulated miner: its machine, its credentials, its faults, and a record of what was asked of it."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import RLock

from simulator.auth import MinerAuth
from simulator.clock import Clock
from simulator.faults import MINER_FAULTS, Fault, FaultSet, FaultValue
from simulator.http_server import Reply
from simulator.ladders import MODELS, ChangeMode, MinerModel
from simulator.physics import HASHING, Behaviour, MinerPhysics, State, Timing, UntunedMode

PASSWORD = "admin"
WRITES_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class MinerSpec:
    """How one miner is to be. What is None follows the model, the farm or the seed.

    ``preset`` is the saved and running one at the start; ``power_share`` multiplies the label's watts;
    ``wall_factor`` is wall power over board power; ``container`` names the meter that contains it.
    """

    model: str = "s19jpro"
    preset: str | None = None
    ip: str | None = None
    mac: str | None = None
    password: str = PASSWORD
    api_keys: Mapping[str, str] = field(default_factory=dict)
    tuned: frozenset[str] | None = None
    change_mode: ChangeMode | None = None
    untuned: UntunedMode = "tune"
    power_share: float | None = None
    hash_share: float | None = None
    wall_factor: float = 1.0
    stopped: bool = False
    stay_stopped_on_reboot: bool = False
    has_model_endpoint: bool = True
    container: str = "container_1"
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One write the miner got: when (real monotonic s and simulated s), what, and the status it answered."""

    real_s: float
    at_s: float
    path: str
    body: object
    status: int


class SimMiner:
    """A miner to inspect and to disturb. Thread-safe; power in W, hashrate in TH/s."""

    def __init__(self, spec: MinerSpec, *, index: int, ip: str, seed: int, clock: Clock, timing: Timing) -> None:
        self.spec = spec
        self.index = index
        self.ip = ip
        self.mac = spec.mac.lower() if spec.mac else mac_address(seed, index)
        self.clock = clock
        self.lock = RLock()
        self.model: MinerModel = MODELS[spec.model]
        own = random.Random(f"{seed}/{index}")
        power_share = min(1.04, max(0.96, own.gauss(1.0, 0.012)))
        hash_share = min(1.04, max(0.96, own.gauss(1.0, 0.010)))
        behaviour = Behaviour(
            change_mode=spec.change_mode or self.model.change_mode,
            untuned=spec.untuned,
            power_share=power_share if spec.power_share is None else spec.power_share,
            hash_share=hash_share if spec.hash_share is None else spec.hash_share,
            stay_stopped_on_reboot=spec.stay_stopped_on_reboot,
        )
        now_s = clock.now_s()
        self.physics = MinerPhysics(
            self.model,
            spec.preset or self.model.highest_tuned().name,
            now_s=now_s,
            timing=spec.timing or timing,
            behaviour=behaviour,
            tuned=spec.tuned,
            seed=own.randrange(2**32),
        )
        self.physics.booted_s = now_s - own.uniform(3_600, 400_000)
        if spec.stopped:
            self.physics.stop(now_s)
        self.auth = MinerAuth(spec.password, dict(spec.api_keys), own.randrange(2**32))
        self.faults = FaultSet(MINER_FAULTS)
        self.requests: Counter[str] = Counter()
        self.writes: deque[Write] = deque(maxlen=WRITES_KEPT)
        self.settings_overrides: dict[str, object] = {}
        self.unpowered = False
        self._boots_seen = self.physics.boot_count

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The firmware's state now, or ``dark`` while the control board boots."""
        with self.lock:
            return str(self.physics.state(self.clock.now_s()))

    @property
    def running_preset(self) -> str:
        """What runs now (perf-summary)."""
        with self.lock:
            self.physics.settle(self.clock.now_s())
            return self.physics.running_preset

    @property
    def saved_preset(self) -> str:
        """What settings say: what runs after the next start."""
        with self.lock:
            return self.physics.saved_preset

    @property
    def power_w(self) -> float:
        """What the boards really draw now, W, whatever the miner reports."""
        with self.lock:
            return 0.0 if self.unpowered else self.physics.power_w(self.clock.now_s())

    @property
    def wall_power_w(self) -> float:
        """What a meter at the wall sees of it now, W."""
        return self.power_w * self.spec.wall_factor

    @property
    def hashrate_ths(self) -> float:
        """Real hashrate now, TH/s."""
        with self.lock:
            return 0.0 if self.unpowered else self.physics.hashrate_ths(self.clock.now_s())

    @property
    def max_power_w(self) -> float:
        """What it draws on its highest tuned stock preset, W at the wall."""
        share = self.physics.behaviour.power_share * self.spec.wall_factor
        return self.model.highest_tuned().power_w * share

    @property
    def min_power_w(self) -> float:
        """What it draws on its lowest preset, W at the wall."""
        share = self.physics.behaviour.power_share * self.spec.wall_factor
        return self.model.steps()[0].power_w * share

    @property
    def is_hashing(self) -> bool:
        """Whether it mines or tunes now."""
        return self.state in HASHING

    @property
    def preset_writes(self) -> list[tuple[float, str, int]]:
        """Every POST /settings that named a preset: (real monotonic s, preset, status answered)."""
        found = []
        with self.lock:
            for write in self.writes:
                preset = preset_in(write.body)
                if write.path.endswith("/settings") and preset is not None:
                    found.append((write.real_s, preset, write.status))
        return found

    # -- what is done to it ----------------------------------------------------------------------------------

    def accepts(self) -> bool:
        """Whether it answers a connection: not while its control board boots."""
        with self.lock:
            if self.faults.get("close") and not self._narrowed("close"):
                return False
            return self.settle() is not State.DARK

    def settle(self) -> State:
        """Catch up with the clock; sessions end with a reboot."""
        state = self.physics.state(self.clock.now_s())
        if self.physics.boot_count != self._boots_seen:
            self._boots_seen = self.physics.boot_count
            self.auth.drop_sessions()
        return state

    def set_fault(self, name: str, args: Mapping[str, FaultValue]) -> Fault:
        """Switch a fault on; what is physical happens now. Sockets are the farm's business."""
        with self.lock:
            fault = self.faults.set(name, args)
            now_s = self.clock.now_s()
            if name == "failure":
                text = args.get("description")
                self.physics.fail(now_s, int(fault.number("code", 1002)), *([text] if isinstance(text, str) else []))
            elif name == "lost_board":
                self.physics.boards_out = int(fault.number("boards", 1))
            elif name == "power_cut":
                self.physics.settle(now_s)
                self.unpowered = True
            elif name == "switcher_moves":
                steps = int(fault.number("steps", 1)) * (1 if args.get("direction", "down") == "up" else -1)
                self.physics.switch_every(fault.number("every_s", 0.0), steps, now_s)
            elif name == "lost_key":
                password = args.get("password")
                self.auth.forget_keys(password if isinstance(password, str) else None)
                self.faults.clear("lost_key")
            return fault

    def clear_faults(self, name: str | None = None) -> list[str]:
        """Switch one fault or all off and undo what can be undone; returns the names that were on."""
        with self.lock:
            gone = self.faults.clear(name)
            now_s = self.clock.now_s()
            if "failure" in gone:
                self.physics.recover(now_s)
            if "lost_board" in gone:
                self.physics.boards_out = 0
            if "switcher_moves" in gone:
                self.physics.switch_off()
            if "power_cut" in gone:
                self.unpowered = False
                self.physics.reboot(now_s, at_once=True)
            return gone

    def reboot(self) -> None:
        """A reboot nobody asked for over the API."""
        with self.lock:
            self.physics.reboot(self.clock.now_s(), at_once=True)

    def technician_stop(self) -> None:
        """Somebody stops it at the machine: not ours to start."""
        with self.lock:
            self.physics.protect(self.clock.now_s())

    def technician_start(self) -> None:
        """Somebody starts it at the machine."""
        with self.lock:
            if self.physics.failure is None:
                self.physics.start(self.clock.now_s())

    def technician_preset(self, name: str) -> None:
        """Somebody sets a preset at the machine and restarts it if need be."""
        with self.lock:
            now_s = self.clock.now_s()
            if self.physics.save_preset(name, now_s).restart_required:
                self.physics.restart(now_s)

    def record(self, path: str, body: object, reply: Reply) -> None:
        """Remember a write."""
        self.writes.append(Write(self.clock.real_s(), self.clock.now_s(), path, body, reply.status))

    def _narrowed(self, name: str) -> bool:
        fault = self.faults.get(name)
        return fault is not None and bool({"path", "method", "times"} & set(fault.args))


def preset_in(body: object) -> str | None:
    """The preset named in a POST /settings body, or None."""
    for key in ("miner", "overclock"):
        body = body.get(key) if isinstance(body, dict) else None
    preset = body.get("preset") if isinstance(body, dict) else None
    return preset if isinstance(preset, str) else None


def mac_address(seed: int, index: int) -> str:
    """A locally administered unicast MAC, lower case, the same for the same seed and index."""
    tail = [seed >> 8 & 0xFF, seed & 0xFF, index >> 16 & 0xFF, index >> 8 & 0xFF, index & 0xFF]
    return ":".join(f"{byte:02x}" for byte in [0x02, *tail])


def with_preset(spec: MinerSpec, preset: str) -> MinerSpec:
    """The same miner starting on another preset."""
    return replace(spec, preset=preset)
