"""The run-time settings: what is in force, and who changed what, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session

from app.core import access
from app.core import settings as rules
from app.core.audit import Action
from app.core.settings import SettingSpec
from app.core.types import Settings
from app.errors import ChangedMeanwhile
from app.extensions import db, writing
from app.models import SettingChange, SettingRow
from app.store import audit

_UNSEEN = object()  # equals no value


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting in force, with its rules and its latest change (None: still the default)."""

    spec: SettingSpec
    value: Any
    last_change: SettingChange | None


def load() -> Settings:
    """Return the settings in force; what is damaged in the database falls back to its default."""
    return rules.from_values(_stored(db.session))


def as_values() -> dict[str, Any]:
    """Return every setting in force by name."""
    settings = load()
    return {name: getattr(settings, name) for name in rules.SPECS}


def values() -> list[SettingValue]:
    """Return every setting in force, with its rules and its latest change."""
    in_force = as_values()
    newest = select(func.max(SettingChange.id)).group_by(SettingChange.name)
    changes = db.session.scalars(select(SettingChange).where(SettingChange.id.in_(newest)))
    by_name = {change.name: change for change in changes}
    return [SettingValue(spec, in_force[name], by_name.get(name)) for name, spec in rules.SPECS.items()]


def newest(name: str) -> SettingValue:
    """Return one setting in force, with its rules and its latest change."""
    changes = select(SettingChange).where(SettingChange.name == name).order_by(SettingChange.id.desc()).limit(1)
    return SettingValue(rules.SPECS[name], getattr(load(), name), db.session.scalars(changes).first())


def history(limit: int = 100) -> list[SettingChange]:
    """Return the latest changes of settings, newest first."""
    return list(db.session.scalars(select(SettingChange).order_by(SettingChange.id.desc()).limit(limit)))


def timeline(since: datetime, until: datetime) -> list[tuple[datetime, Settings]]:
    """Return what was in force from `since` on, and what each change until then put into force, in order of time."""
    rows = list(
        db.session.scalars(select(SettingChange).where(SettingChange.changed_at > since).order_by(SettingChange.id))
    )
    values = as_values()
    for row in reversed(rows):
        values[row.name] = row.old_value
    found = [(since, rules.from_values(values))]
    for row in rows:
        if row.changed_at < until:
            values[row.name] = row.new_value
            found.append((row.changed_at, rules.from_values(values)))
    return found


def change(name: str, value: Any, who: str, reason: str | None, now: datetime) -> Any:
    """Put one setting into force and note who did it; return the stored value.

    Raises:
        SettingError: no such setting, or a value it does not allow. Nothing is changed then.
        NotAllowed: the setting is an admin's, and `who` is none.
    """
    return change_many({name: value}, who, reason, now)[name]


def change_many(wanted: Mapping[str, Any], who: str, reason: str | None, now: datetime) -> dict[str, Any]:
    """Put several settings into force, all or none; return them as stored. A value already in force leaves no history.

    Raises:
        SettingError: as `change`.
    """
    checked = {name: rules.check(name, value) for name, value in wanted.items()}
    with writing() as session:
        put(session, checked, who, reason, now)
    return checked


def change_seen(
    wanted: Mapping[str, Any], seen: Mapping[str, Any], who: str, reason: str | None, now: datetime
) -> dict[str, Any]:
    """As `change_many`, for somebody who looked at the values `seen` while deciding.

    Raises:
        SettingError: as `change`.
        ChangedMeanwhile: one of these settings is neither as it was seen nor as it is wanted. Nothing is changed then.
    """
    checked = {name: rules.check(name, value) for name, value in wanted.items()}
    with writing() as session:
        put_seen(session, checked, seen, who=who, reason=reason, now=now)
    return checked


def put_seen(
    session: scoped_session[Any] | Session,
    checked: Mapping[str, Any],
    seen: Mapping[str, Any],
    *,
    who: str,
    reason: str | None,
    now: datetime,
) -> None:
    """As `put`, unless somebody changed one of these settings after it was `seen`: see `change_seen`."""
    in_force = rules.from_values(_stored(session))
    theirs = [
        name for name, value in checked.items() if getattr(in_force, name) not in (value, seen.get(name, _UNSEEN))
    ]
    if theirs:
        raise ChangedMeanwhile(theirs, f"Changed by somebody else meanwhile: {', '.join(theirs)}. Look at it again.")
    put(session, checked, who, reason, now)


def put(
    session: scoped_session[Any] | Session,
    checked: Mapping[str, Any],
    who: str,
    reason: str | None,
    now: datetime,
) -> None:
    """Write already checked values, and the history of it, inside the caller's own write transaction."""
    access.check_settings(who, checked)
    stored = _stored(session)
    in_force = rules.from_values(stored)
    for name, value in checked.items():
        old = getattr(in_force, name)
        if name not in stored or stored[name] != value:
            session.merge(SettingRow(name=name, value=value))
        if old != value:
            session.add(
                SettingChange(name=name, old_value=old, new_value=value, changed_at=now, changed_by=who, reason=reason)
            )
            audit.note(session, who, Action.SETTING, name, now, old=old, new=value, reason=reason)


_STORED = select(SettingRow.name, SettingRow.value)  # read with each request and cycle


def _stored(session: scoped_session[Any] | Session) -> dict[str, Any]:
    rows = session.execute(_STORED)
    return {name: value for name, value in rows}  # noqa: C416 - typed
