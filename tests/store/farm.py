"""A small farm in the database, and hands that do to its miners what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from app import clock
from app.clients.miner import SetResult
from app.core import settings as rules
from app.core.readings import MinerIdentity, MinerState, MinerStatus, Stamp
from app.core.types import ChangeKind, Origin, PresetChange
from app.errors import MinerError, MinerUnauthorized
from app.extensions import db, writing
from app.models import (
    Miner,
    MinerModel,
    MinerPreset,
    MinerStatusRow,
    ModelPreset,
    PlantReadingRow,
    PresetChangeRow,
    SchedulerTerm,
    SettingRow,
)
from app.store.changes import ChangeContext

WATTS = (1500, 2000, 2500, 3000)
KEY = "k" * 32


def ip_of(miner_id: int) -> str:
    return f"10.9.{miner_id // 250}.{miner_id % 250 + 1}"


def mac_of(miner_id: int) -> str:
    return f"02:00:00:00:{miner_id // 256:02x}:{miner_id % 256:02x}"


def build(
    count: int,
    now: Stamp,
    *,
    running: str = "3000",
    watts: Iterable[int] = WATTS,
    max_preset: str | None = "3000",
    managed: bool = True,
    mode: str = "armed",
    **settings: Any,
) -> None:
    """Write one model, `count` mining miners with ids from 1 that answered just now, and the settings."""
    with writing() as session:
        model = MinerModel(id=1, alias="s19", name="S19", max_preset=max_preset, created_at=now.utc)
        session.add(model)
        session.flush()
        for power_w in watts:
            session.add(ModelPreset(model_id=1, name=str(power_w), firmware_power_w=power_w, hashrate_ths=power_w / 25))
        for i in range(1, count + 1):
            session.add(
                Miner(id=i, mac=mac_of(i), ip=ip_of(i), model_id=1, api_key=KEY,
                      saved_preset=running, created_at=now.utc, updated_at=now.utc, managed=managed)
            )  # fmt: skip
        session.flush()
        for i in range(1, count + 1):
            for power_w in watts:
                session.add(
                    MinerPreset(miner_id=i, name=str(power_w), firmware_power_w=power_w, hashrate_ths=power_w / 25,
                                tuned=True)
                )  # fmt: skip
            session.add(
                MinerStatusRow(miner_id=i, state="mining", raw_state="mining", running_preset=running,
                               power_w=int(running), hashrate_ths=int(running) / 25, online=True, polled_at=now.utc,
                               polled_monotonic_s=now.monotonic_s, polled_boot_id=now.boot_id)
            )  # fmt: skip
        for name, value in {"mode": mode, **settings}.items():
            session.add(SettingRow(name=name, value=rules.check(name, value)))


def term(now: Stamp, *, seen: bool = True) -> int:
    """A scheduler's term that began five minutes ago; `seen`: a fresh reading and a full poll have come in since."""
    began = earlier(now, 300)
    with writing() as session:
        row = SchedulerTerm(pid=1, started=began)
        if seen:
            row.first_fresh_reading_at = row.first_full_poll_at = now.utc
        session.add(row)
        session.flush()
        return row.id


def earlier(now: Stamp, seconds: float) -> Stamp:
    return Stamp(now.utc - timedelta(seconds=seconds), now.monotonic_s - seconds, now.boot_id)


def later(now: Stamp, seconds: float) -> Stamp:
    return earlier(now, -seconds)


