"""Secrets go in and never come out: canaries are planted, every answer is searched."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from app.config import Config
from app.extensions import db
from app.models import Miner
from tests import factories

CANARY_KEY, CANARY_PASSWORD = "canary-api-key-1", "canary-password-2"
MAC = "02:00:00:00:00:01"


def test_no_answer_holds_a_secret(app: Flask, client: FlaskClient, config: Config) -> None:
    with app.app_context():
        factories.full_farm()
        for miner in db.session.query(Miner):
            miner.api_key, miner.unlock_password = CANARY_KEY, CANARY_PASSWORD
        db.session.commit()
    answers = [client.patch(f"/api/miners/{MAC}", json={"unlock_pass": CANARY_PASSWORD})]
    answers += [client.patch(f"/api/miners/{MAC}", json={"unlock_pass": CANARY_PASSWORD * 20})]
    answers += [client.patch(f"/api/miners/{MAC}", json={"unlock_pass": [CANARY_PASSWORD]})]
    values = {"mac": MAC, "alias": "s19jpro", "command_id": 1, "cycle_id": 1, "event_id": 1, "name": "C1"}
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or set()) and rule.endpoint != "static":
            built = rule.build({name: values[name] for name in rule.arguments})
            assert built is not None
            answers.append(client.get(built[1], buffered=True))  # files come in pieces
    secrets = [CANARY_KEY, CANARY_PASSWORD, *config.secrets]
    for answer in answers:
        text = answer.text + str(answer.headers)
        for secret in secrets:
            assert secret not in text, answer.request.path
