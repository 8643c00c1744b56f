"""The settings' part of the description, made from the one table of their rules."""

from __future__ import annotations

from typing import Any

from app.api.description.words import REASON, Schema, body, call, record, ref
from app.core.settings import SPECS, SettingSpec

TAG = "Settings"


def _setting(spec: SettingSpec) -> Schema:
    meaning = f"{spec.meaning}, {spec.unit}" if spec.unit else spec.meaning
    schema: Schema = {"description": meaning, "default": spec.default, "examples": [spec.default]}
    if spec.kind == "boolean":
        return {"type": "boolean", **schema}
    if spec.kind == "choice":
        return {"type": "string", "enum": list(spec.choices), **schema}
    kind = [spec.kind, "null"] if spec.optional else spec.kind
    return {"type": kind, "minimum": spec.minimum, "maximum": spec.maximum, **schema}


_ALL = {name: _setting(spec) for name, spec in SPECS.items()}
_MARGIN = _ALL["safety_margin_percent"]
_CHANGEABLE: dict[str, Any] = {name: schema for name, schema in _ALL.items() if name != "override"}

SCHEMAS = {
    "Settings": record("Every run-time setting in force", **_ALL),
    "SettingsChange": body(
        "Some settings; all are changed or none. `override` is what the buttons order: POST /api/balance/stop-all ...",
        least=1,
        **_CHANGEABLE,
        reason=REASON,
    ) | {"if": {"required": ["reason"]}, "then": {"minProperties": 2}},  # a reason alone changes nothing
    "SafetyMargin": record("The safety margin in force", safety_margin_percent=_MARGIN),
    "SafetyMarginChange": body(
        "The safety margin wanted", required=("safety_margin_percent",), safety_margin_percent=_MARGIN, reason=REASON
    ),
}

PATHS = {
    "/api/settings": {
        "get": call("getSettings", "Every run-time setting in force", ref("Settings"), tag=TAG),
        "patch": call(
            "changeSettings", "Change some settings, all or none", ref("Settings"), tag=TAG,
            takes=ref("SettingsChange"),
            given={"a limit of the transformer": {"farm_limit_kw": 2500, "reason": "new transformer"},
                   "no limit": {"farm_limit_kw": None}},
        ),
    },
    "/api/settings/safety-margin": {
        "patch": call(
            "changeSafetyMargin", "Change the safety margin (0-50 %)", ref("SafetyMargin"), tag=TAG,
            takes=ref("SafetyMarginChange"), given={"12.5 %": {"safety_margin_percent": 12.5}},
        ),
    },
}  # fmt: skip
