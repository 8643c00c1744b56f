"""The run-time settings: name, type, default, bounds, unit and meaning, and the check of a new value.

One table serves the rules, the pages, the JSON API and the documentation. Defaults are those of `Settings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.core.types import Mode, Override, Settings
from app.errors import SettingError

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """What one run-time setting may be. `kind`: number, integer, boolean or choice; `optional`: null = none."""

    name: str
    kind: str
    unit: str
    meaning: str
    minimum: float = 0.0
    maximum: float = 0.0
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def default(self) -> Any:
        return _DEFAULTS[self.name]

    @property
    def allowed(self) -> str:
        """The allowed values in words, for messages and pages."""
        if self.kind == "boolean":
            words = "true or false"
        elif self.kind == "choice":
            words = "one of " + ", ".join(self.choices)
        else:
            noun = "a whole number" if self.kind == "integer" else "a number"
            words = f"{noun} from {self.minimum:g} to {self.maximum:g}" + (f" {self.unit}" if self.unit else "")
        return words + (", or empty for none" if self.optional else "")

    def check(self, value: Any) -> Any:
        """Return `value` as it is to be stored.

        Raises:
            SettingError: the value is of the wrong type or out of bounds; the sentence names field and bounds.
        """
        if value is None and self.optional:
            return None
        if self.kind == "boolean":
            valid = isinstance(value, bool)
        elif self.kind == "choice":
            valid = isinstance(value, str) and value in self.choices
        else:
            valid = self._is_number_in_bounds(value)
            if valid:
                value = int(value) if self.kind == "integer" else float(value)
        if not valid:
            raise SettingError(self.name, f"{self.name} must be {self.allowed}; got {_shown(value)}.")
        return value

    def from_text(self, text: str) -> Any:
        """Return what `text` means for this setting, still to be checked; what it cannot mean stays a text."""
        if self.optional and text.lower() in ("", "none"):
            return None
        if self.kind == "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        if self.kind == "choice" or not _NUMBER.fullmatch(text):
            return text
        return float(text) if "." in text else int(text)

    def _is_number_in_bounds(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        # The comparison is exact for integers of any size, and false for NaN and the infinities.
        return self.minimum <= value <= self.maximum and (self.kind != "integer" or value == int(value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Settings)}

SPECS: dict[str, SettingSpec] = {
    spec.name: spec
    for spec in (
        SettingSpec("mode", "choice", "", "observe plans and shows, armed sends, off does neither",
                    choices=tuple(Mode)),
        SettingSpec("policy", "choice", "", "how presets are chosen", choices=("stepwise", "economic")),
        SettingSpec("override", "choice", "", "what a button ordered for the whole farm, until resume",
                    choices=tuple(Override)),
        SettingSpec("safety_margin_percent", "number", "%", "share of the available power that stays unused",
                    0, 50),
        SettingSpec("farm_limit_kw", "number", "kW", "cap on the managed miners' power beside the plant's",
                    0, 100_000, optional=True),
        SettingSpec("tolerance_w", "integer", "W", "distance from the target that is left alone", 100, 10_000),
        SettingSpec("cooldown_s", "integer", "s", "shortest time between two changes on one miner", 30, 3600),
        SettingSpec("count_unmanaged", "boolean", "", "subtract the draw of known unmanaged miners; off where a "
                    "foreign meter already contains them"),
        SettingSpec("wall_factor", "number", "", "wall power per board power, where board watts understate the wall",
                    1.0, 1.3),
        SettingSpec("other_firmware_power_w", "integer", "W", "what a miner with another firmware counts, since it "
                    "cannot be asked", 0, 10_000),
        SettingSpec("stale_after_s", "integer", "s", "age from which a reading allows no increases", 20, 300),
        SettingSpec("trust_melts_after_s", "integer", "s", "age from which the target is lowered", 30, 3600),
        SettingSpec("stale_derate_percent_per_min", "number", "%/min",
                    "how fast trust in an old reading melts (0: not)",
                    0, 100),
        SettingSpec("lost_after_s", "integer", "s", "age from which the plant counts as lost", 60, 7200),
        SettingSpec("plant_lost_action", "choice", "", "what to do when the plant is lost",
                    choices=("minimum", "hold", "stop")),
        SettingSpec("last_resort", "choice", "", "when even the lowest presets exceed the available power",
                    choices=("stop", "hold")),
        SettingSpec("surplus_lasts_s", "integer", "s", "how long a surplus must last for raises (stepwise)", 0, 3600),
        SettingSpec("horizon_s", "integer", "s", "how long a new preset is expected to stay: what a change may cost "
                    "(economic)", 300, 14_400),
        SettingSpec("cut_above_percent", "number", "%", "share of the target above it that is left alone, where that "
                    "is more than the tolerance (economic)", 0, 5),
        SettingSpec("raise_below_percent", "number", "%", "share of the fleet's maximum below the target that is left "
                    "alone, where that is more than the tolerance (economic)", 0, 10),
        SettingSpec("raise_window_readings", "integer", "readings", "raises go to the lowest target of so many "
                    "readings (economic)", 1, 120),
        SettingSpec("fast_raise_percent", "number", "%", "surplus beyond this share of the target may be used after "
                    "two readings (economic)", 1, 100),
        SettingSpec("raise_step_percent", "number", "%", "share of the fleet's maximum raised in one cycle, and as "
                    "much again started (economic)", 1, 100),
        SettingSpec("reoptimise_s", "integer", "s", "how often presets are exchanged at the same power (economic)",
                    60, 86_400),
        SettingSpec("reoptimise_gain_percent", "number", "%", "hashrate such an exchange must win (economic)", 0, 10),
        SettingSpec("untuned_loss_s", "integer", "s", "full hashrate that going to an untuned preset costs (economic)",
                    0, 14_400),
        SettingSpec("stops_for_value", "boolean", "", "with last_resort = stop: also stop miners whose watts win more "
                    "hashrate elsewhere, not only when nothing else helps (economic)"),
        SettingSpec("restart_room_percent", "number", "%", "room above a stopped miner's lowest preset to start it",
                    0, 50),
        SettingSpec("restart_room_lasts_s", "integer", "s", "how long that room must last (economic: or two readings "
                    "with fast_raise_percent to spare)", 0, 3600),
        SettingSpec("ramp_up_kw_per_min", "number", "kW/min", "limit on raises", 0.1, 100_000, optional=True),
        SettingSpec("ramp_down_kw_per_s", "number", "kW/s", "limit on cuts that are no emergency", 0.1, 100_000,
                    optional=True),
    )
}  # fmt: skip


def from_values(values: Mapping[str, Any]) -> Settings:
    """Build `Settings` from stored values; a missing, unknown or invalid one falls back to its default.

    A damaged row must not stop the balancer; the pages never write one, because they go through `check`.
    """
    known: dict[str, Any] = {}
    for name, value in values.items():
        spec = SPECS.get(name)
        if spec is None:
            continue
        try:
            known[name] = spec.check(value)
        except SettingError:
            continue
    for name, enum in (("mode", Mode), ("override", Override)):
        if name in known:
            known[name] = enum(known[name])
    return Settings(**known)


def check(name: str, value: Any) -> Any:
    """Return the value to store for setting `name`.

    Raises:
        SettingError: no such setting, or a value it does not allow.
    """
    spec = SPECS.get(name)
    if spec is None:
        raise SettingError(name, f"{name} is not a setting; the settings are {', '.join(SPECS)}.")
    return spec.check(value)


def read(assignments: Iterable[str]) -> dict[str, Any]:
    """Return the checked values that texts like "horizon_s=600" give settings; an empty value or "none" is no value.

    Raises:
        SettingError: a text that is no such assignment, a name given twice, no such setting, or a value it does not
            allow.
    """
    found: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise SettingError("set", f"A setting is given as name=value, like horizon_s=600; got {_shown(text)}.")
        if name in found:
            raise SettingError(name, f"{name} is given twice.")
        spec = SPECS.get(name)
        found[name] = check(name[:60], value.strip() if spec is None else spec.from_text(value.strip()))
    return found


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return `settings` with these checked values in their place."""
    return from_values({name: getattr(settings, name) for name in SPECS} | dict(values))
