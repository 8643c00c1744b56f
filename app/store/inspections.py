"""What miners told when an operator asked them for everything: the latest of each."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from app.core.inspection import Inspection
from app.extensions import db, writing
from app.models import MinerInspection


def record(miner_id: int, inspection: Inspection, now: datetime) -> None:
    """Store what a miner told, in place of what it told before."""
    with writing() as session:
        row = session.get(MinerInspection, miner_id)
        if row is None:
            row = MinerInspection(miner_id=miner_id)
            session.add(row)
        row.recorded_at = now
        row.chips = [asdict(chip) for chip in inspection.chips]
        row.answers = inspection.answers


def of(miner_id: int) -> MinerInspection | None:
    """Return what a miner told last; None where it was never asked."""
    return db.session.get(MinerInspection, miner_id)
