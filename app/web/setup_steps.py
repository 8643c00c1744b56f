"""The steps of the setup assistant: where each stands, told from the rows, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.config import Config
from app.core.types import Mode
from app.store.setup import Facts
from app.web import formats
from app.web.questionnaire import CONNECTION, connections
from app.web.words import gettext as _
from app.web.words import ngettext

UNIT = "plant_unit"  # the record of which unit an operator found plausible
OBSERVE_S = 600.0  # recommended before arming
DONE, OPEN, WAITS, WRONG = "done", "open", "waits", "wrong"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `state`: done, open, waits (for an earlier one) or wrong; `fact` says how it stands in one line."""

    key: str
    title: str
    state: str
    fact: str


def steps(facts: Facts, config: Config, now: datetime) -> list[Step]:
    """Return all steps in their order."""
    return [
        Step("plant", _("Plant reachable"), *_plant(facts)),
        Step("unit", _("Unit plausible"), *_unit(facts, config)),
        Step("connection", _("Plant supported"), *_connection(facts)),
        Step("miners", _("Miners found"), *_miners(facts)),
        Step("roles", _("Roles of the sources"), *_roles(facts)),
        Step("presets", _("Max presets"), *_presets(facts)),
        Step("managed", _("Managed miners"), *_managed(facts)),
        Step("observe", _("Observed for a while"), *_observe(facts, now)),
        Step("arm", _("Armed"), *_arm(facts)),
    ]


def words(state: str) -> str:
    """A step's state in words for people."""
    return {DONE: _("done"), OPEN: _("to do"), WAITS: _("waits"), WRONG: _("look here")}[state]


def next_step(found: list[Step]) -> Step | None:
    """Return the first step that is not done: where the operator goes on."""
    return next((step for step in found if step.state != DONE), None)


def cure(kind: str) -> str:
    """What to do about an answer of the plant that was refused for this reason."""
    network = _("Is the plant's address right (plant_endpoint), and does this machine reach it?")
    shape = _("Something answers at the plant's address, but not the plant's API. Is plant_endpoint right?")
    source = _("Look at the sources: one that was removed gets the role retired.")
    clock = _("Compare the clocks of the plant and of this machine.")
    cures: Mapping[str, str] = {
        "unreachable": network, "timeout": network, "http_error": network,
        "unauthorized": _("The plant does not take the API key. Correct plant_api_key and start the service again."),
        "bad_request": _("The plant does not take the question. Is plant_id right?"),
        "redirect": shape, "too_large": shape, "not_json": shape, "wrong_shape": shape,
        "above_rated": _("Is the unit right (plant_power_unit), and plant_rated_kw?"),
        "source_failed": source, "source_unknown": source, "future": clock, "older": clock,
        "confidence": _("The plant itself doubts this reading. Ask its operator, if it lasts."),
        "bad_number": _("The plant says what cannot be. Ask its operator, if it lasts."),
    }  # fmt: skip
    return cures.get(kind, _("The log of the service says more."))


def _plant(facts: Facts) -> tuple[str, str]:
    if facts.refusal is not None:
        return WRONG, _("The newest answer could not be used.")
    if facts.reading is None or facts.reading_age_s is None:
        return OPEN, _("Not read yet; the service reads it every 15 s.")
    numbers = {"kw": formats.number(facts.reading.generation_kw, 1), "age": formats.age(facts.reading_age_s)}
    if facts.reading_age_s > facts.settings.stale_after_s:
        return WRONG, _("%(kw)s kW, but that was %(age)s ago.", **numbers)
    return DONE, _("%(kw)s kW generation, read %(age)s ago.", **numbers)


