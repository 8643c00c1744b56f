"""What a hostile miner or plant calls itself is only text: in pages, JSON, CSV and the log."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clients import answers, plant
from app.clock import stamp, utcnow
from app.extensions import db
from app.models import Miner, MinerModel, OtherHost
from app.store import polls, sightings
from tests import canaries, factories

MAC = "02:00:00:00:aa:01"
SCRIPT = "<script>alert(1)</script>"
NAMES = {
    "script": SCRIPT + "'\"><img src=x onerror=alert(2)>",
    "a megabyte": "M" * 1_000_000,
    "control characters": "a\nb\r\nc\x00\x1b[31m\x85\u2028d",
    "bidi": "\u202egnp.exe\u2066\u200f",
    "formula": "=cmd|' /C calc'!A0",
    "template": "{{ config }}{% raw %}%(num)d %s",
}


def hostile_farm(name: str) -> None:
    """A farm in which one miner, and the plant, give this name wherever they may give one."""
    factories.full_farm()
    factories.decided_cycle()
    info = {
        "fw_name": "Vnish", "fw_version": name, "miner": name, "model": name, "platform": name, "hr_measure": name,
        "system": {"network_status": {"mac": MAC, "hostname": name}},
    }  # fmt: skip
    sightings.record([answers.identity("127.0.9.1", info)], [], utcnow())
    miner = db.session.query(Miner).filter_by(mac=MAC).one()
    said = {
        "miner": {"miner_status": {"miner_state": name, "description": name}, "chains": [{"status": {"state": name}}]}
    }
    status = answers.status(said, {"current_preset": {"name": name}}, None, "GH/s", "sha256d")
    polls.record_sweep(polls.targets(), polls.Sweep({miner.id: status}, {}), stamp())
    ladder = answers.ladder([{"name": name, "pretty": name}, {"name": "2300", "pretty": name}], "sha256d")
    sightings.record_care([sightings.Care(miner.id, presets=ladder, saved_preset=answers.preset_name(name))], utcnow())
    miner = db.session.query(Miner).filter_by(mac=MAC).one()
    factories.change(miner, reason="2300 -> 2800", old_preset=answers.preset_name(name) or "2300")
    clean = plant.clean(name, plant.MAX_TEXT) or "x"
    factories.source(clean)
    host = answers.clean(name, 40) or "x"
    db.session.add(OtherHost(ip="127.0.9.2", firmware=host, first_seen_at=utcnow(), last_seen_at=utcnow()))
    db.session.commit()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_it_is_harmless_in_every_answer(app: Flask, client: FlaskClient, name: str) -> None:
    with app.app_context():
        hostile_farm(name)
        db.session.remove()
    pages = dict(canaries.every_answer(app, canaries.in_process(client)))
    for path in (f"/miners/{MAC}", f"/api/miners/{MAC}", f"/api/miners/{MAC}/explain"):
        answer = client.get(path)
        pages[path] = f"{answer.headers}{answer.get_data(as_text=True)}"
    assert len(pages) > 30
    for path, text in pages.items():
        assert "Internal Server Error" not in text, path
        assert len(text) < 2_000_000, path
        assert [c for c in text if unicodedata.category(c) in ("Cf", "Cc") and c not in "\n\r\t\ufeff"] == [], path
        if "application/json" not in text and "text/csv" not in text:
            assert SCRIPT not in text, path
            assert "<img src=x" not in text, path
    for path, text in pages.items():
        if "text/csv" in text:
            body = text.partition("\ufeff")[2]
            cells = [cell for row in csv.reader(io.StringIO(body)) for cell in row]
            assert [cell for cell in cells if cell.startswith("=")] == [], path


def test_a_name_that_is_stored_is_short_and_printable(app: Flask) -> None:
    for name in NAMES.values():
        with app.app_context():
            db.drop_all()
            db.create_all()
            hostile_farm(name)
            miner = db.session.query(Miner).filter_by(mac=MAC).one()
            texts = [miner.hostname, miner.firmware_version, miner.hr_measure, miner.saved_preset or "",
                     *(m.name + m.alias for m in db.session.query(MinerModel))]  # fmt: skip
            assert all(len(text) <= 200 and text.isprintable() for text in texts)
            db.session.remove()
