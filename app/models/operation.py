"""Running the program: settings, jobs, terms of the scheduler, commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, composite, mapped_column

from app.core.readings import Stamp
from app.extensions import Base, UtcDateTime


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


class OperatorRecord(Base):
    """What an operator stated that no setting can act on. The newest row of a topic counts; the others are history."""

    __tablename__ = "operator_records"

    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(40), index=True)
    answer: Mapped[str] = mapped_column(Text)
    stated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stated_by: Mapped[str] = mapped_column(String(80))


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
    # preset | scan | inspect | mode | all_to_minimum | stop_all | resume
    kind: Mapped[str] = mapped_column(String(24))
    miner_id: Mapped[int | None] = mapped_column(ForeignKey("miners.id", ondelete="CASCADE"))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    reason: Mapped[str | None] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(16), default="waiting", index=True)  # waiting|running|done|failed
    result: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    idempotency_key: Mapped[str | None] = mapped_column(String(200))  # the caller's own name for the order
    request_digest: Mapped[str | None] = mapped_column(String(64))  # of what was asked for with that key

    __table_args__ = (Index("ix_commands_idempotency_key", "created_by", "idempotency_key", unique=True),)
