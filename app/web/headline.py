"""The dashboard's one line: how it is in numbers, and what happens next, in words (rules: `core.outlook`)."""

from __future__ import annotations

from markupsafe import Markup, escape

from app.core import outlook
from app.core.outlook import Decided, Outlook, Step
from app.core.readings import Stamp
from app.core.types import BalanceStatus, Mode, Override, Settings
from app.models import BalanceCycle
from app.store.status_board import StatusBoard
from app.web import formats
from app.web.words import gettext as _
from app.web.words import ngettext

WHOLE_KW_FROM = 100.0  # smaller numbers are shown with one decimal


def decided(board: StatusBoard, now: Stamp) -> Decided | None:
    """Return what the latest cycle's row says; None before the first cycle."""
    cycle = board.cycle
    if cycle is None or board.cycle_age_s is None:
        return None
    return Decided(
        age_s=board.cycle_age_s,
        reason=cycle.reason,
        mode=Mode(cycle.mode),
        override=Override(cycle.override),
        safety_margin_percent=cycle.safety_margin_percent,
        policy=cycle.policy,
        sent=cycle.sent,
        changes=cycle.changes_count,
        target_w=cycle.target_w,
        delta_w=cycle.delta_w,
        surplus_lasted_s=_lasted_s(cycle, "surplus_since", now),
        room_lasted_s=_lasted_s(cycle, "restart_room_since", now),
    )


def what_next(board: StatusBoard, now: Stamp, interval_s: float) -> Outlook:
    """Return what happens next, by the latest cycle's row and the settings in force."""
    return outlook.read(
        decided(board, now),
        board.settings,
        board.reading_age_s,
        late=board.cycle_late,
        stopped_by_us=board.counts.stopped_by_us,
        interval_s=interval_s,
    )


def how_it_is(board: StatusBoard) -> str:
    """Say in one clause how the farm stands to its target."""
    cycle = board.cycle
    if cycle is None:
        return _("nothing has been decided yet")
    if board.status is BalanceStatus.NO_DATA:
        return _("the plant has given no usable reading yet")
    values = {"used": _kw(cycle.current_w), "target": _kw(cycle.target_w), "gap": _kw(abs(cycle.delta_w))}
    if cycle.emergency:
        available = formats.number(cycle.available_kw, _digits(cycle.available_kw))
        return _("EMERGENCY: %(used)s kW used, %(available)s kW available", used=values["used"], available=available)
    if abs(cycle.delta_w) <= board.settings.tolerance_w:
        return _("%(used)s of %(target)s kW used, on target", **values)
    if cycle.delta_w > 0:
        return _("%(used)s of %(target)s kW used, %(gap)s kW below target", **values)
    return _("%(used)s of %(target)s kW used, %(gap)s kW above target", **values)


def in_words(seen: Outlook, settings: Settings) -> str:
    """Say what happens next, with the place of the time left open: `raising in %(left)s if the surplus lasts`."""
    return _sentence(seen, settings, sends=settings.mode is Mode.ARMED).replace("%(action)s", _lost_action(settings))


def with_time_left(sentence: str, in_s: float | None) -> Markup:
    """Return the sentence with the time left, which counts down in the browser."""
    return escape(sentence).replace("%(left)s", _left(in_s))


def _sentence(seen: Outlook, settings: Settings, *, sends: bool) -> str:
    if seen.step is Step.CHANGES:
        return _changes(seen.changes, sends=sends)
    if seen.step is Step.UNTIL_RESUME:
        if settings.override is Override.STOP:
            return _("all managed miners stay stopped until Resume is ordered")
        return _("all managed miners stay at their lowest presets until Resume is ordered")
    told = _farm(sends=sends) if seen.step in _OF_THE_FARM else _plant_and_program()
    return told.get(seen.step) or _("looking again in %(left)s")


_OF_THE_FARM = (Step.STILL_OVER, Step.LEFT_ALONE, Step.RAISES_BLOCKED, Step.RAISING, Step.STARTING,
                Step.STARTING_OR_SOONER, Step.ROOM_LEFT)  # fmt: skip


def _plant_and_program() -> dict[Step, str]:
    return {
        Step.FIRST_CYCLE: _("the first decision is made as soon as the plant has answered"),
        Step.NO_READING: _("nothing is raised before the plant has answered"),
        Step.BALANCER_SILENT: _("nothing is changed until the balancer runs again"),
        Step.OBEYS_SETTING: _("the changed setting acts with the next cycle, in %(left)s"),
        Step.OFF: _("nothing is raised or cut while the mode is off"),
        Step.LOST: _("the plant is lost: %(action)s, until one fresh reading"),
        Step.STALE: _("nothing is raised; without a fresh reading the plant counts as lost in %(left)s: %(action)s"),
    }


def _farm(*, sends: bool) -> dict[Step, str]:
    common = {
        Step.RAISES_BLOCKED: _("nothing is raised until the cause named below is over"),
        Step.LEFT_ALONE: _("so little is left alone; looking again in %(left)s"),
        Step.ROOM_LEFT: _("nothing more can be raised now; looking again in %(left)s"),
    }
    if sends:
        return common | {
            Step.STILL_OVER: _("the next cycle cuts what it may, in %(left)s"),
            Step.RAISING: _("raising in %(left)s if the surplus lasts"),
            Step.STARTING: _("stopped miners start in %(left)s at the earliest, if the room lasts"),
            Step.STARTING_OR_SOONER: _("stopped miners may start in %(left)s if the room lasts, sooner if it grows"),
        }
    return common | {
        Step.STILL_OVER: _("armed, the next cycle would cut what it may"),
        Step.RAISING: _("armed, it would raise in %(left)s if the surplus lasts"),
        Step.STARTING: _("armed, it would start stopped miners in %(left)s at the earliest"),
        Step.STARTING_OR_SOONER: _("armed, it might start stopped miners in %(left)s, sooner if the room grows"),
    }


def _changes(number: int, *, sends: bool) -> str:
    shown = formats.number(number)
    if sends:
        return ngettext("%(shown)s change is on its way", "%(shown)s changes are on their way", number, shown=shown)
    return ngettext(
        "armed, it would send %(shown)s change", "armed, it would send %(shown)s changes", number, shown=shown
    )


def _lost_action(settings: Settings) -> str:
    return {
        "minimum": _("the farm goes to its lowest presets"),
        "stop": _("the farm stops"),
        "hold": _("the farm holds its presets"),
    }[settings.plant_lost_action]


def _left(seconds: float | None) -> Markup:
    if seconds is None:
        return escape(formats.NO_VALUE)
    return Markup('<span data-left-s="{}">{}</span>').format(f"{seconds:.1f}", formats.age(seconds))


def _lasted_s(cycle: BalanceCycle, name: str, now: Stamp) -> float | None:
    at, monotonic_s, boot_id = (getattr(cycle, f"{name}_{part}") for part in ("at", "monotonic_s", "boot_id"))
    if at is None or monotonic_s is None or boot_id is None:
        return None
    return Stamp(at, monotonic_s, boot_id).elapsed_s(now)


def _kw(power_w: float) -> str:
    return formats.kw_of_w(power_w, _digits(power_w / 1000.0))


def _digits(power_kw: float) -> int:
    return 0 if abs(power_kw) >= WHOLE_KW_FROM else 1
