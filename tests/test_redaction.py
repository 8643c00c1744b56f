"""The log: one line a record whatever a peer wrote into it, and no secret in it."""

from __future__ import annotations

import logging

import pytest

from app.redaction import RedactingFormatter, Redactor, Secret

FORMATTER = RedactingFormatter("%(levelname)s %(name)s: %(message)s", Redactor(["s3cret-key"]))


def logged(message: str, *args: object, error: BaseException | None = None) -> str:
    info = None if error is None else (type(error), error, error.__traceback__)
    return FORMATTER.format(logging.LogRecord("app", logging.WARNING, __file__, 1, message, args, info))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nERROR app: all miners stopped", "a\\nERROR app: all miners stopped"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\x85c\x0bd", "a\\u2028b\\x85c\\x0bd"),
        ("ação 10 °C → ok", "ação 10 °C → ok"),
    ],
)
def test_a_name_can_neither_begin_a_line_nor_turn_one(name: str, shown: str) -> None:
    assert logged("miner %s is offline", name) == f"WARNING app: miner {shown} is offline"


def test_the_lines_of_a_traceback_are_set_in_and_cannot_pass_for_records() -> None:
    try:
        raise RuntimeError("boom\n2026-01-01 00:00:00 ERROR app: forged\x1b[31m")
    except RuntimeError as error:
        first, *rest = logged("it failed", error=error).splitlines()
    assert first == "WARNING app: it failed"
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in "".join(rest)
    assert any("boom" in line for line in rest)


@pytest.mark.parametrize(
    "text",
    ["the key s3cret-key", "Authorization: Bearer abcdef123456", "x-api-key: abcdef123456", "{'pw': 'abcdef123456'}",
     "postgresql://u:abcdef123456@host/db", "password=abcdef123456", '{"token": "abcdef123456"}'],
)  # fmt: skip
def test_secrets_and_what_looks_like_one_are_stars(text: str) -> None:
    said = logged(text)
    assert "***" in said
    assert "abcdef123456" not in said
    assert "s3cret-key" not in said


def test_a_secret_is_stars_however_it_is_printed() -> None:
    secret = Secret("hunter22")
    shown = f"{secret} {secret!r} {[secret]} {secret!s}" + logged("%s %r", secret, [secret])
    assert "hunter22" not in shown
    assert (secret == Secret("hunter22"), secret == "hunter22", bool(Secret(""))) == (True, False, False)
