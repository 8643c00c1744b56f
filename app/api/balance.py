"""The balance: its status, its events, its mode and the buttons for the whole farm."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for

from app import clock
from app.api import answers, body, query
from app.api.blueprint import bp
from app.core.types import Mode, Outcome
from app.models import PresetChangeRow
from app.store import commands, events, settings, status_board


@bp.get("/balance/status")
def status() -> Response:
    """Return what the latest cycle saw and decided, and how the farm is.

    `current_consumption_w` and `managed_consumption_w` are the accounted power of the managed miners, the number that
    is held against the target; `expected_consumption_w` is that once the cycle's changes have happened, and
    `expected_delta_w` what is then left to the target. `measured_power_w` is what online miners report by themselves.
    """
    board = status_board.load(clock.stamp())
    cycle, reading, counts = board.cycle, board.reading, board.counts
    seen = cycle or reading
    target_w = cycle.target_w if cycle else 0.0
    current_w = cycle.current_w if cycle else 0.0
    expected_w = board.expected_consumption_w
    return jsonify(
        {
            "status": board.status,
            "plant_generation_kw": seen.generation_kw if seen else 0.0,
            "plant_container_kw": seen.container_kw if seen else 0.0,
            "available_power_kw": seen.available_kw if seen else 0.0,
            "safety_margin_percent": board.settings.safety_margin_percent,
            "target_power_kw": target_w / 1000,
            "target_power_w": target_w,
            "current_consumption_w": current_w,
            "managed_consumption_w": current_w,
            "unmanaged_consumption_w": cycle.unmanaged_w if cycle else 0.0,
            "expected_consumption_w": expected_w,
            "expected_delta_w": target_w - expected_w,
            "managed_miners_count": counts.managed,
            "last_reading_at": answers.instant(reading.recorded_at if reading else None),
            # what the pages need beside
            "mode": board.settings.mode,
            "override": board.settings.override,
            "policy": board.settings.policy,
            "reason": board.reason,
            "emergency": cycle.emergency if cycle else False,
            "foreign_kw": cycle.foreign_kw if cycle else 0.0,
            "overhead_kw": cycle.overhead_kw if cycle else 0.0,
            "data_age_s": board.reading_age_s,
            "refused_readings_24h": board.refusals_24h,
            "contradicted_sources": [
                {
                    "names": list(found.names),
                    "role": found.role,
                    "slope": found.slope,
                    "effect_kw": found.effect_kw,
                    "since": answers.instant(found.decided_at),
                    "sentence": found.sentence,
                }
                for found in board.contradictions
            ],
            "cycle_id": cycle.id if cycle else None,
            "cycle_at": answers.instant(cycle.recorded_at if cycle else None),
            "cycle_age_s": board.cycle_age_s,
            "cut_capacity_w": cycle.cut_capacity_w if cycle else 0.0,
            "raise_capacity_w": cycle.raise_room_w if cycle else 0.0,
            "miners_count": counts.total,
            "online_miners_count": counts.online,
            "offline_miners_count": counts.offline,
            "held_miners_count": counts.held,
            "failing_miners_count": counts.failing,
            "not_applied_miners_count": counts.not_applied,
            "other_firmware_count": counts.other_firmware,
            "hashrate_ths": counts.hashrate_ths,
            "efficiency_w_per_ths": counts.efficiency_w_per_ths,
            "measured_power_w": counts.measured_power_w,
        }
    )


@bp.get("/balance/events")
def balance_events() -> Response:
    """Return the changes on miners, newest first."""
    miner_id = query.optional_whole("miner_id", 1, query.LARGEST_ID)
    return jsonify([_event(row) for row in events.recent(query.limit(), miner_id=miner_id)])


@bp.post("/balance/mode")
def change_mode() -> Response:
    """Switch between observe, armed and off. It is in force at once; the next cycle acts by it."""
    wanted = body.read(("mode", "reason"), ("mode",))
    mode = wanted["mode"]
    if not isinstance(mode, str) or mode not in set(Mode):
        body.refuse("mode", f"one of {', '.join(Mode)}", mode)
    settings.change("mode", mode, answers.who(), body.reason(wanted), clock.utcnow())
    response = jsonify({"mode": mode, "status": "done", "url": url_for("api.status")})
    response.status_code = 202
    response.headers["Location"] = url_for("api.status")
    return response


@bp.post("/balance/all-to-minimum")
def all_to_minimum() -> Response:
    """Order every managed miner to its lowest preset, until resume."""
    return _order("all_to_minimum")


@bp.post("/balance/stop-all")
def stop_all() -> Response:
    """Order mining to stop on every managed miner, until resume."""
    return _order("stop_all")


@bp.post("/balance/resume")
def resume() -> Response:
    """End all-to-minimum or stop-all: the balance decides again."""
    return _order("resume")


def _order(kind: str) -> Response:
    reason = body.reason(body.read(("reason",), may_be_empty=True))
    return answers.accepted(commands.enqueue(kind, by=answers.who(), now=clock.utcnow(), reason=reason))


def _event(row: PresetChangeRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "miner_id": row.miner_id,
        "old_preset": row.old_preset,
        "new_preset": row.new_preset,
        "old_power": row.old_power_w,
        "new_power": row.new_power_w,
        "reason": row.reason,
        "total_consumption_before": row.total_before_w or 0.0,
        "total_consumption_after": row.total_after_w or 0.0,
        "available_power": row.available_w or 0.0,
        "target_power": row.target_w or 0.0,
        "success": row.outcome == Outcome.CONFIRMED,
        "error_message": row.error_message,
        "recorded_at": answers.instant(row.recorded_at),
        "outcome": row.outcome,
        "kind": row.kind,
        "origin": row.origin,
        "attempt": row.attempt,
        "mac": row.miner.mac,
        "cycle_id": row.cycle_id,
        "command_id": row.command_id,
        "finished_at": answers.instant(row.finished_at),
    }
