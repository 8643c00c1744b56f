"""The balance's part of the description."""

from __future__ import annotations

from typing import Any

from app.api.description.words import (
    BEFORE,
    REASON,
    body,
    call,
    choice,
    each,
    flag,
    limit,
    listed,
    moment,
    number,
    or_null,
    order,
    query,
    record,
    ref,
    text,
    whole,
)  # fmt: skip
from app.api.query import LARGEST_ID
from app.core.settings import SPECS
from app.core.types import BalanceStatus, ChangeKind, Mode, Origin, Outcome, Override

TAG = "Balance"
_MODE = choice("`observe` plans and shows, `armed` sends, `off` does neither", Mode, "armed")
_POLICY = choice("How presets are chosen", ("stepwise", "economic"), "economic")
_OVERRIDE = choice("What a button ordered for the whole farm, until resume", Override, "none")
_STATUS = choice("How the farm stands to the plant", BalanceStatus, "OK")
_MAC = text("MAC address of the miner", "02:00:00:00:00:01")

_DECIDED: dict[str, Any] = {
    "status": _STATUS,
    "reason": text("Why, for the farm, in one sentence", "2,531 kW used, 313 kW below the target of 2,844 kW"),
    "stays": text("Why every managed miner that is in neither list stays", "stays: surplus has lasted 40 of 180 s"),
    "emergency": flag("Whether the margin was used up", False),
    "plant_generation_kw": number("Generation, kW", 3200.0),
    "foreign_kw": number("Load that PowerHive cannot control, kW", 40.0),
    "overhead_kw": number("What meters in the role miners see beside the miners, kW", 0.0),
    "available_power_kw": number("Generation without that load, kW", 3160.0),
    "target_power_w": number("What the managed miners may draw, W", 2_844_000.0),
    "current_consumption_w": number("What they count with, W", 2_531_000.0),
    "planned_consumption_w": number("What they will count with after these changes, W", 2_600_000.0),
    "unmanaged_consumption_w": number("What known unmanaged miners draw, W", 0.0),
    "data_age_s": or_null(number("Age of the reading it was decided on, s", 4.2)),
}
_CHANGE: dict[str, Any] = {
    "miner_id": whole("Id of the miner", 2),
    "mac": _MAC,
    "kind": choice("What was to be done", ChangeKind, "preset"),
    "old_preset": or_null(text("Preset before", "2300")),
    "new_preset": or_null(text("Preset after", "2800")),
    "old_power_w": number("Accounted power before, W", 2300.0),
    "new_power_w": number("Power after, W", 2800.0),
    "reason": text("Why", "2300 -> 2800: takes 500 W for 13.0 TH/s"),
    "origin": choice("Who decided it", Origin, "balancer"),
}

