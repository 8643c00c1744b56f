"""The audit trail: every change by a person or a token, and what holds it against being changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, JSON, String, event
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import Base, UtcDateTime


class AuditEntry(Base):
    """One change: who, when, from where, old, new, why. Never changed, and kept for 400 days at least.

    The triggers below hold that against everybody who writes through the table's door, this program included. They are
    the database's own; a migration that copies this table must make them again.
    """

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    who: Mapped[str] = mapped_column(String(80))  # a user's name, or what acted without one
    via: Mapped[str] = mapped_column(String(16))  # page | API | command line | ""
    token: Mapped[str] = mapped_column(String(24))
    address: Mapped[str] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(32))  # core.access.Action
    subject: Mapped[str] = mapped_column(String(120))  # the setting's name, the miner's MAC, the user's name
    old_value: Mapped[Any] = mapped_column(JSON)
    new_value: Mapped[Any] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(String(300))


_SQLITE = """
CREATE TRIGGER audit_keeps_rows BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;

CREATE TRIGGER audit_keeps_ids BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;

CREATE TRIGGER audit_keeps_400_days BEFORE DELETE ON audit WHEN OLD.at > datetime('now', '-400 days')
BEGIN SELECT RAISE(ABORT, 'the audit trail is kept for 400 days'); END;
"""  # audit_keeps_ids: INSERT OR REPLACE deletes without firing a trigger

_POSTGRESQL = """
CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF TG_OP = 'DELETE' THEN IF OLD.at <= now() - interval '400 days' THEN RETURN OLD; END IF; END IF;
RAISE EXCEPTION 'the audit trail is never changed and kept for 400 days'; END $$;

CREATE TRIGGER audit_keeps_rows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();

CREATE TRIGGER audit_keeps_all BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_is_kept();
"""

AUDIT_TRIGGERS: dict[str, tuple[str, ...]] = {
    dialect: tuple(statement.strip() for statement in text.strip().split("\n\n"))
    for dialect, text in (("sqlite", _SQLITE), ("postgresql", _POSTGRESQL))
}


def _ddl(statement: str, dialect: str) -> Any:
    made: Any = DDL(statement)  # type: ignore[no-untyped-call]
    return made.execute_if(dialect=dialect)


for _dialect, _statements in AUDIT_TRIGGERS.items():
    for _statement in _statements:
        event.listen(AuditEntry.__table__, "after_create", _ddl(_statement, _dialect))
