"""The run-time settings in the operator's words and order: names, meanings, choices, groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from app.core.settings import SPECS, SettingSpec
from app.web import formats
from app.web.language import locale
from app.web.words import gettext as _

# By buttons of the dashboard, each with its own confirmation, never by a form among others.
ELSEWHERE = ("mode", "override")


@dataclass(frozen=True, slots=True)
class Words:
    """One setting for people: its name, what it means, and its choices where it has any."""

    label: str
    meaning: str
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that are changed together, by one form. `key` is its anchor."""

    key: str
    title: str
    lead: str
    names: tuple[str, ...]


def groups() -> list[Group]:
    """Return every setting but those of `ELSEWHERE`, in the operator's order."""
    found = [
        Group("limits", _("Safety margin and limits"), _("How much of the water stays unused, whatever else happens."),
              ("safety_margin_percent", "farm_limit_kw", "tolerance_w", "last_resort")),
        Group("silence", _("When the plant falls silent"), _("What an old reading is still trusted with."),
              ("stale_after_s", "trust_melts_after_s", "stale_derate_percent_per_min", "lost_after_s",
               "plant_lost_action")),
        Group("policy", _("Policy"), _("How presets are chosen."), ("policy", "stops_for_value")),
        Group("ramps", _("Ramps"), _("How fast the farm's power may change. Emergencies know no ramp."),
              ("ramp_up_kw_per_min", "ramp_down_kw_per_s")),
        Group("waits", _("Cooldown and waits"), _("How often one miner is moved, and what has to last first."),
              ("cooldown_s", "surplus_lasts_s", "restart_room_percent", "restart_room_lasts_s")),
        Group("counting", _("How power is counted"), _("What counts against the available power."),
              ("count_unmanaged", "wall_factor", "other_firmware_power_w")),
        Group("economic", _("Fine tuning of the economic policy"),
              _("The defaults were measured; change one at a time and watch the cycles."),
              ("horizon_s", "cut_above_percent", "raise_below_percent", "raise_window_readings", "fast_raise_percent",
               "raise_step_percent", "reoptimise_s", "reoptimise_gain_percent", "untuned_loss_s")),
    ]  # fmt: skip
    grouped = {name for group in found for name in group.names}
    rest = tuple(name for name in SPECS if name not in grouped and name not in ELSEWHERE)
    return [*found, Group("other", _("Other settings"), "", rest)] if rest else found


def words(name: str) -> Words:
    """Return a setting's words; one that has none yet explains itself in the rules' own."""
    return _words().get(name) or Words(name, formats.first_up(SPECS[name].meaning) + ".")


def value(name: str, stored: Any) -> str:
    """A value with its unit, as people read it: `12.5 %`, `no limit`, `yes`."""
    spec = SPECS.get(name)
    if stored is None:
        return _("no limit")  # every setting that may be empty is one
    if isinstance(stored, bool):
        return _("yes") if stored else _("no")
    if isinstance(stored, int | float):
        return f"{figure(stored)}\N{NO-BREAK SPACE}{unit(spec.unit)}".rstrip() if spec else figure(stored)
    return words(name).choices.get(str(stored), str(stored)) if spec else str(stored)


def unit(written: str) -> str:
    """A unit as people read it: only `readings` is a word."""
    return _("readings") if written == "readings" else written


def figure(stored: float) -> str:
    """A number with as many digits as it has, in the reader's language."""
    digits = len(f"{stored:.6f}".rstrip("0").split(".")[1])
    return formats.number(stored, digits)


def bounds(spec: SettingSpec) -> str:
    """The allowed values in words: `0 to 50 %`; empty for a choice, which shows them."""
    if spec.kind in ("choice", "boolean"):
        return ""
    if spec.optional:
        return _("%(least)s to %(most)s, or empty for no limit", **_ends(spec))
    return _("%(least)s to %(most)s", **_ends(spec))


def refusal(spec: SettingSpec) -> str:
    """What to write instead, beside the field."""
    label = words(spec.name).label
    if spec.kind in ("choice", "boolean"):
        return _("%(label)s: choose one of the values offered.", label=label)
    if spec.optional:
        return _("%(label)s: write a number from %(least)s to %(most)s, or leave it empty for no limit.", label=label,
                 **_ends(spec))  # fmt: skip
    if spec.kind == "integer":
        return _("%(label)s: write a whole number from %(least)s to %(most)s.", label=label, **_ends(spec))
    return _("%(label)s: write a number from %(least)s to %(most)s.", label=label, **_ends(spec))


def _ends(spec: SettingSpec) -> dict[str, str]:
    most = f"{figure(spec.maximum)}\N{NO-BREAK SPACE}{unit(spec.unit)}".rstrip()
    return {"least": figure(spec.minimum), "most": most}


def _words() -> dict[str, Words]:
    return _words_in(str(locale()))


@lru_cache(maxsize=8)
def _words_in(_language: str) -> dict[str, Words]:
    """All words in the reader's language, made once: a page of history asks for hundreds of them."""
    return {
        "mode": Words(
            _("Mode"),
            _("Observe plans and shows, armed sends, off does neither."),
            {"observe": _("observe"), "armed": _("armed"), "off": _("off")},
        ),
        "override": Words(
            _("Order for the whole farm"),
            _("What a button of the dashboard ordered, until resume."),
            {"none": _("none"), "minimum": _("all to minimum"), "stop": _("stop all")},
        ),
        **_limit_words(),
        **_silence_words(),
        **_pace_words(),
        **_economic_words(),
    }


