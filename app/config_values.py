"""How one deployment setting's value is read: text or TOML in, checked value out, or `BadValue` with the reason.

The reason completes the sentence "POWERHIVE_NAME ..."; secrets are never repeated in it.
"""

from __future__ import annotations

import math
import re
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.redaction import Secret

_WIDEST_PREFIX = 16
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")

ENDPOINT_ALLOWED = "an https:// address (http:// only to this machine or a private network), without user or query"
SUBNETS_ALLOWED = "IPv4 networks like 10.0.1.0/24, none larger than /16, separated by commas (or a TOML list)"
DATABASE_ALLOWED = "sqlite:///path/of/file.db, or postgresql+psycopg://user:password@host/name"
BIND_ALLOWED = "an address of this machine and a port, like 127.0.0.1:8080 or 0.0.0.0:8080"
PROXIES_ALLOWED = "the addresses of reverse proxies, separated by commas (or a TOML list), or empty"
HOSTS_ALLOWED = "host names or addresses without port, separated by commas (or a TOML list)"


class BadValue(ValueError):
    """A value that a setting does not allow; the text completes a sentence that begins with the setting's name."""


def text(raw: Any, *, longest: int) -> str:
    """Return a printable text of at most `longest` characters."""
    if not isinstance(raw, str):
        raise BadValue(f"must be a text, not {_shown(raw)}")
    value = raw.strip()
    if len(value) > longest:
        raise BadValue(f"has {len(value)} characters")
    if not value.isprintable():
        raise BadValue("has characters that cannot be printed")
    return value


def header_secret(raw: Any) -> Secret:
    """Return a secret that can travel in an HTTP header."""
    if not isinstance(raw, str):
        raise BadValue("must be a text")
    value = raw.strip()
    if not value:
        raise BadValue("is empty")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise BadValue("has blanks or characters that cannot be sent in an HTTP header")
    return Secret(value)


def password(raw: Any) -> Secret:
    """Return a non-empty secret text."""
    if not isinstance(raw, str):
        raise BadValue("must be a text")
    if not raw:
        raise BadValue("is empty")
    if len(raw) > 120 or not raw.isprintable():
        raise BadValue("is too long, or has characters that cannot be printed")
    return Secret(raw)


def choice(raw: Any, *, choices: tuple[str, ...]) -> str:
    """Return the choice that `raw` names, whatever its capitals."""
    for allowed in choices:
        if isinstance(raw, str) and raw.strip().lower() == allowed.lower():
            return allowed
    raise BadValue(f"is {_shown(raw)}")


def boolean(raw: Any) -> bool:
    """Return True or False from a TOML boolean or a usual word."""
    if isinstance(raw, bool):
        return raw
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if isinstance(raw, str) and raw.lower() in words:
        return words[raw.lower()]
    raise BadValue(f"is {_shown(raw)}")


def number(raw: Any, *, minimum: float, maximum: float, optional: bool = False) -> float | None:
    """Return a finite number within the bounds; None for an empty text where `optional`."""
    if optional and raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise BadValue(f"must be a number, not {_shown(raw)}")
    if isinstance(raw, str) and not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", raw, re.ASCII):
        raise BadValue(f"is {_shown(raw)}, not a number")
    value = float(raw)
    if not math.isfinite(value) or not minimum <= value <= maximum:
        raise BadValue(f"is {value:g}")
    return value


def integer(raw: Any, *, minimum: int, maximum: int) -> int:
    """Return a whole number within the bounds."""
    value = number(raw, minimum=minimum, maximum=maximum)
    if value is None or value != int(value):
        raise BadValue(f"is {_shown(raw)}, not a whole number")
    return int(value)


def endpoint(raw: Any) -> str:
    """Return the plant's address; the key travels only over TLS or a network nobody else listens to."""
    value = text(raw, longest=500)
    try:
        parts = urlsplit(value)
        host, port_ok = parts.hostname, parts.port != 0
    except ValueError:
        raise BadValue("is not an address") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BadValue("holds a user, a query or a fragment")
    if parts.scheme not in ("http", "https") or not host or not port_ok or " " in value:
        raise BadValue(f"is {_shown(value)}, not an http address")
    if parts.scheme == "http" and not (is_loopback_url(value) or _is_private(host)):
        raise BadValue("would send the API key unencrypted over the internet")
    return value


