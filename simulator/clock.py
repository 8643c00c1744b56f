"""The only place of the simulator that reads the time.

Two times exist side by side. *Simulated* seconds drive the physics (ramps, dips, tuning, the hydro day) and
may run faster than real ones. *Real* time stamps the plant's readings and bounds connections: the program
under test judges ages by the real clock, so that one is never scaled.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the physics and the two APIs ask the time of."""

    def now_s(self) -> float:
        """Simulated seconds since the simulator started."""

    def real_s(self) -> float:
        """Real, monotonic seconds; only differences mean something."""

    def utc(self) -> datetime:
        """Real wall clock, aware, UTC."""


class ScaledClock:
    """Real time, with the simulated seconds running ``time_scale`` times as fast."""

    def __init__(self, time_scale: float = 1.0) -> None:
        if not 0 < time_scale <= 10_000:
            raise ValueError(f"time_scale must be above 0 and at most 10000, not {time_scale}")
        self.time_scale = time_scale
        self._start_s = time.monotonic()

    def now_s(self) -> float:
        """Simulated seconds since this clock was made."""
        return (time.monotonic() - self._start_s) * self.time_scale

    def real_s(self) -> float:
        """Real monotonic seconds."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Real wall clock, aware, UTC."""
        return datetime.now(UTC)


class FakeClock:
    """A clock that stands still until it is told to move; for the tests of the physics."""

    def __init__(self, start: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) -> None:
        self._now_s = 0.0
        self._start = start

    def advance(self, seconds: float) -> float:
        """Move on by ``seconds`` (>= 0) and return the new simulated time in seconds."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now_s += seconds
        return self._now_s

    def now_s(self) -> float:
        """Simulated seconds so far."""
        return self._now_s

    def real_s(self) -> float:
        """The same seconds: a fake clock has no second time."""
        return self._now_s

    def utc(self) -> datetime:
        """The start plus the seconds so far."""
        return self._start + timedelta(seconds=self._now_s)
