"""A reader who asks at a fixed rate, whatever the answers take (so that a slow answer is not hidden by waiting)."""

from __future__ import annotations

import http.client
import queue
import re
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

READERS = 8


class Answer(NamedTuple):
    took_s: float
    status: int
    size: int


@dataclass(frozen=True)
class Result:
    """What one address gave: milliseconds, statuses, largest body."""

    name: str
    answers: list[Answer]

    def percentile_ms(self, percent: float) -> float:
        return statistics.quantiles((a.took_s * 1000 for a in self.answers), n=1000, method="inclusive")[
            round(percent * 10) - 1
        ]

    def row(self) -> str:
        statuses: dict[int, int] = {}
        for answer in self.answers:
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
        said = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
        largest = max(answer.size for answer in self.answers)
        return (f"| {self.name} | {self.percentile_ms(50):.1f} | {self.percentile_ms(95):.1f} | "
                f"{self.percentile_ms(99):.1f} | {largest / 1000:.1f} | {said} |")  # fmt: skip


def ask(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[Answer, str]:
    """One request on a connection of its own; the time is until the last byte is read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    began_s = time.perf_counter()
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    took_s = time.perf_counter() - began_s
    connection.close()
    return Answer(took_s, response.status, len(body)), body.decode(errors="replace")


def at_rate(name: str, one: Callable[[], Answer], per_s: float, lasts_s: float) -> Result:
    """Call `one` `per_s` times a second; a late answer delays no other."""
    due: queue.SimpleQueue[bool] = queue.SimpleQueue()
    answers: list[Answer] = []
    failures: list[Exception] = []

    def read() -> None:
        while due.get():
            try:
                answers.append(one())
            except OSError as error:
                failures.append(error)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    began_s = time.monotonic()
    for number in range(int(per_s * lasts_s)):
        time.sleep(max(0.0, began_s + number / per_s - time.monotonic()))
        due.put(True)
    for _ in readers:
        due.put(False)
    for reader in readers:
        reader.join()
    if failures:
        raise RuntimeError(f"{name}: {len(failures)} requests failed: {failures[0]!r}")
    return Result(name, answers)


class Refresher:
    """The dashboard's refresh, as a browser does it: it sends back the version that it shows."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._shown = ""

    def __call__(self) -> Answer:
        answer, body = ask(self._port, f"/dashboard/live?shown={self._shown}", {"HX-Request": "true"})
        found = re.search(r'id="live-version"[^>]*value="([^"]*)"', body)
        if found:
            self._shown = found[1]
        return answer


def first_view_bytes(port: int, path: str = "/") -> dict[str, int]:
    """Bytes of a page and of everything it loads at once, by address."""
    answer, body = ask(port, path)
    sizes = {path: answer.size}
    for found in re.finditer(r'(?:src|href)="(/static/[^"]+)"', body):
        if found[1] not in sizes:
            sizes[found[1]] = ask(port, found[1])[0].size
    return sizes
