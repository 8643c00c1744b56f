"""A miner's answers as text: no secret, no bound broken, whatever they hold."""

from __future__ import annotations

import json

import pytest

from app.core.inspection import CUT, HIDDEN, MAX_ANSWERS, as_text, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "password", "pass", "unlock_pass", "pw", "key", "apiKey", "x-api-key", "token", "secret", "user", "pool_user",
        "username", "worker", "worker_name", "wallet", "login", "account", "Authorization", "cookie", "session_id",
    ],
)  # fmt: skip
def test_a_field_of_that_name_is_hidden(name: str) -> None:
    answers = {"pools": [{"url": "pool.example:3333", name: "canary"}], name: {"deep": ["canary"]}}
    assert without_secrets(answers) == {"pools": [{"url": "pool.example:3333", name: HIDDEN}], name: HIDDEN}


def test_credentials_in_an_address_are_hidden() -> None:
    assert without_secrets({"url": "stratum+tcp://canary:word@pool.example:3333"}) == {
        "url": "stratum+tcp://***@pool.example:3333"
    }


@pytest.mark.parametrize("value", [None, 0, 1.5, True, "mining", [], {}, {"power_consumption": 2300, "hw_errors": 3}])
def test_everything_else_stays_as_it_is(value: object) -> None:
    assert without_secrets({"field": value}) == {"field": value}
    assert json.loads(as_text({"field": value})) == {"field": value}


def test_an_empty_secret_tells_that_there_is_none() -> None:
    assert without_secrets({"password": "", "token": None}) == {"password": "", "token": None}


def test_too_much_is_cut_and_says_so() -> None:
    text = as_text({"chains": ["x" * 200] * 1000})
    assert len(text) == MAX_ANSWERS
    assert text.endswith(CUT)


def test_bottomless_and_broken_answers_are_no_error() -> None:
    deep: object = "canary"
    for _ in range(200):
        deep = [deep]
    assert "canary" not in as_text(deep)
    assert as_text({"x\ud800": "\x00\ud800" + "y" * 5000}).isascii()
