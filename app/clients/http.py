"""The one HTTP door: whatever the other side does, a call ends in time, in bounded memory, with one kind of error.

What is defended against (STACK 1.6): peers that trickle the body or the headers a byte at a time, that never stop
sending, that answer with a redirect, that set cookies, names that do not resolve for half a minute. A `SweepSession`
lives for one sweep or job: connections are kept between the calls to one miner and nothing is open when it ends, so
that the master has nothing to hand to a forked worker.
"""

from __future__ import annotations

import http.client
import queue
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECT_S = 2.0
READ_S = 5.0
DEADLINE_S = 8.0
MAX_BYTES = 1024 * 1024
_CHUNK = 65536
_SHORTEST_SECRET = 12
_BOM = b"\xef\xbb\xbf"


class TransportError(Exception):
    """A call did not bring a whole answer. Internal to the edge: plant and vnish turn it into their own errors.

    `kind`: unreachable, timeout, tls, broken, too_large, not_json or invalid (our own request is malformed).
    `reached` is False where no connection came about: the peer certainly never saw the request. `str()` is the rest of
    a sentence that begins with the peer's name, and holds no URL, header or body.
    """

    def __init__(self, kind: str, what: str, *, reached: bool = True) -> None:
        self.kind = kind
        self.reached = reached
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole HTTP answer, of any status. Header names are compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def without(self, sent: str | None) -> Answer:
        """Return the answer without the key that was sent for it: some peers say back what they were asked with.

        A short one stays: it may be part of a number or a word.
        """
        secret = (sent or "").encode()
        if len(secret) < _SHORTEST_SECRET or secret not in self.body:
            return self
        return replace(self, body=self.body.replace(secret, b"***"))

    def json(self) -> Any:
        """Return the decoded body, NaN, Infinity and 1e999 refused. Raises TransportError(not_json)."""
        try:
            return msgspec.json.decode(self.body.removeprefix(_BOM))
        except (ValueError, RecursionError) as e:  # DecodeError and UnicodeDecodeError are ValueErrors
            raise TransportError("not_json", "answered with something that is not valid JSON") from e


