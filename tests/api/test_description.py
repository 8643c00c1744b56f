"""The description: a valid OpenAPI document that names every route and field, and tells the truth."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import TestResponse

from app.api.description import document
from app.core.settings import SPECS
from app.extensions import db
from app.models import Miner
from tests import factories
from tests.api.described import bodies, operations, wrong

MAC = "02:00:00:00:00:01"
FILLED = {"{mac}": MAC, "{alias}": "s19jpro", "{name}": "C1", "{command_id}": "1"}
OF_NO_PROGRAM = {("GET", "/api/docs")}  # a page
CALLS = [pytest.param(*call, id=f"{call[0]} {call[1]}") for call in operations()]
WRITES = [call for call in CALLS if "requestBody" in call.values[2]]  # type: ignore[operator]


def filled(path: str) -> str:
    for place, value in FILLED.items():
        path = path.replace(place, value)
    return path


def said(answer: TestResponse) -> Any:
    return answer.get_json() if answer.is_json else answer.text


@pytest.fixture
def described_farm(app: Flask, farm: None) -> None:
    """Something of everything that an answer can hold."""
    with app.app_context():
        factories.decided_cycle()
        factories.contradicted("C9")
        miner = db.session.query(Miner).filter_by(mac=MAC).one()
        miner.hold, miner.hold_until, miner.hold_reason = True, factories.ago(-600), "test"
        db.session.commit()


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_the_document_is_served_and_read_by_anyone_with_the_same_bytes(client: FlaskClient) -> None:
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.mimetype, answer.get_json()) == (200, "application/json", document())


def test_every_route_is_described_and_nothing_else(app: Flask) -> None:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api") or rule.rule in ("/healthz", "/readyz", "/metrics")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes - OF_NO_PROGRAM == {(method, path) for method, path, _ in operations()}


def test_every_call_is_complete() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    for method, path, operation in operations():
        where = f"{method} {path}"
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), where
        assert {"401", "403", "429", "503"} <= set(operation["responses"]), where
        assert all(answer["description"] for answer in operation["responses"].values()), where
        assert ("requestBody" in operation) == (method in ("POST", "PATCH")), where
        if method == "POST":
            assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}, where
            assert operation["responses"]["202"]["links"], where
        if method != "GET":
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), where


def test_every_field_says_what_it_means() -> None:
    def silent(schema: dict[str, Any], where: str) -> list[str]:
        found = []
        for name, field in schema.get("properties", {}).items():
            at = f"{where}.{name}"
            if not ("$ref" in field or "anyOf" in field or field.get("description")):
                found.append(at)
            found += silent(field, at)
        return found

    schemas = document()["components"]["schemas"]
    assert [at for name, schema in schemas.items() for at in silent(schema, name)] == []
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []


@pytest.mark.parametrize("method, path, operation", CALLS)
def test_every_example_is_valid(method: str, path: str, operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            assert wrong(content["example"], content["schema"], exactly=True) == [], status
    for name, each in bodies(operation).get("examples", {}).items():
        assert wrong(each["value"], bodies(operation)["schema"]) == [], name
    for parameter in operation.get("parameters", ()):
        for value in parameter["schema"]["examples"]:
            assert wrong(value, parameter["schema"]) == [], parameter["name"]


@pytest.mark.parametrize("method, path, operation", CALLS)
def test_every_answer_is_as_described(
    client: FlaskClient, described_farm: None, method: str, path: str, operation: dict[str, Any]
) -> None:
    client.post("/api/discovery/scan", json={})
    given = bodies(operation).get("examples", {"": {"value": None}})
    for each in given.values():
        body = {} if method == "GET" else {"json": each["value"]}
        answer = client.open(filled(path), method=method, **body)
        assert answer.status_code < 300, answer.text
        described = operation["responses"][str(answer.status_code)]
        assert wrong(said(answer), described["content"][answer.mimetype]["schema"], exactly=True) == []
        assert said(answer) is not None or path.endswith("latest")
        assert set(described.get("headers", ())) - {"Link"} <= set(answer.headers.keys())


@pytest.mark.parametrize("method, path, operation", [call for call in CALLS if call.values[0] == "GET"])
def test_every_answer_of_an_empty_farm_is_as_described(
    client: FlaskClient, method: str, path: str, operation: dict[str, Any]
) -> None:
    answer = client.get(filled(path))
    described = operation["responses"][str(answer.status_code)]
    assert wrong(said(answer), described["content"][answer.mimetype]["schema"], exactly=True) == []


@pytest.mark.parametrize("method, path, operation", WRITES)
def test_a_write_takes_exactly_the_described_fields(
    client: FlaskClient, described_farm: None, method: str, path: str, operation: dict[str, Any]
) -> None:
    answer = client.open(filled(path), method=method, json={"colour": 1})
    assert answer.status_code == 400
    taken = answer.get_json()["error"].partition("the fields are ")[2].rstrip(".").split(", ")
    schema = bodies(operation)["schema"]
    schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert sorted(taken) == sorted(schema["properties"])
    assert schema["additionalProperties"] is False
    least = {"reason": None} if "reason" in schema["properties"] else {}
    missing = client.open(filled(path), method=method, json=least)
    required = schema.get("required", [])
    assert (missing.status_code >= 400) == bool(required or schema.get("minProperties")), missing.text
    assert [name for name in required if name not in missing.get_json()["error"]] == []


def test_settings_are_described_by_their_own_table() -> None:
    described = document()["components"]["schemas"]["Settings"]["properties"]
    assert list(described) == list(SPECS)
    assert (described["safety_margin_percent"]["minimum"], described["safety_margin_percent"]["maximum"]) == (0, 50)
    assert described["farm_limit_kw"]["type"] == ["number", "null"]


def test_the_page_shows_every_call_and_field(client: FlaskClient) -> None:
    answer = client.get("/api/docs")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    for method, path, operation in operations():
        assert f'id="{operation["operationId"]}"' in answer.text, f"{method} {path}"
    for name in document()["components"]["schemas"]["Miner"]["properties"]:
        assert f"<code>{name}</code>" in answer.text
    assert "observe | armed | off" in answer.text
    assert "number or null, 0.1" not in answer.text  # bounds are said as "from ... to"