SCHEMAS = {
    "Contradiction": record(
        "Meters whose role is contradicted by what they measure: nothing is raised until somebody decides",
        names=each(text("Name of a meter", "C1"), "The meters"),
        role=text("The role they have", "foreign"),
        slope=number("kW that they move per kW of the miners", 1.04),
        effect_kw=number("What the wrong role is worth, kW", 412.0),
        since=or_null(moment("Since when")),
        sentence=text("The same for people", "C1 is in the role foreign, but it follows the miners"),
    ),
    "BalanceStatus": record(
        "What the latest cycle saw and decided, and how the farm is",
        status=_STATUS,
        plant_generation_kw=number("What all turbines give, kW", 3200.0),
        plant_container_kw=number("What the plant's meters see on its consumption sources, kW", 40.0),
        available_power_kw=number("Generation without the load that PowerHive cannot control, kW", 3160.0),
        safety_margin_percent=number("Share of the available power that stays unused, %", 10.0),
        target_power_kw=number("What the managed miners may draw, kW", 2844.0),
        target_power_w=number("The same, W", 2_844_000.0),
        current_consumption_w=number("Accounted power of the managed miners, W: what is held against the target",
                                     2_531_000.0),
        managed_consumption_w=number("The same, W", 2_531_000.0),
        unmanaged_consumption_w=number("What known unmanaged miners draw, W", 0.0),
        expected_consumption_w=number("Accounted power once the cycle's changes have happened, W", 2_600_000.0),
        expected_delta_w=number("What is then left to the target, W", 244_000.0),
        managed_miners_count=whole("Managed miners", 240),
        last_reading_at=or_null(moment("When the plant took the newest trusted reading")),
        mode=_MODE,
        override=_OVERRIDE,
        policy=_POLICY,
        reason=text("The status in one sentence", "313 kW below the target; raising once the surplus has lasted 30 s"),
        emergency=flag("Whether the margin is used up", False),
        foreign_kw=number("Load that PowerHive cannot control, kW", 40.0),
        overhead_kw=number("What meters in the role miners see beside the miners, kW", 0.0),
        data_age_s=or_null(number("Age of the newest reading, s", 4.2)),
        refused_readings_24h=whole("Answers of the plant that were refused in 24 h", 0),
        contradicted_sources=each(ref("Contradiction"), "Meters that contradict their role"),
        cycle_id=or_null(whole("The latest cycle", 4711)),
        cycle_at=or_null(moment("When it decided")),
        cycle_age_s=or_null(number("How long ago that is, s", 3.1)),
        cut_capacity_w=number("How much could be cut, W", 800_000.0),
        raise_capacity_w=number("How much could be raised, W", 400_000.0),
        miners_count=whole("Known miners without retired ones", 300),
        online_miners_count=whole("Those that answer", 297),
        offline_miners_count=whole("Those that do not", 3),
        held_miners_count=whole("Those an operator holds", 1),
        failing_miners_count=whole("Those in the state failure", 0),
        not_applied_miners_count=whole("Those that did not do what they were last told", 0),
        other_firmware_count=whole("Miners with another firmware: left alone", 2),
        hashrate_ths=number("What online miners hash, TH/s", 25_400.0),
        efficiency_w_per_ths=number("What a TH/s costs them, W per TH/s", 27.1),
        measured_power_w=number("What they report to draw, W", 688_000.0),
    ),
    "Event": record(
        "One change on one miner, from intent to confirmation",
        id=whole("Id", 4711),
        miner_id=whole("Id of the miner", 2),
        old_preset=or_null(text("Preset before", "2300")),
        new_preset=or_null(text("Preset after", "2800")),
        old_power=number("Accounted power before, W", 2300.0),
        new_power=number("Power after, W", 2800.0),
        reason=text("Why", "surplus of 313 kW has lasted 30 s"),
        total_consumption_before=number("Accounted power of the farm before, W", 2_531_000.0),
        total_consumption_after=number("... and after, W", 2_531_500.0),
        available_power=number("Available power then, W", 3_160_000.0),
        target_power=number("Target then, W", 2_844_000.0),
        success=flag("Whether it was read back: the outcome is `confirmed`", True),
        error_message=or_null(text("What went wrong", "the miner refused: 500")),
        recorded_at=moment("When it was decided to send it"),
        outcome=choice("What became of it", Outcome, "confirmed"),
        kind=choice("What was to be done", ChangeKind, "preset"),
        origin=choice("Who decided it", Origin, "balancer"),
        attempt=whole("How many times in a row it was sent, 1 = first", 1),
        mac=_MAC,
        cycle_id=or_null(whole("The cycle that decided it", 4711)),
        command_id=or_null(whole("The order it carries out", 12)),
        finished_at=or_null(moment("When its outcome was known")),
    ),
    "Change": record("A change as a cycle decided it", **_CHANGE),
    "Skip": record("A managed miner that was passed over", mac=_MAC, reason=text("Why", "held by an operator")),
    "Cycle": record(
        "What one cycle decided and why",
        id=whole("Id", 4711),
        recorded_at=moment("When"),
        mode=_MODE,
        policy=_POLICY,
        override=_OVERRIDE,
        sent=flag("Whether its changes went out", True),
        safety_margin_percent=number("Share of the available power that stayed unused, %", 10.0),
        **_DECIDED,
        changes_count=whole("Changes decided", 1),
        failed_count=whole("Changes that failed", 0),
        skipped_count=whole("Miners passed over", 1),
        changes=each(ref("Change"), "What was decided"),
        skipped=each(ref("Skip"), "Miners passed over; kept for half an hour"),
    ),
    "PreviewChange": record(
        "A change, and whether it would go out", **_CHANGE, sent=flag("Whether it would be sent", True)
    ),
    "Preview": record(
        "What a cycle at this moment would do; nothing is sent or stored",
        policy=_POLICY,
        mode=_MODE,
        override=_OVERRIDE,
        tried={"type": "object", "description": "The settings looked at that are not in force",
               "examples": [{"safety_margin_percent": 5.0}]},
        send=flag("Whether its changes would go out", True),
        **_DECIDED,
        changes=each(ref("PreviewChange"), "What would be done"),
        skipped=each(ref("Skip"), "Miners that would be passed over"),
    ),
    "ModeChange": body("The mode wanted", required=("mode",), mode=_MODE, reason=REASON),
    "ModeAccepted": record(
        "The mode is in force: its order is done",
        id=whole("Id of the order", 12),
        status=choice("It is done at once", ("done",), "done"),
        url=text("Where to look", "/api/commands/12"),
        mode=_MODE,
    ),
    "Why": body("An order for the whole farm; the body may be empty", reason=REASON),
}  # fmt: skip

