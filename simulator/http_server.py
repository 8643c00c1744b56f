"""A small HTTP/1.1 server on asyncio: enough for miners and a plant, and able to misbehave on purpose.

It serves loopback addresses only. Bodies need a Content-Length; headers and bodies are bounded; connections are
kept alive. A ``Reply`` says not only what to answer but how: late, never, cut, drop by drop, or with a reset.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from simulator.clock import Clock

Delivery = Literal["normal", "hang", "reset", "truncated", "trickle"]

MAX_HEADER_BYTES = 16_384
MAX_BODY_BYTES = 262_144
IDLE_TIMEOUT_S = 75.0
TRICKLE_INTERVAL_S = 0.4


def require_loopback(ip: str) -> str:
    """The address itself if it is a loopback IPv4 one; ValueError for anything else."""
    try:
        address = ipaddress.IPv4Address(ip)
    except ValueError as exc:
        raise ValueError(f"the simulator needs an IPv4 loopback address, not {ip!r}") from exc
    if not address.is_loopback:
        raise ValueError(f"the simulator binds loopback addresses (127.0.0.0/8) only, not {ip}")
    return ip


@dataclass(frozen=True, slots=True)
class Request:
    """One parsed request; ``query`` keeps the last value of a name, header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError where it is none. An empty body is None."""
        if not self.body:
            return None
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer and how. ``delay_s`` is in real seconds; ``truncated`` promises the whole and sends half."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    delivery: Delivery = "normal"


def json_reply(payload: object, status: int = 200) -> Reply:
    """A JSON answer. NaN and Infinity are let through on purpose: peers do send them."""
    return Reply(status, json.dumps(payload, separators=(",", ":")).encode())


def text_reply(text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Reply:
    """A plain text or HTML answer."""
    return Reply(status, text.encode(), content_type)


Handler = Callable[[Request], Reply]


@dataclass(slots=True)
class Endpoint:
    """What a listening socket serves. ``accepts`` is asked at every connection; False resets it at once."""

    handle: Handler
    clock: Clock
    accepts: Callable[[], bool] = lambda: True
    connections: set[asyncio.Transport] = field(default_factory=set)


class _BadRequestError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpProtocol(asyncio.Protocol):
    """One connection: parses requests in order and answers each before it looks at the next."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, or reset it at once where the endpoint accepts nobody."""
        self._transport = transport = cast(asyncio.Transport, transport)
        if not self._endpoint.accepts():
            reset(transport)
            return
        self._endpoint.connections.add(transport)
        self._wait_for_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and whatever was still to be sent."""
        if self._transport is not None:
            self._endpoint.connections.discard(self._transport)
        self._transport = None
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        """Collect bytes and answer what is complete."""
        if len(self._buffer) + len(data) > MAX_HEADER_BYTES + MAX_BODY_BYTES:
            self._refuse(413)
            return
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        while not self._busy and self._transport is not None and self._buffer:
            try:
                parsed = _parse(self._buffer)
            except _BadRequestError as exc:
                self._refuse(exc.status)
                return
            if parsed is None:
                return
            request, used = parsed
            self._buffer = self._buffer[used:]
            self._busy = True
            self._stop_timer()
            reply = self._endpoint.handle(request)
            close = request.headers.get("connection", "").lower() == "close"
            if reply.delay_s > 0:
                self._timer = self._loop.call_later(reply.delay_s, self._deliver_late, request, reply, close)
            else:
                self._deliver(request, reply, close)

    def _deliver_late(self, request: Request, reply: Reply, close: bool) -> None:
        self._deliver(request, reply, close)
        self._serve()

    def _deliver(self, request: Request, reply: Reply, close: bool) -> None:
        transport = self._transport
        if transport is None or reply.delivery == "hang":
            return
        if reply.delivery == "reset":
            reset(transport)
            return
        body = b"" if request.method == "HEAD" else reply.body
        head = self._head(reply, close or reply.delivery != "normal")
        if reply.delivery == "truncated":
            transport.write(head + body[: len(body) // 2])
            transport.close()
        elif reply.delivery == "trickle":
            transport.write(head)
            self._trickle(body, 0)
        else:
            transport.write(head + body)
            self._busy = False
            if close:
                transport.close()
            else:
                self._wait_for_more()

    def _trickle(self, body: bytes, sent: int) -> None:
        if self._transport is None:
            return
        if sent >= len(body):
            self._transport.close()
            return
        self._transport.write(body[sent : sent + 1])
        self._timer = self._loop.call_later(TRICKLE_INTERVAL_S, self._trickle, body, sent + 1)

    def _head(self, reply: Reply, close: bool) -> bytes:
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {reply.status} {phrase}"]
        names = {name.lower() for name, _ in reply.headers}
        if "date" not in names:
            lines.append(f"Date: {format_datetime(self._endpoint.clock.utc(), usegmt=True)}")
        lines += [f"{name}: {value}" for name, value in reply.headers]
        if reply.body:
            lines.append(f"Content-Type: {reply.content_type}")
        lines.append(f"Content-Length: {len(reply.body)}")
        lines.append(f"Connection: {'close' if close else 'keep-alive'}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _refuse(self, status: int) -> None:
        if self._transport is not None:
            self._transport.write(self._head(Reply(status), close=True))
            self._transport.close()

    def _wait_for_more(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(IDLE_TIMEOUT_S, self._close_idle)

    def _close_idle(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _parse(buffer: bytes) -> tuple[Request, int] | None:
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > MAX_HEADER_BYTES:
            raise _BadRequestError(431)
        return None
    if end > MAX_HEADER_BYTES:
        raise _BadRequestError(431)
    lines = buffer[:end].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _BadRequestError(400)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise _BadRequestError(400)
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise _BadRequestError(411)
    length_text = headers.get("content-length", "0")
    if not (length_text.isascii() and length_text.isdigit()):
        raise _BadRequestError(400)
    length = int(length_text)
    if length > MAX_BODY_BYTES:
        raise _BadRequestError(413)
    start = end + 4
    if len(buffer) < start + length:
        return None
    try:
        target = urlsplit(words[1])
    except ValueError as exc:
        raise _BadRequestError(400) from exc
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    request = Request(words[0], unquote(target.path) or "/", query, headers, buffer[start : start + length])
    return request, start + length


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP reset instead of an orderly close."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
