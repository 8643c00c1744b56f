"""Sentences about a miner model: what a max preset means, what has to be confirmed, what a change costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core import switching
from app.core.ladder_curve import far_off
from app.core.switching import Cost
from app.models import MinerModel
from app.store import miner_models
from app.store.miner_models import Consequence
from app.web import formats
from app.web.words import gettext as _
from app.web.words import ngettext


@dataclass(frozen=True, slots=True)
class CostTile:
    """What a change of presets costs: seconds of full hashrate lost (None: not known), and where that is from."""

    label: str
    loss_s: float | None
    note: str


def consequence(of: Consequence) -> str:
    """Say what a max preset means for the farm."""
    if of.power_w is None:
        return ngettext(
            "No max preset: the %(count)s miner of this model is not touched at all.",
            "No max preset: the %(count)s miners of this model are not touched at all.",
            of.miners,
            count=formats.number(of.miners),
        )
    return ngettext(
        "%(count)s miner may go up to %(power_w)s W: at most %(total_kw)s kW",
        "%(count)s miners may go up to %(power_w)s W: at most %(total_kw)s kW",
        of.miners,
        count=formats.number(of.miners),
        power_w=formats.number(of.power_w),
        total_kw=formats.number(of.total_kw, 1),
    )


def questions(model: MinerModel, wanted: Mapping[str, Any], before: Consequence, after: Consequence) -> list[str]:
    """Return what the operator has to confirm before `wanted` is saved: more power, other hardware, likely slips."""
    asked = []
    if "max_preset" in wanted and after.total_kw > before.total_kw:
        asked.append(_more(before, after))
    if wanted.get("allow_modded_psu"):
        asked.append(
            ngettext(
                "The %(count)s miner of this model has a modified power supply. A standard one can burn there.",
                "All %(count)s miners of this model have modified power supplies. Standard ones can burn there.",
                after.miners,
                count=formats.number(after.miners),
            )
        )
    return asked + _likely_slips(model, wanted.get("expected", {}))


def cost_tiles(model: MinerModel) -> tuple[CostTile, ...]:
    """Return what a preset change counts as costing, and what was measured of both kinds."""
    found = miner_models.costs(model)
    if model.switch_loss_s is not None:
        source = _("set by the operator")
    elif found.likely.loss_s is not None:
        source = _("learned")
    else:
        source = _("assumed until %(needed)s changes have been measured", needed=switching.EVENTS_NEEDED)
    return (
        CostTile(_("A preset change costs"), switching.loss_s(found, model.switch_loss_s), source),
        _cost_tile(_("With restart, measured"), found.with_restart),
        _cost_tile(_("Without restart, measured"), found.without_restart),
    )


def _more(before: Consequence, after: Consequence) -> str:
    if before.power_w is None:
        return _("%(then)s. Up to now they are not touched.", then=consequence(after))
    return _(
        "%(then)s, %(more_kw)s kW more than now (%(now_w)s W each, %(now_kw)s kW).",
        then=consequence(after),
        more_kw=formats.number(after.total_kw - before.total_kw, 1),
        now_w=formats.number(before.power_w),
        now_kw=formats.number(before.total_kw, 1),
    )


def _likely_slips(model: MinerModel, expected: Mapping[str, Mapping[str, Any]]) -> list[str]:
    asked = []
    for rung in miner_models.rungs(model):
        numbers = expected.get(rung.name, {})
        for own, firmware, unit, digits in (
            (numbers.get("expected_power_w"), rung.firmware_power_w, "W", 0),
            (numbers.get("expected_hashrate_ths"), rung.hashrate_ths, "TH/s", 1),
        ):
            if far_off(own, firmware):
                asked.append(
                    _(
                        "Preset %(preset)s: %(own)s %(unit)s is far from the firmware's %(firmware)s %(unit)s.",
                        preset=rung.name,
                        own=formats.number(own, digits),
                        firmware=formats.number(firmware, digits),
                        unit=unit,
                    )
                )
    return asked


def _cost_tile(label: str, cost: Cost) -> CostTile:
    if cost.settle_s is None:
        note = _("%(seen)s of %(needed)s changes seen", seen=cost.events, needed=switching.EVENTS_NEEDED)
        return CostTile(label, None, note)
    settle_s = formats.number(cost.settle_s)
    note = _("settled after %(settle_s)s s; median of %(events)s", settle_s=settle_s, events=cost.events)
    return CostTile(label, cost.loss_s, note)
