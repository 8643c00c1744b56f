"""Canary secrets: texts that stand for every kind of secret, and a search for them in whatever PowerHive puts out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from app.extensions import db
from app.models import BalanceCycle, Command, Miner, MinerModel, PresetChangeRow

PLANT_KEY = "canary-of-the-plant-5d1f"
UNLOCK_PASSWORD = "canary-of-the-fleet-77aa"
OWN_PASSWORD = "canary-of-one-miner-c0de"
FLASK_KEY = "canary-of-the-sessions-" + "9" * 41
DATA_KEY = base64.urlsafe_b64encode(b"canary of the data key, 32 bytes").decode()


def miner_key(n: int) -> str:
    """The key that miner number `n` already holds in PowerHive's name: 32 characters."""
    return f"canary-of-the-miner-{n:012d}"


def plant_in(folder: Path) -> None:
    """Write the keys of an installation before its first start."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in (("secret_key", FLASK_KEY), ("data_key", DATA_KEY)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content + "\n")


@dataclass
class Search:
    """Looks for secrets in texts and files, in the spellings in which they could leak."""

    secrets: dict[str, str]
    searched: int = 0
    characters: int = 0
    leaks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._spellings: list[tuple[str, bytes]] = []
        given, self.secrets = self.secrets, {}
        self.know(given)

    def know(self, secrets: dict[str, str]) -> None:
        """Look for these, too, from now on."""
        for name, secret in secrets.items():
            if secret not in self.secrets.values():
                self.secrets[name] = secret
                self._spellings += [(name, spelling.encode()) for spelling in _spellings(secret)]

    def text(self, where: str, content: str) -> None:
        self.content(where, content.encode("utf-8", "surrogatepass"))

    def content(self, where: str, content: bytes) -> None:
        self.searched += 1
        self.characters += len(content)
        self.leaks += [f"{name} in {where}" for name, spelling in self._spellings if spelling in content]

    def files(self, paths: Iterator[Path]) -> None:
        for path in paths:
            self.content(str(path.name), path.read_bytes())


def _spellings(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), secret[::-1], base64.b64encode(secret.encode()).decode()}


class Ask(Protocol):
    """One request, `given` as `requests` and Flask's test client take it; status, headers and body as text."""

    def __call__(self, method: str, path: str, **given: Any) -> str: ...


def in_process(client: FlaskClient) -> Ask:
    """Ask an application without any server."""

    def ask(method: str, path: str, **given: Any) -> str:
        answer = client.open(path, method=method, **given)
        with answer:
            return f"{answer.status}\n{answer.headers}\n{answer.get_data(as_text=True)}"

    return ask


def every_answer(app: Flask, ask: Ask, **chosen: Any) -> Iterator[tuple[str, str]]:
    """Yield (path, answer) of every GET of the program; in the paths is what was `chosen`, else the newest."""
    for path in _paths(app, chosen):
        yield path, ask("GET", path)


def every_refusal(app: Flask, ask: Ask) -> Iterator[tuple[str, str]]:
    """Yield the answers to requests that are wrong in every way, each with secrets in it."""
    for method, path, given in _wrong_requests(app):
        yield f"{method} {path}", ask(method, path, **given)


def _wrong_requests(app: Flask) -> Iterator[tuple[str, str, dict[str, Any]]]:
    wrong = {"unlock_pass": UNLOCK_PASSWORD * 20, "api_key": PLANT_KEY, "password": [OWN_PASSWORD]}
    half = f'{{"unlock_pass": "{UNLOCK_PASSWORD}", "api_key": "{PLANT_KEY}'
    for mac in ("02:00:00:00:00:99", _values(app)["mac"] or "none"):
        for body in (wrong, {"unlock_pass": [UNLOCK_PASSWORD]}, {"unlock_pass": {"a": OWN_PASSWORD}}):
            yield "PATCH", f"/api/miners/{mac}", {"json": body}
        yield "PATCH", f"/api/miners/{mac}", {"data": half, "headers": {"Content-Type": "application/json"}}
        yield "PATCH", f"/api/miners/{mac}", {"data": half, "headers": {"Content-Type": "text/plain"}}
        yield "POST", f"/miners/{mac}/unlock-password", {"data": {"unlock_password": UNLOCK_PASSWORD * 20}}
    for path in ("/api/settings", "/settings", "/api/status", "/no/such/page", "/api/no/such/call"):
        yield "PUT", path, {"json": wrong}
        yield "POST", path, {"json": wrong}
    yield "POST", "/account/password", {"data": {"old": OWN_PASSWORD, "new": UNLOCK_PASSWORD, "again": PLANT_KEY}}
    yield "POST", "/people", {"data": {"name": "", "role": "nobody", "password": OWN_PASSWORD}}
    for header in ("Authorization", "X-API-Key", "Cookie", "Idempotency-Key"):
        yield "GET", "/api/miners", {"headers": {header: f"Bearer {PLANT_KEY}"}}


def _paths(app: Flask, chosen: dict[str, Any]) -> list[str]:
    values = _values(app) | chosen
    paths = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or set()):
            continue
        built = rule.build({name: values.get(name) or 1 for name in rule.arguments})
        if built is not None:
            paths.append(built[1])
    return sorted(paths)


def _values(app: Flask) -> dict[str, Any]:
    """What stands in paths: the newest of everything."""
    with app.app_context():
        values = {
            "mac": _first(Miner.mac), "alias": _first(MinerModel.alias), "command_id": _first(Command.id),
            "cycle_id": _first(BalanceCycle.id), "event_id": _first(PresetChangeRow.id), "name": "container_1",
            "filename": "app.css",
        }  # fmt: skip
        db.session.remove()
    return values


def _first(column: object) -> object:
    return db.session.scalar(select(column).order_by(text("1 DESC")).limit(1))  # type: ignore[call-overload]
