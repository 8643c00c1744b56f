"""Jobs and pages of the lab: they write down what they do (`LAB_DIARY`), or write rows, or sleep."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from app import create_app
from app.clock import utcnow
from app.extensions import db, writing
from app.jobs import runner
from app.jobs.runner import JobContext
from app.jobs.scheduler import Entry
from app.models import PlantRefusal

_INTERVALS_S = {"busy": 0.1, "beat": 0.3, "slow": 600.0, "stuck": 600.0, "asked": 600.0, "asking": 1.5, "fails": 0.5}


def table() -> tuple[Entry, ...]:
    """The jobs that `LAB_JOBS` names."""
    names = os.environ["LAB_JOBS"].split(",")
    return tuple(Entry(n, f"tests.jobs.lab_app:{n}", partial(_interval_s, n), first_after_s=0.2) for n in names)


def _interval_s(name: str, _config: object) -> float:
    return _INTERVALS_S[name]


def note(what: str, **more: Any) -> None:
    line = json.dumps({"what": what, "pid": os.getpid(), "s": time.monotonic(), **more}) + "\n"
    handle = os.open(os.environ["LAB_DIARY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, line.encode())
    os.close(handle)


def recover(context: JobContext) -> None:
    note("recover", term=context.term_id)


def write_rows(count: int) -> None:
    for _ in range(count):
        with writing() as session:
            session.add(PlantRefusal(refused_at=utcnow(), kind="lab", reason="x"))


def busy(_context: JobContext) -> str:
    """Write for a while, as the real jobs do."""
    ends = time.monotonic() + 0.3
    while time.monotonic() < ends:
        write_rows(1)
    return "wrote"


def beat(context: JobContext) -> str:
    note("beat", term=context.term_id)
    return "beat"


def slow(_context: JobContext) -> str:
    note("slow begins")
    time.sleep(float(os.environ.get("LAB_SLOW_S", "3")))
    write_rows(1)
    note("slow ends")
    return "slept"


def stuck(_context: JobContext) -> str:
    note("stuck begins")
    time.sleep(3600)
    return "never"


def asking(_context: JobContext) -> str:
    note("asked for")
    runner.request("asked")
    time.sleep(0.1)
    note("asked for")
    runner.request("asked")  # while it runs: one more right after
    return "asked"


def asked(_context: JobContext) -> str:
    note("answer begins")
    time.sleep(0.5)
    note("answer ends")
    return "answered"


def fails(_context: JobContext) -> str:
    raise RuntimeError("the key plant-key-for-tests is wrong")


def pages() -> Callable[..., Iterable[bytes]]:
    """A worker's pages: who serves, and a row written by it."""
    app = create_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = "200 OK", {"pid": os.getpid()}
        if environ["PATH_INFO"] == "/lab/write":
            try:
                with app.app_context():
                    write_rows(1)
                    answer["connections"] = db.engine.pool.checkedout()  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - told to the test
                status, answer = "500 Internal Server Error", {"error": repr(error)}  # type: ignore[dict-item]
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return application