def is_loopback_url(url: str) -> bool:
    """Tell whether `url` leads to this very machine."""
    return is_loopback(urlsplit(url).hostname or "")


def is_plain_http(url: str) -> bool:
    """Tell whether `url` is unencrypted and leads off this machine."""
    return urlsplit(url).scheme == "http" and not is_loopback_url(url)


def subnets(raw: Any) -> tuple[IPv4Network, ...]:
    """Return the IPv4 networks to scan, without repetitions."""
    found: list[IPv4Network] = []
    for item in _items(raw):
        try:
            network = ip_network(item, strict=True)
        except ValueError as error:
            raise BadValue(f"holds {_shown(item)}: {error}") from None
        if not isinstance(network, IPv4Network):
            raise BadValue(f"holds {item}, which is IPv6")
        if network.prefixlen < _WIDEST_PREFIX:
            raise BadValue(f"holds {item}, which is larger than /{_WIDEST_PREFIX}")
        if network not in found:
            found.append(network)
    if not found:
        raise BadValue("is empty")
    return tuple(found)


def host_names(raw: Any) -> tuple[str, ...]:
    """Return host names in lower case, without repetitions."""
    found: list[str] = []
    for item in _items(raw):
        name = item.lower().removeprefix("[").removesuffix("]")
        if _address(name) is None and not _HOST_NAME.fullmatch(name):
            raise BadValue(f"holds {_shown(item)}, which is not a host name")
        if name not in found:
            found.append(name)
    if not found:
        raise BadValue("is empty")
    return tuple(found)


def bind(raw: Any) -> tuple[str, int]:
    """Return host and port to serve on. Whether other machines may reach it is decided at start: `app.bind_check`."""
    value = text(raw, longest=100)
    host, colon, port_text = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise BadValue(f"is {_shown(value)}, which is not address:port")
    try:
        port = integer(port_text, minimum=1, maximum=65_535)
    except BadValue:
        raise BadValue(f"has the port {_shown(port_text)}") from None
    if _address(host) is None and host.lower() != "localhost":
        raise BadValue(f"is {_shown(value)}, whose host is no address")
    return host, port


def is_loopback(host: str) -> bool:
    """Tell whether only this very machine reaches what is served on `host`."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def addresses(raw: Any) -> tuple[str, ...]:
    """Return single IP addresses in their usual form, without repetitions; none for an empty text."""
    found: list[str] = []
    for item in _items(raw):
        address = _address(item)
        if address is None:
            raise BadValue(f"holds {_shown(item)}, which is not an address")
        if str(address) not in found:
            found.append(str(address))
    return tuple(found)


def database_url(raw: Any) -> str:
    """Return an SQLAlchemy address of a supported database; empty stands for the default."""
    value = text(raw, longest=500)
    if not value:
        return ""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise BadValue("is not a database address") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.drivername not in ("sqlite", "sqlite+pysqlite") or not url.database or url.database == ":memory:":
            raise BadValue("names no file: web and jobs are processes that share it")
        if url.query or url.host:
            raise BadValue("has a host or options; use three slashes, four for an absolute path")
        return value
    if url.drivername != "postgresql+psycopg":
        raise BadValue(f"is for {_shown(url.drivername)}")
    if find_spec("psycopg") is None:
        raise BadValue("is for PostgreSQL, whose driver is not installed: pip install 'psycopg[binary]'")
    return value


def absolute_database_url(url: str, instance: Path) -> str:
    """Return `url` with an SQLite path made absolute, relative to the instance folder; the default for an empty one."""
    parsed = make_url(url or "sqlite:///powerhive.db")
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return parsed.render_as_string(hide_password=False)
    path = (instance / Path(parsed.database).expanduser()).resolve()
    return parsed.set(database=str(path)).render_as_string(hide_password=False)


def _items(raw: Any) -> list[str]:
    if isinstance(raw, str):
        return [item.strip() for item in raw.split(",") if item.strip()]
    if isinstance(raw, list) and all(isinstance(item, str) for item in raw):
        return [item.strip() for item in raw if item.strip()]
    raise BadValue(f"must be a text or a list of texts, not {_shown(raw)}")


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_private(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_private and not address.is_unspecified


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
