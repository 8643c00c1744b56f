"""The miners: what they do, what they did, and what the operator decides about them. Secrets go in, never out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import Response, jsonify, request

from app import clock
from app.api import answers, body, listing, order_key, query
from app.api.blueprint import bp
from app.models import BoardSample, Miner, MinerSample, MinerStatusRow
from app.store import commands, cycles, fleet, fleet_list, sample_steps
from app.store.fleet_list import FleetFilter

GHS_PER_THS = 1000.0
LONGEST_HOLD_MIN = 60 * 24 * 366
MINER_FIELDS = ("managed", "unlock_pass", "label", "hold", "hold_minutes", "hold_reason", "retired")


@bp.get("/miners")
def all_miners() -> Response:
    """Return miners, newest first; how many match in all is in the header X-Total-Count. `before` (an id) reads on."""
    model = request.args.get("model", "")
    wanted = FleetFilter(managed=query.boolean("managed"), state=_state(), model=model, retired=None)
    limit, offset = query.limit(query.MAX_LIMIT), query.whole("offset", 0, query.LARGEST_ID, 0)
    after = replace(wanted, before_id=query.before())
    rows = fleet_list.listed(after, "-added", limit=limit + 1, offset=offset)
    response = listing.first(rows, limit, _miner, lambda last: {"before": last.id, "offset": 0})
    response.headers["X-Total-Count"] = str(fleet_list.count(wanted))
    return listing.by_content(response)


@bp.get("/miners/<mac>")
def one_miner(mac: str) -> Response:
    """Return one miner by its MAC."""
    return jsonify(_miner(fleet.get(mac)))


@bp.patch("/miners/<mac>")
def change_miner(mac: str) -> Response:
    """Change what the operator decides about a miner; `hold_minutes` and `hold_reason` go with `hold`."""
    fleet.get(mac)
    wanted = body.read(MINER_FIELDS)
    now = clock.utcnow()
    changes: dict[str, Any] = {name: body.boolean(wanted, name) for name in ("managed", "retired") if name in wanted}
    if "label" in wanted:
        changes["label"] = body.text(wanted, "label", 80) or ""
    if "unlock_pass" in wanted:
        changes["unlock_password"] = _password(wanted)
    minutes = body.whole_number(wanted, "hold_minutes", 1, LONGEST_HOLD_MIN)
    why = body.text(wanted, "hold_reason", 200)
    if "hold" in wanted:
        hold = body.boolean(wanted, "hold")
        changes["hold"] = hold
        changes["hold_until"] = now + timedelta(minutes=minutes) if hold and minutes else None
        changes["hold_reason"] = why if hold else None
    elif minutes is not None or why is not None:
        body.refuse("hold", "given (true) where hold_minutes or hold_reason is", None)
    return jsonify(_miner(fleet.edit(mac, changes, now, who=answers.who())))


@bp.get("/miners/<mac>/explain")
def explain(mac: str) -> Response:
    """Return what the latest cycle decided for a miner, and why."""
    found = cycles.explain(mac)
    return jsonify(
        {
            "mac": found.mac,
            "decision": found.decision,
            "reason": found.reason,
            "accounted_power_w": found.accounted_power_w,
            "change": found.change,
            "sent": found.sent,
            "cycle_id": found.cycle_id,
            "decided_at": answers.instant(found.decided_at),
        }
    )


@bp.get("/miners/<mac>/statuses")
def statuses(mac: str) -> Response:
    """Return a miner's status history, newest first; `step` (seconds) asks for the means of such steps."""
    miner, limit, since, until, step_s = _asked_history(mac)
    if step_s is None:
        rows = fleet.samples(miner.id, limit + 1, since, until)
    else:
        rows = sample_steps.samples(miner.id, limit + 1, since, until, step_s)
    answer = listing.first(rows, limit, _sample, lambda last: {"until": answers.instant(last.recorded_at)})
    return listing.by_content(answer)


@bp.get("/miners/<mac>/telemetry")
def telemetry(mac: str) -> Response:
    """Return a miner's hash-board history, newest first; `step` (seconds) asks for the means of such steps."""
    miner, limit, since, until, step_s = _asked_history(mac)
    if step_s is None:
        rows = fleet.board_samples(miner.id, limit, since, until)
    else:
        rows = sample_steps.board_samples(miner.id, limit, since, until, step_s)
    return listing.by_content(jsonify([_board(row) for row in rows]))


