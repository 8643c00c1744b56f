"""Faults for a simulator in another process, made through its control API, one after the other while it rages."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import requests

from tests.long.chaos import MINER_FAULTS, OTHER_PLANT_FAULTS, UNTRUSTWORTHY

STEP_S = 5.0
MINERS_PER_FAULT = 8
FOREIGN_PASSWORD = "canary-of-somebody-else-11"
HELD_S = 12.0
PLANT_FAULTS_FIRST = ("echo", "redirect", "http401", "close", "http500", "html")


class ControlDoor:
    """The control API of one simulator."""

    def __init__(self, url: str) -> None:
        self._url = url

    def miners(self) -> list[dict[str, Any]]:
        return requests.get(f"{self._url}/miners", timeout=20).json()  # type: ignore[no-any-return]

    def secrets(self) -> dict[str, list[str]]:
        """Per MAC every password, API key and session token that ever opened the miner."""
        return requests.get(f"{self._url}/secrets", timeout=20).json()  # type: ignore[no-any-return]

    def miner_fault(self, which: str | int, fault: str, **args: object) -> None:
        self.post(f"/miners/{which}/fault", {"fault": fault, "args": args})

    def post(self, path: str, body: dict[str, object]) -> None:
        requests.post(self._url + path, json=body, timeout=20).raise_for_status()


class Disturber:
    """Makes a step of faults every five seconds; `made` counts them."""

    def __init__(self, door: ControlDoor, seed: int = 9) -> None:
        self.made: Counter[str] = Counter()
        self._door = door
        self._chance = random.Random(seed)
        self._count = len(door.miners())
        miners = [*MINER_FAULTS, ("echo", {}), ("echo", {"method": "POST"})]
        miners += [("lost_key", {}), ("lost_key", {"password": FOREIGN_PASSWORD})]
        plant = [*((fault, {}) for fault in UNTRUSTWORTHY), *OTHER_PLANT_FAULTS]
        self._chance.shuffle(miners)
        self._chance.shuffle(plant)
        self._miners = cycle(miners)
        self._plant = cycle([*((fault, {}) for fault in PLANT_FAULTS_FIRST), *plant])

    @contextmanager
    def raging(self) -> Iterator[None]:
        """Disturb while the block runs, then switch everything off."""
        over = threading.Event()
        thread = threading.Thread(target=self._rage, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(60)
            self._door.post("/miners/all/fault", {"clear": "all"})
            self._door.post("/plant/fault", {"clear": "all"})
        assert self.made["steps"] > 20, "it raged to the end"

    def _rage(self, over: threading.Event) -> None:
        before: list[str] = []
        while not over.wait(STEP_S):
            for fault in before:
                self._door.post("/miners/all/fault", {"clear": fault})
            before = [self._disturb_miners() for _ in range(3)]
            self._disturb_plant(trusted=self.made["steps"] % 3 != 2)
            self.made["steps"] += 1

    def _disturb_miners(self) -> str:
        fault, args = next(self._miners)
        for index in self._chance.sample(range(self._count), min(MINERS_PER_FAULT, self._count)):
            self._door.miner_fault(index, fault, **args)
        self.made["miner faults"] += 1
        return fault

    def _disturb_plant(self, *, trusted: bool) -> None:
        """Two steps of three the plant is honest, and its river rises and falls; in the third it is not."""
        self._door.post("/plant/fault", {"clear": "all"})
        if trusted:
            self._door.post("/plant/generation", {"factor": self._chance.choice((0.6, 0.8, 1.0, 1.2))})
            return
        fault, args = next(self._plant)
        self._door.post("/plant/fault", {"fault": fault, "args": args})
        self.made["plant faults"] += 1


@contextmanager
def database_held(path: Path) -> Iterator[None]:
    """Another program writes to the database and takes its time: longer than PowerHive waits for it."""
    over = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            over.wait(HELD_S)
            other.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        thread.join()