_SET = query(
    "set",
    each(text("A setting to try, as name=value", "horizon_s=600", pattern=f"^({'|'.join(SPECS)})=.+$"),
         "Try settings as name=value; as often as needed", examples=[["horizon_s=600"]]),
    style="form", explode=True,
)  # fmt: skip
_LIFTED = "Lifted by `POST /api/balance/resume`. In force from the next cycle on, even before the order is carried out."
_GIVEN = {"with a reason": {"reason": "flood at the intake"}, "without": {}}

PATHS = {
    "/api/balance/status": {
        "get": call("getBalanceStatus", "How the farm stands to the plant", ref("BalanceStatus"), tag=TAG),
    },
    "/api/balance/events": {
        "get": listed(
            "listEvents", "Changes on miners", ref("Event"), tag=TAG, errors=(400,),
            parameters=(
                query("miner_id", whole("Only of this miner", 2, minimum=1, maximum=LARGEST_ID)), limit(), BEFORE,
            ),
        ),
    },
    "/api/balance/cycles": {
        "get": listed(
            "listCycles", "Cycles with all that they decided and why", ref("Cycle"), tag=TAG, errors=(400,),
            parameters=(limit(20), BEFORE),
        ),
    },
    "/api/balance/preview": {
        "get": call(
            "previewBalance", "What a cycle would do now, also under other settings", ref("Preview"), tag=TAG,
            parameters=(query("policy", choice("Try this policy", ("stepwise", "economic"), "stepwise")), _SET),
            errors=(400,),
        ),
    },
    "/api/balance/mode": {
        "post": order("changeMode", "Switch between observe, armed and off", ref("ModeChange"), tag=TAG,
                      answer=ref("ModeAccepted"),
                      given={"arm": {"mode": "armed", "reason": "checked"}, "watch only": {"mode": "observe"}}),
    },
    "/api/balance/all-to-minimum": {
        "post": order("orderAllToMinimum", "Bring every managed miner to its lowest preset", ref("Why"), tag=TAG,
                      about=_LIFTED, given=_GIVEN),
    },
    "/api/balance/stop-all": {
        "post": order("orderStopAll", "Stop mining on every managed miner", ref("Why"), tag=TAG, about=_LIFTED,
                      given=_GIVEN),
    },
    "/api/balance/resume": {
        "post": order("orderResume", "End all-to-minimum or stop-all: the balance decides again", ref("Why"), tag=TAG,
                      given=_GIVEN),
    },
}  # fmt: skip
