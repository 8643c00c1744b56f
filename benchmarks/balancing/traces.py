"""What the river does: the target over time, as a share of what the fleet can draw, second by second."""

from __future__ import annotations

import numpy as np

HOUR_S = 3600


def _steady(hours: float, level: float = 0.95) -> np.ndarray:
    return np.full(int(hours * HOUR_S), level)


def drop(share: float, hours: float = 4.0) -> np.ndarray:
    """A fall by `share` after a quarter of the time, that lasts for half of it."""
    trace = _steady(hours)
    trace[len(trace) // 4 : 3 * len(trace) // 4] *= 1.0 - share
    return trace


def fall(to: float = 0.2, hours: float = 4.0) -> np.ndarray:
    """A load rejection: down to a fifth for ten minutes."""
    trace = _steady(hours)
    trace[len(trace) // 4 : len(trace) // 4 + 600] = to
    return trace


def drift(hours: float = 4.0) -> np.ndarray:
    """Slowly down by a quarter and back."""
    seconds = np.arange(int(hours * HOUR_S))
    return 0.95 - 0.12 * (1.0 - np.cos(2 * np.pi * seconds / len(seconds)))


def flapping(hours: float = 2.0, period_s: int = 160) -> np.ndarray:
    """Up and down by 3 %."""
    seconds = np.arange(int(hours * HOUR_S))
    return 0.8 * np.where(seconds // (period_s // 2) % 2 == 0, 1.03, 0.97)


def noise(random: np.random.Generator, hours: float = 2.0) -> np.ndarray:
    """2 % of noise (two thirds of all values within 2, nearly all within 4), correlated over half a minute."""
    return 0.8 * (1.0 + 0.02 * _correlated(random, int(hours * HOUR_S), 30.0))


def day(random: np.random.Generator, days: float = 1.0) -> np.ndarray:
    """A believable day: the river's slow swing, 0.5 % of noise, load taken by others in steps, two short trips."""
    length = int(days * 24 * HOUR_S)
    seconds = np.arange(length)
    trace = 0.8 + 0.12 * np.sin(2 * np.pi * seconds / (24 * HOUR_S)) + 0.02 * _correlated(random, length, 1800.0)
    for _ in range(int(20 * days)):  # machines of others
        begins = int(random.integers(0, length))
        trace[begins : begins + int(random.integers(300, 5400))] -= random.uniform(0.01, 0.08)
    for _ in range(max(1, int(2 * days))):  # a turbine trips
        begins = int(random.integers(0, length))
        trace[begins : begins + int(random.integers(600, 2400))] *= 0.6
    return np.clip(trace * (1.0 + 0.005 * _correlated(random, length, 20.0)), 0.1, 1.0)


def _correlated(random: np.random.Generator, length: int, over_s: float) -> np.ndarray:
    keep = float(np.exp(-1.0 / over_s))
    white = random.normal(0.0, np.sqrt(1.0 - keep**2), length)
    values = np.empty(length)
    value = 0.0
    for i, shock in enumerate(white):
        value = value * keep + shock
        values[i] = value
    return values


def all_of(seed: int) -> dict[str, np.ndarray]:
    """Return every trace by name."""
    random = np.random.default_rng(seed)
    return {
        "drop 10 %": drop(0.1), "drop 30 %": drop(0.3), "drop 60 %": drop(0.6), "drift": drift(),
        "flapping": flapping(), "noise": noise(random), "fall to 20 %": fall(), "day": day(random),
    }  # fmt: skip