@bp.post("/miners/<mac>/preset")
def order_preset(mac: str) -> Response:
    """Order a preset by hand; `hold_minutes` keeps the balance away from the miner for that long.

    What the rules forbid at this moment is 409 at once; they are asked again when the order is carried out.
    """
    fleet.get(mac)
    wanted = body.read(("preset", "hold_minutes", "reason"), ("preset",))
    preset = wanted["preset"]
    if not isinstance(preset, str):
        body.refuse("preset", "the name of one of this miner's presets", preset)
    command_id = commands.enqueue_preset(
        mac,
        preset,
        by=answers.who(),
        now=clock.utcnow(),
        hold_minutes=body.whole_number(wanted, "hold_minutes", 1, LONGEST_HOLD_MIN),
        reason=body.reason(wanted),
        judged=clock.stamp(),
        once=order_key.read(wanted),
    )
    return answers.accepted(command_id)


def _password(wanted: dict[str, Any]) -> str | None:
    """The new unlock password, blanks and all; "" and null mean the deployment's default. Never shown, even wrong."""
    value = wanted["unlock_pass"]
    if value is not None and (not isinstance(value, str) or len(value) > 120 or not value.isprintable()):
        body.refuse("unlock_pass", "a text of up to 120 characters, or null for the default", "a value not shown here")
    return value or None


def _asked_history(mac: str) -> tuple[Miner, int, datetime | None, datetime | None, int | None]:
    asked = query.limit(), query.instant("since"), query.instant("until"), query.step_s()
    return (fleet.get(mac), *asked)


def _state() -> str:
    online = query.boolean("online")
    return "" if online is None else ("online" if online else "offline")


def _miner(miner: Miner) -> dict[str, Any]:
    status, held = miner.status, fleet.is_held(miner, clock.utcnow())
    return {
        "id": miner.id,
        "ip": miner.ip,
        "online": bool(status and status.online),
        "managed": miner.managed,
        "model": miner.model.alias if miner.model else None,
        "latest_status": _status(status) if status and status.polled_at else None,
        "created_at": answers.instant(miner.created_at),
        "updated_at": answers.instant(miner.updated_at),
        "mac": miner.mac,
        "label": miner.label,
        "hostname": miner.hostname,
        "firmware_version": miner.firmware_version,
        "hold": held,
        "hold_until": answers.instant(miner.hold_until) if held else None,
        "hold_reason": miner.hold_reason if held else None,
        "retired": miner.retired,
        "unlock_pass_set": miner.unlock_password is not None,
        "adoption_error": miner.adoption_error,
        "last_seen_at": answers.instant(miner.last_seen_at),
        "power_factor": _factor(status.power_factor if status else None),
        "hashrate_factor": _factor(status.hashrate_factor if status else None),
        "learned_at": answers.instant(status.learned_at) if status else None,
    }


def _factor(learned: float | None) -> float:
    """A factor as it counts: 1 until something is learned (then `learned_at` says when)."""
    return 1.0 if learned is None else round(learned, 4)


def _status(status: MinerStatusRow) -> dict[str, Any]:
    ths = status.hashrate_ths or 0.0
    return {
        "state": status.state,
        "preset": status.running_preset,
        "hashrate": ths * GHS_PER_THS,
        "hashrate_ths": ths,
        "power_consumption": status.power_w or 0,
        "uptime": status.uptime_s or 0,
        "fans": status.fans,
        "chains": status.boards,
        "recorded_at": answers.instant(status.polled_at),
        "state_time": status.state_time_s or 0,
        "description": status.description,
        "failure_code": status.failure_code,
        "power_metered": status.power_metered,
        "efficiency_w_per_ths": status.efficiency_w_per_ths or 0.0,
        "pcb_temp_c": status.pcb_temp_c,
        "chip_temp_c": status.chip_temp_c,
        "fan_duty_percent": status.fan_duty_percent,
        "throttled_percent": status.throttled_percent,
        "restart_required": status.restart_required,
        "missed_polls": status.missed_polls,
        "last_error": status.last_error,
        "accounted_power_w": status.accounted_power_w,
    }


def _sample(sample: MinerSample) -> dict[str, Any]:
    ths = sample.hashrate_ths or 0.0
    return {
        "state": sample.state,
        "preset": sample.preset,
        "hashrate": ths * GHS_PER_THS,
        "hashrate_ths": ths,
        "power_consumption": sample.power_w or 0,
        "uptime": sample.uptime_s or 0,
        "pcb_temp_c": sample.pcb_temp_c,
        "chip_temp_c": sample.chip_temp_c,
        "recorded_at": answers.instant(sample.recorded_at),
    }


def _board(sample: BoardSample) -> dict[str, Any]:
    return {
        "recorded_at": answers.instant(sample.recorded_at),
        "board": sample.board,
        "state": sample.state,
        "power_w": sample.power_w or 0,
        "hashrate_ths": sample.hashrate_ths or 0.0,
        "frequency_mhz": sample.frequency_mhz,
        "voltage_mv": sample.voltage_mv,
        "pcb_temp_c": sample.pcb_temp_c,
        "chip_temp_c": sample.chip_temp_c,
        "chips_red": sample.chips_red,
        "chips_orange": sample.chips_orange,
        "chips_grey": sample.chips_grey,
    }
