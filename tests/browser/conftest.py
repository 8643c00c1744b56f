"""A real browser against a real server on loopback: no JavaScript error, no other host, ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from tests import factories

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 15_000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
EXPECTED_NOISE = ("422 (UNPROCESSABLE ENTITY)",)  # browsers log every 422 as an error
LOST_NOISE = (
    "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "htmx:sendError", "htmx:afterRequest", "ERR_EMPTY_RESPONSE",
    "ERR_SOCKET",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("CI must have Chromium: apt-get install chromium")
        pytest.skip("the browser tests need Chromium: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield started
        started.close()


class Server:
    """The application on a port that stays the same when it is stopped and started again."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._server: BaseWSGIServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._app, threaded=True)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def server(app: Flask) -> Iterator[Server]:
    with app.app_context():
        factories.full_farm()
        factories.decided_cycle()
    running = Server(app)
    yield running
    running.stop()


class Watch:
    """What the page complained about; `allowed` lists what a test expects beside the usual."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.strangers: list[str] = []
        self.allowed: list[str] = list(EXPECTED_NOISE)

    def complaints(self) -> list[str]:
        return [m for m in self.messages if not any(word in m for word in self.allowed)] + self.strangers


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def page(browser: Any, watch: Watch, server: Server) -> Iterator[Any]:
    """A new page at 1,280 px, closed before its server; it must not have complained nor asked another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})

    def only_loopback(route: Any) -> None:
        if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            watch.strangers.append(route.request.url)
            route.abort()

    context.route("**/*", only_loopback)
    opened = context.new_page()
    opened.on("console", lambda m: watch.messages.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: watch.messages.append(str(error)))
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    context.close()
    assert watch.complaints() == []
