"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.core import instants

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23t12:00:00z".upper(), NOON),
        ("2026-11-23 12:00", NOON),
        ("2026-11-23T12:00", NOON),
        ("2026-11-23T09:00:00-03:00", NOON),
        ("2026-11-23T12:00:00.5", NOON + timedelta(seconds=0.5)),
        ("2026-11-23", NOON - timedelta(hours=12)),
    ],
)
def test_a_time_without_a_zone_is_utc(text: str, moment: datetime) -> None:
    assert instants.read(text) == moment


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "12:00", "2026-13-01", "2026-11-23T25:00", "2026-11-23T12", "1700000000", "２０２６-11-23",
     "0001-01-01T00:00+23:59", "2026-11-23T12:00:00+99:00", "2026-11-23T12:00Z ", "x" * 5000],
)  # fmt: skip
def test_what_names_no_time_is_none(text: str) -> None:
    assert instants.read(text) is None
