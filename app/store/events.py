"""The balance events: every change on every miner, newest first."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.extensions import db
from app.models import Miner, PresetChangeRow


def recent(
    limit: int = 100,
    *,
    miner_id: int | None = None,
    outcome: str | None = None,
    before_id: int | None = None,
) -> list[PresetChangeRow]:
    """Return the latest changes with their miners; `before_id` continues an earlier list."""
    query = select(PresetChangeRow).options(joinedload(PresetChangeRow.miner).lazyload(Miner.model))
    if miner_id is not None:
        query = query.where(PresetChangeRow.miner_id == miner_id)
    if outcome:
        query = query.where(PresetChangeRow.outcome == outcome)
    if before_id is not None:
        query = query.where(PresetChangeRow.id < before_id)
    return list(db.session.scalars(query.order_by(PresetChangeRow.id.desc()).limit(limit)))
