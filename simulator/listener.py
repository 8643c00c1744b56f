"""Listening sockets that can be taken away and given back while the event loop runs in another thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from simulator.http_server import Endpoint, HttpProtocol, require_loopback

T = TypeVar("T")
BACKLOG = 128
CALL_TIMEOUT_S = 10.0


class LoopThread:
    """An asyncio loop in a daemon thread, and the one way to run something inside it from outside."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._ready = threading.Event()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; RuntimeError before ``start``."""
        if self._loop is None:
            raise RuntimeError("the simulator is not started")
        return self._loop

    @property
    def is_alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread and wait until the loop runs."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._ready.wait(CALL_TIMEOUT_S)

    def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` in the loop's thread and return what it returns; at once if already there."""
        if threading.get_ident() == self._thread.ident:
            return function()

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(CALL_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the loop and join the thread."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(CALL_TIMEOUT_S)
        if self._loop is not None and not self._thread.is_alive():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._ready.set)
        self.loop.run_forever()


class Listener:
    """One listening loopback address. ``open`` and ``close`` run in the loop's thread."""

    def __init__(self, ip: str, port: int, protocol: Callable[[], asyncio.Protocol], endpoint: Endpoint) -> None:
        self.ip = require_loopback(ip)
        self.port = port
        self._protocol = protocol
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether the address accepts connections."""
        return self._socket is not None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind and listen; OSError where the address is taken. ``port`` 0 is filled with the port it got."""
        if self._socket is not None:
            return
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.ip, self.port))
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        self.port = int(sock.getsockname()[1])
        self._socket = sock
        loop.add_reader(sock, self._accept, sock, loop)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop listening and reset every open connection: from now on connections are refused."""
        if self._socket is None:
            return
        loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for transport in list(self._endpoint.connections):
            transport.abort()

    def _accept(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(BACKLOG):
            try:
                peer, _address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of file descriptors: leave the peer in the backlog and look again later
                loop.remove_reader(sock)
                loop.call_later(1.0, self._accept_again, sock, loop)
                return
            peer.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(self._protocol, peer))
            _TASKS.add(task)
            task.add_done_callback(_TASKS.discard)

    def _accept_again(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        if self._socket is sock:
            loop.add_reader(sock, self._accept, sock, loop)


_TASKS: set[asyncio.Task[object]] = set()  # asyncio keeps weak references only


def http_listener(ip: str, port: int, endpoint: Endpoint) -> Listener:
    """A listener that speaks HTTP for ``endpoint``."""
    return Listener(ip, port, lambda: HttpProtocol(endpoint), endpoint)


def free_port(ip: str = "127.0.0.1") -> int:
    """A port that is free on ``ip`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((require_loopback(ip), 0))
        return int(sock.getsockname()[1])
