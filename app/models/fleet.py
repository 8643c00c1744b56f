"""The fleet: miner models with their ladders, miners, their latest poll and their history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.extensions import Base, UtcDateTime
from app.redaction import Secret
from app.sealing import SealedText


class MinerModel(Base):
    """A hardware type ("miner model") by the firmware's alias, with the operator's limits for it."""

    __tablename__ = "miner_models"

    id: Mapped[int] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    algorithm: Mapped[str] = mapped_column(String(32), default="sha256d")
    max_preset: Mapped[str | None] = mapped_column(String(64))
    allow_modded_psu: Mapped[bool] = mapped_column(default=False, server_default=false())
    untuned_use: Mapped[str] = mapped_column(String(16), default="when_needed")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)  # optimistic locking of the operator's edits
    settle_s: Mapped[float | None] = mapped_column()  # the operator's own; wins over what the poller measured
    switch_loss_s: Mapped[float | None] = mapped_column()  # likewise
    # Newest last. Deferred: a list of miners would read its model's 3 kB with each row.
    switches: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]", deferred=True)

    presets: Mapped[list[ModelPreset]] = relationship(back_populates="model", cascade="all, delete-orphan")


class ModelPreset(Base):
    """One rung of a model's merged ladder: firmware numbers by jobs, expected numbers by the operator."""

    __tablename__ = "model_presets"

    model_id: Mapped[int] = mapped_column(ForeignKey("miner_models.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    firmware_power_w: Mapped[int | None] = mapped_column()
    hashrate_ths: Mapped[float | None] = mapped_column()
    modded_psu_required: Mapped[bool] = mapped_column(default=False)
    tuned_count: Mapped[int] = mapped_column(default=0)
    miner_count: Mapped[int] = mapped_column(default=0)
    expected_power_w: Mapped[int | None] = mapped_column()
    expected_hashrate_ths: Mapped[float | None] = mapped_column()

    model: Mapped[MinerModel] = relationship(back_populates="presets")


class Miner(Base):
    """A VNish miner by its MAC. Operator: managed, held, label, unlock_password, retired. Jobs: the rest."""

    __tablename__ = "miners"

    id: Mapped[int] = mapped_column(primary_key=True)
    mac: Mapped[str] = mapped_column(String(17), unique=True)  # lower case
    ip: Mapped[str] = mapped_column(String(45), index=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("miner_models.id"))
    firmware_version: Mapped[str] = mapped_column(String(64), default="")
    hostname: Mapped[str] = mapped_column(String(120), default="")
    hr_measure: Mapped[str] = mapped_column(String(8), default="GH/s")
    api_key: Mapped[Secret | None] = mapped_column(SealedText)  # never shown
    adoption_error: Mapped[str | None] = mapped_column(Text)
    adoption_retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    saved_preset: Mapped[str | None] = mapped_column(String(64))
    ladder_read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # by discovery or a poll
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_by_us_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # our latest stop, not undone by a start

    managed: Mapped[bool] = mapped_column(default=False, server_default=false())
    hold: Mapped[bool] = mapped_column(default=False, server_default=false())
    hold_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None with hold: until released
    hold_reason: Mapped[str | None] = mapped_column(String(200))
    retired: Mapped[bool] = mapped_column(default=False, server_default=false())
    label: Mapped[str] = mapped_column(String(80), default="", server_default="")
    unlock_password: Mapped[Secret | None] = mapped_column(SealedText)  # never shown

    model: Mapped[MinerModel | None] = relationship(lazy="joined")
    status: Mapped[MinerStatusRow | None] = relationship(back_populates="miner", cascade="all, delete-orphan")
    presets: Mapped[list[MinerPreset]] = relationship(cascade="all, delete-orphan")

    @property
    def accounted_power_w(self) -> float | None:
        """What it counts with, by the latest cycle (W)."""
        return None if self.status is None else self.status.accounted_power_w


class MinerPreset(Base):
    """One rung of one machine's own ladder; names and steps differ from board to board."""

    __tablename__ = "miner_presets"

    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    firmware_power_w: Mapped[int | None] = mapped_column()
    hashrate_ths: Mapped[float | None] = mapped_column()
    tuned: Mapped[bool] = mapped_column(default=False)
    modded_psu_required: Mapped[bool] = mapped_column(default=False)


class MinerStatusRow(Base):
    """The latest poll of a miner, updated in place. `polled_*` is the last answer, `missed_polls` counts since."""

    __tablename__ = "miner_status"

    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str] = mapped_column(String(24), default="unknown")  # MinerState
    raw_state: Mapped[str] = mapped_column(String(64), default="")
    state_time_s: Mapped[int | None] = mapped_column()
    description: Mapped[str | None] = mapped_column(String(200))
    failure_code: Mapped[int | None] = mapped_column()
    running_preset: Mapped[str | None] = mapped_column(String(64))
    power_w: Mapped[int | None] = mapped_column()
    power_metered: Mapped[bool] = mapped_column(default=False)
    hashrate_ths: Mapped[float | None] = mapped_column()
    efficiency_w_per_ths: Mapped[float | None] = mapped_column()
    pcb_temp_c: Mapped[int | None] = mapped_column()
    chip_temp_c: Mapped[int | None] = mapped_column()
    uptime_s: Mapped[int | None] = mapped_column()
    throttled_percent: Mapped[int | None] = mapped_column()
    switcher_enabled: Mapped[bool] = mapped_column(default=False)
    restart_required: Mapped[bool | None] = mapped_column()
    fan_duty_percent: Mapped[int | None] = mapped_column()
    fans: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    boards: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    online: Mapped[bool] = mapped_column(default=False)
    missed_polls: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(300))
    accounted_power_w: Mapped[float | None] = mapped_column()  # by the latest cycle
    polled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    polled_monotonic_s: Mapped[float | None] = mapped_column()
    polled_boot_id: Mapped[str | None] = mapped_column(String(40))
    power_factor: Mapped[float | None] = mapped_column()  # learned (core/learning); None: nothing yet
    hashrate_factor: Mapped[float | None] = mapped_column()
    learned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    measured_change_id: Mapped[int | None] = mapped_column()  # whose cost is or was measured (core/switching)
    measured_ths_s: Mapped[float | None] = mapped_column()  # hashed since it was sent; None: the measurement is over
    boards_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # by telemetry, whatever it answered

    miner: Mapped[Miner] = relationship(back_populates="status")


