"""One miner's chips and raw answers, on request: the commands job asks it, the page waits for what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.errors import Conflict
from app.models import Miner
from app.store import commands, fleet, inspections
from app.web import page
from app.web.miners.blueprint import bp

GRADES = {"grey": "good", "orange": "weak", "red": "bad"}  # the firmware's colour: CSS class
OPEN = ("waiting", "running")


@dataclass(frozen=True, slots=True)
class ChipBoard:
    """The chips of one board. Temperatures in degC, hashrates in GH/s; None: no chip told one."""

    number: int
    chips: Sequence[dict[str, Any]]

    @property
    def grades(self) -> dict[str, int]:
        found = [GRADES.get(chip["grade"]) for chip in self.chips]
        return {grade: found.count(grade) for grade in GRADES.values()}

    @property
    def errors(self) -> int:
        return sum(chip["errors"] or 0 for chip in self.chips)

    @property
    def coolest_c(self) -> int | None:
        return min(self._temperatures(), default=None)

    @property
    def hottest_c(self) -> int | None:
        return max(self._temperatures(), default=None)

    @property
    def hashrate_ghs(self) -> float:
        return sum(chip["hashrate_ghs"] or 0.0 for chip in self.chips)

    def _temperatures(self) -> list[int]:
        return [chip["temp_c"] for chip in self.chips if chip["temp_c"] is not None]


@bp.get("/<mac>/inspection")
def inspection(mac: str) -> Response:
    """What the miner told last; for htmx only that part, which asks again while an order is open."""
    miner = fleet.get(mac)
    if page.by_htmx():
        return make_response(render_template("miners/_inspection.html", **_context(miner)))
    return page.render("miners/inspection.html", **_context(miner))


@bp.post("/<mac>/inspection")
def inspect(mac: str) -> BaseResponse:
    """Order to ask the miner now: 303, or 409 with why it is not asked."""
    miner = fleet.get(mac)
    try:
        commands.enqueue_inspection(miner.mac, by=page.who(), now=clock.utcnow())
    except Conflict as error:
        return page.render("miners/inspection.html", status=409, refusal=str(error), **_context(fleet.get(mac)))
    return redirect(url_for("miners.inspection", mac=miner.mac), 303)


def _context(miner: Miner) -> dict[str, Any]:
    found = inspections.of(miner.id)
    order = commands.latest_of(miner.id, commands.INSPECT)
    age_s = None if found is None else max(0.0, (clock.utcnow() - found.recorded_at).total_seconds())
    return {
        "miner": miner,
        "found": found,
        "age_s": age_s,
        "boards": [] if found is None else _boards(found.chips),
        "order": order,
        "asking": order is not None and order.status in OPEN,
        "grades": GRADES,
    }


def _boards(chips: Sequence[dict[str, Any]]) -> list[ChipBoard]:
    numbers = sorted({chip["board"] for chip in chips})
    return [ChipBoard(number, [chip for chip in chips if chip["board"] == number]) for number in numbers]
