"""The only place that reads the time.

Wall clocks of plants jump (no battery, late NTP), so everything that measures a span carries a `Stamp`: wall clock,
monotonic clock and the boot they belong to. Linux' CLOCK_MONOTONIC is shared by all processes of one boot.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from app.core.readings import Stamp


def utcnow() -> datetime:
    """Return the wall clock as aware UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Return seconds on a clock that never jumps while this machine is up."""
    return time.monotonic()


@cache
def boot_id() -> str:
    """Return the kernel's id of this boot; monotonic times of different boots cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def stamp() -> Stamp:
    """Return now on both clocks."""
    return Stamp(utc=utcnow(), monotonic_s=monotonic_s(), boot_id=boot_id())
