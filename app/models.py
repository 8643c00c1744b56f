"""Every table, typed, with the unit in the column's name. No queries: those live in `app.store`.

One writer per column: operators (web, api) write what they decide; jobs write what they saw or did.
Spans are measured by stamps (wall clock + monotonic clock + boot), see `app.clock`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from app.core.types import Stamp
from app.extensions import Base, UtcDateTime


class PlantSource(Base):
    """A generator or a metered container of the plant, with the role the operator gave it."""

    __tablename__ = "plant_sources"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))  # SourceKind
    role: Mapped[str] = mapped_column(String(16))  # SourceRole; the operator's
    status: Mapped[str] = mapped_column(String(64), default="unknown")  # in the newest answer; "missing" if absent
    last_value_kw: Mapped[float | None] = mapped_column()  # newest good value
    last_good_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_good_monotonic_s: Mapped[float | None] = mapped_column()
    last_good_boot_id: Mapped[str | None] = mapped_column(String(40))
    role_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    role_changed_by: Mapped[str | None] = mapped_column(String(80))
    judged_after_id: Mapped[int | None] = mapped_column()  # newest reading when the role was said again; operator's
    # What the meter says of its role, by the check of the meters (core/meter_roles.Judgement)
    verdict: Mapped[str | None] = mapped_column(String(16))  # contains | apart
    slope: Mapped[float | None] = mapped_column()
    effect_kw: Mapped[float | None] = mapped_column()
    judged_role: Mapped[str | None] = mapped_column(String(16))
    judged_together: Mapped[list[str] | None] = mapped_column(JSON)
    judged_reading_id: Mapped[int | None] = mapped_column()
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    check_note: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (UniqueConstraint("name", "kind"),)


class PlantReadingRow(Base):
    """A trusted reading: what the plant gave and took at `recorded_at` (collection_timestamp)."""

    __tablename__ = "plant_readings"

    id: Mapped[int] = mapped_column(primary_key=True)
    plant_id: Mapped[str] = mapped_column(String(120), default="")
    aggregator_id: Mapped[int | None] = mapped_column()
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, unique=True)
    generation_kw: Mapped[float] = mapped_column()
    container_kw: Mapped[float] = mapped_column()
    foreign_kw: Mapped[float] = mapped_column()  # sources in role foreign, at that time
    miners_meter_kw: Mapped[float | None] = mapped_column()
    miners_meter_ok: Mapped[bool] = mapped_column(default=True)
    available_kw: Mapped[float] = mapped_column()  # generation - foreign sources; the cycle knows the whole of it
    generation_doubtful: Mapped[bool] = mapped_column(default=False)
    over_generation: Mapped[bool] = mapped_column(default=False)  # measured consumption above measured generation
    confidence: Mapped[float] = mapped_column()
    sources: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # [{name, kind, role, value_kw, status, counted_kw}]
    unchanged_since: Mapped[datetime] = mapped_column(UtcDateTime)  # recorded_at of the first with equal values
    age_at_receipt_s: Mapped[float] = mapped_column()
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_monotonic_s: Mapped[float] = mapped_column()
    received_boot_id: Mapped[str] = mapped_column(String(40))
    received: Mapped[Stamp] = composite("received_at", "received_monotonic_s", "received_boot_id")


class PlantRefusal(Base):
    """An answer, or the lack of one, that must not drive control, and why."""

    __tablename__ = "plant_refusals"

    id: Mapped[int] = mapped_column(primary_key=True)
    refused_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    recorded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text)


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
    switches: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")  # newest last

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
    api_key: Mapped[str | None] = mapped_column(String(64))  # secret: never shown
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
    unlock_password: Mapped[str | None] = mapped_column(String(120))  # secret: never shown

    model: Mapped[MinerModel | None] = relationship(lazy="joined")
    status: Mapped[MinerStatusRow | None] = relationship(back_populates="miner", cascade="all, delete-orphan")
    presets: Mapped[list[MinerPreset]] = relationship(cascade="all, delete-orphan")


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


class OtherHost(Base):
    """A host in the subnets that answers but is not VNish: shown and counted, left alone."""

    __tablename__ = "other_hosts"

    ip: Mapped[str] = mapped_column(String(45), primary_key=True)
    firmware: Mapped[str] = mapped_column(String(64))
    draws_power: Mapped[bool] = mapped_column(default=False)  # a miner with foreign firmware (not just a web server)
    note: Mapped[str] = mapped_column(String(300), default="")
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BalanceCycle(Base):
    """What one cycle saw and decided. Pages show this row and never compute it again."""

    __tablename__ = "balance_cycles"

    id: Mapped[int] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reading_id: Mapped[int | None] = mapped_column(ForeignKey("plant_readings.id", ondelete="SET NULL"))
    mode: Mapped[str] = mapped_column(String(16))
    policy: Mapped[str] = mapped_column(String(16))
    override: Mapped[str] = mapped_column(String(16), default="none")
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    emergency: Mapped[bool] = mapped_column(default=False)
    sent: Mapped[bool] = mapped_column(default=False)  # False: shown only (observe, off)
    generation_kw: Mapped[float] = mapped_column()
    container_kw: Mapped[float] = mapped_column()
    foreign_kw: Mapped[float] = mapped_column()
    overhead_kw: Mapped[float] = mapped_column()
    available_kw: Mapped[float] = mapped_column()
    safety_margin_percent: Mapped[float] = mapped_column()
    target_w: Mapped[float] = mapped_column()
    current_w: Mapped[float] = mapped_column()
    unmanaged_w: Mapped[float] = mapped_column()
    delta_w: Mapped[float] = mapped_column()
    planned_w: Mapped[float] = mapped_column()
    cut_capacity_w: Mapped[float] = mapped_column()
    raise_room_w: Mapped[float] = mapped_column()
    data_age_s: Mapped[float | None] = mapped_column()
    changes_count: Mapped[int] = mapped_column(default=0)
    failed_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    planned: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # changes as decided
    skipped: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # [{mac, reason}]
    duration_s: Mapped[float | None] = mapped_column()
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_monotonic_s: Mapped[float] = mapped_column()
    decided_boot_id: Mapped[str] = mapped_column(String(40))
    decided: Mapped[Stamp] = composite("decided_at", "decided_monotonic_s", "decided_boot_id")
    # CycleMemory: what the next cycle needs
    surplus_since_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    surplus_since_monotonic_s: Mapped[float | None] = mapped_column()
    surplus_since_boot_id: Mapped[str | None] = mapped_column(String(40))
    restart_room_since_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    restart_room_since_monotonic_s: Mapped[float | None] = mapped_column()
    restart_room_since_boot_id: Mapped[str | None] = mapped_column(String(40))
    restart_room_w: Mapped[float] = mapped_column(default=0.0)
    reoptimised_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reoptimised_monotonic_s: Mapped[float | None] = mapped_column()
    reoptimised_boot_id: Mapped[str | None] = mapped_column(String(40))
    reported_w: Mapped[float | None] = mapped_column()  # what all known miners report to draw, to check the meters by
    known_miners: Mapped[int | None] = mapped_column()  # ... and how many they are
    stays: Mapped[str] = mapped_column(Text, default="", server_default="")  # why the others stay where they are


class PresetChangeRow(Base):
    """One change on one miner, from intent to confirmation: the balance event. Written before anything is sent."""

    __tablename__ = "preset_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"))
    cycle_id: Mapped[int | None] = mapped_column(ForeignKey("balance_cycles.id", ondelete="SET NULL"))
    command_id: Mapped[int | None] = mapped_column(ForeignKey("commands.id", ondelete="SET NULL"))
    kind: Mapped[str] = mapped_column(String(8))  # ChangeKind
    origin: Mapped[str] = mapped_column(String(16))  # Origin
    old_preset: Mapped[str | None] = mapped_column(String(64))
    new_preset: Mapped[str | None] = mapped_column(String(64))
    old_power_w: Mapped[float] = mapped_column()
    new_power_w: Mapped[float] = mapped_column()
    reason: Mapped[str] = mapped_column(Text)
    total_before_w: Mapped[float | None] = mapped_column()
    total_after_w: Mapped[float | None] = mapped_column()
    available_w: Mapped[float | None] = mapped_column()
    target_w: Mapped[float | None] = mapped_column()
    attempt: Mapped[int] = mapped_column(default=1)
    outcome: Mapped[str] = mapped_column(String(16), index=True)  # Outcome
    accepted: Mapped[bool | None] = mapped_column()
    restart_required: Mapped[bool | None] = mapped_column()
    restart_accepted: Mapped[bool | None] = mapped_column()
    polled_unchanged: Mapped[bool] = mapped_column(default=False)
    error_message: Mapped[str | None] = mapped_column(String(300))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_monotonic_s: Mapped[float] = mapped_column()
    recorded_boot_id: Mapped[str] = mapped_column(String(40))
    recorded: Mapped[Stamp] = composite("recorded_at", "recorded_monotonic_s", "recorded_boot_id")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # confirmed, not_applied, failed, superseded
    finished_monotonic_s: Mapped[float | None] = mapped_column()
    finished_boot_id: Mapped[str | None] = mapped_column(String(40))

    miner: Mapped[Miner] = relationship()

    __table_args__ = (
        Index("ix_preset_changes_miner_id", "miner_id", "id"),  # the latest change by id: wall clocks are stepped
        Index("ix_preset_changes_recorded", "recorded_at"),
    )


class SettingRow(Base):
    """A run-time setting that differs from its default. History in `SettingChange`."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class SettingChange(Base):
    """Who changed which run-time setting, when, from what to what, why."""

    __tablename__ = "setting_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), index=True)
    old_value: Mapped[Any] = mapped_column(JSON)
    new_value: Mapped[Any] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str | None] = mapped_column(String(300))


