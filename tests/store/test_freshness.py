"""When the dashboard has to be made anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app.extensions import db
from app.store import freshness
from tests import factories
from tests.store.own_app import T0


@pytest.mark.parametrize(
    ("name", "failures", "news"),
    [
        ("status_poller", 0, True),
        ("commands", 0, False),
        ("telemetry_poller", 0, False),
        ("plant_poller", 0, False),
        ("plant_poller", 1, True),
        ("commands", 1, True),
        ("telemetry_poller", 1, True),
    ],
)
def test_a_run_is_news_where_the_dashboard_shows_what_it_brings(
    app: Flask, name: str, failures: int, news: bool
) -> None:
    """3,000 miners' boards come in slices every ten seconds: no dashboard is made for them."""
    with app.app_context():
        job = factories.job(name, age_s=20.0)
        before = freshness.look(T0).mark
        assert job.finished_at is not None
        job.finished_at += timedelta(seconds=10)
        job.failures_in_a_row = failures
        db.session.commit()
        assert (freshness.look(T0).mark != before) == news


def test_what_only_time_changes_is_looked_for_every_quarter_of_a_minute(app: Flask) -> None:
    with app.app_context():
        marks = [freshness.look(T0 + timedelta(seconds=seconds)).mark for seconds in range(0, 31, 5)]
    assert len(set(marks)) == 3
