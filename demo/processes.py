"""Children that never outlive the launcher, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def start(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    on_orphaned: signal.Signals,
    stdout: int | None = None,
    stderr: IO[str] | None = None,
) -> subprocess.Popen[str]:
    """Start a child in a group of its own that gets `on_orphaned` when this process is gone, also by kill -9.

    Call it from the main thread: the kernel watches the thread that started the child.
    """
    parent = os.getpid()

    def before_exec() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, on_orphaned, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - our own programs
        command, cwd=cwd, env=dict(env), stdout=stdout, stderr=stderr, text=True, start_new_session=True,
        preexec_fn=before_exec,  # noqa: PLW1509 - this process has one thread
    )  # fmt: skip


def stop(process: subprocess.Popen[str], *, patience_s: float) -> None:
    """Ask a child to end, and end its whole group when it does not in time."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what is left of it
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)


def free_port(wanted: int, *, tries: int = 200) -> int:
    """Return `wanted`, or the next port above it that nobody uses on any loopback address.

    Raises:
        OSError: all of them are taken.
    """
    for port in range(wanted, wanted + tries):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - only tried, never listened on
            except OSError:
                continue
            return port
    raise OSError(f"all ports from {wanted} to {wanted + tries - 1} are in use")