def _unit(facts: Facts, config: Config) -> tuple[str, str]:
    if facts.reading is None:
        return WAITS, _("Waits for the first reading.")
    value = _("%(mw)s MW", mw=formats.number(facts.reading.generation_kw / 1000, 3))
    if config.plant_rated_kw is not None:
        return DONE, _("%(value)s, checked against the rated %(rated)s kW.", value=value,
                       rated=formats.number(config.plant_rated_kw))  # fmt: skip
    said = facts.records.get(UNIT)
    if said is not None and said.answer == config.plant_power_unit:
        return DONE, _("%(value)s, confirmed by %(who)s.", value=value, who=said.stated_by)
    return OPEN, _("%(value)s: can that be?", value=value)


def _connection(facts: Facts) -> tuple[str, str]:
    said = facts.records.get(CONNECTION)
    if said is None or said.answer not in connections() or not said.answer:
        return OPEN, _("How is the plant connected?")
    return (WRONG if said.answer == "islanded" else DONE), formats.first_up(connections()[said.answer]) + "."


def _miners(facts: Facts) -> tuple[str, str]:
    fleet = facts.fleet
    if not fleet.models:
        return OPEN, _("None yet.")
    models = ngettext("%(num)d model", "%(num)d models", len(fleet.models))
    found = ngettext("%(num)d miner", "%(num)d miners", fleet.miners)
    return DONE, _("%(miners)s of %(models)s.", miners=found, models=models)


def _roles(facts: Facts) -> tuple[str, str]:
    if facts.contradictions:
        return WRONG, _("A meter contradicts its role: nothing is raised.")
    if facts.reading is None and not facts.meters:
        return WAITS, _("Waits for the first reading.")
    if not facts.meters:
        return DONE, _("The plant meters no consumption.")
    unsaid = sum(row.role_changed_at is None for row in facts.meters)
    if facts.drawn_twice_kw is not None and facts.reading is not None:
        numbers = {"drawn": formats.number(facts.drawn_twice_kw, 1),
                   "generated": formats.number(facts.reading.generation_kw, 1)}  # fmt: skip
        question = _("%(drawn)s kW are drawn of %(generated)s kW. If the rest is not from the grid: does a meter "
                     "contain the miners?", **numbers)  # fmt: skip
        return (WRONG if unsaid else DONE), question
    if unsaid:
        return OPEN, ngettext("%(num)d meter has a role that nobody has said yet.",
                              "%(num)d meters have roles that nobody has said yet.", unsaid)  # fmt: skip
    return DONE, ngettext("The role of %(num)d meter is said.", "The roles of %(num)d meters are said.",
                          len(facts.meters))  # fmt: skip


def _presets(facts: Facts) -> tuple[str, str]:
    models = facts.fleet.models
    if not models:
        return WAITS, _("Waits for miners.")
    missing = [one.model.name for one in models if not one.model.max_preset]
    if missing:
        return OPEN, _("Missing: %(models)s.", models=", ".join(missing))
    return DONE, _("Every model has one.")


def _managed(facts: Facts) -> tuple[str, str]:
    fleet = facts.fleet
    if not fleet.models:
        return WAITS, _("Waits for miners.")
    fact = _("%(managed)s of %(all)s miners.", managed=formats.number(fleet.managed), all=formats.number(fleet.miners))
    return (DONE if fleet.managed else OPEN), fact


def _observe(facts: Facts, now: datetime) -> tuple[str, str]:
    if facts.settings.mode is Mode.ARMED:
        return DONE, _("Over: PowerHive is armed.")
    if facts.cycle is None or facts.observed.since is None:
        return WAITS, _("Waits for the first cycle.")
    seconds = (now - facts.observed.since).total_seconds()
    cycles = formats.number(facts.observed.cycles)
    fact = _("For %(time)s; %(cycles)s cycles.", time=formats.age(seconds), cycles=cycles)
    return (DONE if seconds >= OBSERVE_S else OPEN), fact


def _arm(facts: Facts) -> tuple[str, str]:
    if facts.settings.mode is Mode.ARMED:
        return DONE, _("PowerHive controls the managed miners.")
    state = OPEN if facts.fleet.managed and facts.cycle is not None else WAITS
    return state, _("Mode: %(mode)s. Nothing is sent to the miners.", mode=formats.mode(facts.settings.mode))
