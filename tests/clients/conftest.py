"""Loopback peers that misbehave, and the example answers."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import responses

from app.clients.http import SweepSession

FIXTURES = Path(__file__).parent.parent / "fixtures"
Respond = Callable[[socket.socket, threading.Event], None]


class RawServer:
    """Listens on loopback, reads the head (and any body) of each request, then lets `respond` do what it likes."""

    def __init__(self, respond: Respond, wrap: Callable[[socket.socket], socket.socket] = lambda s: s) -> None:
        self.respond = respond
        self.wrap = wrap
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            if self.stopping.is_set():
                raw.close()
                return
            self.connections += 1
            self.threads.append(threading.Thread(target=self._serve, args=(raw,), daemon=True))
            self.threads[-1].start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(10)
        with suppress(OSError):
            raw = self.wrap(raw)
            while not self.stopping.is_set():
                request = b""
                while not _whole_request(request):
                    piece = raw.recv(65536)
                    if not piece:
                        raw.close()
                        return
                    request += piece
                self.requests.append(request)
                self.respond(raw, self.stopping)
        raw.close()

    def close(self) -> None:
        self.stopping.set()
        with suppress(OSError), socket.socket() as knock:
            knock.connect(("127.0.0.1", self.port))
        self.listener.close()
        for thread in self.threads:
            thread.join(5)


def _whole_request(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head.lower())
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Return a function that starts a RawServer; all are stopped at the end."""
    running: list[RawServer] = []

    def start(respond: Respond, **more: object) -> RawServer:
        running.append(RawServer(respond, **more))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def closed_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answer(body: bytes, status: str = "200 OK", head: str = "Content-Type: application/json") -> bytes:
    """Return a whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def http_answer() -> Callable[..., bytes]:
    return answer


@pytest.fixture
def example() -> Callable[[str], bytes]:
    """Return a function from an example file's name to its bytes."""
    return lambda name: (FIXTURES / "vnish" / name).read_bytes()


@pytest.fixture
def example_json(example: Callable[[str], bytes]) -> Callable[[str], object]:
    return lambda name: json.loads(example(name))


@pytest.fixture
def plant_json() -> dict[str, object]:
    return json.loads((FIXTURES / "plant" / "reading.json").read_bytes())


@pytest.fixture
def session() -> Iterator[SweepSession]:
    with SweepSession(connect_s=0.3, read_s=0.3, deadline_s=0.6, max_bytes=100_000) as opened:
        yield opened


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as started:
        yield started
