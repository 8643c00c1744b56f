"""The small lines of the list."""

from __future__ import annotations

import pytest

from app.web import sparkline


@pytest.mark.parametrize(
    ("values", "largest", "lines"),
    [
        ([], 100, []),
        ([None, None], 100, []),
        ([0, 100], 100, ["0,23.0 96,1.0"]),
        ([0, None, 100], 100, ["0,23.0 24,23.0", "96,1.0 120,1.0"]),
        ([500, -5], 100, ["0,1.0 96,23.0"]),
        ([5, 5], 0, ["0,23.0 96,23.0"]),
        ([50], 100, ["0,12.0 48,12.0"]),
    ],
)
def test_a_gap_stays_a_gap_and_nothing_leaves_the_picture(
    values: list[float | None], largest: float, lines: list[str]
) -> None:
    assert sparkline.lines(values, largest) == lines
