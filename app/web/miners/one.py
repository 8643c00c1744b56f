"""One miner: who it is, what it does and why, what it may run, what it did, and what an operator can decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, make_response, render_template, request

from app import clock
from app.core.types import Settings
from app.models import Miner, PresetChangeRow
from app.store import commands, cycles, events, fleet, fleet_list, miner_history, rungs
from app.store import settings as settings_store
from app.store.rungs import Rung
from app.store.snapshot import change_view
from app.web import formats, page
from app.web.forms import refusal
from app.web.miners import history
from app.web.miners import view as views
from app.web.miners.blueprint import bp
from app.web.miners.forms import AS_IT_IS, UNTIL_RELEASED, HoldForm, LabelForm, PasswordForm, PresetForm, RetireForm
from app.web.words import gettext as _

EVENTS = 20
HOLD_COLUMNS = ("hold", "hold_until", "hold_reason")
FIELD_IDS = {
    "preset_form": {"preset": "preset", "hold_minutes": "preset-hold", "reason": "preset-reason"},
    "hold_form": {"hold_minutes": "hold-minutes", "reason": "hold-reason"},
    "label_form": {"label": "label"},
    "password_form": {"unlock_password": "unlock_password"},
    "retire_form": {"sure": "sure"},
}  # of each form's fields in the page, by name
ON_ITS_WAY = ("sending", "sent", "unknown")


@dataclass(frozen=True, slots=True)
class Picture:
    """All that the page says of a miner now, read once."""

    miner: Miner
    settings: Settings
    ladder: list[Rung]
    changes: list[PresetChangeRow]  # newest first
    cooldown_s: float

    @property
    def wanted(self) -> str | None:
        """The preset of a change on its way."""
        change = next(iter(self.changes), None)
        return change.new_preset if change is not None and change.outcome in ON_ITS_WAY else None

    def rung(self, name: str | None) -> Rung | None:
        return next((rung for rung in self.ladder if rung.preset.name == name), None)

    @property
    def running(self) -> Rung | None:
        """What it runs; None where that is not known."""
        return self.rung(self.miner.status.running_preset if self.miner.status else None)


@bp.get("/<mac>")
def one(mac: str) -> Response:
    """The page of one miner."""
    return show(mac)


@bp.get("/<mac>/live")
def live(mac: str) -> Response:
    """What of it refreshes by itself; no input is in it."""
    picture = load(fleet.get(mac))
    said = page.banners(picture.settings)
    return make_response(render_template("miners/_refresh.html", **said, **_live_context(picture)))


@bp.get("/<mac>/consequence")
def consequence(mac: str) -> Response:
    """What the preset chosen in the form would mean, as one sentence."""
    picture = load(fleet.get(mac))
    response = make_response(_consequence(picture, request.args.get("preset", "")))
    response.mimetype = "text/plain"
    return response


def load(miner: Miner) -> Picture:
    """Read the rest of what is known of this miner: four queries."""
    now = clock.stamp()
    changes = events.recent(EVENTS, miner_id=miner.id)
    newest = changes[0] if changes else None
    settings = settings_store.load()
    facts = rungs.view(
        miner, rungs.of_miner(miner.id), rungs.of_model(miner.model_id), now.utc,
        None if newest is None else change_view(newest, now),
    )  # fmt: skip
    cooldown_s = rungs.cooldown_left_s(None if newest is None else newest.recorded, settings, now)
    return Picture(miner, settings, rungs.ladder_of(facts, settings), changes, cooldown_s)


def _refusal(forms: dict[str, Any]) -> tuple[str, str] | None:
    """What the top of the page says of a refused form: the sentence, and the id of the field that says it in full."""
    found = next(((form, FIELD_IDS[name]) for name, form in forms.items()), None)
    if found is None:
        return None
    sentence, field_id = refusal(*found)
    return formats.said(sentence), field_id


def show(mac: str, *, status: int = 200, forms: dict[str, Any] | None = None) -> Response:
    """The whole page; `forms`: those that were refused, with their values and messages, by name."""
    view = views.current()
    picture = load(fleet.get(mac))
    miner = picture.miner
    span = history.chart_span(request.args.get("span"))[0]
    return page.render(
        "miners/one.html",
        status=status,
        settings=picture.settings,
        view=view,
        refused=_refusal(forms or {}),
        place=fleet_list.place(miner, view.fleet_filter(), view.sort),
        boards=_boards(picture),
        charts=[
            (what, words, history.address(miner, what, span), history.spans(miner, what))
            for what, words in ((history.POWER, _("Power and hashrate")), (history.TEMPERATURE, _("Temperature")))
        ],
        span=span,
        **_live_context(picture),
        **{**_forms(picture), **(forms or {})},
    )


def _live_context(picture: Picture) -> dict[str, Any]:
    miner, now = picture.miner, clock.stamp()
    status = miner.status
    age_s = None
    if status is not None and status.polled_at is not None:
        age_s = max(0.0, (now.utc - status.polled_at).total_seconds())
    return {
        "picture": picture,
        "miner": miner,
        "poll": status,
        "online": status is not None and status.online,
        "poll_age_s": age_s,
        "held": fleet.is_held(miner, now.utc),
        "why": cycles.explain_each([miner])[miner.mac],
        "order": commands.latest_of(miner.id),
        "end": (picture.changes[0].outcome, picture.changes[0].new_preset) if picture.changes else None,
        "mark_words": views.mark_words(),
        "marks": _marks(picture),
    }


def _forms(picture: Picture) -> dict[str, Any]:
    miner = picture.miner
    until = running_until(miner, clock.utcnow())
    hold = {"hold_minutes": AS_IT_IS if until else UNTIL_RELEASED, "reason": miner.hold_reason or ""}
    hold["seen"] = fleet.edition(miner, HOLD_COLUMNS)
    return {
        "preset_form": PresetForm(formdata=None, data={"preset": "", "hold_minutes": "60"}),
        "hold_form": HoldForm(formdata=None, data=hold, running_until=until),
        "label_form": LabelForm(formdata=None, data={"label": miner.label, "seen": fleet.edition(miner, ("label",))}),
        "password_form": PasswordForm(formdata=None),
        "retire_form": RetireForm(formdata=None),
    }


def running_until(miner: Miner, now: datetime) -> datetime | None:
    """When the miner's hold ends, where one is in force that ends by itself."""
    return miner.hold_until if fleet.is_held(miner, now) else None


