"""Peers that mean harm: where a call may lead, how much it may bring, what it may make PowerHive give away."""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
from ipaddress import IPv4Network
from typing import Any

import pytest

from app.clients import miner
from app.clients.http import SweepSession, TransportError
from app.clients.miner import MinerAddress
from app.clients.plant import PlantClient
from app.errors import MinerError, PlantError
from tests.clients.fuzz import KEY, MAC, PASSWORD

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FARM = (IPv4Network("10.9.0.0/24"), IPv4Network("127.0.0.1/32"))
ELSEWHERE = (IPv4Network("10.9.0.0/24"), IPv4Network("127.0.9.0/30"))


def session(only: Any = FARM, **limits: Any) -> SweepSession:
    return SweepSession(**{"connect_s": 0.5, "read_s": 0.5, "deadline_s": 1.0, "only": only} | limits)


# --- never an address outside the configured subnets -----------------------------------------------------------------


def test_an_address_outside_the_subnets_is_never_connected_to(raw_server: Any, http_answer: Any) -> None:
    server = raw_server(lambda conn, _: conn.sendall(http_answer(b"{}")))
    with session(ELSEWHERE) as calls, pytest.raises(TransportError, match="outside the configured subnets") as caught:
        calls.call("GET", server.url, headers={"x-api-key": KEY})
    assert (caught.value.kind, caught.value.reached, server.connections) == ("unreachable", False, 0)
    with session(FARM) as calls:
        assert calls.call("GET", server.url).json() == {}


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost.", "miner-7.farm", "0x7f.0.0.1", "127.1", "2130706433", "0177.0.0.1", "[::1]",
     "[::ffff:127.0.0.1]", "127.0.0.1.nip.io", "127.0.0.1@10.9.0.1", "10.9.0.1@localhost"],
)  # fmt: skip
def test_no_name_and_no_other_spelling_of_an_address_gets_through(
    host: str, raw_server: Any, http_answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **_: looked_up.append(a) or [])
    server = raw_server(lambda conn, _: conn.sendall(http_answer(b"{}")))
    networks = (IPv4Network("10.9.0.0/24"),)
    with session(networks) as calls, pytest.raises(TransportError):
        calls.call("GET", f"http://{host}:{server.port}/")
    assert (looked_up, server.connections) == ([], 0)


