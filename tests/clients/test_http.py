"""The HTTP door: whatever the peer does, a call ends in time with one kind of error."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.clients.http import SweepSession, TransportError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def slowly(data: bytes, pause_s: float = 0.05):
    """Return a peer that sends one byte at a time, and goes on for ever."""

    def respond(conn, stopping):
        for n in range(10_000):
            if stopping.wait(pause_s):
                return
            conn.sendall(data[n : n + 1] or b"x")

    return respond


def at_once(data: bytes, *, close: bool = False):
    def respond(conn, _):
        conn.sendall(data)
        if close:
            conn.close()

    return respond


def for_ever(data: bytes):
    def respond(conn, stopping):
        while not stopping.is_set():
            conn.sendall(data)

    return respond


def hang(conn, stopping):
    stopping.wait(10)


def reset(conn, _):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def short(**limits):
    return SweepSession(**{"connect_s": 0.3, "read_s": 0.3, "deadline_s": 0.6, "max_bytes": 100_000} | limits)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("name", "respond", "kind"),
    [
        ("trickling headers", slowly(HEAD + b"X-Slow: "), "timeout"),
        ("trickling status line", slowly(b"HTTP/1.1 200 "), "timeout"),
        ("hang", hang, "timeout"),
        ("reset", reset, "broken"),
        ("closing without a word", at_once(b"", close=True), "broken"),
        ("not HTTP", at_once(b"SSH-2.0-dropbear\r\n", close=True), "broken"),
        ("huge body, announced", for_ever(HEAD + b"Content-Length: 99999999\r\n\r\n" + b"x" * 65536), "too_large"),
        ("endless body", for_ever(HEAD + b"\r\n" + b"x" * 65536), "too_large"),
        ("endless headers", for_ever(HEAD + b"X: y\r\n" * 200), "broken"),
        ("endless header line", for_ever(HEAD + b"X: " + b"y" * 65536), "broken"),
        ("endless 100 Continue", for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
        ("body cut by length", at_once(HEAD + b'Content-Length: 90\r\n\r\n{"a": 1', close=True), "broken"),
        (
            "chunked body cut",
            at_once(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":', close=True),
            "broken",
        ),
        ("chunks that are none", at_once(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", close=True), "broken"),
        ("no gzip", at_once(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), "broken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_peer_ends_in_a_transport_error(raw_server, name, respond, kind):
    server = raw_server(respond)
    with short() as session, pytest.raises(TransportError) as caught:
        session.call("GET", server.url)
    assert caught.value.kind == kind
    assert caught.value.reached
    assert str(server.port) not in str(caught.value)


@pytest.mark.timeout(10)
def test_a_trickling_body_ends_at_the_deadline(raw_server):
    def respond(conn, stopping):
        conn.sendall(HEAD + b"\r\n")
        while not stopping.wait(0.05):
            conn.sendall(b" ")

    server = raw_server(respond)
    with short() as session, pytest.raises(TransportError) as caught:
        session.call("GET", server.url)
    assert caught.value.kind == "timeout"


@pytest.mark.timeout(10)
def test_a_gzip_bomb_is_too_large(raw_server):
    bomb = gzip.compress(b"0" * 50_000_000)
    server = raw_server(at_once(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb))
    with short(deadline_s=5) as session, pytest.raises(TransportError) as caught:
        session.call("GET", server.url)
    assert caught.value.kind == "too_large"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("location", ["/elsewhere", "http://127.0.0.1:1/x", "file:///etc/passwd", "%%%"])
def test_a_redirect_is_an_answer_like_any_other_and_is_not_followed(raw_server, http_answer, location):
    server = raw_server(at_once(http_answer(b"moved", "302 Found", f"Location: {location}")))
    with short() as session:
        answer = session.call("GET", server.url)
    assert (answer.status, answer.body, answer.ok) == (302, b"moved", False)
    assert len(server.requests) == 1


@pytest.mark.timeout(10)
def test_a_redirect_with_an_endless_body_is_too_large(raw_server):
    server = raw_server(for_ever(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n" + b"x" * 65536))
    with short() as session, pytest.raises(TransportError) as caught:
        session.call("GET", server.url)
    assert caught.value.kind == "too_large"


def test_nothing_listening_was_certainly_not_reached(closed_port):
    with short() as session, pytest.raises(TransportError, match="connection refused") as caught:
        session.call("POST", f"http://127.0.0.1:{closed_port}/")
    assert (caught.value.kind, caught.value.reached) == ("unreachable", False)


@pytest.mark.timeout(10)
def test_a_full_backlog_is_a_timeout_that_was_not_reached():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        time.sleep(0.05)
        with short() as session, pytest.raises(TransportError) as caught:
            session.call("GET", f"http://127.0.0.1:{address[1]}/")
        for filler in fillers:
            filler.close()
    assert (caught.value.kind, caught.value.reached) == ("timeout", False)


def test_a_name_that_does_not_resolve_was_not_reached(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with short() as session, pytest.raises(TransportError, match="does not resolve") as caught:
        session.call("GET", "http://plant.example/")
    assert (caught.value.kind, caught.value.reached) == ("unreachable", False)


def test_a_name_that_cannot_be_one_is_a_transport_error(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: host.encode("idna"))
    with short() as session, pytest.raises(TransportError):
        session.call("GET", "http://a..b/")


@pytest.mark.timeout(10)
def test_a_name_lookup_that_hangs_ends_too(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    with short() as session, pytest.raises(TransportError) as caught:
        session.call("GET", "http://plant.example/")
    over.set()
    assert (caught.value.kind, caught.value.reached) == ("timeout", False)


def test_the_second_address_of_a_name_is_tried_where_the_first_is_dead(
    raw_server, http_answer, monkeypatch, closed_port
):
    server = raw_server(at_once(http_answer(b"[]")))
    found = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port)) for port in (closed_port, server.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with short() as session:
        assert session.call("GET", f"http://plant.example:{server.port}/").json() == []


def test_one_connection_serves_all_calls_to_a_peer_and_is_closed_at_the_end(raw_server, http_answer):
    server = raw_server(at_once(http_answer(b"{}")))
    before = open_files()
    with short() as session:
        for _ in range(5):
            assert session.call("GET", server.url).json() == {}
    assert (len(server.requests), server.connections) == (5, 1)
    server.close()
    assert open_files() <= before


def test_a_kept_error_keeps_no_connection_open(raw_server):
    server = raw_server(at_once(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"))
    before = open_files()
    with short() as session, pytest.raises(TransportError) as caught:
        session.call("GET", server.url)
    server.close()
    assert open_files() <= before
    assert caught.value.__cause__ is not None


def test_cookies_are_not_kept_and_the_environment_is_not_read(raw_server, http_answer, monkeypatch, closed_port):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    server = raw_server(at_once(http_answer(b"{}", head="Set-Cookie: id=1; Path=/")))
    with short() as session:
        session.call("GET", server.url)
        session.call("GET", server.url)
    assert b"ookie" not in server.requests[1]


def test_a_session_whose_time_is_up_asks_nobody(raw_server, http_answer):
    server = raw_server(at_once(http_answer(b"{}")))
    with short(ends_at=time.monotonic() - 1) as session, pytest.raises(TransportError) as caught:
        session.call("GET", server.url)
    assert (caught.value.kind, caught.value.reached) == ("timeout", False)
    assert server.requests == []


@pytest.mark.timeout(10)
def test_the_end_of_the_job_shortens_the_calls(raw_server):
    server = raw_server(hang)
    with (
        SweepSession(read_s=60, deadline_s=60, ends_at=time.monotonic() + 0.3) as session,
        pytest.raises(TransportError) as caught,
    ):
        session.call("GET", server.url)
    assert caught.value.kind == "timeout"


def test_a_key_that_cannot_be_a_header_is_not_quoted_in_the_error():
    with short() as session:
        for key in ("geheim\nX: y", "geheim\u20ac"):
            with pytest.raises(TransportError) as caught:
                session.call("GET", "http://127.0.0.1:9/", headers={"Authorization": key})
            assert caught.value.kind == "invalid"
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://x:99999/"])
def test_an_address_that_is_none_is_a_transport_error(url):
    with short() as session, pytest.raises(TransportError):
        session.call("GET", url)


@pytest.mark.parametrize(
    "body", [b"NaN", b'{"a": NaN}', b"[1e999]", b"[" * 200_000, b"", b"<html>", b'{"a"', b"\xff", b'"\\ud800"', b"{}{}"]
)
def test_what_is_not_json_is_a_transport_error(raw_server, http_answer, body):
    server = raw_server(at_once(http_answer(body)))
    with short(max_bytes=300_000) as session:
        answer = session.call("GET", server.url)
    with pytest.raises(TransportError) as caught:
        answer.json()
    assert caught.value.kind == "not_json"


def test_a_byte_order_mark_is_no_reason_to_lose_an_answer(raw_server, http_answer):
    server = raw_server(at_once(http_answer(b'\xef\xbb\xbf{"a":1}')))
    with short() as session:
        assert session.call("GET", server.url).json() == {"a": 1}


def test_it_sends_a_body_as_json(raw_server, http_answer):
    server = raw_server(at_once(http_answer(b"{}")))
    with short() as session:
        session.call("POST", server.url, body={"pw": "admin"})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    assert body == b'{"pw":"admin"}'


@pytest.fixture
def tls(tmp_path):
    """Return (certificate file, server-side wrapper) of a certificate for localhost that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    itself = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(itself, itself, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert = tmp_path / "cert.pem"
    plain_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    cert.write_bytes(signed.public_bytes(Encoding.PEM) + plain_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    return str(cert), lambda raw: context.wrap_socket(raw, server_side=True)


@pytest.mark.timeout(20)
def test_tls_is_verified(raw_server, http_answer, tls):
    cert, wrap = tls
    server = raw_server(at_once(http_answer(b"{}")), wrap=wrap)
    with short(connect_s=3, read_s=3, deadline_s=6) as session, pytest.raises(TransportError) as caught:
        session.call("GET", f"https://localhost:{server.port}/")
    assert caught.value.kind == "tls"
    with short(connect_s=3, read_s=3, deadline_s=6, ca_bundle=cert) as session:
        assert session.call("GET", f"https://localhost:{server.port}/").json() == {}


@pytest.mark.timeout(20)
def test_trickling_headers_end_under_tls_too(raw_server, tls):
    cert, wrap = tls
    server = raw_server(slowly(HEAD + b"X-Slow: "), wrap=wrap)
    with short(deadline_s=1, ca_bundle=cert) as session, pytest.raises(TransportError) as caught:
        session.call("GET", f"https://localhost:{server.port}/")
    assert caught.value.kind == "timeout"


@pytest.mark.timeout(10)
def test_a_tls_handshake_that_hangs_ends(raw_server):
    server = raw_server(hang)
    with short() as session, pytest.raises(TransportError) as caught:
        session.call("GET", f"https://127.0.0.1:{server.port}/")
    assert caught.value.kind in ("timeout", "tls")
