"""What the river does: the target over time, as a share of what the fleet can draw, second by second.

Generation is never still: drops, falls, drifts and days carry a ripple of 0.35 % (two thirds of all values within
that, nearly all within twice that) that changes within 20 s, as regulators and other loads make it. Flapping and noise
are such disturbances themselves. These definitions give the issue's rows of known policies (`--prove`); that of the
noise also its bound with switching cost, which an earlier and slower noise, kept as `slow noise`, does not.
"""

from __future__ import annotations

import numpy as np

HOUR_S = 3600
DAY_S = 24 * HOUR_S
HOURS = 3.5  # of drops and falls
HIGH = 0.94  # of what the fleet can draw: where drops and drifts begin
MIDDLE = 0.74  # where flapping and noise play
RIPPLE, RIPPLE_S = 0.0035, 20.0
NOISES = {"noise": (0.0135, 2.0), "slow noise": (0.0175, 25.0)}  # standard deviation, s until it forgets itself


def drop(random: np.random.Generator, share: float, hours: float = HOURS) -> np.ndarray:
    """A fall by `share` after a third of the time, that lasts for a third."""
    trace = _steady(hours)
    trace[len(trace) // 3 : 2 * len(trace) // 3] *= 1.0 - share
    return _rippled(random, trace)


def fall(random: np.random.Generator, to: float = 0.2, hours: float = HOURS) -> np.ndarray:
    """A load rejection: down to a fifth of the fleet for ten minutes."""
    trace = _steady(hours)
    trace[len(trace) // 4 : len(trace) // 4 + 600] = to
    return _rippled(random, trace)


def drift(random: np.random.Generator, hours: float = 6.0) -> np.ndarray:
    """Slowly down by a quarter and back."""
    seconds = np.arange(int(hours * HOUR_S))
    return _rippled(random, HIGH - 0.12 * (1.0 - np.cos(2 * np.pi * seconds / len(seconds))))


def flapping(_random: np.random.Generator, hours: float = 4.0, period_s: int = 160) -> np.ndarray:
    """Up and down by 3 %."""
    seconds = np.arange(int(hours * HOUR_S))
    return MIDDLE * np.where(seconds // (period_s // 2) % 2 == 0, 1.03, 0.97)


def noise(random: np.random.Generator, name: str = "noise", hours: float = 4.0) -> np.ndarray:
    """3 % of noise: 97 of 100 values within 3 % that change within seconds, or nine of ten within half a minute."""
    deviation, over_s = NOISES[name]
    return MIDDLE * (1.0 + deviation * _correlated(random, int(hours * HOUR_S), over_s))


def day(random: np.random.Generator, days: float = 1.0) -> np.ndarray:
    """A believable day: the river's slow swing, load taken by others in steps, two short trips."""
    length = int(days * DAY_S)
    seconds = np.arange(length)
    trace = 0.8 + 0.12 * np.sin(2 * np.pi * seconds / DAY_S) + 0.02 * _correlated(random, length, 1800.0)
    _machines_of_others(random, trace, int(20 * days))
    _trips(random, trace, max(1, int(2 * days)), (600, 2400))
    return np.clip(_rippled(random, trace), 0.1, 1.0)


def week(random: np.random.Generator) -> np.ndarray:
    """A believable week: the river falls from day to day until it rains, with the days' own swing, load taken by others
    by day, six trips, and one turbine of two out for maintenance on the fourth morning.
    """
    length = 7 * DAY_S
    seconds = np.arange(length)
    trace = np.interp(seconds, np.array([0, 4.2, 4.6, 7]) * DAY_S, [0.92, 0.68, 0.97, 0.88])
    trace += 0.04 * np.sin(2 * np.pi * seconds / DAY_S) + 0.02 * _correlated(random, length, 3600.0)
    _machines_of_others(random, trace, 100)
    _trips(random, trace, 6, (300, 2400))
    trace[int(3.35 * DAY_S) : int(3.5 * DAY_S)] *= 0.5
    return np.clip(_rippled(random, trace), 0.1, 1.0)


def of(name: str, seed: int) -> np.ndarray:
    """Return one trace; its noise and its accidents are those of `seed`, whatever other traces are made."""
    return TRACES[name](np.random.default_rng([seed, *name.encode()]))


def _steady(hours: float) -> np.ndarray:
    return np.full(int(hours * HOUR_S), HIGH)


def _machines_of_others(random: np.random.Generator, trace: np.ndarray, count: int) -> None:
    for _ in range(count):
        begins = int(random.integers(0, len(trace)))
        trace[begins : begins + int(random.integers(300, 5400))] -= random.uniform(0.01, 0.08)


def _trips(random: np.random.Generator, trace: np.ndarray, count: int, lasting_s: tuple[int, int]) -> None:
    """A turbine trips: two fifths are gone."""
    for _ in range(count):
        begins = int(random.integers(0, len(trace)))
        trace[begins : begins + int(random.integers(*lasting_s))] *= 0.6


def _rippled(random: np.random.Generator, trace: np.ndarray) -> np.ndarray:
    return trace * (1.0 + RIPPLE * _correlated(random, len(trace), RIPPLE_S))


def _correlated(random: np.random.Generator, length: int, over_s: float) -> np.ndarray:
    """Return noise of standard deviation 1 that forgets itself within about `over_s`."""
    keep = float(np.exp(-1.0 / over_s))
    white = random.normal(0.0, np.sqrt(1.0 - keep**2), length)
    values = np.empty(length)
    value = float(random.normal())
    for i, shock in enumerate(white):
        value = value * keep + shock
        values[i] = value
    return values


TRACES = {
    "drop 10 %": lambda random: drop(random, 0.1),
    "drop 30 %": lambda random: drop(random, 0.3),
    "drop 60 %": lambda random: drop(random, 0.6),
    "drift": drift,
    "flapping": flapping,
    "noise": noise,
    "slow noise": lambda random: noise(random, "slow noise"),
    "fall to 20 %": fall,
    "day": day,
    "week": week,
}
USUAL = [name for name in TRACES if name != "week"]
