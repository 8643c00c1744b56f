"""The events pages: every change on every miner with what became of it, newest first, and one with all around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from app.core.types import ChangeKind, Origin
from app.errors import SettingError
from app.models import PresetChangeRow
from app.store import events
from app.store.events import EventFilter
from app.store.keyset import Page
from app.web import csv_file, formats, listing, page
from app.web.listing import Filters
from app.web.words import gettext as _

bp = Blueprint("events", __name__, url_prefix="/events")
PAGE_SIZE = 50
MOST_IN_CSV = 50_000
HEADER = (
    "id", "recorded_at", "mac", "ip", "label", "kind", "origin", "old_preset", "new_preset", "old_power_w",
    "new_power_w", "reason", "attempt", "outcome", "finished_at", "took_s", "error", "total_before_w",
    "total_after_w", "available_w", "target_w", "cycle_id", "command_id",
)  # fmt: skip


@bp.get("")
def index() -> Response:
    """One page of events."""
    filters = Filters()
    wanted = _wanted(filters)
    found: Page[PresetChangeRow] = Page([], newer=False, older=False)
    counts: dict[str, int] = {}
    if not filters.errors:
        found, counts = events.listed(wanted, listing.place(), PAGE_SIZE)
    return page.render(
        "events/index.html",
        status=422 if filters.errors else 200,
        events=found.rows,
        pager=filters.pager(found),
        filters=filters,
        filtered=bool(filters.query),
        counts=counts,
        counted=min(sum(counts.values()), events.COUNTED),
        more_than_counted=sum(counts.values()) >= events.COUNTED,
        outcomes=formats.outcomes(),
        outcome_choices=[(word, words) for word, (words, _kind) in formats.outcomes().items()],
        kinds=kinds(),
        origins=origins(),
        took_s=events.took_s,
        most_in_csv=MOST_IN_CSV,
    )


@bp.get("/csv")
def download() -> Response:
    """The events of the same filter as a CSV file.

    Raises:
        SettingError: the filter cannot be obeyed.
    """
    filters = Filters()
    wanted = _wanted(filters)
    for name, sentence in filters.errors.items():
        raise SettingError(name, f"{name}: {sentence}")
    return csv_file.answer("powerhive-events", HEADER, _csv_rows(wanted))


@bp.get("/<int:event_id>")
def one(event_id: int) -> Response:
    """One event: before and after, why, how long it took, the farm at that time, what the miner answered."""
    story = events.get(event_id)
    return page.render(
        "events/one.html",
        story=story,
        event=story.event,
        took_s=events.took_s(story.event),
        kind_words=kinds().get(story.event.kind, story.event.kind),
        origin_words=origins().get(story.event.origin, story.event.origin),
        status_class=formats.STATUS_CLASS,
    )


def kinds() -> dict[str, str]:
    """What a change does, in words."""
    return {ChangeKind.PRESET: _("preset"), ChangeKind.STOP: _("stop"), ChangeKind.START: _("start")}


def origins() -> dict[str, str]:
    """Who wanted a change, in words."""
    return {Origin.BALANCER: _("the balancer"), Origin.OPERATOR: _("by hand")}


def _wanted(filters: Filters) -> EventFilter:
    return EventFilter(
        miner=filters.text("miner"),
        outcome=filters.choice("outcome", formats.outcomes()),
        reason=filters.text("reason"),
        kind=filters.choice("kind", kinds()),
        origin=filters.choice("origin", origins()),
        cycle_id=filters.number("cycle"),
        since=filters.moment("from"),
        until=filters.moment("to"),
    )


def _csv_rows(wanted: EventFilter) -> Iterator[tuple[Any, ...]]:
    for number, event in enumerate(events.all_of(wanted, MOST_IN_CSV + 1)):
        if number == MOST_IN_CSV:
            most = formats.number(MOST_IN_CSV)
            yield (_("Cut here: only the newest %(most)s events; ask for a shorter time for the rest.", most=most),)
            return
        took_s = events.took_s(event)
        yield (
            event.id, formats.iso(event.recorded_at), event.miner.mac, event.miner.ip, event.miner.label, event.kind,
            event.origin, event.old_preset, event.new_preset, event.old_power_w, event.new_power_w, event.reason,
            event.attempt, event.outcome, formats.iso(event.finished_at), None if took_s is None else round(took_s, 1),
            event.error_message, event.total_before_w, event.total_after_w, event.available_w, event.target_w,
            event.cycle_id, event.command_id,
        )  # fmt: skip