def _limit_words() -> dict[str, Words]:
    return {
        "safety_margin_percent": Words(
            _("Safety margin"),
            _("Share of the available power that stays unused. The target is what is left."),
        ),
        "farm_limit_kw": Words(
            _("Farm limit"),
            _("The managed miners never draw more than this, however much water there is: a transformer, a contract."),
        ),
        "tolerance_w": Words(
            _("Tolerance"),
            _("A distance from the target this small is left alone, above and below."),
        ),
        "last_resort": Words(
            _("Last resort"),
            _("What happens when even the lowest presets of all miners exceed the available power."),
            {"stop": _("stop the worst miners"), "hold": _("hold the lowest presets")},
        ),
        "count_unmanaged": Words(
            _("Count unmanaged miners"),
            _("Subtract what known unmanaged miners draw. Say no where a foreign meter already contains them."),
        ),
        "wall_factor": Words(
            _("Wall factor"),
            _("Power at the wall per power the firmware reports. Above 1 where the boards understate it."),
        ),
        "other_firmware_power_w": Words(
            _("Power of other firmware"),
            _("What a miner with another firmware counts with, since it cannot be asked."),
        ),
    }


def _silence_words() -> dict[str, Words]:
    return {
        "stale_after_s": Words(
            _("Stale after"),
            _("An older reading allows no increase any more. Cuts go on."),
        ),
        "trust_melts_after_s": Words(
            _("Trust melts after"),
            _("From this age on the target is lowered: a river that falls unseen is what overloads a plant."),
        ),
        "stale_derate_percent_per_min": Words(
            _("Trust melts by"),
            _("How much of the target is given up for every further minute without a reading. 0 holds it."),
        ),
        "lost_after_s": Words(
            _("Plant lost after"),
            _("From this age on the plant counts as lost and the farm does what is chosen below."),
        ),
        "plant_lost_action": Words(
            _("When the plant is lost"),
            _("What the farm does until one fresh reading ends it."),
            {"minimum": _("go to the lowest presets"), "hold": _("hold the presets"), "stop": _("stop mining")},
        ),
    }


def _pace_words() -> dict[str, Words]:
    return {
        "policy": Words(
            _("Policy"),
            _("Economic chooses all presets together by what a watt is worth. Stepwise moves each miner one preset per "
              "cycle."),
            {"economic": _("economic"), "stepwise": _("stepwise")},
        ),
        "stops_for_value": Words(
            _("Stop for value"),
            _("Also stop miners whose watts win more hashrate elsewhere, not only as a last resort (economic)."),
        ),
        "ramp_up_kw_per_min": Words(
            _("Fastest raise"),
            _("The farm's power rises by no more than this in a minute. Empty: no limit."),
        ),
        "ramp_down_kw_per_s": Words(
            _("Fastest cut"),
            _("Cuts that are no emergency are spread so that no more than this goes in a second. Empty: no limit."),
        ),
        "cooldown_s": Words(
            _("Cooldown"),
            _("Shortest time between two changes on one miner. Never below 30 s: a hard limit. Only stops are exempt."),
        ),
        "surplus_lasts_s": Words(
            _("Surplus lasts"),
            _("How long a surplus must have lasted before it is used (stepwise)."),
        ),
        "restart_room_percent": Words(
            _("Room to start again"),
            _("Room beyond a stopped miner's lowest preset that there must be before it is started."),
        ),
        "restart_room_lasts_s": Words(
            _("Room lasts"),
            _("How long that room must have lasted. Economic: or two readings with the fast raise's share to spare."),
        ),
    }  # fmt: skip


def _economic_words() -> dict[str, Words]:
    return {
        "horizon_s": Words(
            _("Horizon"),
            _("How long a new preset is expected to stay. A change must win more in it than the switch loses."),
        ),
        "cut_above_percent": Words(
            _("Cut from"),
            _("So much above the target is left alone, where that is more than the tolerance."),
        ),
        "raise_below_percent": Words(
            _("Raise from"),
            _("So much of the fleet's maximum below the target is left alone, where that is more than the tolerance."),
        ),
        "raise_window_readings": Words(
            _("Window for raises"),
            _("Raises go no higher than the lowest target of so many readings."),
        ),
        "fast_raise_percent": Words(
            _("Fast raise above"),
            _("A surplus beyond this share of the target may be used after two readings, for starts too."),
        ),
        "raise_step_percent": Words(
            _("Largest raise"),
            _("Share of the fleet's maximum that is raised in one cycle at most. As much again may be started."),
        ),
        "reoptimise_s": Words(
            _("Exchange every"),
            _("How often presets are exchanged between miners at the same power."),
        ),
        "reoptimise_gain_percent": Words(
            _("Exchange wins"),
            _("Hashrate that such an exchange must win."),
        ),
        "untuned_loss_s": Words(
            _("Cost of tuning"),
            _("Full hashrate that going to an untuned preset is taken to cost."),
        ),
    }
