"""What tests share: settings in a temporary folder, an application on its own database, a closed network."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app import create_app
from app.config import Config, load
from app.extensions import db

ROOT = Path(__file__).resolve().parent.parent

for _name in [name for name in os.environ if name.startswith("POWERHIVE_")]:
    del os.environ[_name]  # the developer's own settings are not the tests'


class NetworkClosed(RuntimeError):
    """A test tried to reach something that is not this machine."""


def _is_this_machine(host: Any) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _close_the_network() -> None:
    """Let sockets reach 127.0.0.0/8, ::1 and local files only (pytest-socket knows single addresses, no networks)."""

    def guarded(original: Any) -> Any:
        def call(self: socket.socket, address: Any, *rest: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_this_machine(address[0]):
                raise NetworkClosed(f"a test tried to reach {address}")
            return original(self, address, *rest)

        return call

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_this_machine(host):
            raise NetworkClosed(f"a test tried to look up {host}")
        return original_resolve(host, *args, **kwargs)

    original_resolve = socket.getaddrinfo
    socket.socket.connect = guarded(socket.socket.connect)  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded(socket.socket.connect_ex)  # type: ignore[method-assign]
    socket.getaddrinfo = resolve


_close_the_network()

BASE_ENVIRONMENT = {
    "POWERHIVE_PLANT_API_KEY": "plant-key-for-tests",
    "POWERHIVE_PLANT_ENDPOINT": "http://127.0.0.1:9/data/latest",
    "POWERHIVE_SUBNETS": "127.0.9.0/30",
    "POWERHIVE_UNLOCK_PASSWORD": "unlock-for-tests",
    "POWERHIVE_LOG_LEVEL": "WARNING",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Leave garbage for between the tests: where one goes as deep as Python does, no finaliser of what others left has
    room to run, and that would count as a failure of the test that met it.
    """
    if item.get_closest_marker("long") is not None:
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Valid settings: a temporary instance folder, SQLite in it, a plant that does not answer."""
    return load(BASE_ENVIRONMENT, tmp_path / "instance")


@pytest.fixture(scope="session")
def database_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with all tables, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("template")
    app = create_app(load(BASE_ENVIRONMENT, folder))
    with app.app_context():
        db.create_all()
        head = ScriptDirectory(str(ROOT / "migrations")).get_current_head()
        db.session.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        db.session.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
        db.session.commit()
        db.session.remove()
        db.engine.dispose()  # the last connection merges the write-ahead log into the file
    return folder / "powerhive.db"


@pytest.fixture
def app(config: Config, database_template: Path) -> Iterator[Flask]:
    """The application on an empty database of its own. No job runs."""
    assert config.database_path is not None
    shutil.copy(database_template, config.database_path)
    app = create_app(config)
    app.testing = True
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without a window, calling from this host."""
    return app.test_client()


@pytest.fixture(autouse=True)
def _no_scheduler() -> Iterator[None]:
    """No test starts the schedule in this process: it would fork, and act, behind the other tests' backs."""
    yield
    from app.jobs import master

    assert master._master is None
