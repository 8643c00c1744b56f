"""The balance: its status, its events, its mode and the buttons for the whole farm."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify, request
from werkzeug.exceptions import BadRequest

from app import clock
from app.api import answers, body, listing, order_key, query
from app.api.blueprint import bp
from app.config import Config
from app.core import plan as planning
from app.core import settings as rules
from app.core.types import Mode, Outcome, Plan
from app.errors import SettingError
from app.models import BalanceCycle, PresetChangeRow
from app.store import commands, cycles, events, snapshot, status_board, terms

DEFAULT_CYCLES = 20  # each names every miner it passed over: 3,000 of them are 300 kB


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
    """Return the changes on miners, newest first; `before` (an event's id) reads on."""
    miner_id, limit = query.optional_whole("miner_id", 1, query.LARGEST_ID), query.limit()
    rows = events.recent(limit + 1, miner_id=miner_id, before_id=query.before())
    return listing.by_content(listing.first(rows, limit, _event, _before))


@bp.get("/balance/cycles")
def balance_cycles() -> Response:
    """Return the latest cycles with what each decided and why, newest first; `before` (a cycle's id) reads on.

    `stays` holds for every managed miner that is in neither list. Skipped miners are kept for half an hour.
    """
    limit = query.limit(DEFAULT_CYCLES)
    rows = cycles.recent(limit + 1, before_id=query.before())
    return listing.by_content(listing.first(rows, limit, _cycle, _before))


@bp.get("/balance/preview")
def preview() -> Response:
    """Return what a cycle at this moment would do; nothing is sent, nothing is stored.

    `policy`, and `set` (name=value, as often as needed), look at settings that are not in force. `sent` of a change:
    whether it would go out.
    """
    changed = _tried_settings()
    config: Config = current_app.extensions["powerhive_config"]
    term = terms.acting()
    term_id = None if term is None else term.id
    picture = snapshot.load(
        clock.stamp(),
        interval_s=config.balance_interval_s,
        reading_interval_s=config.plant_interval_s,
        term_id=term_id,
        changed=changed,
    )
    plan = planning.plan(picture)
    out = set(plan.sendable)
    return jsonify(
        {
            "policy": picture.settings.policy,
            "mode": picture.settings.mode,
            "override": picture.settings.override,
            "tried": changed,
            "send": plan.send,
            **_decided(plan),
            "changes": [cycles.change_as_json(change) | {"sent": change in out} for change in plan.changes],
            "skipped": [cycles.skip_as_json(skip) for skip in plan.skipped],
        }
    )


@bp.post("/balance/mode")
def change_mode() -> Response:
    """Switch between observe, armed and off: in force at once, so its order is done; the next cycle acts by it."""
    wanted = body.read(("mode", "reason"), ("mode",))
    mode = wanted["mode"]
    if not isinstance(mode, str) or mode not in set(Mode):
        body.refuse("mode", f"one of {', '.join(Mode)}", mode)
    why, once = body.reason(wanted), order_key.read(wanted)
    command_id = commands.change_mode(mode, by=answers.who(), now=clock.utcnow(), reason=why, once=once)
    return answers.accepted(command_id, "done", mode=mode)


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


def _before(row: PresetChangeRow | BalanceCycle) -> dict[str, Any]:
    return {"before": row.id}


def _tried_settings() -> dict[str, Any]:
    policy = request.args.get("policy")
    try:
        return rules.read([*request.args.getlist("set"), *([] if policy is None else [f"policy={policy}"])])
    except SettingError as error:
        raise BadRequest(str(error)) from error


def _order(kind: str) -> Response:
    wanted = body.read(("reason",), may_be_empty=True)
    why, once = body.reason(wanted), order_key.read(wanted)
    return answers.accepted(commands.enqueue(kind, by=answers.who(), now=clock.utcnow(), reason=why, once=once))


def _cycle(row: BalanceCycle) -> dict[str, Any]:
    return {
        "id": row.id,
        "recorded_at": answers.instant(row.recorded_at),
        "mode": row.mode,
        "policy": row.policy,
        "override": row.override,
        "sent": row.sent,
        "safety_margin_percent": row.safety_margin_percent,
        **_decided(row),
        "changes_count": row.changes_count,
        "failed_count": row.failed_count,
        "skipped_count": row.skipped_count,
        "changes": row.planned,
        "skipped": row.skipped,
    }


def _decided(decided: BalanceCycle | Plan) -> dict[str, Any]:
    """What a cycle decided for the farm, in the words of `/api/balance/status`; planned: with its changes."""
    return {
        "status": decided.status,
        "reason": decided.reason,
        "stays": decided.stays,
        "emergency": decided.emergency,
        "plant_generation_kw": decided.generation_kw,
        "foreign_kw": decided.foreign_kw,
        "overhead_kw": decided.overhead_kw,
        "available_power_kw": decided.available_kw,
        "target_power_w": decided.target_w,
        "current_consumption_w": decided.current_w,
        "planned_consumption_w": decided.planned_w,
        "unmanaged_consumption_w": decided.unmanaged_w,
        "data_age_s": decided.data_age_s,
    }


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
