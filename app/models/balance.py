"""Balancing: what each cycle decided, and what became of each change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Text, column, false, true
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from app.core.readings import Stamp
from app.extensions import Base, UtcDateTime
from app.models.fleet import Miner

_CHANGED = column("changes_count", Integer) > 0
_LATEST = column("is_latest", Boolean) == true()


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

    __table_args__ = (
        Index("ix_balance_cycles_status", "status", "id"),
        Index("ix_balance_cycles_changed", "id", sqlite_where=_CHANGED, postgresql_where=_CHANGED),
    )


class PresetChangeRow(Base):
    """One change on one miner, from intent to confirmation: the balance event. Written before anything is sent."""

    __tablename__ = "preset_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    miner_id: Mapped[int] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"))
    cycle_id: Mapped[int | None] = mapped_column(ForeignKey("balance_cycles.id", ondelete="SET NULL"), index=True)
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

    # No later change of its miner: for counts and lists of the whole fleet. The limits look for the highest id.
    is_latest: Mapped[bool] = mapped_column(default=True, server_default=false())

    miner: Mapped[Miner] = relationship()

    __table_args__ = (
        Index("ix_preset_changes_miner_id", "miner_id", "id"),  # the latest change by id: wall clocks are stepped
        Index("uq_preset_changes_latest", "miner_id", unique=True, sqlite_where=_LATEST, postgresql_where=_LATEST),
        Index("ix_preset_changes_latest_outcome", "outcome", sqlite_where=_LATEST, postgresql_where=_LATEST),
        Index("ix_preset_changes_recorded", "recorded_at"),
    )
