"""The rule of the door: default deny, roles, scopes, and the settings that are an admin's."""

from __future__ import annotations

import pytest

from app.core import access
from app.core.access import NEEDS, Actor, Caller, Need, Role, Scope
from app.core.settings import SPECS
from app.errors import NotAllowed


def caller(role: Role, scope: Scope | None = None) -> Caller:
    return Caller(role=role, user_id=1, name="ana", scope=scope, token="ci" if scope else "")


@pytest.mark.parametrize("role", list(Role))
def test_an_address_without_a_decision_is_nobodys(role: Role) -> None:
    assert "never decided" in (access.refusal("new.page", "GET", caller(role)) or "")


@pytest.mark.parametrize(
    "role, endpoint, method, why",
    [
        (Role.VIEWER, "dashboard.index", "GET", None),
        (Role.VIEWER, "api.stop_all", "POST", "operator or admin; ana is viewer"),
        (Role.VIEWER, "people.index", "GET", "role admin; ana is viewer"),
        (Role.OPERATOR, "api.stop_all", "POST", None),
        (Role.OPERATOR, "api.change_source", "PATCH", "role admin; ana is operator"),
        (Role.OPERATOR, "people.index", "GET", "role admin"),
        (Role.ADMIN, "people.add", "POST", None),
        (Role.ADMIN, "api.change_source", "PATCH", None),
    ],
)
def test_a_role_opens_what_its_needs_and_says_what_is_missing(
    role: Role, endpoint: str, method: str, why: str | None
) -> None:
    found = access.refusal(endpoint, method, caller(role))
    assert found is None if why is None else why in (found or "")


def test_a_token_that_reads_changes_nothing_and_one_that_writes_never_more_than_its_user() -> None:
    assert access.refusal("api.stop_all", "POST", caller(Role.ADMIN, Scope.WRITE)) is None
    assert "may only read" in (access.refusal("api.stop_all", "POST", caller(Role.ADMIN, Scope.READ)) or "")
    assert access.refusal("api.status", "GET", caller(Role.ADMIN, Scope.READ)) is None
    assert "needs the role" in (access.refusal("api.stop_all", "POST", caller(Role.VIEWER, Scope.WRITE)) or "")


def test_nobody_may_only_what_is_open() -> None:
    assert [need for need in Need if access.NOBODY.may(need)] == [Need.OPEN]
    assert [endpoint for endpoint, need in NEEDS.items() if need is Need.OPEN] == [
        "static", "health.alive", "language.choose", "login.show", "login.enter",
    ]  # fmt: skip


def test_the_operators_settings_exist() -> None:
    assert set(SPECS) >= access.OPERATORS_SETTINGS


@pytest.mark.parametrize(
    "who, name, refused",
    [
        (Actor("ana", "page", role=Role.OPERATOR), "safety_margin_percent", False),
        (Actor("ana", "page", role=Role.OPERATOR), "wall_factor", True),
        (Actor("ana", "page", role=Role.OPERATOR), "cooldown_s", True),
        (Actor("ana", "page", role=Role.VIEWER), "mode", True),
        (Actor("ana", "page", role=Role.ADMIN), "wall_factor", False),
        (Actor("", "page", "127.0.0.1"), "wall_factor", False),
        ("the demo", "wall_factor", False),
    ],
)
def test_what_says_how_the_plant_is_is_an_admins(who: str, name: str, refused: bool) -> None:
    if refused:
        with pytest.raises(NotAllowed, match=f"{name} needs the role admin"):
            access.check_settings(who, [name])
    else:
        access.check_settings(who, [name])


@pytest.mark.parametrize(
    "actor, text",
    [
        (Actor("", "page", "127.0.0.1"), "page from 127.0.0.1"),
        (Actor("ana", "page", "10.0.0.7"), "ana, page from 10.0.0.7"),
        (Actor("ana", "API", "10.0.0.7", token="ci"), "ana, token ci, API from 10.0.0.7"),
        (Actor("root", "command line"), "root, command line"),
    ],
)
def test_an_actor_is_the_text_that_histories_keep(actor: Actor, text: str) -> None:
    assert actor == text
    assert len(Actor("a" * 24, "API", "f" * 45, token="t" * 24)) <= 80
