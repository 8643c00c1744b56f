"""The audit trail: one entry per change, with who, old and new; no way to change it; the page and its CSV."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from app import clock
from app.core.access import Actor
from app.core.audit import Action
from app.extensions import db, writing
from app.models import AuditEntry, Miner
from app.store import audit, settings
from tests import factories, people

MAC = "02:00:00:00:00:01"
QUIET = "02:00:00:00:00:02"  # nothing is on its way to it


def entries(app: Flask) -> list[tuple[Any, ...]]:
    with app.app_context():
        rows = db.session.query(AuditEntry).order_by(AuditEntry.id)
        return [(e.who, e.via, e.action, e.subject, e.old_value, e.new_value, e.reason) for e in rows]


@pytest.fixture
def ana(app: Flask, client: FlaskClient) -> dict[str, str]:
    with app.app_context():
        factories.full_farm()
        db.session.query(Miner).filter_by(mac=QUIET).one().api_key = "opened"
        db.session.commit()
        people.user("ana")
    return {"X-CSRFToken": people.log_in(app, client, "ana")}


Call = Callable[[FlaskClient, dict[str, str]], Any]
CHANGES: dict[str, tuple[Call, list[tuple[Any, ...]]]] = {
    "margin": (
        lambda c, h: c.patch("/api/settings", json={"safety_margin_percent": 12, "reason": "dry"}, headers=h),
        [("setting", "safety_margin_percent", 10.0, 12.0, "dry")],
    ),
    "several settings": (
        lambda c, h: c.patch("/api/settings", json={"cooldown_s": 45, "tolerance_w": 600}, headers=h),
        [("setting", "cooldown_s", 30, 45, None), ("setting", "tolerance_w", 500, 600, None)],
    ),
    "a setting as it was": (lambda c, h: c.patch("/api/settings", json={"cooldown_s": 30}, headers=h), []),
    "a refused setting": (lambda c, h: c.patch("/api/settings", json={"cooldown_s": 1}, headers=h), []),
    "mode": (
        lambda c, h: c.post("/api/balance/mode", json={"mode": "armed", "reason": "go"}, headers=h),
        [("setting", "mode", "observe", "armed", "go")],
    ),
    "stop all": (
        lambda c, h: c.post("/api/balance/stop-all", json={"reason": "storm"}, headers=h),
        [("order", "stop_all", None, None, "storm"), ("setting", "override", "none", "stop", "storm")],
    ),
    "scan": (lambda c, h: c.post("/api/discovery/scan", json={}, headers=h), [("order", "scan", None, None, None)]),
    "preset": (
        lambda c, h: c.post(f"/api/miners/{QUIET}/preset", json={"preset": "1500"}, headers=h),
        [("order", QUIET, None, {"preset": "1500", "hold_minutes": None}, None)],
    ),
    "managed": (
        lambda c, h: c.patch(f"/api/miners/{MAC}", json={"managed": False}, headers=h),
        [("miner", MAC, {"managed": True}, {"managed": False}, None)],
    ),
    "managed as it was": (lambda c, h: c.patch(f"/api/miners/{MAC}", json={"managed": True}, headers=h), []),
    "hold": (
        lambda c, h: c.patch(f"/api/miners/{MAC}", json={"hold": True, "hold_reason": "fan"}, headers=h),
        [("miner", MAC, {"hold": False, "hold_reason": None}, {"hold": True, "hold_reason": "fan"}, None)],
    ),
    "label and retired": (
        lambda c, h: c.patch(f"/api/miners/{MAC}", json={"label": "A1", "retired": True}, headers=h),
        [("miner", MAC, {"retired": False, "label": "C1-01"}, {"retired": True, "label": "A1"}, None)],
    ),
    "unlock password": (
        lambda c, h: c.patch(f"/api/miners/{MAC}", json={"unlock_pass": "hidden-one"}, headers=h),
        [("miner", MAC, {"unlock_password": None}, {"unlock_password": "changed"}, None)],
    ),
    "max preset": (
        lambda c, h: c.patch("/api/models/s19jpro", json={"max_preset": "2300"}, headers=h),
        [("model", "s19jpro", {"max_preset": "2800"}, {"max_preset": "2300"}, None)],
    ),
    "expected power": (
        lambda c, h: c.patch(
            "/api/models/s19jpro", json={"presets_power": [{"preset": "2300", "power_w": 2400}]}, headers=h
        ),
        [("model", "s19jpro", {"2300: W, TH/s": [None, None]}, {"2300: W, TH/s": [2400, None]}, None)],
    ),
    "source": (
        lambda c, h: c.patch("/api/plant/sources/C1", json={"role": "miners"}, headers=h),
        [("source", "C1", {"role": "foreign"}, {"role": "miners"}, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_written_down_once(app: Flask, client: FlaskClient, ana: dict[str, str], name: str) -> None:
    call, wanted = CHANGES[name]
    answer = call(client, ana)
    assert answer.status_code in (200, 202, 422)
    assert entries(app) == [("ana", "API", *entry) for entry in wanted]


def test_changes_on_pages_are_written_down_too(app: Flask, client: FlaskClient, ana: dict[str, str]) -> None:
    bulk = {"scope": "selected", "action": "manage"}
    all_that_match = {"scope": "matching", "action": "label", "label": "X#", "expected": "3"}
    client.post(f"/miners/{MAC}/managed", data={"managed": "0"}, headers=ana)
    client.post("/miners/bulk", data=bulk | {"mac": [MAC, "02:00:00:00:00:02"]}, headers=ana)  # the second one is
    client.post("/miners/bulk?model=s21xp", data=all_that_match, headers=ana)
    client.post("/setup/models/s21xp/manage", headers=ana)
    client.post(f"/miners/{MAC}/unlock-password", data={"unlock_password": "hidden-one"}, headers=ana)
    client.post("/setup/connection", data={"connection": "grid"}, headers=ana)
    client.post("/settings/mode", data={"mode": "off", "reason": "storm"}, headers=ana)
    found = entries(app)
    assert {entry[:2] for entry in found} == {("ana", "page")}
    assert [entry[2:] for entry in found] == [
        ("miner", MAC, {"managed": True}, {"managed": False}, None),
        ("miner", MAC, None, {"managed": True}, None),
        ("miner", "all of a filter", None, {"label": "X#", "miners": 3}, None),
        ("miner", "all of s21xp", {"managed": False}, {"managed": True, "miners": 1}, None),
        ("miner", MAC, {"unlock_password": None}, {"unlock_password": "changed"}, None),
        ("answer", "connection", None, "grid", None),
        ("setting", "mode", "observe", "off", "storm"),
    ]


def test_a_change_that_fails_leaves_no_entry(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="halfway"):
        _fail_halfway()
    assert entries(app) == []


def _fail_halfway() -> None:
    with writing() as session:
        settings.put(session, {"safety_margin_percent": 20.0}, "test", None, clock.utcnow())
        raise RuntimeError("halfway")


def test_log_ins_and_log_outs_are_written_down(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        people.user("ana")
    csrf = client.get("/login").text.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    client.post("/login", data={"name": "ana", "password": people.PASSWORD, "csrf_token": csrf})
    found = client.get("/account").text.split('X-CSRFToken": "', 1)[1].split('"', 1)[0]
    client.post("/account/log-out", headers={"X-CSRFToken": found})
    assert [entry[:4] for entry in entries(app)] == [
        ("ana", "page", "log-in", "ana"), ("ana", "page", "log-out", "ana"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
        "INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT (id) DO UPDATE SET who = 'nobody'",
    ],
)
def test_the_trail_cannot_be_changed(app: Flask, statement: str) -> None:
    note(app)
    before = entries(app)
    with app.app_context(), pytest.raises(DatabaseError, match="audit trail"), writing() as session:
        session.execute(text(statement))
    assert entries(app) == before


def test_what_is_older_than_400_days_may_be_pruned(app: Flask) -> None:
    note(app, age=timedelta(days=401))
    note(app, age=timedelta(days=399))
    with app.app_context():
        with writing() as session:
            old = clock.utcnow() - timedelta(days=400)
            session.execute(AuditEntry.__table__.delete().where(AuditEntry.at < old))  # type: ignore[attr-defined]
        assert db.session.query(AuditEntry).count() == 1


def note(app: Flask, who: str = "ana", age: timedelta = timedelta(), **values: Any) -> None:
    with app.app_context(), writing() as session:
        actor = Actor(who, "page", "10.0.0.7")
        audit.note(session, actor, Action.SETTING, values.pop("subject", "mode"), clock.utcnow() - age, **values)


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query, status, shown",
    [
        ("", 200, 3), ("who=ana", 200, 2), ("who=nobody", 200, 0), ("action=setting", 200, 3),
        ("action=log-in", 200, 0),
        ("subject=cooldown_s", 200, 1), ("since=2000-01-01", 200, 3), ("until=2000-01-01", 200, 0),
        ("before=2", 200, 1),
        ("before=x", 200, 3), ("before=-1", 200, 3), ("before=99999999999999999999999", 200, 3),
        ("action=nonsense", 422, 0), ("since=yesterday", 422, 0), ("since=2026-02-30", 422, 0),
        ("until=9999-12-31", 422, 0),
        ("since=2026-01-01T00:00:00", 422, 0), ("who=%00", 200, 3), ("who=" + "x" * 5000, 200, 0),
        ("subject=%27%20or%201%3D1", 200, 0), ("who=%3Cscript%3E", 200, 0),
    ],
)  # fmt: skip
def test_the_page_filters(app: Flask, client: FlaskClient, query: str, status: int, shown: int) -> None:
    note(app, subject="mode", old="observe", new="armed", reason="go")
    note(app, subject="cooldown_s", old=30, new=45)
    note(app, who="rui")
    answer = client.get(f"/audit?{query}")
    assert answer.status_code == status
    assert answer.text.count('id="entry-') == shown
    assert "<script>" not in answer.text
    lines = client.get(f"/audit/csv?{query}").text.strip().splitlines()
    assert len(lines) == 1 + (shown if "before" not in query else 3)


def test_the_page_shows_fifty_and_goes_on(app: Flask, client: FlaskClient) -> None:
    for _ in range(51):
        note(app)
    first = client.get("/audit").text
    assert first.count('id="entry-') == 50
    assert client.get("/audit?before=2").text.count('id="entry-') == 1
    assert "before=2" in first
    assert len(client.get("/audit/csv").text.strip().splitlines()) == 52


def test_values_come_as_text_and_no_cell_is_a_formula(app: Flask, client: FlaskClient) -> None:
    note(app, old={"a": None}, new={"a": "<script>", "b": [1, 2]}, reason="=1+1")
    page, csv = client.get("/audit").text, client.get("/audit/csv").text
    assert "a &lt;script&gt;, b 1 / 2" in page
    assert "'=1+1" in csv


def test_there_is_no_way_to_write_to_the_trail(app: Flask) -> None:
    methods = {m for rule in app.url_map.iter_rules() if rule.endpoint.startswith("audit.") for m in rule.methods or ()}
    assert methods == {"GET", "HEAD", "OPTIONS"}
