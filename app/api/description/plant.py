"""The plant's part of the description."""

from __future__ import annotations

from app.api.description.words import (
    HISTORY,
    body,
    call,
    choice,
    each,
    listed,
    moment,
    number,
    or_null,
    path,
    record,
    ref,
    text,
    whole,
)  # fmt: skip
from app.core.metering import MeterVerdict
from app.core.readings import SourceKind, SourceRole

TAG = "Plant"
_KIND = choice("A generator or a metered consumer", SourceKind, "consumption")
_ROLE = choice(
    "What it measures: `foreign` load that PowerHive cannot control, the `miners` themselves, a `generation` source; "
    "`retired`: gone for good",
    SourceRole,
    "foreign",
)

SCHEMAS = {
    "SourceReading": record(
        "One source in one reading",
        name=text("Name, as the plant gives it", "container_1"),
        role=choice("Its role at that time", SourceRole, "foreign"),
        value_kw=or_null(number("What it measured, kW; null where it gave no usable number", 40.0)),
        counted_kw=or_null(number("What it counted with, kW: its last good value while it fails", 40.0)),
        status=text("What the plant says of it", "success"),
    ),
    "Reading": record(
        "One trusted reading, or the mean of a step (then its id and sources are those of the step's last reading). kW",
        id=whole("Id", 4711),
        plant_id=text("Which plant", "plant-1"),
        total_generation=number("What all turbines give, kW", 3200.0),
        total_container_consumption=number("What the plant's meters see on its consumption sources, kW", 40.0),
        available_power=number("Generation without the load that PowerHive cannot control, kW", 3160.0),
        generation_sources=each(ref("SourceReading"), "The generators"),
        consumption_sources=each(ref("SourceReading"), "The metered consumers"),
        recorded_at=moment("When the plant took it; of a step: when the step begins"),
    ),
    "Source": record(
        "A generator or a meter, and whether it does what its role says",
        name=text("Name, as the plant gives it", "container_1"),
        kind=_KIND,
        role=_ROLE,
        last_value_kw=number("Its newest good value, kW", 40.0),
        status=text("What the plant says of it, or `missing`", "success"),
        last_good_at=or_null(moment("When it last gave a good value")),
        verdict=or_null(choice("Whether the meter contains the miners, by what it measured; null for a generator",
                               MeterVerdict, "apart")),
        slope=or_null(number("kW that the meter moves per kW of the miners", 0.02)),
        judged_together=each(text("A meter that was judged with it", "container_1"), "The meters judged together"),
        effect_kw=number("What a wrong role is worth, kW", 0.0),
        decided_at=or_null(moment("Since when the verdict stands")),
        checked_at=or_null(moment("When it was last checked")),
        check_note=or_null(text("What the check says", "it does not follow the miners")),
        contradiction=or_null(text("What is wrong with its role; null: nothing known", "it follows the miners")),
    ),
    "SourceChange": body(
        "What a source measures",
        required=("role",),
        role=_ROLE,
        kind=or_null(choice("Which one, where a generator and a meter share the name", SourceKind, "consumption")),
    ),
}  # fmt: skip

PATHS = {
    "/api/plant/latest": {
        "get": call("getLatestReading", "The newest trusted reading, or null", or_null(ref("Reading")), tag=TAG),
    },
    "/api/plant/history": {
        "get": listed(
            "listReadings", "Readings, or means of time steps", ref("Reading"), tag=TAG, parameters=HISTORY,
            errors=(400,),
            about="With `step`, each row is the mean of readings spread evenly over it: a month costs no more than an "
            "hour. Steps without a reading are left out; one answer spans at most `limit` steps.",
        ),
    },
    "/api/plant/sources": {
        "get": listed("listSources", "Generators and meters, and what they measure", ref("Source"), tag=TAG,
                      paged=False),
    },
    "/api/plant/sources/{name}": {
        "patch": call(
            "changeSource", "Say what a source measures", ref("Source"), tag=TAG,
            about="To say the same role again overrules what the meter says against it, until later readings decide.",
            parameters=(path("name", text("Name of the source", "C1")),),
            takes=ref("SourceChange"), given={"contains the miners": {"role": "miners"}}, errors=(404, 409),
        ),
    },
}  # fmt: skip
