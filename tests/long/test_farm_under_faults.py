"""The real jobs on a simulated farm that is disturbed for minutes: every hard limit holds, and the farm comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.demo import Topology
from tests.long import scenario

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    "menu, topology, seed",
    [
        ("everything", "miners", 1),
        ("everything", "foreign", 2),
        ("miners", "foreign", 3),
        ("plant", "mixed", 4),
        ("operator", "miners", 5),
        ("switch", "foreign", 6),
        ("switch", "miners", 7),
        ("kills", "mixed", 8),
    ],
)
def test_no_limit_is_broken_and_the_farm_recovers(tmp_path: Path, menu: str, topology: Topology, seed: int) -> None:
    report = scenario.run(tmp_path, menu, topology, seed, minutes=3.0)
    print(report.facts)
    assert report.violations == []
    assert report.facts["recovered_s"] is not None
    assert report.facts["overload_after_recovery"]["seconds"] == 0
