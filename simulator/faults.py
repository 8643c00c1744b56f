"""The faults a miner or the plant can be given while it runs, and how they disturb an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simulator.http_server import Reply, Request, json_reply

FaultValue = str | int | float | bool | None
FaultArgs = Mapping[str, FaultValue]

TRANSPORT_FAULTS = frozenset(
    {"close", "hang", "slow", "http500", "garbage", "truncated", "trickle", "html", "lost_answer", "echo"}
)
"""Disturb every answer (or those of one ``path``/``method``, or the next ``times``)."""

MINER_FAULTS = TRANSPORT_FAULTS | frozenset(
    {
        "reject",  # POST /settings is refused with status 400 or 500
        "accept_not_apply",  # POST /settings says 200 and nothing happens (with save=True: saved, never run)
        "reject_restart",  # POST /mining/restart is refused with 500
        "lost_key",  # all keys and sessions are gone, once (with password=...: and the password is another)
        "switcher_moves",  # the running preset moves by itself: direction up/down, steps, every_s
        "power_zero",  # reports 0 W while it hashes
        "failure",  # state failure 1002, nothing hashes
        "lost_board",  # boards (1): the others go on
        "offline",  # connection refused; it goes on mining
        "power_cut",  # loses power, connection refused, boots at the saved preset when cleared
    }
)

PLANT_FAULTS = frozenset(
    {
        "http401", "http400", "http500", "hang", "slow", "html", "truncated", "trickle", "close", "null",
        "frozen_timestamp", "frozen_values", "untrusted", "doubled", "clock_ahead", "clock_behind", "date_skew",
        "redirect", "echo",
        "nan", "negative", "strings", "nulls", "missing_totals", "missing_trust", "missing_consumption", "deep",
    }
)  # fmt: skip


class UnknownFaultError(ValueError):
    """There is no such fault; the message lists those there are."""


@dataclass(slots=True)
class Fault:
    """One active fault. ``path`` and ``method`` narrow it; ``times`` counts down to its end (None = until cleared)."""

    name: str
    args: dict[str, FaultValue] = field(default_factory=dict)
    times: int | None = None

    def matches(self, request: Request) -> bool:
        """Whether this request is disturbed by it."""
        path, method = self.args.get("path"), self.args.get("method")
        if isinstance(path, str) and not request.path.endswith(path):
            return False
        return not (isinstance(method, str) and request.method != method.upper())

    def number(self, name: str, default: float) -> float:
        """A numeric argument, or the default."""
        value = self.args.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


class FaultSet:
    """The active faults of one device, by name."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._active: dict[str, Fault] = {}

    def set(self, name: str, args: FaultArgs) -> Fault:
        """Switch one on (or replace it). Raises UnknownFaultError."""
        if name not in self._allowed:
            raise UnknownFaultError(f"unknown fault {name!r}; there are: {', '.join(sorted(self._allowed))}")
        times = args.get("times")
        fault = Fault(name, dict(args), int(times) if isinstance(times, int | float) else None)
        self._active[name] = fault
        return fault

    def clear(self, name: str | None = None) -> list[str]:
        """Switch one, or all, off; returns the names that were on."""
        names = [name] if name is not None else list(self._active)
        return [gone for gone in names if self._active.pop(gone, None) is not None]

    def get(self, name: str) -> Fault | None:
        """The fault if it is on, without using it up."""
        return self._active.get(name)

    def take(self, name: str, request: Request) -> Fault | None:
        """The fault if it is on and disturbs this request; a counted one is used up by one."""
        fault = self._active.get(name)
        if fault is None or not fault.matches(request):
            return None
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._active[name]
        return fault

    def names(self) -> list[str]:
        """The names of the active faults, sorted."""
        return sorted(self._active)

    def __bool__(self) -> bool:
        return bool(self._active)


def before_handling(faults: FaultSet, request: Request) -> Reply | None:
    """The answer of a device that never gets to handle the request, or None."""
    if not faults:
        return None
    if fault := faults.take("http500", request):
        return Reply(int(fault.number("status", 500)), b'{"err":"CGMiner err: connection refused"}')
    if faults.take("close", request):
        return Reply(delivery="reset")
    if faults.take("hang", request):
        return Reply(delivery="hang")
    if faults.take("garbage", request):
        return Reply(200, b"\x00\xff\xfe{{{not json", "application/json")
    if fault := faults.take("echo", request):
        return json_reply({"err": f"not understood: {said(request)}"}, int(fault.number("status", 400)))
    if faults.take("html", request):
        return Reply(200, b"<!DOCTYPE html><html><body>Service page</body></html>", "text/html")
    return None


def said(request: Request) -> str:
    """What a peer says that repeats whom it talks with: the credentials and the body of the request."""
    sent = [request.headers.get(name, "") for name in ("x-api-key", "authorization")]
    return " ".join(text for text in (*sent, request.body.decode("utf-8", "replace")) if text)


def after_handling(faults: FaultSet, request: Request, reply: Reply) -> Reply:
    """The reply as it reaches the wire. ``lost_answer``: the request was carried out, its answer never arrives."""
    if not faults:
        return reply
    if faults.take("lost_answer", request):
        return replace(reply, delivery="reset")
    if faults.take("truncated", request):
        return replace(reply, delivery="truncated")
    if faults.take("trickle", request):
        return replace(reply, delivery="trickle")
    if fault := faults.take("slow", request):
        return replace(reply, delay_s=fault.number("seconds", 3.0))
    return reply
