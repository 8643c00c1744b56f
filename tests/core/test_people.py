"""What users, passwords and tokens may be, and how long a wrong password makes one wait."""

from __future__ import annotations

import pytest

from app.core import people
from app.errors import SettingError


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "1ana",
        "-ana",
        "ana maria",
        "ana\x00",
        "ana\nx",
        "ána",
        "ana/..",
        "a" * 25,
        "a" * 1_000_000,
        "<b>",
        "ＡＮＡ",
    ],
)
def test_a_bad_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(SettingError, match="a-z, 0-9, dot, hyphen"):
        people.check_name(name)
    assert people.name_form(name) == ""


@pytest.mark.parametrize(
    "name, kept", [("ana", "ana"), (" Ana ", "ana"), ("J.Silva-2_x", "j.silva-2_x"), ("a" * 24, "a" * 24)]
)
def test_a_name_is_kept_in_lower_case(name: str, kept: str) -> None:
    assert people.check_name(name) == kept


@pytest.mark.parametrize(
    "password, says",
    [
        ("", "12 to 256"),
        ("short", "12 to 256"),
        ("x" * 257, "12 to 256"),
        ("ab cd ef" * 125_000, "12 to 256"),
        ("a line\nand another", "control characters"),
        ("nothing\x00after it", "control characters"),
        ("lone \udcff surrogate", "control characters"),
        ("aaaaaaaaaaaaaaaa", "four different"),
        ("ana123456789", "user's name"),
    ],
)
def test_a_bad_password_is_refused_and_never_repeated(password: str, says: str) -> None:
    with pytest.raises(SettingError, match=says) as refused:
        people.check_password(password, "ana")
    assert not password or password not in str(refused.value)


def test_an_accent_is_the_same_however_it_is_typed() -> None:
    assert people.check_password("cachoeira e\u0301 boa", "ana") == people.normal_password("cachoeira \u00e9 boa")


@pytest.mark.parametrize(
    "text",
    ["", "ph_", "ph_" + "a" * 42, "ph_" + "a" * 44, "xx_" + "a" * 43, "ph_" + "a" * 42 + "é", "ph_" * 10**6, "\x00"],
)
def test_what_is_no_token_is_not_even_looked_up(text: str) -> None:
    assert not people.looks_like_a_token(text)


def test_a_token_looks_like_one() -> None:
    assert people.looks_like_a_token("ph_" + "aB3-_" * 8 + "xyz")


@pytest.mark.parametrize(
    "failures, since_last_s, waits_s",
    [
        (0, 0, 0), (4, 0, 0),  # free
        (5, 0, 2), (6, 0, 4), (7, 0, 8), (10, 0, 64),  # doubling
        (13, 0, 300), (40, 0, 300), (10**9, 0, 300),  # bounded
        (5, 1, 1), (5, 2, 0), (13, 299, 1), (13, 300, 0),  # it passes
        (13, 3600, 0), (10**9, 3601, 0),  # forgotten
        (5, -10, 2), (13, -86_400, 300),  # a clock set back does not lengthen it
    ],
)  # fmt: skip
def test_wrong_passwords_make_one_wait_longer_and_longer_up_to_a_bound(
    failures: int, since_last_s: float, waits_s: float
) -> None:
    assert people.wait_s(failures, 5, since_last_s) == waits_s


@pytest.mark.parametrize(
    "address, counted",
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("unknown", "unknown"),
        ("x" * 500, "x" * 45),
    ],
)
def test_an_address_counts_as_one_machine(address: str, counted: str) -> None:
    assert people.counted_address(address) == counted


@pytest.mark.parametrize(
    "address, near",
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.7", False),
     ("localhost", False), ("", False), (None, False), ("0.0.0.0", False)],
)  # fmt: skip
def test_this_machine_is_loopback_only(address: str | None, near: bool) -> None:
    assert people.is_this_machine(address) is near


@pytest.mark.parametrize("days", [0, -1, 367, 10**12])
def test_a_token_is_good_for_a_day_to_a_year(days: int) -> None:
    with pytest.raises(SettingError, match="from 1 to 366"):
        people.check_token_days(days)