class JobRun(Base):
    """The state of one periodic part: one row per job, updated in place (a log of runs would grow for ever)."""

    __tablename__ = "job_runs"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    interval_s: Mapped[float] = mapped_column()
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_monotonic_s: Mapped[float | None] = mapped_column()
    started_boot_id: Mapped[str | None] = mapped_column(String(40))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_monotonic_s: Mapped[float | None] = mapped_column()
    finished_boot_id: Mapped[str | None] = mapped_column(String(40))
    duration_s: Mapped[float | None] = mapped_column()
    ok: Mapped[bool | None] = mapped_column()
    note: Mapped[str | None] = mapped_column(String(300))  # "98 of 100 miners answered"
    last_error: Mapped[str | None] = mapped_column(String(500))
    failures_in_a_row: Mapped[int] = mapped_column(default=0)
    runs: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)


class SchedulerTerm(Base):
    """One reign of one scheduler: from taking the lease on. The newest row is the acting one's."""

    __tablename__ = "scheduler_terms"

    id: Mapped[int] = mapped_column(primary_key=True)
    pid: Mapped[int] = mapped_column()
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_monotonic_s: Mapped[float] = mapped_column()
    started_boot_id: Mapped[str] = mapped_column(String(40))
    started: Mapped[Stamp] = composite("started_at", "started_monotonic_s", "started_boot_id")
    first_fresh_reading_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # one fresh reading since (SPEC 5.5)
    first_full_poll_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # one full status sweep since


class Command(Base):
    """What an operator asked for: written by web and api, claimed and carried out by the commands job."""

    __tablename__ = "commands"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))  # preset | scan | all_to_minimum | stop_all | resume
    miner_id: Mapped[int | None] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    reason: Mapped[str | None] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(16), default="waiting", index=True)  # waiting|running|done|failed
    result: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


__all__ = [
    "BalanceCycle", "BoardSample", "Command", "JobRun", "Miner", "MinerModel", "MinerPreset", "MinerSample",
    "MinerStatusRow", "ModelPreset", "OtherHost", "PlantReadingRow", "PlantRefusal", "PlantSource",
    "PresetChangeRow", "SchedulerTerm", "SettingChange", "SettingRow",
]  # fmt: skip