class SweepSession:
    """One `requests.Session` for one sweep or job; safe to share between its threads, closed at its end.

    `expected_hosts`: how many peers the sweep will call. `ends_at`: a `time.monotonic()` moment after which no call of
    this session may run, whatever its own limit (the job's deadline). `only`: the networks outside of which no
    connection is made, and then no name is looked up either (server-side request forgery); None for the plant, whose
    address is a setting. Times in seconds.
    """

    def __init__(
        self,
        expected_hosts: int = 1,
        *,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_BYTES,
        ends_at: float | None = None,
        ca_bundle: str | None = None,
        only: Sequence[IPv4Network] | None = None,
    ) -> None:
        self._connect_s = connect_s
        self._read_s = read_s
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._ends_at = ends_at
        self._only = None if only is None else tuple(only)
        self._verify: bool | str = ca_bundle or True
        self._session = _Session()
        self._session.trust_env = False  # no proxies, no netrc, no CA bundle out of the environment
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _DeadlineAdapter(pool_connections=_pools(expected_hosts), pool_maxsize=2, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> SweepSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection this session still holds."""
        self._session.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """Return the whole answer, of whatever status. `body`, where given, is sent as JSON.

        Takes at most `deadline_s` seconds from name lookup to last byte. Never follows a redirect, never retries.
        Raises TransportError.
        """
        now = time.monotonic()
        deadline = now + (self._deadline_s if deadline_s is None else deadline_s)
        if self._ends_at is not None:
            deadline = min(deadline, self._ends_at)
        if deadline <= now:
            raise TransportError("timeout", "was not asked: the time of this job is up", reached=False)
        _call.deadline = deadline
        _call.read_s = self._read_s
        _call.only = self._only
        try:
            return self._exchange(_prepared(method, url, headers, body), deadline - now)
        except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
            # `from None`: these quote the header, and with it the key
            raise TransportError("invalid", "cannot be asked: its address or key is not well formed") from None
        except _OutsideError:
            what = "is outside the configured subnets, so it is not contacted"
            raise TransportError("unreachable", what, reached=False) from None
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,  # raw.read1 lets these through
            http.client.HTTPException,
            OSError,
            ValueError,
            RecursionError,
        ) as e:
            raise _translated(e) from e
        finally:
            _call.deadline = None

    def _exchange(self, request: requests.PreparedRequest, left_s: float) -> Answer:
        timeout = urllib3.Timeout(connect=min(self._connect_s, left_s), read=min(self._read_s, left_s))
        response = self._session.send(
            request,
            allow_redirects=False,
            stream=True,
            timeout=timeout,  # type: ignore[arg-type]  # requests documents urllib3's own Timeout, its stubs do not
            verify=self._verify,
            proxies={},
        )
        try:
            body = _read_body(response, self._max_bytes)
        finally:
            response.close()  # after a whole body the connection is back in its pool and stays open
        return Answer(response.status_code, response.headers, body)


# --- inside ----------------------------------------------------------------------------------------------------------


class _Call(threading.local):
    """The limits of the call that this thread is in; urllib3 offers no way to hand them down to the socket."""

    deadline: float | None = None
    read_s: float = READ_S
    only: tuple[IPv4Network, ...] | None = None


class _OutsideError(Exception):
    """A connection was asked for to an address outside the networks of the call."""


_call = _Call()


def _check_inside(host: str) -> None:
    """Raise _OutsideError unless `host` is an address, no name, within the networks of the call."""
    if _call.only is None:
        return
    try:
        address = IPv4Address(host)
    except ValueError:
        raise _OutsideError from None
    if not any(address in network for network in _call.only):
        raise _OutsideError


def _left_s(limit_s: float) -> float:
    """Return the seconds a single wait may take now. Raises TimeoutError when the call's time is up."""
    if _call.deadline is None:
        return limit_s
    left_s = _call.deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the call's time is up")
    return min(limit_s, left_s)


class _DeadlineSocket(socket.socket):
    """A socket whose every read is held to the call's deadline: so trickled headers end too, without a timer thread."""

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(_left_s(_call.read_s))
        return super().recv_into(buffer, nbytes, flags)


class _DeadlineTlsSocket(ssl.SSLSocket):
    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left_s(_call.read_s))
        return super().recv_into(buffer, nbytes, flags)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _opened(self)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _opened(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _DeadlineAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _DeadlineTlsSocket
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def close(self) -> None:
        """Close the connections now: urllib3 leaves that to garbage collection, and a kept traceback prevents it."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118  # urllib3's container cannot be iterated over
            pool = pools.get(key)
            if pool is not None:
                pool.close()
        super().close()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Know no redirects: even with allow_redirects=False requests would read the whole body of one, uncapped."""
        return None


def _pools(expected_hosts: int) -> int:
    """Return how many peers may keep a connection open: all of them, but never more than half the open-file limit.

    The pools are kept by last use, so what a smaller number closes are the miners that the sweep is done with.
    """
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 512 if soft_limit == resource.RLIM_INFINITY else max(32, soft_limit // 2)
    return max(1, min(expected_hosts, most))


def _prepared(method: str, url: str, headers: Mapping[str, str] | None, body: object) -> requests.PreparedRequest:
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "PowerHive", **(headers or {})}
    data: bytes | None = None
    if body is not None:
        data = msgspec.json.encode(body)
        sent["Content-Type"] = "application/json"
    request = requests.PreparedRequest()
    request.prepare(method=method, url=url, headers=sent, data=data)
    return request


def _read_body(response: requests.Response, max_bytes: int) -> bytes:
    """Read the body in the pieces in which it arrives, so that neither slowness nor size can hold the caller."""
    body = bytearray()
    while True:
        _left_s(READ_S)  # data that is always there never waits, so the deadline is also checked here
        piece = response.raw.read1(_CHUNK, decode_content=True)
        if not piece:
            return bytes(body)
        body += piece
        if len(body) > max_bytes:
            raise TransportError("too_large", f"answered with more than {max_bytes // 1024} KiB")


def _opened(connection: HTTPConnection) -> socket.socket:
    """Connect to the first address that takes it; every wait, the name lookup too, within the call's deadline."""
    limit_s = connection.timeout if isinstance(connection.timeout, (int, float)) else CONNECT_S
    last: OSError | None = None
    try:
        for family, address in _addresses(connection, limit_s):
            try:
                return _connected(family, address, connection.socket_options or (), limit_s)
            except OSError as e:
                last = e
    except TimeoutError as e:
        last = e
    if isinstance(last, TimeoutError):
        raise ConnectTimeoutError(connection, "timed out while connecting") from last
    raise NewConnectionError(connection, str(last)) from last


def _connected(family: int, address: Any, options: Iterable[Any], limit_s: float) -> _DeadlineSocket:
    raw = _DeadlineSocket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            raw.setsockopt(*option)
        raw.settimeout(_left_s(limit_s))
        raw.connect(address)
        raw.settimeout(_left_s(limit_s))  # a TLS handshake comes next
    except OSError:
        raw.close()
        raise
    return raw


def _addresses(connection: HTTPConnection, limit_s: float) -> list[tuple[int, Any]]:
    """Return (family, socket address) for the connection's host, literal addresses without any lookup.

    getaddrinfo knows no time limit and may take half a minute where the internet is down, so it runs in a thread that
    is left behind when the time is up. Raises TimeoutError and urllib3's own errors.
    """
    host, port = connection.host.strip("[]"), connection.port or connection.default_port
    _check_inside(host)
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return [(family, (host, port))]

    found: queue.SimpleQueue[list[tuple[int, Any]] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put([(info[0], info[4]) for info in infos])
        except (OSError, UnicodeError) as e:
            found.put(e)

    threading.Thread(target=look_up, name=f"lookup {host}", daemon=True).start()
    try:
        result = found.get(timeout=_left_s(limit_s))
    except queue.Empty:
        raise TimeoutError("the name lookup took too long") from None
    if isinstance(result, UnicodeError):
        raise LocationParseError(host) from result
    if isinstance(result, OSError):
        raise NameResolutionError(host, connection, socket.gaierror(*result.args)) from result
    return result


def _translated(error: Exception) -> TransportError:
    """Return our error for whatever requests, urllib3, http.client or the socket raised."""
    reason = error.args[0] if error.args else None
    root = getattr(reason, "reason", error)  # requests wraps urllib3's MaxRetryError, which holds the reason
    if isinstance(root, NameResolutionError):
        return TransportError("unreachable", "cannot be found: its name does not resolve", reached=False)
    if isinstance(root, NewConnectionError):
        return TransportError("unreachable", f"cannot be reached: {_why(root)}", reached=False)
    if isinstance(error, requests.ConnectTimeout) or isinstance(root, ConnectTimeoutError):
        return TransportError("timeout", "cannot be reached: no answer to the connection in time", reached=False)
    if isinstance(error, requests.exceptions.SSLError):
        return TransportError("tls", "cannot be trusted: its TLS certificate or handshake failed", reached=False)
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)):
        return TransportError("timeout", "did not answer in time")
    return TransportError("broken", "broke off its answer")


def _why(error: NewConnectionError) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return "no connection"