@pytest.mark.parametrize("text", ["localhost", "miner.farm", "127.0.0.1/x", "127.0.0.1:99", "a@127.0.0.1", "", "127.1"])
def test_what_is_no_address_cannot_be_a_miner_s(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        MinerAddress(text)


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/x", "//127.0.0.1:1/", "https://127.0.0.1/", "file:///etc/passwd"]
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_neither_miner_nor_plant_sends_us_elsewhere(
    raw_server: Any, http_answer: Any, location: str, status: str
) -> None:
    server = raw_server(lambda conn, _: conn.sendall(http_answer(b"{}", status, f"Location: {location}")))
    address = MinerAddress("127.0.0.1", server.port, KEY)
    with session() as calls:
        for ask in (miner.read_saved_preset, miner.restart):
            with pytest.raises(MinerError):
                ask(calls, address)
        with pytest.raises(MinerError):
            miner.adopt(calls, address, PASSWORD, MAC)
    with pytest.raises(PlantError) as caught:
        PlantClient(server.url, KEY).fetch_reading()
    assert caught.value.kind == "redirect"
    assert (len(server.requests), server.connections >= 2) == (4, True)


# --- how much, how long, how deep ------------------------------------------------------------------------------------


@pytest.mark.timeout(20)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_a_gigabyte_costs_a_megabyte(raw_server: Any, announced: bool) -> None:
    sent = [0]

    def respond(conn: socket.socket, stopping: threading.Event) -> None:
        conn.sendall(HEAD + (b"Content-Length: 1073741824\r\n\r\n" if announced else b"\r\n"))
        piece = b"x" * 65536
        while sent[0] < 2**30 and not stopping.is_set():
            conn.sendall(piece)
            sent[0] += len(piece)

    server = raw_server(respond)
    tracemalloc.start()
    try:
        with session(deadline_s=10) as calls, pytest.raises(TransportError) as caught:
            calls.call("GET", server.url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.kind == "too_large"
    assert peak < 8 * 2**20
    assert sent[0] < 64 * 2**20


@pytest.mark.timeout(20)
def test_a_gzip_bomb_is_never_unpacked_whole(raw_server: Any) -> None:
    bomb = gzip.compress(b"0" * 200_000_000)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    server = raw_server(lambda conn, _: conn.sendall(head + bomb))
    tracemalloc.start()
    try:
        with session(deadline_s=10) as calls, pytest.raises(TransportError) as caught:
            calls.call("GET", server.url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.kind == "too_large"
    assert peak < 100 * 2**20


@pytest.mark.timeout(20)
@pytest.mark.parametrize("where", ["body", "headers"])
def test_a_miner_that_trickles_costs_its_time_limit_and_no_more(raw_server: Any, where: str) -> None:
    def respond(conn: socket.socket, stopping: threading.Event) -> None:
        conn.sendall(HEAD + (b"\r\n{" if where == "body" else b"X-Slow: "))
        while not stopping.wait(0.05):
            conn.sendall(b" ")

    server = raw_server(respond)
    with session() as calls, pytest.raises(MinerError, match="did not answer in time"):
        miner.read_saved_preset(calls, MinerAddress("127.0.0.1", server.port, KEY))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"a":' * 100_000, b'{"miner":NaN}', b'{"miner":1e999}', b"\xff\xfe{}", b'"\\ud800"', b""],
)
def test_json_that_is_none_is_one_clear_error(raw_server: Any, http_answer: Any, body: bytes) -> None:
    server = raw_server(lambda conn, _: conn.sendall(http_answer(body)))
    with session() as calls, pytest.raises(MinerError, match="not valid JSON"):
        miner.read_saved_preset(calls, MinerAddress("127.0.0.1", server.port, KEY))
    with pytest.raises(PlantError) as caught:
        PlantClient(server.url, KEY).fetch_reading()
    assert caught.value.kind == "not_json"


def test_of_a_key_that_comes_twice_the_last_counts(raw_server: Any, http_answer: Any) -> None:
    body = b'{"miner":7,"miner":{"overclock":{"preset":"1","preset":"2300"}}}'
    server = raw_server(lambda conn, _: conn.sendall(http_answer(body)))
    with session() as calls:
        assert miner.read_saved_preset(calls, MinerAddress("127.0.0.1", server.port, KEY)) == "2300"


# --- what they say back ----------------------------------------------------------------------------------------------


def test_no_error_says_back_a_secret_that_the_peer_repeats(raw_server: Any, http_answer: Any) -> None:
    said = f'{{"err": "no {KEY} and no {PASSWORD}", "token": "t"}}'.encode()
    server = raw_server(lambda conn, _: conn.sendall(http_answer(said, f"500 {KEY} {PASSWORD}", f"X-Echo: {KEY}")))
    address = MinerAddress("127.0.0.1", server.port, KEY)
    with session() as calls:
        for ask in (lambda: miner.restart(calls, address), lambda: miner.read_saved_preset(calls, address)):
            with pytest.raises(MinerError) as caught:
                ask()
            assert KEY not in chain(caught.value)
        with pytest.raises(MinerError) as caught:
            miner.adopt(calls, MinerAddress("127.0.0.1", server.port), PASSWORD, MAC)
        assert PASSWORD not in chain(caught.value)
    with pytest.raises(PlantError) as refused:
        PlantClient(server.url, KEY).fetch_reading()
    assert KEY not in chain(refused.value)


def test_an_inspection_does_not_show_the_key_that_the_miner_repeats(raw_server: Any, http_answer: Any) -> None:
    body = f'{{"miner": {{"note": "you sent {KEY}"}}}}'.encode()
    server = raw_server(lambda conn, _: conn.sendall(http_answer(body)))
    with session() as calls:
        found = miner.inspect(calls, MinerAddress("127.0.0.1", server.port, KEY), "GH/s", "sha256d")
    assert KEY not in found.answers
    assert "you sent ***" in found.answers


def test_a_plant_that_cannot_be_reached_names_no_key(closed_port: int) -> None:
    for endpoint in (f"http://127.0.0.1:{closed_port}/", f"https://127.0.0.1:{closed_port}/"):
        with pytest.raises(PlantError) as caught:
            PlantClient(endpoint, KEY).fetch_reading()
        assert KEY not in chain(caught.value)
    assert KEY not in repr(PlantClient("https://plant.example/", KEY))


def test_a_proxy_of_the_environment_never_sees_the_plant_s_key(
    raw_server: Any, http_answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, plant = (raw_server(lambda conn, _: conn.sendall(http_answer(b"{}"))) for _ in range(2))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    with pytest.raises(PlantError):
        PlantClient(plant.url, KEY).fetch_reading()
    assert (proxy.connections, plant.connections) == (0, 1)


def chain(error: BaseException | None) -> str:
    """Everything that a traceback of this error would print."""
    texts = []
    while error is not None:
        texts.append(f"{error!r} {error} {vars(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)
