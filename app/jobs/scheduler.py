"""The table of jobs: what runs, how often, and how long one run may take.

Jobs are named by dotted path and imported when the scheduler starts, so that this table imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from app.config import Config
from app.core.presence import telemetry_slice_s
from app.jobs.runner import Job, JobContext, JobFunction

LONGEST_RUN_S = 12.0  # a run longer than the 15 s interval would halve the rate; a fork waits for the rest of a run
SHORTEST_LIMIT_S = 3.0
RECOVERY = "app.jobs.apply:recover"  # settles what a dead predecessor left half done, before any job runs


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table. `target` is "module:function"; `deadline_s` None: 80 % of the interval, 3 to 12 s."""

    name: str
    target: str
    interval_s: Callable[[Config], float]
    first_after_s: float = 1.0
    deadline_s: float | None = None

    def job(self, config: Config) -> Job:
        """Return the job, ready to run.

        Raises:
            ImportError: its module or function is missing; the sentence names them.
        """
        interval_s = self.interval_s(config)
        return Job(
            name=self.name,
            function=cast(JobFunction, resolve(self.target)),
            interval_s=interval_s,
            deadline_s=deadline_for(interval_s) if self.deadline_s is None else self.deadline_s,
            first_after_s=self.first_after_s,
        )


TABLE: tuple[Entry, ...] = (
    Entry("plant_poller", "app.jobs.plant_poller:run", lambda c: c.plant_interval_s),
    Entry("status_poller", "app.jobs.status_poller:run", lambda c: c.status_interval_s),
    # Raises go out only while there is time for a slow miner's answer (6 s), also where the interval is shorter.
    Entry("balancer", "app.jobs.balancer:run", lambda c: c.balance_interval_s, 3.0, deadline_s=LONGEST_RUN_S),
    Entry("telemetry_poller", "app.jobs.telemetry_poller:run", lambda c: telemetry_slice_s(c.telemetry_interval_s),
          first_after_s=20.0, deadline_s=LONGEST_RUN_S),  # one slow miner takes up to 20 s
    Entry("meter_check", "app.jobs.meter_check:run", lambda _: 60.0, first_after_s=30.0),
    Entry("discovery", "app.jobs.discovery:run", lambda c: c.discovery_interval_s, first_after_s=2.0),
    Entry("commands", "app.jobs.commands:run", lambda _: 1.0, deadline_s=LONGEST_RUN_S),  # a preset takes up to 8 s
)


def deadline_for(interval_s: float) -> float:
    """Return how long one run may take: below the interval, so that the next one is not missed."""
    return max(SHORTEST_LIMIT_S, min(LONGEST_RUN_S, 0.8 * interval_s))


def jobs(config: Config) -> tuple[Job, ...]:
    """Return all jobs of the table.

    Raises:
        ImportError: a job's module or function is missing.
    """
    return tuple(entry.job(config) for entry in TABLE)


def job(name: str, config: Config) -> Job:
    """Return one job by name, to run it once by hand.

    Raises:
        KeyError: no such job.
        ImportError: its module or function is missing.
    """
    return {entry.name: entry for entry in TABLE}[name].job(config)


def recovery() -> Callable[[JobContext], object]:
    """Return the function that settles what a predecessor left half done.

    Raises:
        ImportError: its module or function is missing.
    """
    return cast(Callable[[JobContext], object], resolve(RECOVERY))


def resolve(target: str) -> Any:
    """Return the object that "module:name" names.

    Raises:
        ImportError: the module or the name is missing.
    """
    module_name, _, attribute = target.partition(":")
    module = import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ImportError(f"{module_name} has no function {attribute}, which the table of jobs names") from None
