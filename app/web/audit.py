"""The audit trail: who changed what, when, from where, and why. It can be read and downloaded, never edited."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from app.core import instants
from app.core.audit import Action
from app.models import AuditEntry
from app.store import audit
from app.store.audit import AuditFilter
from app.web import csv_file, page
from app.web.words import gettext as _

bp = Blueprint("audit", __name__, url_prefix="/audit")
PAGE_SIZE = 50
COLUMNS = ("at", "who", "via", "token", "address", "action", "subject", "old", "new", "reason")
LONGEST_SUBJECT = 120


@bp.get("")
def index() -> Response:
    """One page of entries; `who`, `action`, `subject`, `since`, `until` and `before` (an entry's id) narrow it."""
    wanted, problems = _filter()
    before = request.args.get("before", type=int)
    before = before if before is not None and 0 < before < 2**63 else None
    rows = [] if problems else audit.recent(wanted, PAGE_SIZE + 1, before)
    return page.render(
        "audit/index.html",
        status=422 if problems else 200,
        entries=rows[:PAGE_SIZE],
        older=rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None,
        query=_query(),
        problems=problems,
        names=audit.names(),
        actions=actions(),
        described=described,
    )


@bp.get("/csv")
def csv() -> Response:
    """All matching entries as a file. What cannot be understood of the filter leaves it empty."""
    wanted, problems = _filter()
    rows = () if problems else (_cells(entry) for entry in audit.each(wanted))
    return csv_file.answer("audit", COLUMNS, rows)


def actions() -> dict[str, str]:
    """The kinds of changes, in the reader's words."""
    return {
        Action.SETTING: _("setting"),
        Action.ORDER: _("order"),
        Action.MINER: _("miner"),
        Action.MODEL: _("miner model"),
        Action.SOURCE: _("plant source"),
        Action.ANSWER: _("answer of the questionnaire"),
        Action.USER: _("user"),
        Action.PASSWORD: _("password"),
        Action.TOKEN: _("API token"),
        Action.LOGGED_IN: _("log-in"),
        Action.REFUSED: _("log-in refused"),
        Action.LOGGED_OUT: _("log-out"),
    }


def described(value: Any) -> str:
    """Return an old or new value as a line of text; "" for none."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name} {described(part) or '–'}" for name, part in value.items())
    if isinstance(value, list):
        return " / ".join(described(part) or "–" for part in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _filter() -> tuple[AuditFilter, dict[str, str]]:
    """Return the filter that the query asks for, and what is wrong with it by field."""
    query, problems = _query(), {}
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        times[name] = found = _day(query[name]) if query[name] else None
        if query[name] and found is None:
            problems[name] = _("Write a day like 2026-11-23.")
    if query["action"] and query["action"] not in set(Action):
        problems["action"] = _("There is no such kind of change.")
    until = times["until"]
    return AuditFilter(
        who=query["who"],
        action=query["action"],
        subject=query["subject"],
        since=times["since"],
        until=until + timedelta(days=1) if until is not None else None,
    ), problems


def _query() -> dict[str, str]:
    names = ("who", "action", "subject", "since", "until")
    found = {name: request.args.get(name, "").strip()[:LONGEST_SUBJECT] for name in names}
    return {name: text if text.isprintable() else "" for name, text in found.items()}


def _day(text: str) -> datetime | None:
    """Return the beginning of a day, in UTC."""
    found = instants.read(f"{text}T00:00:00Z") if len(text) == 10 else None
    return found if found is not None and found.year < 9999 else None


def _cells(entry: AuditEntry) -> tuple[Any, ...]:
    return (
        entry.at.isoformat(), entry.who, entry.via, entry.token, entry.address, entry.action, entry.subject,
        described(entry.old_value), described(entry.new_value), entry.reason,
    )  # fmt: skip
