"""Orders over JSON: given once with a key however often they are sent, and refused at once where a rule is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import clock
from app.extensions import db
from app.models import Command, Miner, MinerModel, SettingChange
from tests import factories

MAC = "02:00:00:00:00:01"
ORDERS = [
    ("/api/balance/mode", {"mode": "armed"}),
    ("/api/balance/stop-all", {"reason": "flood"}),
    ("/api/balance/all-to-minimum", {}),
    ("/api/balance/resume", {"reason": None}),
    ("/api/discovery/scan", {}),
    (f"/api/miners/{MAC}/preset", {"preset": "1500"}),
]


def give(client: FlaskClient, path: str, body: dict[str, Any], key: str | None = "k-1") -> tuple[int, Any]:
    answer = client.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})
    return answer.status_code, answer.get_json()


def orders(app: Flask) -> int:
    with app.app_context():
        return db.session.query(Command).count()


def test_every_order_is_in_this_table(app: Flask) -> None:
    posts = {rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ()) and "/api/" in rule.rule}
    assert posts == {path.replace(MAC, "<mac>") for path, _ in ORDERS}


@pytest.mark.parametrize("path, body", ORDERS)
def test_an_order_with_a_key_is_given_once(
    app: Flask, client: FlaskClient, farm: None, path: str, body: dict[str, Any]
) -> None:
    first = give(client, path, body)
    assert first[0] == 202
    assert give(client, path, body) == first
    assert orders(app) == 1
    assert give(client, path, body, "k-2")[1]["id"] != first[1]["id"]
    assert give(client, path, body, None)[0] == 202
    assert orders(app) == 3


@pytest.mark.parametrize("path, body", ORDERS)
def test_a_key_never_means_two_things(
    app: Flask, client: FlaskClient, farm: None, path: str, body: dict[str, Any]
) -> None:
    give(client, path, body)
    status, answer = give(client, path, body | {"reason": "another"})
    assert (status, orders(app)) == (422, 1)
    assert "Idempotency-Key 'k-1' was used for another request" in answer["error"]
    elsewhere = next(other for other in ORDERS if other[0] != path)
    assert give(client, *elsewhere)[0] == 422


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a b", "a\tb", "schlüssel", "\x7f"])
@pytest.mark.parametrize("path, body", ORDERS)
def test_a_malformed_key_is_400(
    app: Flask, client: FlaskClient, farm: None, path: str, body: dict[str, Any], key: str
) -> None:
    status, answer = give(client, path, body, key)
    assert (status, orders(app)) == (400, 0)
    assert "Idempotency-Key" in answer["error"]


def test_a_key_is_free_again_after_a_day(app: Flask, client: FlaskClient) -> None:
    first = give(client, "/api/discovery/scan", {})[1]["id"]
    with app.app_context():
        db.session.query(Command).update({Command.created_at: clock.utcnow() - timedelta(hours=24, seconds=1)})
        db.session.commit()
    status, answer = give(client, "/api/balance/resume", {})
    assert (status, answer["id"]) == (202, first + 1)
    assert give(client, "/api/balance/resume", {})[1]["id"] == first + 1


def test_a_repetition_gets_the_first_answer_even_when_a_rule_would_refuse_it_by_now(
    app: Flask, client: FlaskClient, farm: None
) -> None:
    path, body = f"/api/miners/{MAC}/preset", {"preset": "1500"}
    first = give(client, path, body)
    with app.app_context():
        db.session.query(Miner).update({Miner.retired: True})
        db.session.commit()
    assert give(client, path, body) == first
    assert give(client, path, body, "k-2")[0] == 409


def test_a_refused_order_leaves_its_key_free(client: FlaskClient, farm: None) -> None:
    assert give(client, f"/api/miners/{MAC}/preset", {"preset": "9999"})[0] == 422
    assert give(client, f"/api/miners/{MAC}/preset", {"preset": "1500"})[0] == 202


def test_two_callers_may_use_the_same_key(app: Flask) -> None:
    first = app.test_client().post("/api/discovery/scan", json={}, headers={"Idempotency-Key": "1"})
    other = app.test_client().post(
        "/api/balance/resume", json={}, headers={"Idempotency-Key": "1"}, environ_base={"REMOTE_ADDR": "127.0.0.2"}
    )
    assert (first.status_code, other.status_code) == (202, 202)


def test_a_mode_ordered_again_leaves_no_second_change(app: Flask, client: FlaskClient) -> None:
    for _ in range(3):
        give(client, "/api/balance/mode", {"mode": "armed"})
    with app.app_context():
        assert db.session.query(SettingChange).count() == 1


# --- refused at once -------------------------------------------------------------------------------------------------


def change(app: Flask, **columns: Any) -> None:
    with app.app_context():
        db.session.query(Miner).filter(Miner.mac == MAC).update(columns)  # type: ignore[arg-type]
        db.session.commit()


@pytest.mark.parametrize(
    "columns, sentence",
    [
        ({"retired": True}, f"Miner {MAC} is retired."),
        ({"managed": False}, f"Miner {MAC} is neither managed nor held, so it is not commanded."),
        ({"model_id": None}, f"Miner {MAC} is of an unknown model and is not touched."),
        ({"api_key": None}, "Not allowed: discovery has not identified a VNish miner at this address."),
    ],
)
def test_what_a_rule_forbids_is_409_with_its_sentence(
    app: Flask, client: FlaskClient, farm: None, columns: dict[str, Any], sentence: str
) -> None:
    change(app, **columns)
    assert give(client, f"/api/miners/{MAC}/preset", {"preset": "1500"}) == (409, {"error": sentence})
    assert orders(app) == 0


def test_a_miner_in_cooldown_is_409(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        factories.change(db.session.query(Miner).filter_by(mac=MAC).one(), age_s=10)
    status, answer = give(client, f"/api/miners/{MAC}/preset", {"preset": "1500"})
    assert status == 409
    assert "the last change is too recent" in answer["error"]


def test_an_armed_balance_owns_its_miners(app: Flask, client: FlaskClient, farm: None) -> None:
    give(client, "/api/balance/mode", {"mode": "armed"}, None)
    path = f"/api/miners/{MAC}/preset"
    status, answer = give(client, path, {"preset": "1500"}, None)
    assert status == 409
    assert answer["error"] == (
        "Not allowed: the mode is armed and the balance decides this miner's preset; "
        "hold it (hold_minutes) to keep yours."
    )
    assert give(client, path, {"preset": "1500", "hold_minutes": 5}, None)[0] == 202
    assert give(client, path, {"preset": "1500"}, None)[0] == 202, "it is held now"


def test_a_model_without_max_preset_is_409(app: Flask, client: FlaskClient, farm: None) -> None:
    with app.app_context():
        db.session.query(MinerModel).update({MinerModel.max_preset: None})
        db.session.commit()
    status, answer = give(client, f"/api/miners/{MAC}/preset", {"preset": "1500"})
    assert status == 409
    assert "max preset" in answer["error"]


def test_an_order_sent_by_many_at_the_same_moment_is_given_once(app: Flask, client: FlaskClient, farm: None) -> None:
    def send(_: int) -> tuple[int, Any]:
        return give(app.test_client(), "/api/balance/stop-all", {"reason": "flood"})

    with ThreadPoolExecutor(8) as threads:
        answered = list(threads.map(send, range(24)))
    assert {status for status, _ in answered} == {202}
    assert {answer["id"] for _, answer in answered} == {1}
    assert orders(app) == 1
