"""The miner whose page the tests open: its row in the database, and what its forms were loaded with."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.models import Miner

MAC = "02:00:00:00:00:01"
PAGE = f"/miners/{MAC}"


def stored(app: Flask, mac: str = MAC) -> Miner:
    """The miner as it is stored now."""
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=mac).one()
        db.session.expunge_all()
        return miner


def change(app: Flask, mac: str = MAC, **values: object) -> None:
    """Write columns of the miner or of its status."""
    with app.app_context():
        miner = db.session.query(Miner).filter_by(mac=mac).one()
        for name, value in values.items():
            setattr(miner if hasattr(Miner, name) else miner.status, name, value)
        db.session.commit()


def seen(client: FlaskClient, form: str) -> str:
    """The mark of what the form shows."""
    return mark_in(client.get(PAGE).text, form)


def mark_in(page: str, form: str) -> str:
    """The same, in an answer."""
    found = re.search(rf'action="{PAGE}/{form}".*?name="seen" value="([0-9a-f]+)"', page, re.DOTALL)
    assert found
    return found[1]
