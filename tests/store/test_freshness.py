"""When the dashboard has to be made anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app import clock
from app.extensions import db
from app.store import commands, freshness, settings
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


@pytest.mark.parametrize(
    ("write", "miners_too"),
    [
        (lambda: factories.reading(5.0), False),
        (lambda: factories.cycle(5.0), False),
        (lambda: factories.change(factories.miner(1)), False),
        (lambda: factories.refusal(5.0), False),
        (lambda: factories.job("status_poller"), True),
        (lambda: settings.change("farm_limit_kw", 900, "ana", "dry season", clock.utcnow()), True),
        (lambda: commands.enqueue("stop_all", by="ana", now=clock.utcnow()), True),
    ],
)
def test_every_new_row_is_news_but_not_every_one_of_the_miners(
    app: Flask, write: Callable[[], object], miners_too: bool
) -> None:
    with app.app_context():
        before = freshness.look(T0)
        write()
        after = freshness.look(T0)
        assert after.mark != before.mark
        assert (after.fleet != before.fleet) == miners_too


def test_what_only_time_changes_is_looked_for_every_quarter_of_a_minute(app: Flask) -> None:
    with app.app_context():
        marks = [freshness.look(T0 + timedelta(seconds=seconds)).mark for seconds in range(0, 31, 5)]
    assert len(set(marks)) == 3
