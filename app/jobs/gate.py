"""The fork gate and the lease: what makes jobs in gunicorn's master safe, and one scheduler the acting one.

Forking a process whose threads work hangs or blinds the child (STACK notes 1.1: SQLite's mutexes and its lock table,
import locks, open connections). So a fork waits until no thread works, and then closes every database connection.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from app.clock import monotonic_s

log = logging.getLogger(__name__)

STUCK_EXIT_STATUS = 70  # the supervisor starts PowerHive again
PATIENCE_S = 20.0


def end_process(reason: str) -> None:
    """End the process at once, for the supervisor to start it again; a stuck thread cannot be ended any other way."""
    log.critical("%s; the process ends with status %d and has to be started again", reason, STUCK_EXIT_STATUS)
    logging.shutdown()
    os._exit(STUCK_EXIT_STATUS)


class ForkGate:
    """A readers-writer latch between working threads (`with gate:`) and `os.fork`.

    Whatever runs in the master's threads and touches the database, imports, logs or opens sockets runs inside it.
    Work inside must not fork, and must end by itself: after `patience_s` the process ends (status 70), because
    forking regardless would be silent corruption, and a job that never ends means a dead balancer anyway.
    """

    def __init__(
        self,
        on_quiet: Callable[[], None] = lambda: None,
        *,
        patience_s: float = PATIENCE_S,
        give_up: Callable[[str], None] = end_process,
    ) -> None:
        self._on_quiet = on_quiet
        self._patience_s = patience_s
        self._give_up = give_up
        self._reset()

    def install(self) -> None:
        """Hook into `os.fork` for the rest of the process's life.

        `logging` registered its own hooks when it was imported, so ours run before them (last registered first): the
        other way round a fork would hold logging's lock while it waits for a thread that wants to log.
        """
        os.register_at_fork(before=self.before_fork, after_in_parent=self.open, after_in_child=self._reset)

    def __enter__(self) -> None:
        thread = threading.get_ident()
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._inside[thread] = monotonic_s()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside.pop(threading.get_ident(), None)
            self._changed.notify_all()

    def longest_inside_s(self) -> float:
        """Return for how long the longest-working thread has been inside; 0 when none is."""
        with self._changed:
            entered = min(self._inside.values(), default=None)
        return 0.0 if entered is None else monotonic_s() - entered

    def quiet(self, timeout_s: float) -> bool:
        """Let nobody in any more and wait until all are out; then release what `on_quiet` releases.

        Returns whether all were out in time. The gate stays closed until `open`.
        """
        ends_s = monotonic_s() + timeout_s
        with self._changed:
            self._closed = True
            while self._inside:
                left_s = ends_s - monotonic_s()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
        self._on_quiet()
        return True

    def open(self) -> None:
        """Let work go on."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait for the work in hand; a fork is delayed by at most one job's deadline."""
        if not self.quiet(self._patience_s):
            self._give_up(f"a job has not ended within {self._patience_s:g} s while a worker had to be started")

    def _reset(self) -> None:
        """A new latch: also in the child, where no other thread lives on."""
        self._changed = threading.Condition(threading.Lock())
        self._inside: dict[int, float] = {}
        self._closed = False


class Lease:
    """The right to act on a database: a POSIX record lock (`lockf`) on a file beside it.

    It is free the moment its owner is gone, also by kill -9, and forked workers do not inherit it (`flock` they would:
    a hung orphan kept it). Nothing else may open this file: closing any descriptor of it gives the lock up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._complained = False

    def held(self) -> bool:
        """Tell whether this process holds the lease; take it if it is free. Asked before anything is done."""
        try:
            if self._descriptor is not None and self._is_still_the_file(self._descriptor):
                return True
            self.release()
            self._descriptor = self._take()
        except OSError as error:
            if not self._complained:
                log.error("the lease %s cannot be taken, no job runs: %s", self._path, error.strerror)
            self._complained = True
            return False
        self._complained = False
        return self._descriptor is not None

    def release(self) -> None:
        """Give the lease up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self) -> int | None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None  # another one acts
            raise
        return descriptor

    def _is_still_the_file(self, descriptor: int) -> bool:
        """A deleted lock file protects nothing: another process would make a new one and lock that."""
        mine = os.fstat(descriptor)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
