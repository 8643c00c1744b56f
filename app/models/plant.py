"""The plant: its sources, readings, and answers that were refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, composite, mapped_column

from app.core.readings import Stamp
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