def reading(now: Stamp, generation_kw: float, *, age_s: float = 0.0) -> int:
    """A trusted reading of a plant without other load."""
    received = earlier(now, age_s)
    with writing() as session:
        row = PlantReadingRow(
            recorded_at=received.utc, generation_kw=generation_kw, container_kw=0.0, foreign_kw=0.0,
            available_kw=generation_kw, confidence=0.99, sources=[], unchanged_since=received.utc,
            age_at_receipt_s=0.0, received=received,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


def change(
    miner_id: int,
    new: str | None = "2000",
    *,
    old: str = "3000",
    kind: ChangeKind = ChangeKind.PRESET,
    origin: Origin = Origin.BALANCER,
    **more: Any,
) -> PresetChange:
    old_w = 30.0 if kind is ChangeKind.START else float(old)
    new_w = 30.0 if kind is ChangeKind.STOP else float(new) if new and new.isdigit() else 0.0
    values: dict[str, Any] = {"old_power_w": old_w, "new_power_w": new_w, "reason": "a test wants it", **more}
    return PresetChange(miner_id, mac_of(miner_id), kind, old, new, origin=origin, **values)


def context(now: Stamp | None = None, **more: Any) -> ChangeContext:
    """A context that allows increases."""
    now = now or clock.stamp()
    return ChangeContext(**{"increases_allowed": True, "data_age_s": 1.0, "decided": now, "current_w": 9000.0, **more})


def rows() -> list[PresetChangeRow]:
    db.session.rollback()
    return list(db.session.scalars(db.select(PresetChangeRow).order_by(PresetChangeRow.id)))


def row_of(miner_id: int) -> PresetChangeRow:
    return [row for row in rows() if row.miner_id == miner_id][-1]


def miner(miner_id: int) -> Miner:
    db.session.rollback()
    found = db.session.get(Miner, miner_id, populate_existing=True)
    assert found is not None
    return found


def put(model: Any, key: Any, **values: Any) -> None:
    """Change columns of one row, as another part of the program would."""
    with writing() as session:
        row = session.get(model, key)
        for name, value in values.items():
            setattr(row, name, value)


def put_setting(name: str, value: Any) -> None:
    with writing() as session:
        session.merge(SettingRow(name=name, value=value))


def polled(preset: str | None, state: MinerState = MinerState.MINING, **more: Any) -> MinerStatus:
    return MinerStatus(state=state, raw_state=str(state), running_preset=preset, **more)


@dataclass
class FakeHands:
    """Stands in for `app.clients.miner`. Sets of miner ids say who misbehaves, and how."""

    ask_restart: set[int] = field(default_factory=set)
    refuse: set[int] = field(default_factory=set)  # 500
    unknown_preset: set[int] = field(default_factory=set)  # 400
    dead: set[int] = field(default_factory=set)  # no connection
    hang: set[int] = field(default_factory=set)  # no answer
    refuse_restart: set[int] = field(default_factory=set)
    hang_restart: set[int] = field(default_factory=set)
    dead_key: set[int] = field(default_factory=set)  # 401 until adopted anew
    wrong_password: set[int] = field(default_factory=set)
    forget: set[int] = field(default_factory=set)  # a 200 that saved nothing
    broken: set[int] = field(default_factory=set)  # a defect of ours
    swapped: dict[int, int] = field(default_factory=dict)  # which miner answers at whose address by now
    calls: list[tuple[str, int, str | None]] = field(default_factory=list)
    saved: dict[int, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def made(self, name: str) -> list[int]:
        return [miner_id for call, miner_id, _ in self.calls if call == name]

    def _call(self, name: str, address: Any, preset: str | None = None) -> int:
        _, _, high, low = (int(part) for part in address.ip.split("."))
        miner_id = high * 250 + low - 1
        with self._lock:
            self.calls.append((name, miner_id, preset))
        if miner_id in self.broken:
            raise ZeroDivisionError("a defect")
        if miner_id in self.dead:
            raise MinerError("It cannot be reached.", reached=False)
        if miner_id in self.hang:
            raise MinerError("It did not answer in time.")
        if name not in ("adopt", "identify") and miner_id in self.dead_key and address.api_key == KEY:
            raise MinerUnauthorized("It refused the key (401).")
        if miner_id in self.refuse:
            raise MinerError("It refused (500).", answered=True)
        return miner_id

    def set_preset(self, session: Any, address: Any, preset: str) -> SetResult:
        miner_id = self._call("set_preset", address, preset)
        if miner_id in self.unknown_preset:
            raise MinerError("It refused (400).", answered=True, permanent=True)
        if miner_id not in self.forget:
            self.saved[miner_id] = preset
        return SetResult(True, miner_id in self.ask_restart, reboot_required=False)

    def restart(self, session: Any, address: Any) -> None:
        miner_id = self._call("restart", address)
        if miner_id in self.refuse_restart:
            raise MinerError("It refused to restart (500).", answered=True)
        if miner_id in self.hang_restart:
            raise MinerError("It did not answer in time.")

    def stop(self, session: Any, address: Any) -> None:
        self._call("stop", address)

    def start(self, session: Any, address: Any) -> None:
        self._call("start", address)

    def read_saved_preset(self, session: Any, address: Any) -> str | None:
        return self.saved.get(self._call("read_saved_preset", address))

    def identify(self, session: Any, address: Any) -> MinerIdentity:
        miner_id = self._call("identify", address)
        mac = mac_of(self.swapped.get(miner_id, miner_id))
        return MinerIdentity(mac, address.ip, "s19jpro", "Antminer S19j Pro", "1.2.6", "sha256d", "GH/s")

    def adopt(self, session: Any, address: Any, password: str, mac: str) -> str:
        if self._call("adopt", address) in self.wrong_password:
            raise MinerUnauthorized("It refused to unlock (403).", retry_after_s=900)
        return "n" * 32