def newest_form(mac: str, name: str) -> Any:
    """One of the page's forms with what is stored now."""
    return _forms(load(fleet.get(mac)))[name]


def _marks(picture: Picture) -> dict[str, list[tuple[str, str]]]:
    """What is said of each preset of the ladder: (words, CSS class) by its name."""
    miner, status = picture.miner, picture.miner.status
    said: dict[str, list[tuple[str, str]]] = {rung.preset.name: [] for rung in picture.ladder}

    def mark(name: str | None, words: str, kind: str) -> None:
        if name in said:
            said[name].append((words, kind))

    if status is not None and status.online:
        mark(status.running_preset, _("runs now"), "ok")
    mark(picture.wanted, _("on its way"), "wait")
    if miner.saved_preset and (status is None or miner.saved_preset != status.running_preset):
        mark(miner.saved_preset, _("saved: runs after a restart"), "stale")
    if miner.model is not None:
        mark(miner.model.max_preset, _("max preset"), "stale")
    return said


def _boards(picture: Picture) -> list[dict[str, Any]]:
    """The boards as last seen: the status poll's numbers, what it does not tell from the telemetry."""
    samples = {row.board: row for row in miner_history.latest_boards(picture.miner.id)}
    polled = {int(board["board"]): board for board in (picture.miner.status.boards if picture.miner.status else [])}
    names = ("state", "power_w", "hashrate_ths", "frequency_mhz", "voltage_mv", "pcb_temp_c", "chip_temp_c",
             "chips_red", "chips_orange", "chips_grey")  # fmt: skip
    found = []
    for number in sorted({*samples, *polled}):
        board, sample = polled.get(number, {}), samples.get(number)
        values = {n: board.get(n) if board.get(n) is not None else getattr(sample, n, None) for n in names}
        found.append({"board": number, "sampled_at": sample.recorded_at if sample else None, **values})
    return found


def _consequence(picture: Picture, name: str) -> str:
    """What sending this preset would mean: the difference, what forbids it, what is to be waited for."""
    if not name:
        return ""
    rung = picture.rung(name)
    if rung is None:
        return _("This miner has no such preset.")
    if rung.objection:
        return _("Not allowed: %(reason)s.", reason=formats.said(rung.objection))
    sentences = [_difference(picture, rung)]
    if not rung.preset.tuned:
        sentences.append(_("It is not tuned on this miner: it restarts into tuning, which may take hours."))
    if picture.cooldown_s > 0:
        sentences.append(
            _("It was changed a moment ago: refused for %(number)s more s.", number=formats.number(picture.cooldown_s))
        )
    if not picture.miner.managed and not fleet.is_held(picture.miner, clock.utcnow()):
        sentences.append(_("It is neither managed nor held, so the order is refused: hold it first, or manage it."))
    return " ".join(sentences)


def _difference(picture: Picture, rung: Rung) -> str:
    now = picture.running
    if now is None or now.power_w is None or rung.power_w is None:
        return _("%(preset)s: about %(power)s W.", preset=rung.preset.name, power=formats.number(rung.power_w))
    if now.preset.name == rung.preset.name:
        return _("It runs %(preset)s already.", preset=rung.preset.name)
    return _(
        "%(old)s → %(new)s: %(power)s W and %(hashrate)s TH/s.",
        old=now.preset.name,
        new=rung.preset.name,
        power=formats.signed(rung.power_w - now.power_w),
        hashrate=formats.signed((rung.hashrate_ths or 0.0) - (now.hashrate_ths or 0.0), 1),
    )
