"""Requests as no well-behaved program sends them: bodies, headers, cookies, queries and addresses spoilt at random."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.test import create_environ

MAC = "02:00:00:00:00:01"
PLACES = {"mac": MAC, "alias": "s19jpro", "name": "C1", "command_id": "1", "cycle_id": "2", "filename": "app.css"}
ODD = (
    "", " ", "0", "-1", "1e999", "NaN", "null", "true", "\x00", "\r\nX: y", "../../etc/passwd", "%", "%zz", "%00",
    "%ff", "%c0%af", "{{7*7}}", "<script>", "' OR 1=1 --", "9" * 400, "a" * 5000, "\u202e", "\ud800", "💧" * 50, "٣",
    "2026-02-30T25:61:61Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "=", "&", ";", "[]", "-0",
)  # fmt: skip
NAMES = (
    "limit", "since", "until", "step", "before", "offset", "miner_id", "managed", "online", "model", "policy", "set",
    "page", "sort", "q", "outcome", "endpoint", "_external", "mac", "next", "lang", "", "a[b]", "\x00",
)  # fmt: skip
FIELDS = (
    "mode", "reason", "preset", "hold_minutes", "hold", "hold_reason", "managed", "label", "unlock_pass", "retired",
    "max_preset", "presets_power", "settle_s", "switch_loss_s", "untuned_use", "role", "kind", "safety_margin_percent",
    "farm_limit_kw", "override", "", "__proto__", "\x00",
)  # fmt: skip
# What the routes take, to be spoilt in one place: else nearly every body would end at its first unknown field.
TAKEN: dict[str, dict[str, Any]] = {
    "/api/settings": {"tolerance_w": 900, "farm_limit_kw": None, "mode": "observe", "reason": "x"},
    "/api/settings/safety-margin": {"safety_margin_percent": 12.5},
    "/api/models/<alias>": {"max_preset": "2300", "presets_power": [{"preset": "2300", "power_w": 9}], "settle_s": 60},
    "/api/miners/<mac>": {"managed": True, "label": "x", "hold": True, "hold_minutes": 5, "unlock_pass": None},
    "/api/miners/<mac>/preset": {"preset": "1500", "hold_minutes": 5, "reason": "x"},
    "/api/plant/sources/<path:name>": {"role": "miners", "kind": "consumption"},
    "/api/balance/mode": {"mode": "observe", "reason": "x"},
}
HEADERS = (
    "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Accept", "Accept-Language", "Cookie",
    "Authorization", "If-None-Match", "If-Modified-Since", "Idempotency-Key", "Host", "Origin", "Referer",
    "Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Host", "X-CSRFToken", "HX-Request", "Range", "Expect",
    "X-HTTP-Method-Override", "User-Agent",
)  # fmt: skip
COOKIES = (
    "powerhive=", "powerhive=.eJw", "powerhive=a.b.c", "powerhive=" + "A" * 6000, "powerhive=\xff\xfe", "=", ";;;",
    'powerhive="\\377', "language=pt_BR; language=xx", "language=../..", "language=\x00", "a" * 9000,
)  # fmt: skip
KINDS = (*["application/json"] * 6, "text/plain", "multipart/form-data", "application/x-www-form-urlencoded")
VERBS = (*("GET", "POST", "PATCH") * 3, "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY", "get", "\x00")


def requests(app: Flask, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the WSGI environments of so many spoilt requests, to every route there is."""
    chance = random.Random(seed)
    routes = sorted((rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods or ())
    for _ in range(count):
        rule, method = chance.choice(routes)
        yield _environ(chance, rule, method if chance.random() < 0.8 else chance.choice(VERBS))


def _environ(chance: random.Random, rule: str, method: str) -> dict[str, Any]:
    body = _body(chance, rule)
    environ = create_environ("/", method="GET")
    environ["REQUEST_METHOD"] = method
    environ["PATH_INFO"] = _wsgi(_path(chance, rule))
    environ["QUERY_STRING"] = _wsgi(_query(chance))
    environ["CONTENT_TYPE"] = chance.choice((*KINDS, _wsgi(chance.choice(ODD))))
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"].write(body)
    environ["wsgi.input"].seek(0)
    for name in chance.sample(HEADERS, chance.choice((0, 0, 0, 1, 2))):
        value = chance.choice(COOKIES if name == "Cookie" else (*ODD, "application/json; charset=utf-7", "*/*"))
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = _wsgi(value)
    return environ


def _wsgi(text: str) -> str:
    """A text as a server hands it over: bytes, each as one character."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _path(chance: random.Random, rule: str) -> str:
    for place, value in PLACES.items():
        for kind in ("", "int:", "path:"):
            odd = chance.choice(ODD) if chance.random() < 0.2 else value
            rule = rule.replace(f"<{kind}{place}>", odd)
    return rule + (chance.choice(("/", "//", "/..", "\x00")) if chance.random() < 0.1 else "")


def _query(chance: random.Random) -> str:
    pairs = [f"{chance.choice(NAMES)}={chance.choice(ODD)}" for _ in range(chance.choice((0, 1, 1, 2, 5)))]
    return chance.choice(("&", "&", ";")).join(pairs)


def _body(chance: random.Random, rule: str) -> bytes:
    if rule in TAKEN and chance.random() < 0.7:
        wanted = TAKEN[rule] | {chance.choice(sorted(TAKEN[rule])): _value(chance, 3)}
    else:
        wanted = {chance.choice(FIELDS): _value(chance, 3) for _ in range(chance.choice((0, 1, 1, 2, 4)))}
    text = json.dumps(wanted)
    return chance.choice(SPOILS)(text.encode("utf-8", "surrogatepass"), chance)


def _value(chance: random.Random, depth: int) -> Any:
    plain: list[Any] = [None, True, False, 0, -1, 12.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, -(2**63)]
    plain += ["armed", "2300", "miners", "never", "\ud800", *ODD]
    if depth == 0 or chance.random() < 0.7:
        return chance.choice(plain)
    if chance.random() < 0.5:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    names = chance.choices((*FIELDS, "power_w", "hashrate_th"), k=chance.randrange(4))
    return {name: _value(chance, depth - 1) for name in names}


SPOILS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda body, _: body,
    lambda body, _: body,
    lambda body, _: body,
    lambda body, chance: body[: chance.randrange(len(body) + 1)],
    lambda body, chance: body + chance.choice((b"}", b"\x00", b" {}", b",", b"\xff")),
    lambda body, chance: bytes(chance.randrange(256) for _ in range(chance.randrange(200))),
    lambda body, _: body.decode().encode("utf-16"),
    lambda body, _: b"\xef\xbb\xbf" + body,
    lambda body, chance: b"[" * chance.choice((10, 2000, 60_000)),
    lambda body, chance: b'{"reason":' * chance.choice((10, 6000)) + body,
    lambda body, _: b'{"reason": "' + b"x" * 70_000 + b'"}',
    lambda body, _: b'{"reason": 1' + b"0" * 5000 + b"}",
    lambda body, _: body.replace(b"{", b'{"mode": "armed", "mode": "off", ', 1),
    lambda body, _: b"",
    lambda body, chance: body.replace(b'"', b"'"),
)
