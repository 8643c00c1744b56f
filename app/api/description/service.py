"""Orders, the scan, the probes and the description itself."""

from __future__ import annotations

from app.api.description.words import (
    REASON,
    Schema,
    body,
    call,
    choice,
    error,
    flag,
    moment,
    number,
    or_null,
    order,
    path,
    record,
    ref,
    text,
    whole,
)  # fmt: skip
from app.store.commands import KINDS

ORDERS, PROBES = "Orders", "Service"
_ID = path("command_id", whole("Id of the order", 1, minimum=0))

SCHEMAS = {
    "Error": record(
        "What is wrong, in one sentence for people",
        error=text("The sentence", "limit must be a whole number from 1 to 1000; got '0'."),
    ),
    "Accepted": record(
        "The order is kept and will be carried out",
        id=whole("Id of the order", 12),
        status=choice("Where it stands", ("waiting",), "waiting"),
        url=text("Where to look", "/api/commands/12"),
    ),
    "Command": record(
        "An order and what became of it",
        id=whole("Id", 12),
        kind=choice("What was ordered", KINDS, "preset"),
        miner_id=or_null(whole("For which miner", 2)),
        arguments={"type": "object", "description": "With what", "examples": [{"preset": "1500", "hold_minutes": 60}]},
        reason=or_null(text("Why", "hot container")),
        status=choice("Where it stands", ("waiting", "running", "done", "failed"), "done"),
        result=or_null(text("How it ended", "Preset 1500 is sent; the events show when the miner runs it.")),
        created_at=moment("When it was given"),
        created_by=text("By whom", "API from 127.0.0.1"),
        started_at=or_null(moment("When it was begun")),
        finished_at=or_null(moment("When it ended")),
    ),
    "Scan": body("A scan of the configured subnets; the body may be empty", reason=REASON),
    "Alive": record("The web process lives", status=choice("Always", ("ok",), "ok")),
    "Job": record(
        "One periodic part",
        age_s=or_null(number("Since it last began, s", 3.2)),
        ok=or_null(flag("Whether its last run went well", True)),
        late=flag("Whether it is overdue", False),
    ),
    "Ready": {
        "type": "object",
        "description": "Whether database and jobs do their work",
        "properties": {
            "ready": flag("Whether all is well", True),
            "database": text("The database", "ok"),
            "jobs": {"type": "object", "additionalProperties": ref("Job"), "description": "The parts by name",
                     "examples": [{"balancer": {"age_s": 3.2, "ok": True, "late": False}}]},
            "error": text("What is missing", "These jobs have not run lately: plant."),
        },
        "required": ["ready", "database", "jobs"],
    },
}  # fmt: skip


def _ready() -> Schema:
    operation = call("getReadiness", "200 where database and jobs do their work, else 503", ref("Ready"), tag=PROBES)
    schema = {"anyOf": [ref("Ready"), ref("Error")]}
    operation["responses"]["503"] = {**error(503), "content": {"application/json": {"schema": schema}}}
    return operation


def _metrics() -> Schema:
    operation = call("getMetrics", "The farm's numbers for Prometheus", {}, tag=PROBES)
    lines = text("Text format 0.0.4", "powerhive_target_watts 2844000.0\n")
    operation["responses"]["200"]["content"] = {"text/plain": {"schema": lines}}
    return operation


PATHS = {
    "/api/commands/{command_id}": {
        "get": call("getCommand", "An order: waiting, running, done or failed, and why", ref("Command"), tag=ORDERS,
                    parameters=(_ID,), errors=(404,)),
    },
    "/api/discovery/scan": {
        "post": order("orderScan", "Scan the configured subnets now", ref("Scan"), tag=ORDERS,
                      given={"without a reason": {}, "with one": {"reason": "new container"}}),
    },
    "/api/openapi.json": {
        "get": call("getDescription", "This description", {"type": "object"}, tag=PROBES),
    },
    "/healthz": {"get": call("getHealth", "The web process lives", ref("Alive"), tag=PROBES)},
    "/readyz": {"get": _ready()},
    "/metrics": {"get": _metrics()},
}  # fmt: skip
