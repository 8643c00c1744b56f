"""What the API tests share."""

from __future__ import annotations

import pytest
from flask import Flask

from app.extensions import db
from app.models import Miner
from tests import factories

MAC = "02:00:00:00:00:01"


@pytest.fixture
def farm(app: Flask) -> None:
    with app.app_context():
        factories.full_farm()
        db.session.query(Miner).update({Miner.api_key: "key"})  # discovery has opened them all
        db.session.commit()
