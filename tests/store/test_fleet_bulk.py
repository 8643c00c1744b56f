"""Labels that count."""

from __future__ import annotations

import pytest

from app.store.fleet_bulk import numbered


@pytest.mark.parametrize(
    ("text", "number", "label"),
    [
        ("C1", 7, "C1"), ("", 7, ""), ("C1-##", 7, "C1-07"), ("C1-##", 123, "C1-123"), ("#", 7, "7"),
        ("C#-##", 7, "C7-##"), ("## top", 7, "07 top"),
    ],
)  # fmt: skip
def test_the_first_hashes_become_the_number(text: str, number: int, label: str) -> None:
    assert numbered(text, number) == label
