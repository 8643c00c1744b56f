"""What a user, a password and a token may be, and how long a wrong password makes one wait. No database, no clock."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv6Address, ip_address, ip_network

from app.core.access import Role, Scope
from app.errors import SettingError

NAME_ALLOWED = "1 to 24 characters of a-z, 0-9, dot, hyphen and underscore, beginning with a letter"
PASSWORD_SHORTEST, PASSWORD_LONGEST = 12, 256
TOKEN_NAME_ALLOWED = "1 to 24 printable characters"  # noqa: S105 - words for people
TOKEN_DAYS_SHORTEST, TOKEN_DAYS_LONGEST, TOKEN_DAYS = 1, 366, 90
TOKEN_PREFIX = "ph_"  # noqa: S105 - how a token is recognised

# Throttling: so many wrong passwords are free, then each one doubles the wait, up to a bound that locks nobody out.
FREE_FAILURES_OF_A_NAME, FREE_FAILURES_OF_AN_ADDRESS = 5, 20
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
FORGET_FAILURES_AFTER_S = 3600.0

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,23}")
_TOKEN = re.compile(r"ph_[A-Za-z0-9_-]{43}")


def check_name(text: str) -> str:
    """Return a user's name in lower case.

    Raises:
        SettingError: not a name.
    """
    name = name_form(text)
    if not name:
        raise SettingError("name", f"name must be {NAME_ALLOWED}; got {_shown(text)}.")
    return name


def name_form(text: str) -> str:
    """Return what was typed as a name in the form that names have, "" where it can be nobody's."""
    name = text.strip().lower() if len(text) < 200 else ""
    return name if _NAME.fullmatch(name) else ""


def normal_password(text: str) -> str:
    """Return a password in the one form in which it is compared: an accent is typed differently on other keyboards."""
    return unicodedata.normalize("NFC", text)


def check_password(text: str, name: str) -> str:
    """Return a new password as it is to be hashed. The sentence of a refusal never repeats it.

    Raises:
        SettingError: too short, too long, unprintable, the user's name, or one character only.
    """
    password = normal_password(text) if len(text) <= 4 * PASSWORD_LONGEST else text
    if not PASSWORD_SHORTEST <= len(password) <= PASSWORD_LONGEST or not password.isprintable():
        raise SettingError("password", "password must be 12 to 256 characters, without control characters.")
    if name in password.lower() and len(password) < PASSWORD_SHORTEST + len(name):
        raise SettingError("password", "password must not be the user's name with little added.")
    if len(set(password)) < 4:
        raise SettingError("password", "password must have at least four different characters.")
    return password


def check_role(text: str) -> Role:
    """Return the role that `text` names.

    Raises:
        SettingError: no such role.
    """
    if text not in set(Role):
        raise SettingError("role", f"role must be one of {', '.join(Role)}; got {_shown(text)}.")
    return Role(text)


def check_scope(text: str) -> Scope:
    """Return the scope that `text` names.

    Raises:
        SettingError: no such scope.
    """
    if text not in set(Scope):
        raise SettingError("scope", f"scope must be one of {', '.join(Scope)}; got {_shown(text)}.")
    return Scope(text)


def check_token_name(text: str) -> str:
    """Return what a token is called.

    Raises:
        SettingError: empty, too long or unprintable.
    """
    name = text.strip()
    if not 1 <= len(name) <= 24 or not name.isprintable():
        raise SettingError("name", f"name must be {TOKEN_NAME_ALLOWED}; got {_shown(text)}.")
    return name


def check_token_days(days: int) -> int:
    """Return for how many days a token is to be good.

    Raises:
        SettingError: out of bounds.
    """
    if not TOKEN_DAYS_SHORTEST <= days <= TOKEN_DAYS_LONGEST:
        raise SettingError("days", f"days must be a whole number from {TOKEN_DAYS_SHORTEST} to {TOKEN_DAYS_LONGEST}; "
                                   f"got {_shown(days)}.")  # fmt: skip
    return days


def looks_like_a_token(text: str) -> bool:
    """Whether `text` has the form of a token: anything else is not looked up."""
    return len(text) < 100 and _TOKEN.fullmatch(text) is not None


def wait_s(failures: int, free: int, since_last_s: float) -> float:
    """Return how long to wait (s) after so many wrong passwords in a row, the last one `since_last_s` ago; 0: go on.

    A clock that was set back makes nobody wait longer than the bound.
    """
    if failures < free or since_last_s >= FORGET_FAILURES_AFTER_S:
        return 0.0
    whole_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - free, 30))
    return min(whole_s, max(0.0, whole_s - since_last_s))


def counted_address(address: str) -> str:
    """Return the address under which failures are counted: for IPv6 the /64, of which one machine has all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def is_this_machine(address: str | None) -> bool:
    """Whether a caller's address is this very machine's loopback."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
