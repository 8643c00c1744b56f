"""The miner models' part of the description."""

from __future__ import annotations

from app.api.description.words import (
    body,
    call,
    choice,
    each,
    flag,
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
from app.api.miner_models import LARGEST_VERSION
from app.core import switching
from app.core.ladder import OWN_HASHRATE_THS, OWN_POWER_W
from app.core.types import UntunedUse

TAG = "Models"
_ALIAS = path("alias", text("Alias of the miner model", "s19jpro"))
_UNTUNED = choice("Whether PowerHive may choose untuned presets by itself", UntunedUse, "when_needed")

SCHEMAS = {
    "PresetPower": record(
        "One preset of the ladder and what it is expected to draw and hash",
        preset=text("Name", "2300"),
        power_w=number("Expected power, W: yours, else the firmware's; 0: unknown", 2300),
        hashrate_th=number("Expected hashrate, TH/s: yours, else the firmware's; 0: unknown", 85.0),
        firmware_power_w=or_null(whole("The firmware's own watts; null: unknown, and it is never chosen", 2300)),
        configured=flag("Whether a number of yours is in force", False),
        modded_psu_required=flag("Whether it needs a modified power supply", False),
        tuned_count=whole("Miners that have it tuned", 2),
        miner_count=whole("Miners that have it", 3),
        learned_power_w=or_null(whole("What it draws on average, W; null: nothing learned yet", 2290)),
        learned_hashrate_th=or_null(number("What it hashes on average, TH/s", 84.7)),
        learned_miner_count=whole("Miners it was learned from", 2),
    ),
    "ChangeCost": record(
        "What a preset change of one kind costs, by what was measured",
        events=whole("Measured changes", 12),
        settle_s=or_null(number("Time until it hashes as before, s; null: too few", 75.0)),
        switch_loss_s=or_null(number("Hashrate lost, as seconds of it", 60.0)),
    ),
    "Model": record(
        "A miner model",
        name=text("Name", "Antminer S19j Pro"),
        alias=text("Short name", "s19jpro"),
        max_preset=or_null(text("Highest preset allowed; null: its miners are not touched", "2800")),
        presets=each(text("Name of a preset", "2300"), "The ladder, lowest first, unknown watts last"),
        presets_power=each(ref("PresetPower"), "The same with numbers"),
        created_at=or_null(moment("When it was first seen")),
        allow_modded_psu=flag("Whether its miners have modified power supplies", False),
        untuned_use=_UNTUNED,
        version=whole("Counts its changes", 3),
        settle_s=or_null(number("Your own time until a change has settled, s", 90.0)),
        switch_loss_s=or_null(number("Your own loss of a change, s of full hashrate", 60.0)),
        switch_loss_counted_s=number("What a change is counted to lose, s", 60.0),
        learned_with_restart=ref("ChangeCost"),
        learned_without_restart=ref("ChangeCost"),
    ),
    "PresetPowerChange": body(
        "Your own numbers of one preset; null or 0 goes back to the firmware's, an absent one stays",
        required=("preset",),
        preset=text("Name", "2300"),
        power_w=or_null(whole("W", 2350, minimum=OWN_POWER_W[0], maximum=OWN_POWER_W[1])),
        hashrate_th=or_null(number("TH/s", 86.5, minimum=OWN_HASHRATE_THS[0], maximum=OWN_HASHRATE_THS[1])),
    ),
    "ModelChange": body(
        "What to change of a miner model",
        least=1,
        max_preset=or_null(text('A preset of the ladder; "" or null: none', "2800")),
        presets_power=each(ref("PresetPowerChange"), "Each preset at most once"),
        allow_modded_psu=flag("Whether all its miners have modified power supplies", False),
        settle_s=or_null(number("Your own time until a change has settled, s", 90,
                                minimum=switching.OWN_SETTLE_S[0], maximum=switching.OWN_SETTLE_S[1])),
        switch_loss_s=or_null(number("Your own loss of a change, s of full hashrate", 60,
                                     minimum=switching.OWN_LOSS_S[0], maximum=switching.OWN_LOSS_S[1])),
        untuned_use=_UNTUNED,
        version=or_null(whole("The version that you looked at: 409 where the model has changed since", 1,
                              minimum=1, maximum=LARGEST_VERSION)),
    ),
}  # fmt: skip

_OF_ONE = {"getModel": {"operationId": "getModel", "parameters": {"alias": "$response.body#/0/alias"}}}

PATHS = {
    "/api/models": {
        "get": listed("listModels", "Every miner model", ref("Model"), tag=TAG, paged=False, links=_OF_ONE),
    },
    "/api/models/{alias}": {
        "get": call("getModel", "One miner model", ref("Model"), tag=TAG, parameters=(_ALIAS,), errors=(404,)),
        "patch": call(
            "changeModel", "Set the highest preset allowed, and your own numbers", ref("Model"), tag=TAG,
            parameters=(_ALIAS,), takes=ref("ModelChange"), errors=(404, 409),
            given={"highest preset": {"max_preset": "2300"}, "untouched from now on": {"max_preset": None},
                   "own numbers": {"presets_power": [{"preset": "2300", "power_w": 2350, "hashrate_th": 86.5}]}},
        ),
    },
}  # fmt: skip
