"""The miners' part of the description."""

from __future__ import annotations

from app.api.description.words import (
    BEFORE,
    HISTORY,
    MAC,
    REASON,
    Schema,
    body,
    call,
    choice,
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
from app.api.miners import LONGEST_HOLD_MIN
from app.api.query import LARGEST_ID
from app.store.cycles import Decision

TAG = "Miners"
_THINGS = {"type": "array", "items": {"type": "object"}}
_MAC = text("MAC address", "02:00:00:00:00:01")
_STATE = text("State by the firmware: mining, auto-tuning, initializing, starting, restarting, shutting-down, "
              "stopped, failure; unknown for anything else", "mining")  # fmt: skip
_HOLD_MINUTES = or_null(whole("For so long; null: until it is released", 60, minimum=1, maximum=LONGEST_HOLD_MIN))

SCHEMAS = {
    "MinerStatus": record(
        "What the miner last said",
        state=or_null(_STATE),
        preset=or_null(text("Running preset", "2300")),
        hashrate=number("GH/s, as the firmware's own", 85_500.0),
        hashrate_ths=number("The same, TH/s", 85.5),
        power_consumption=number("W; 0: unknown", 2310),
        uptime=number("s", 86_000),
        fans={**_THINGS, "description": "The fans", "examples": [[{"fan": 1, "rpm": 5880, "ok": True}]]},
        chains={**_THINGS, "description": "The hash boards",
                "examples": [[{"board": 1, "state": "mining", "hashrate_ths": 28.5}]]},
        recorded_at=or_null(moment("When it said so")),
        state_time=number("How long it has been in this state, s", 7200),
        description=or_null(text("The firmware's words on its state", "")),
        failure_code=or_null(whole("The firmware's number of a failure", 0)),
        power_metered=or_null(flag("Whether its power is measured, not estimated", False)),
        efficiency_w_per_ths=number("W per TH/s", 27.0),
        pcb_temp_c=or_null(whole("Hottest board, degrees C", 58)),
        chip_temp_c=or_null(whole("Hottest chip, degrees C", 71)),
        fan_duty_percent=or_null(whole("Fan duty, %", 60)),
        throttled_percent=or_null(whole("How far the firmware throttles it, %", 0)),
        restart_required=or_null(flag("Whether it waits for a restart", False)),
        missed_polls=whole("Polls in a row that it did not answer", 0),
        last_error=or_null(text("Why it did not answer", "timed out")),
        accounted_power_w=or_null(number("What it counts with in the balance, W", 2300.0)),
    ),
    "Miner": record(
        "A miner. Secrets are never in an answer",
        id=whole("Id", 2),
        ip=text("Address", "10.0.0.2"),
        online=flag("Whether it answers", True),
        managed=flag("Whether PowerHive may change its preset", True),
        model=or_null(text("Alias of its model; null: unknown", "s19jpro")),
        latest_status=or_null(ref("MinerStatus")),
        created_at=or_null(moment("When it was first seen")),
        updated_at=or_null(moment("When something about it was last decided or found")),
        mac=_MAC,
        label=or_null(text("Name for people", "C1-01")),
        hostname=or_null(text("Its own name", "Antminer")),
        firmware_version=or_null(text("Firmware", "1.2.6")),
        hold=flag("Whether an operator holds it: no automatic change", False),
        hold_until=or_null(moment("Until when; null: until it is released")),
        hold_reason=or_null(text("Why", "fan test")),
        retired=flag("Whether it is gone: it counts nothing", False),
        unlock_pass_set=flag("Whether it has an unlock password of its own", False),
        adoption_error=or_null(text("Why discovery could not open it", "the unlock password was refused")),
        last_seen_at=or_null(moment("When it last answered")),
        power_factor=number("Learned: real watts per expected watt; 1 until learned", 0.98),
        hashrate_factor=number("Learned: real hashrate per expected one; 1 until learned", 1.01),
        learned_at=or_null(moment("When it was last learned")),
    ),
    "MinerChange": body(
        "What the operator decides about a miner",
        least=1,
        managed=flag("Let PowerHive change its preset", True),
        unlock_pass=or_null(text('Its own unlock password; "" or null: the default one', "a password", maxLength=120)),
        label=or_null(text("Name for people", "C1-01", maxLength=80)),
        hold=flag("Hold it: no automatic change", True),
        hold_minutes=_HOLD_MINUTES,
        hold_reason=or_null(text("Why", "fan test", maxLength=200)),
        retired=flag("It is gone: it counts nothing", False),
    ) | {"dependentRequired": {"hold_minutes": ["hold"], "hold_reason": ["hold"]}},
    "Explanation": record(
        "What the latest cycle decided for a miner, and why",
        mac=_MAC,
        decision=choice("What was decided", Decision, "stays"),
        reason=text("Why", "stays: surplus has lasted 40 of 180 s"),
        accounted_power_w=or_null(number("What it counts with, W", 2300.0)),
        change=or_null(ref("Change")),
        sent=flag("Whether the change went out", False),
        cycle_id=or_null(whole("The cycle", 4711)),
        decided_at=or_null(moment("When")),
    ),
    "StatusSample": record(
        "A miner at one time, or on average over a step (state and preset: at its end)",
        state=_STATE,
        preset=or_null(text("Running preset", "2300")),
        hashrate=number("GH/s, as the firmware's own", 85_500.0),
        hashrate_ths=number("The same, TH/s", 85.5),
        power_consumption=number("W; 0: unknown", 2310),
        uptime=number("s", 86_000),
        pcb_temp_c=or_null(whole("Hottest board, degrees C", 58)),
        chip_temp_c=or_null(whole("Hottest chip, degrees C", 71)),
        recorded_at=moment("When; of a step: when the step begins"),
    ),
    "BoardSample": record(
        "A hash board at one time, or on average over a step (state and chips: at its end)",
        recorded_at=moment("When; of a step: when the step begins"),
        board=whole("Number of the board", 1),
        state=text("Its state", "mining"),
        power_w=number("W; 0: unknown", 770),
        hashrate_ths=number("TH/s", 28.5),
        frequency_mhz=or_null(number("Clock, MHz", 525.0)),
        voltage_mv=or_null(whole("Voltage, mV", 13_200)),
        pcb_temp_c=or_null(whole("Board, degrees C", 58)),
        chip_temp_c=or_null(whole("Hottest chip, degrees C", 71)),
        chips_red=or_null(whole("Chips in a bad way", 0)),
        chips_orange=or_null(whole("Chips not quite well", 1)),
        chips_grey=or_null(whole("Chips of which nothing is known", 0)),
    ),
    "PresetOrder": body(
        "A preset by hand",
        required=("preset",),
        preset=text("One of this miner's presets, not above the model's max preset", "2300"),
        hold_minutes=or_null(whole("Keep the balance away for so long", 60, minimum=1, maximum=LONGEST_HOLD_MIN)),
        reason=REASON,
    ),
}  # fmt: skip


def _counted(operation: Schema) -> Schema:
    total = {"description": "How many match in all", "schema": {"type": "integer"}}
    operation["responses"]["200"]["headers"]["X-Total-Count"] = total
    return operation


def _of(operation: str) -> dict[str, dict[str, object]]:
    return {operation: {"operationId": operation, "parameters": {"mac": "$response.body#/0/mac"}}}


PATHS = {
    "/api/miners": {
        "get": _counted(listed(
            "listMiners", "Miners", ref("Miner"), tag=TAG, errors=(400,),
            about="How many match in all is in the header `X-Total-Count`.",
            parameters=(
                query("managed", flag("Only managed ones, or only others", True)),
                query("online", flag("Only those that answer, or only others", True)),
                query("model", text("Only of this model (alias)", "s19jpro")),
                limit(1000), BEFORE,
                query("offset", whole("Leave out so many; `before` loses none", 0, minimum=0, maximum=LARGEST_ID)),
            ),
            links=_of("getMiner") | _of("explainMiner") | _of("listStatuses") | _of("listTelemetry"),
        )),
    },
    "/api/miners/{mac}": {
        "get": call("getMiner", "One miner", ref("Miner"), tag=TAG, parameters=(MAC,), errors=(404,)),
        "patch": call(
            "changeMiner", "Manage, hold, name or retire a miner, or give its password", ref("Miner"), tag=TAG,
            parameters=(MAC,), takes=ref("MinerChange"), errors=(404,),
            given={"manage": {"managed": True}, "hold for an hour": {"hold": True, "hold_minutes": 60},
                   "release": {"hold": False}},
        ),
    },
    "/api/miners/{mac}/explain": {
        "get": call("explainMiner", "Why it is where it is", ref("Explanation"), tag=TAG, parameters=(MAC,),
                    errors=(404,)),
    },
    "/api/miners/{mac}/statuses": {
        "get": listed("listStatuses", "Its history, or means of time steps", ref("StatusSample"), tag=TAG,
                      parameters=(MAC, *HISTORY), errors=(400, 404)),
    },
    "/api/miners/{mac}/telemetry": {
        "get": listed("listTelemetry", "Its hash boards' history, or means of time steps", ref("BoardSample"), tag=TAG,
                      parameters=(MAC, *HISTORY), errors=(400, 404), paged=False),
    },
    "/api/miners/{mac}/preset": {
        "post": order(
            "orderPreset", "Order a preset by hand", ref("PresetOrder"), tag=TAG, parameters=(MAC,), errors=(404, 409),
            about="409 with the rule's sentence where a limit, the cooldown or an armed balance forbids it now; the "
            "same is asked again when the order is carried out, and its `result` says how it ended.",
            given={"for an hour": {"preset": "1500", "hold_minutes": 60, "reason": "hot container"}},
        ),
    },
}  # fmt: skip
