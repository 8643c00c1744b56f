"""What must not get through: each with the right status and a sentence that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

MAC = "02:00:00:00:00:01"
MARGIN = "/api/settings/safety-margin"
WRITES = [
    ("PATCH", "/api/settings"),
    ("PATCH", MARGIN),
    ("PATCH", "/api/models/s19jpro"),
    ("PATCH", f"/api/miners/{MAC}"),
    ("PATCH", "/api/plant/sources/C1"),
    ("POST", "/api/balance/mode"),
    ("POST", f"/api/miners/{MAC}/preset"),
    ("POST", "/api/discovery/scan"),
    ("POST", "/api/balance/stop-all"),
    ("POST", "/api/balance/all-to-minimum"),
    ("POST", "/api/balance/resume"),
]


def send(client: FlaskClient, method: str, path: str, raw: bytes | str) -> tuple[int, str]:
    answer = client.open(path, method=method, data=raw, content_type="application/json")
    body = answer.get_json()
    assert list(body) == ["error"], body
    return answer.status_code, body["error"]


def test_every_write_route_is_in_this_table(app: Flask) -> None:
    known = {path.split("/")[-1] for _, path in WRITES} | {"<alias>", "<mac>", "<path:name>"}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and (rule.methods or set()) & {"POST", "PATCH", "PUT", "DELETE"}:
            assert rule.rule.split("/")[-1] in known, rule.rule


MALFORMED = ["{", "[]", "null", "3", '"x"', "{} {}", b"\xff\xfe", "[" * 50_000, '{"a": 1, "a": 2}']


@pytest.mark.parametrize("method, path", WRITES)
def test_a_malformed_body_is_400(client: FlaskClient, farm: None, method: str, path: str) -> None:
    for raw in MALFORMED:
        assert send(client, method, path, raw)[0] == 400, raw[:20]


@pytest.mark.parametrize("method, path", WRITES)
def test_an_unknown_field_is_400_and_named(client: FlaskClient, farm: None, method: str, path: str) -> None:
    status, sentence = send(client, method, path, '{"colour": 1}')
    assert status == 400
    assert "colour" in sentence


@pytest.mark.parametrize("method, path", WRITES)
def test_a_huge_body_is_413(client: FlaskClient, farm: None, method: str, path: str) -> None:
    assert send(client, method, path, '{"reason": "' + "x" * 70_000 + '"}') == (
        413,
        "The request is larger than 64 kB.",
    )


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "51",
        "50.0001",
        "-0.1",
        '"abc"',
        '"12"',
        "true",
        "false",
        "null",
        "[1]",
        "{}",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "1" + "0" * 400,
        "1" + "0" * 5000,
        '"sNaN"',
        '"5_0"',
    ],
)
def test_a_bad_margin_is_422(client: FlaskClient, value: str) -> None:
    for path in (MARGIN, "/api/settings"):
        status, sentence = send(client, "PATCH", path, f'{{"safety_margin_percent": {value}}}')
        assert status == 422
        assert "safety_margin_percent" in sentence
        assert "0 to 50" in sentence
    assert client.get("/api/settings").get_json()["safety_margin_percent"] == 10.0


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/api/settings", {"mode": "on"}, "mode"),
        ("/api/settings", {"mode": ["armed"]}, "mode"),
        ("/api/settings", {"count_unmanaged": 1}, "count_unmanaged"),
        ("/api/settings", {"cooldown_s": 29}, "cooldown_s"),
        ("/api/settings", {"cooldown_s": 30.5}, "cooldown_s"),
        ("/api/settings", {"tolerance_w": True}, "tolerance_w"),
        ("/api/settings", {"tolerance_w": 900, "reason": 5}, "reason"),
        ("/api/settings", {"tolerance_w": 900, "reason": "x" * 301}, "reason"),
        ("/api/settings", {"tolerance_w": 900, "reason": "\ud800"}, "reason"),
        ("/api/models/s19jpro", {"max_preset": "9999"}, "max_preset"),
        ("/api/models/s19jpro", {"max_preset": 2300}, "max_preset"),
        ("/api/models/s21xp", {"max_preset": "disabled"}, "max_preset"),
        ("/api/models/s21xp", {"max_preset": "4200"}, "max_preset"),
        ("/api/models/s19jpro", {"untuned_use": "sometimes"}, "untuned_use"),
        ("/api/models/s19jpro", {"untuned_use": None}, "untuned_use"),
        ("/api/models/s19jpro", {"untuned_use": ["never"]}, "untuned_use"),
        ("/api/models/s19jpro", {"settle_s": 14.9}, "settle_s"),
        ("/api/models/s19jpro", {"settle_s": 1801}, "settle_s"),
        ("/api/models/s19jpro", {"settle_s": "60"}, "settle_s"),
        ("/api/models/s19jpro", {"settle_s": True}, "settle_s"),
        ("/api/models/s19jpro", {"switch_loss_s": -1}, "switch_loss_s"),
        ("/api/models/s19jpro", {"switch_loss_s": 1e400}, "switch_loss_s"),
        ("/api/models/s19jpro", {"switch_loss_s": [70]}, "switch_loss_s"),
        ("/api/models/s19jpro", {"presets_power": {}}, "presets_power"),
        ("/api/models/s19jpro", {"presets_power": [1]}, "presets_power"),
        ("/api/models/s19jpro", {"presets_power": [{"power_w": 1}]}, "presets_power"),
        ("/api/models/s19jpro", {"presets_power": [{"preset": "9", "power_w": 1}]}, "presets_power"),
        ("/api/models/s19jpro", {"presets_power": [{"preset": "2300", "power_w": -1}]}, "presets_power.power_w"),
        ("/api/models/s19jpro", {"presets_power": [{"preset": "2300", "power_w": 1.5}]}, "presets_power.power_w"),
        ("/api/models/s19jpro", {"presets_power": [{"preset": "2300", "power_w": True}]}, "presets_power.power_w"),
        (
            "/api/models/s19jpro",
            {"presets_power": [{"preset": "2300", "hashrate_th": "1"}]},
            "presets_power.hashrate_th",
        ),
        ("/api/models/s19jpro", {"presets_power": [{"preset": "2300", "x": 1}]}, "presets_power"),
        (f"/api/miners/{MAC}", {"managed": 1}, "managed"),
        (f"/api/miners/{MAC}", {"managed": "true"}, "managed"),
        (f"/api/miners/{MAC}", {"label": "x" * 81}, "label"),
        (f"/api/miners/{MAC}", {"label": "a\nb"}, "label"),
        (f"/api/miners/{MAC}", {"label": 5}, "label"),
        (f"/api/miners/{MAC}", {"hold": None}, "hold"),
        (f"/api/miners/{MAC}", {"hold": True, "hold_minutes": 0}, "hold_minutes"),
        (f"/api/miners/{MAC}", {"hold_minutes": 5}, "hold"),
        (f"/api/miners/{MAC}", {"unlock_pass": "x" * 121}, "unlock_pass"),
        (f"/api/miners/{MAC}", {"unlock_pass": 5}, "unlock_pass"),
        ("/api/plant/sources/C1", {"role": None}, "role"),
        ("/api/plant/sources/C1", {"role": "generator"}, "role"),
    ],
)
def test_a_value_that_is_not_allowed_is_422(
    client: FlaskClient, farm: None, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.patch(path, json=body)
    assert answer.status_code == 422, answer.text
    assert field in answer.get_json()["error"]


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/api/balance/mode", {"mode": "on"}, "mode"),
        ("/api/balance/mode", {"mode": {}}, "mode"),
        ("/api/balance/mode", {"mode": "armed", "reason": "x" * 301}, "reason"),
        (f"/api/miners/{MAC}/preset", {"preset": 2300}, "preset"),
        (f"/api/miners/{MAC}/preset", {"preset": "2300", "hold_minutes": "60"}, "hold_minutes"),
        (f"/api/miners/{MAC}/preset", {"preset": "2300", "hold_minutes": 1.5}, "hold_minutes"),
        (f"/api/miners/{MAC}/preset", {"preset": "2300", "hold_minutes": True}, "hold_minutes"),
        ("/api/discovery/scan", {"reason": 1}, "reason"),
    ],
)
def test_an_order_with_a_bad_value_is_422(
    client: FlaskClient, farm: None, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert field in answer.get_json()["error"]


@pytest.mark.parametrize(
    "path, body", [("/api/balance/mode", {"reason": "x"}), (f"/api/miners/{MAC}/preset", {}), (MARGIN, {})]
)
def test_a_missing_field_is_400(client: FlaskClient, farm: None, path: str, body: dict[str, Any]) -> None:
    method = "PATCH" if path == MARGIN else "POST"
    assert client.open(path, method=method, json=body).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/miners/00:00:00:00:00:99",
        "/api/miners/nonsense",
        "/api/miners/nonsense/statuses",
        "/api/miners/nonsense/explain",
        "/api/miners/x/telemetry",
        "/api/models/nope",
        "/api/commands/77",
        "/api/commands/99999999999999999999999",
        "/api/miners/%00",
    ],
)
def test_what_does_not_exist_is_404(client: FlaskClient, farm: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert list(answer.get_json()) == ["error"]


def test_writing_to_what_does_not_exist_is_404(client: FlaskClient, farm: None) -> None:
    assert client.patch("/api/models/nope", json={"max_preset": None}).status_code == 404
    assert client.patch("/api/miners/nope", json={"managed": True}).status_code == 404
    assert client.post("/api/miners/nope/preset", json={"preset": "1"}).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/plant/history",
        "/api/balance/events",
        "/api/balance/cycles",
        "/api/miners",
        f"/api/miners/{MAC}/statuses",
        f"/api/miners/{MAC}/telemetry",
    ],
)
def test_a_limit_out_of_bounds_is_400(client: FlaskClient, farm: None, path: str) -> None:
    for limit in ("0", "-1", "1001", "abc", "1.5", "1e2", "５", "9" * 30, "5_0", "NaN", " 1"):
        answer = client.get(path, query_string={"limit": limit})
        assert answer.status_code == 400, limit
        assert "limit" in answer.get_json()["error"]


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-11-23T25:00:00Z",
        "1700000000",
        "0001-01-01T00:00:00+23:59",
        "2026-11-23T00:00:00+99:00",
        "２０２６-11-23",
    ],
)
def test_a_bad_time_is_400(client: FlaskClient, farm: None, name: str, text: str) -> None:
    for path in ("/api/plant/history", f"/api/miners/{MAC}/statuses"):
        answer = client.get(path, query_string={name: text})
        assert answer.status_code == 400
        assert name in answer.get_json()["error"]


@pytest.mark.parametrize("query", ["step=0", "step=-5", "step=x", "step=99999999999"])
def test_a_bad_step_is_400(client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/plant/history?{query}").status_code == 400


@pytest.mark.parametrize("query", ["miner_id=x", "miner_id=0", "miner_id=-1", "miner_id=99999999999999999999"])
def test_a_bad_miner_id_is_400(client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/balance/events?{query}").status_code == 400


@pytest.mark.parametrize(
    "body, words", [({"override": "stop"}, "override"), ({"reason": "why not"}, "names no setting")]
)
def test_settings_refuse_what_is_no_change_of_theirs(client: FlaskClient, body: dict[str, Any], words: str) -> None:
    answer = client.patch("/api/settings", json=body)
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]


@pytest.mark.parametrize(
    "query, words",
    [
        ("policy=greedy", "policy must be one of stepwise, economic"),
        ("policy=", "policy must be one of"),
        ("policy=economic&set=policy=stepwise", "policy is given twice"),
        ("set=tea=1", "tea is not a setting"),
        ("set=horizon_s", "name=value"),
        ("set=", "name=value"),
        ("set=horizon_s=1", "horizon_s must be a whole number from 300 to 14400 s"),
        ("set=cooldown_s=NaN", "cooldown_s must be"),
    ],
)
def test_a_preview_of_what_cannot_be_set_is_400(client: FlaskClient, farm: None, query: str, words: str) -> None:
    answer = client.get(f"/api/balance/preview?{query}")
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]
