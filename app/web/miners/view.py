"""Which miners the operator looks at, in what order: the query string, checked. And the words of its choices."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flask import request

from app.store.fleet_list import PROBLEMS, SORTS, STATES, FleetFilter
from app.web.words import gettext as _

RETIRED = "retired"
LARGEST_FIRST = ("power", "hashrate", "efficiency", "temperature", "managed", "added")  # on the first click


@dataclass(frozen=True, slots=True)
class View:
    """A part of the fleet. `sort`: a key of `SORTS`, with a minus before it the other way round."""

    q: str = ""
    model: str = ""
    managed: str = ""
    state: str = ""
    problem: str = ""
    label: str = ""
    sort: str = "address"
    page: int = 1

    @property
    def arguments(self) -> dict[str, Any]:
        """The query string again, without what is default."""
        values = ((name, getattr(self, name)) for name in _PLAIN)
        return {name: str(value) for name, value in values if value != _PLAIN[name]}

    @property
    def list_arguments(self) -> dict[str, Any]:
        """The query string without the page: the list as a whole."""
        return {name: value for name, value in self.arguments.items() if name != "page"}

    @property
    def filtered(self) -> bool:
        """Whether anything but order and page is chosen."""
        return bool(set(self.arguments) - {"sort", "page"})

    @property
    def sorted_by(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    def sort_by(self, key: str) -> dict[str, Any]:
        """The query string of the list sorted by this column; the other way round where it is so already."""
        first = f"-{key}" if key in LARGEST_FIRST else key
        other = key if key in LARGEST_FIRST else f"-{key}"
        return {**self.list_arguments, "sort": other if self.sort == first else first}

    def fleet_filter(self) -> FleetFilter:
        """The same in the store's words."""
        return FleetFilter(
            text=self.q,
            model=self.model,
            managed=None if self.managed == "" else self.managed == "1",
            state=self.state,
            problem=self.problem,
            label=self.label,
            retired=self.state == RETIRED,
        )


_PLAIN = asdict(View())


def current() -> View:
    """Return the view that the query string asks for; what it does not know is as if it were not there."""
    args = request.args
    number = args.get("page", "1")
    return View(
        q=_text(args.get("q"), 80).strip(),
        model=_text(args.get("model"), 64),
        managed=_one_of(args.get("managed"), ("0", "1")),
        state=_one_of(args.get("state"), (*STATES, RETIRED)),
        problem=_one_of(args.get("problem"), PROBLEMS),
        label=_text(args.get("label"), 80),
        sort=_one_of(args.get("sort"), (*SORTS, *(f"-{key}" for key in SORTS))) or "address",
        page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
    )


def _text(value: str | None, longest: int) -> str:
    return "".join(c for c in (value or "")[:longest] if c.isprintable())


def _one_of(value: str | None, known: Any) -> str:
    return value if value is not None and value in known else ""


# --- words -----------------------------------------------------------------------------------------------------------


def states() -> dict[str, str]:
    """The choices of state, in words."""
    return {
        "": _("any state"),
        "online": _("online"),
        "offline": _("offline"),
        "mining": _("mining"),
        "starting": _("starting"),
        "stopped": _("stopped"),
        "failing": _("in failure"),
        RETIRED: _("retired"),
    }


def problems() -> dict[str, str]:
    """The choices of problem, in words."""
    return {
        "": _("any or none"),
        "any": _("any problem"),
        "offline": _("offline"),
        "failing": _("in failure"),
        "trouble": _("in failure, or last change not taken"),
        "not_applied": _("last change not taken"),
        "failed": _("last change failed"),
        "unapplied": _("last change sent, but not applied"),
        "above_max": _("above its max preset"),
        "no_max_preset": _("no max preset"),
        "no_model": _("unknown model"),
        "no_key": _("not opened: no API key"),
        "held": _("held by an operator"),
        "stopped": _("stopped"),
        "stopped_by_us": _("stopped by PowerHive"),
        "stopped_by_others": _("stopped by somebody else"),
    }


def managed_choices() -> dict[str, str]:
    """The choices of managed, in words."""
    return {"": _("managed or not"), "1": _("managed"), "0": _("not managed")}


def filter_words(view: View, model_names: dict[str, str]) -> list[tuple[str, str]]:
    """What the view's filter asks for, in words: (name, value)."""
    asked = [
        (_("search"), view.q),
        (_("state"), states().get(view.state, "") if view.state else ""),
        (_("problem"), problems().get(view.problem, "") if view.problem else ""),
        (_("model"), model_names.get(view.model, view.model)),
        (_("label begins"), view.label),
        (_("managed"), managed_choices()[view.managed] if view.managed else ""),
    ]
    return [(name, value) for name, value in asked if value]


def mark_words() -> dict[str, str]:
    """What marks say of a miner: what it does, by the firmware's name of the state, and what is the matter with it."""
    return {
        "mining": _("mining"),
        "auto-tuning": _("tuning"),
        "initializing": _("initializing"),
        "starting": _("starting"),
        "restarting": _("restarting"),
        "shutting-down": _("shutting down"),
        "stopped": _("stopped"),
        "failure": _("failure"),
        "unknown": _("unknown state"),
        "retired": _("retired"),
        "offline": _("offline"),
        "held": _("held"),
        "failed": _("change failed"),
        "not_applied": _("change not applied"),
        "stop": _("stop"),
        "not_opened": _("not opened"),
    }
