"""PowerHive's pages, telling which worker answered. Served by benchmarks/fork_conf.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from app import create_app


def pages() -> Callable[..., Iterable[bytes]]:
    app = create_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Worker", str(os.getpid()))], error)

        return app(environ, start)

    return application