class MinerSample(Base):
    """Status history: one sample of a miner each few minutes. No rowid: 232 instead of 327 MiB a day at full rate."""

    __tablename__ = "miner_samples"

    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    state: Mapped[str] = mapped_column(String(24))
    preset: Mapped[str | None] = mapped_column(String(64))
    power_w: Mapped[int | None] = mapped_column()
    hashrate_ths: Mapped[float | None] = mapped_column()
    pcb_temp_c: Mapped[int | None] = mapped_column()
    chip_temp_c: Mapped[int | None] = mapped_column()
    uptime_s: Mapped[int | None] = mapped_column()

    __table_args__ = ({"sqlite_with_rowid": False},)


class BoardSample(Base):
    """Telemetry history: one hash board at one time."""

    __tablename__ = "board_samples"

    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    board: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(24))
    power_w: Mapped[int | None] = mapped_column()
    hashrate_ths: Mapped[float | None] = mapped_column()
    frequency_mhz: Mapped[float | None] = mapped_column()
    voltage_mv: Mapped[int | None] = mapped_column()
    pcb_temp_c: Mapped[int | None] = mapped_column()
    chip_temp_c: Mapped[int | None] = mapped_column()
    chips_red: Mapped[int | None] = mapped_column()
    chips_orange: Mapped[int | None] = mapped_column()
    chips_grey: Mapped[int | None] = mapped_column()

    __table_args__ = ({"sqlite_with_rowid": False},)


class MinerInspection(Base):
    """What a miner told when an operator last asked it for everything: one row per miner, bounded in size."""

    __tablename__ = "miner_inspections"

    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    chips: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    answers: Mapped[str] = mapped_column(Text)  # JSON, secrets removed; cut at core.inspection.MAX_ANSWERS


class OtherHost(Base):
    """A host in the subnets that answers but is not VNish: shown and counted, left alone."""

    __tablename__ = "other_hosts"

    ip: Mapped[str] = mapped_column(String(45), primary_key=True)
    firmware: Mapped[str] = mapped_column(String(64))
    draws_power: Mapped[bool] = mapped_column(default=False)  # a miner with foreign firmware (not just a web server)
    note: Mapped[str] = mapped_column(String(300), default="")
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
