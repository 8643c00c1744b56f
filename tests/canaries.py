"""Canary secrets: texts that stand for every kind of secret, and a search for them in whatever PowerHive puts out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
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
        self._spellings = [
            (name, spelling.encode())
            for name, secret in self.secrets.items()
            for spelling in {secret, quote(secret, safe=""), secret[::-1], base64.b64encode(secret.encode()).decode()}
        ]

    def text(self, where: str, content: str) -> None:
        self.content(where, content.encode("utf-8", "surrogatepass"))

    def content(self, where: str, content: bytes) -> None:
        self.searched += 1
        self.characters += len(content)
        self.leaks += [f"{name} in {where}" for name, spelling in self._spellings if spelling in content]

    def files(self, paths: Iterator[Path]) -> None:
        for path in paths:
            self.content(str(path.name), path.read_bytes())


def every_answer(app: Flask, client: FlaskClient) -> Iterator[tuple[str, str]]:
    """Yield (path, headers and body) of every GET of the program, with what the database holds in its paths."""
    for path in _paths(app):
        answer = client.get(path)
        yield path, f"{answer.status} {answer.headers}\n{answer.get_data(as_text=True)}"
        answer.close()


def every_refusal(client: FlaskClient) -> Iterator[tuple[str, str]]:
    """Yield the answers to requests that are wrong in every way, each with secrets in it."""
    given = {"unlock_pass": UNLOCK_PASSWORD * 20, "api_key": PLANT_KEY, "password": [OWN_PASSWORD]}
    macs = ["02:00:00:00:00:99", _first(Miner.mac) or "none"]
    for mac in macs:
        for body in (given, {"unlock_pass": [UNLOCK_PASSWORD]}, {"unlock_pass": {"a": OWN_PASSWORD}}):
            answer = client.patch(f"/api/miners/{mac}", json=body)
            yield f"PATCH {mac}", f"{answer.headers}\n{answer.text}"
        answer = client.post(f"/miners/{mac}/unlock-password", data={"unlock_password": UNLOCK_PASSWORD * 20})
        yield f"POST {mac}", f"{answer.headers}\n{answer.text}"
    for path in ("/api/settings", "/settings"):
        answer = client.put(path, json=given)
        yield f"PUT {path}", f"{answer.headers}\n{answer.text}"


def _paths(app: Flask) -> list[str]:
    with app.app_context():
        values = {
            "mac": _first(Miner.mac), "alias": _first(MinerModel.alias), "command_id": _first(Command.id),
            "cycle_id": _first(BalanceCycle.id), "change_id": _first(PresetChangeRow.id), "name": "container_1",
            "filename": "app.css",
        }  # fmt: skip
        db.session.rollback()
    paths = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or set()):
            continue
        built = rule.build({name: values.get(name) or 1 for name in rule.arguments})
        if built is not None:
            paths.append(built[1])
    return sorted(paths)


def _first(column: object) -> object:
    return db.session.scalar(select(column).order_by(text("1 DESC")).limit(1))  # type: ignore[call-overload]
