"""The static problem: the policy's knapsack against the exact optimum of a mixed integer program (HiGHS)."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from app.core import allocation
from app.core.allocation import Menu
from benchmarks.balancing.fleet import Fleet, fleet

HORIZON_S, LOSS_S = 1200.0, 70.0


def menus(farm: Fleet, random: np.random.Generator, *, priced: bool) -> list[Menu]:
    """Every miner on a random preset; `priced`: a change loses 70 s of its new hashrate."""
    found = []
    for i in range(farm.size):
        watts, ths = farm.watts(i), farm.ths(i)
        stays = int(random.integers(0, len(watts)))
        loss_s = LOSS_S if priced else 0.0
        worth = [float(h) * (HORIZON_S - (0.0 if j == stays else loss_s)) for j, h in enumerate(ths)]
        found.append(allocation.menu(zip((float(w) for w in watts), worth, strict=True)))
    return found


def exact(problem: list[Menu], budget_w: float, limit_s: float) -> float:
    """Return the optimum's value (or the best proven bound within the time limit)."""
    value = np.array([v for menu in problem for _, v in menu.options])
    watts = np.array([w for menu in problem for w, _ in menu.options])
    owner = np.repeat(np.arange(len(problem)), [len(menu.options) for menu in problem])
    one_each = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))))
    with _quiet():
        found = milp(
            -value,
            integrality=np.ones(len(value)),
            bounds=Bounds(0, 1),
            constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(watts[None, :], -np.inf, budget_w)],
            options={"time_limit": limit_s, "mip_rel_gap": 1e-6},
        )
    return float(-found.mip_dual_bound if found.mip_dual_bound is not None else -found.fun)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the solver from printing: HiGHS does so from C, whatever it is told."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(kept, 1)
            os.close(kept)


def compare(size: int, cases: int, *, priced: bool, limit_s: float = 10.0) -> tuple[float, float, float]:
    """Return the worst and the mean share of the optimum in %, and the median time of the solver in ms."""
    shares, took_ms = [], []
    for seed in range(cases):
        random = np.random.default_rng(1000 + seed)
        farm = fleet(size, 2000 + seed)
        problem = menus(farm, random, priced=priced)
        budget_w = farm.floor_w + float(random.uniform(0.05, 0.95)) * (farm.max_w - farm.floor_w)
        began = time.process_time()
        picks = allocation.allocate(problem, budget_w)
        took_ms.append(1000.0 * (time.process_time() - began))
        chosen = [menu.options[pick] for menu, pick in zip(problem, picks, strict=True)]
        assert sum(watts for watts, _ in chosen) <= budget_w + 1e-6
        shares.append(100.0 * sum(value for _, value in chosen) / exact(problem, budget_w, limit_s))
    return min(shares), float(np.mean(shares)), float(np.median(took_ms))
