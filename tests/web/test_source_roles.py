"""The sources' page: the formula in numbers, roles shown before they are saved, two people at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.store import meter_roles, plant_history
from tests import factories

Token = Callable[[], str]


def source(name: str, kind: str, kw: float, status: str = "success") -> dict[str, object]:
    return {"name": name, "kind": kind, "role": "foreign", "value_kw": kw, "status": status, "counted_kw": kw}


@pytest.fixture
def plant(app: Flask) -> dict[str, int]:
    """UG1 gives 3,000 kW; C1 draws 40; B1 contains the miners, reads 2,631; the cycle counts 2,531 of miners."""
    with app.app_context():
        rows = [factories.source("UG1", "generation"), factories.source("C1"), factories.source("B1")]
        factories.reading(generation_kw=3000.0, sources=[
            source("UG1", "generation", 3000.0), source("C1", "consumption", 40.0),
            source("B1", "consumption", 2631.0),
        ])  # fmt: skip
        factories.cycle()
        return {row.name: row.id for row in rows}


def roles(app: Flask) -> dict[str, tuple[str, str | None]]:
    with app.app_context():
        return {row.name: (row.role, row.role_changed_by) for row in plant_history.sources()}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", text)))


@pytest.mark.parametrize("path", ["/settings/sources", "/settings/sources/formula"])
def test_before_the_first_reading_it_says_that_there_is_nothing_to_count(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "no usable reading yet" in answer.text


def test_the_formula_is_shown_in_numbers(client: FlaskClient, plant: dict[str, int]) -> None:
    text = words(client.get("/settings/sources").text)
    assert "Generation 3,000.0 kW" in text
    assert "Foreign load by meters − 2,671.0 kW" in text
    assert "Available = 329.0 kW" in text
    assert "Target 296.1 kW" in text
    assert "Nobody has said its role yet" in text
    assert "With these roles 5,202.0 kW are drawn while 3,000.0 kW are generated." in text


def test_other_roles_are_shown_before_they_are_saved(app: Flask, client: FlaskClient, plant: dict[str, int]) -> None:
    text = words(client.get(f"/settings/sources/formula?role-{plant['B1']}=miners").text)
    assert "Overhead of the miners' meters − 100.0 kW" in text  # 2,631 - 2,531
    assert "Available = 2,860.0 kW now = 329.0" in text
    assert "estimated from the newest reading" in text
    assert "With these roles" not in text
    assert roles(app)["B1"] == ("foreign", None)


def test_without_javascript_a_button_shows_them(
    app: Flask, client: FlaskClient, plant: dict[str, int], token: Token
) -> None:
    data = {"csrf_token": token(), f"role-{plant['B1']}": "miners", "only": "show"}
    answer = client.post("/settings/sources", data=data)
    assert answer.status_code == 200
    assert "Available = 2,860.0 kW" in words(answer.text)
    assert '<option value="miners" selected>' in answer.text
    assert roles(app)["B1"] == ("foreign", None)


def test_a_source_that_answers_cannot_be_retired_for_long(client: FlaskClient, plant: dict[str, int]) -> None:
    text = words(client.get(f"/settings/sources/formula?role-{plant['C1']}=retired").text)
    assert "C1 still answers: retired, it would count again with the next reading." in text


@pytest.mark.parametrize(
    "query", ["role-1=king", "role-x=miners", "role-999999999=miners", "role-99999999999=miners", "role-=", "x=1"]
)
def test_the_formula_takes_any_query(client: FlaskClient, plant: dict[str, int], query: str) -> None:
    answer = client.get(f"/settings/sources/formula?{query}")
    assert answer.status_code == 200
    assert "as it would be" not in answer.text


def test_roles_are_saved_and_the_others_are_confirmed(
    app: Flask, client: FlaskClient, plant: dict[str, int], token: Token
) -> None:
    data = {"csrf_token": token(), f"role-{plant['UG1']}": "generation", f"seen-{plant['UG1']}": "generation"}
    data |= {f"role-{plant['C1']}": "foreign", f"seen-{plant['C1']}": "foreign"}
    data |= {f"role-{plant['B1']}": "miners", f"seen-{plant['B1']}": "foreign"}
    answer = client.post("/settings/sources", data=data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings/sources")
    said = "page from 127.0.0.1"
    assert roles(app) == {"UG1": ("generation", said), "C1": ("foreign", said), "B1": ("miners", said)}
    page = client.get("/settings/sources").text
    assert "B1 has another role now" in page
    assert "contains the miners: not subtracted" in page


@pytest.mark.parametrize(("name", "role"), [("C1", "generation"), ("UG1", "miners"), ("C1", "king"), ("C1", "")])
def test_a_role_that_does_not_fit_changes_nothing(
    app: Flask, client: FlaskClient, plant: dict[str, int], token: Token, name: str, role: str
) -> None:
    data = {"csrf_token": token(), f"role-{plant['B1']}": "miners", f"seen-{plant['B1']}": "foreign"}
    data |= {f"role-{plant[name]}": role, f"seen-{plant[name]}": "foreign"}
    answer = client.post("/settings/sources", data=data)
    assert answer.status_code == 422
    assert "its role can be" in answer.text
    assert roles(app)["B1"] == ("foreign", None)


def test_a_source_that_is_gone_is_said_so(client: FlaskClient, plant: dict[str, int], token: Token) -> None:
    answer = client.post("/settings/sources", data={"csrf_token": token(), "role-77": "miners", "seen-77": "foreign"})
    assert answer.status_code == 422
    assert "no such plant source" in answer.text


def test_a_form_without_its_token_changes_nothing(app: Flask, client: FlaskClient, plant: dict[str, int]) -> None:
    assert client.post("/settings/sources", data={f"role-{plant['B1']}": "miners"}).status_code == 400
    assert client.post(f"/settings/sources/{plant['B1']}/insist").status_code == 400
    assert roles(app)["B1"] == ("foreign", None)


@pytest.mark.parametrize("seen", ["miners", "", None])
def test_a_role_changed_by_somebody_else_is_a_conflict_that_keeps_the_choice(
    app: Flask, client: FlaskClient, plant: dict[str, int], token: Token, seen: str | None
) -> None:
    data = {"csrf_token": token(), f"role-{plant['B1']}": "retired"}
    data |= {} if seen is None else {f"seen-{plant['B1']}": seen}
    answer = client.post("/settings/sources", data=data)
    assert answer.status_code == 409
    assert "Somebody else changed B1 meanwhile" in answer.text
    assert '<option value="retired" selected>' in answer.text
    assert roles(app)["B1"] == ("foreign", None)


# --- what the meters say ---------------------------------------------------------------------------------------------


@pytest.fixture
def wrong(app: Flask, plant: dict[str, int]) -> int:
    with app.app_context():
        source_id: int = factories.contradicted("M1").id
        return source_id


def test_a_contradicted_role_says_what_the_meter_says(client: FlaskClient, wrong: int) -> None:
    text = words(client.get("/settings/sources").text)
    assert "M1 has the role foreign, but follows the miners (slope 1.04): 412 kW are subtracted twice." in text
    assert "It follows the miners (slope 1.04): it contains them." in text
    assert "I know better: it stays foreign load" in text


def test_the_operator_may_know_better(app: Flask, client: FlaskClient, wrong: int, token: Token) -> None:
    assert client.post(f"/settings/sources/{wrong}/insist", data={"csrf_token": token()}).status_code == 303
    with app.app_context():
        assert meter_roles.contradictions() == ()


def test_saving_other_roles_does_not_overrule_a_meter(
    app: Flask, client: FlaskClient, wrong: int, token: Token
) -> None:
    data = {"csrf_token": token(), f"role-{wrong}": "foreign", f"seen-{wrong}": "foreign"}
    assert client.post("/settings/sources", data=data).status_code == 303
    with app.app_context():
        assert len(meter_roles.contradictions()) == 1


def test_nobody_insists_on_a_source_that_is_none(client: FlaskClient, token: Token) -> None:
    assert client.post("/settings/sources/99/insist", data={"csrf_token": token()}).status_code == 404


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"verdict": "apart", "slope": 0.02, "effect_kw": 0.0}, "It does not follow the miners (slope 0.02)."),
     ({"verdict": "apart", "slope": None, "effect_kw": 0.0}, "It reads less than the miners draw"),
     ({"verdict": None}, "the miners have not moved enough yet"), ({"status": "missing"}, "not in the answer"),
     ({"status": "timeout"}, "timeout"), ({"role": "retired", "status": "missing"}, "retired")],
)  # fmt: skip
def test_every_verdict_and_status_has_words(
    app: Flask, client: FlaskClient, plant: dict[str, int], values: dict[str, object], sentence: str
) -> None:
    with app.app_context():
        factories.contradicted("M1", **values)
    assert sentence in words(client.get("/settings/sources").text)
