"""A miner's history as means of equal steps of time; state and preset are those of a step's last sample.

Samples are few (one in minutes, kept for a month), so all of a miner's are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select

from app.extensions import db
from app.models import BoardSample, MinerSample
from app.store.epoch import epoch_s


def samples(
    miner_id: int, limit: int, since: datetime | None, until: datetime | None, step_s: int
) -> list[MinerSample]:
    """Return the newest `limit` steps with since <= time < until, newest first; `recorded_at` is when a step begins."""
    table = MinerSample
    within = _within(table, miner_id, since, until)
    step = (epoch_s(table.recorded_at) // step_s).label("step")
    means = select(
        step, func.max(table.recorded_at).label("last"), func.avg(table.power_w).label("power_w"),
        func.avg(table.hashrate_ths).label("hashrate_ths"), func.avg(table.pcb_temp_c).label("pcb_temp_c"),
        func.avg(table.chip_temp_c).label("chip_temp_c"),
    ).where(*within).group_by(step).order_by(step.desc()).limit(limit).subquery()  # fmt: skip
    last = and_(table.miner_id == miner_id, table.recorded_at == means.c.last)
    rows = db.session.execute(select(means, table).join(table, last).order_by(means.c.step.desc()))
    return [
        MinerSample(
            miner_id=miner_id,
            recorded_at=_begin(row.step, step_s),
            state=row.MinerSample.state,
            preset=row.MinerSample.preset,
            uptime_s=row.MinerSample.uptime_s,
            hashrate_ths=None if row.hashrate_ths is None else float(row.hashrate_ths),
            **_whole(row, ("power_w", "pcb_temp_c", "chip_temp_c")),
        )
        for row in rows
    ]


def board_samples(
    miner_id: int, limit: int, since: datetime | None, until: datetime | None, step_s: int
) -> list[BoardSample]:
    """Return the newest steps of each board, at most `limit` rows, newest first, boards in order within a step."""
    table = BoardSample
    within = _within(table, miner_id, since, until)
    step = (epoch_s(table.recorded_at) // step_s).label("step")
    means = select(
        step, table.board, func.max(table.recorded_at).label("last"), func.avg(table.power_w).label("power_w"),
        func.avg(table.hashrate_ths).label("hashrate_ths"), func.avg(table.frequency_mhz).label("frequency_mhz"),
        func.avg(table.voltage_mv).label("voltage_mv"), func.avg(table.pcb_temp_c).label("pcb_temp_c"),
        func.avg(table.chip_temp_c).label("chip_temp_c"),
    ).where(*within).group_by(step, table.board).order_by(step.desc(), table.board).limit(limit).subquery()  # fmt: skip
    last = and_(table.miner_id == miner_id, table.recorded_at == means.c.last, table.board == means.c.board)
    rows = db.session.execute(select(means, table).join(table, last).order_by(means.c.step.desc(), means.c.board))
    return [
        BoardSample(
            miner_id=miner_id,
            recorded_at=_begin(row.step, step_s),
            board=row.board,
            state=row.BoardSample.state,
            hashrate_ths=None if row.hashrate_ths is None else float(row.hashrate_ths),
            frequency_mhz=None if row.frequency_mhz is None else float(row.frequency_mhz),
            chips_red=row.BoardSample.chips_red,
            chips_orange=row.BoardSample.chips_orange,
            chips_grey=row.BoardSample.chips_grey,
            **_whole(row, ("power_w", "voltage_mv", "pcb_temp_c", "chip_temp_c")),
        )
        for row in rows
    ]


def _within(table: Any, miner_id: int, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    within = [table.miner_id == miner_id]
    if since is not None:
        within.append(table.recorded_at >= since)
    if until is not None:
        within.append(table.recorded_at < until)
    return within


def _begin(step: Any, step_s: int) -> datetime:
    return datetime.fromtimestamp(int(step) * step_s, UTC)


def _whole(row: Any, names: Iterable[str]) -> dict[str, int | None]:
    return {name: None if getattr(row, name) is None else round(getattr(row, name)) for name in names}
