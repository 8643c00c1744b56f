"""A recorded span once more, from the command line: what it prints, and what it refuses in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as but
from datetime import datetime, timedelta
from unittest import mock

import pytest
from click.testing import Result
from flask import Flask

from app import clock
from app.core import plan as planning
from app.core import replay as model
from app.core.readings import Stamp
from app.extensions import db, writing
from app.jobs.gate import Lease
from app.models import MinerSample
from app.store import cycles, snapshot
from tests.store import farm

SPAN_S = 900


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def flask(app: Flask, *words: str) -> Result:
    result = app.test_cli_runner().invoke(args=list(words))
    db.session.rollback()
    return result


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def recorded() -> Stamp:
    """Four miners on 2500 W under a plant of 13 kW, for a quarter of an hour until now; return its beginning."""
    now = clock.stamp()
    begin = farm.earlier(now, SPAN_S)
    farm.build(4, begin, running="2500", policy="stepwise")
    with writing() as session:
        session.add_all(
            MinerSample(miner_id=i, recorded_at=farm.later(begin, 300 * n).utc, state="mining", preset="2500",
                        power_w=2500, hashrate_ths=100.0)
            for n in range(3) for i in range(1, 5)
        )  # fmt: skip
    for seconds in range(0, SPAN_S, 15):
        farm.reading(farm.later(begin, seconds), 13.0)
        picture = snapshot.load(farm.later(begin, seconds + 1), interval_s=15.0)
        cycles.record(picture, planning.plan(picture))
    return begin


def replay(app: Flask, begin: Stamp, *more: str) -> Result:
    until = text(farm.later(begin, SPAN_S).utc + timedelta(hours=1))
    return flask(app, "replay", "--from", text(begin.utc - timedelta(seconds=1)), "--to", until, *more)


def row(result: Result, name: str) -> list[str]:
    (line,) = [line for line in result.output.splitlines() if line.startswith(name)]
    return line[28:].split()


def test_it_prints_what_really_was_and_what_the_replay_gives(app: Flask) -> None:
    result = replay(app, recorded())
    assert result.exit_code == 0, result.output
    assert "60 readings, 60 cycles, 4 managed miners" in result.output
    assert result.output.splitlines()[2].split() == ["really", "as", "it", "was", "set", "differs"]
    assert row(result, "hours")[:2] == ["0.25", "0.25"]
    assert row(result, "energy accounted")[:3] == ["2.5", "2.9", "+0.4"]
    assert row(result, "energy drawn")[0] == "2.5"
    assert row(result, "switches per")[0] == "0.00"
    assert row(result, "TH-hours")[0] == "100"
    assert "no measurement" in result.output
    assert "What was really drawn and hashed is the mean of each miner's samples: 3 of them." in result.output


def test_what_is_tried_stands_beside_it(app: Flask) -> None:
    result = replay(app, recorded(), "--policy", "economic", "--set", "safety_margin_percent=50")
    assert result.exit_code == 0, result.output
    assert "tried: safety_margin_percent 50" in result.output
    assert result.output.splitlines()[3].split()[-3:] == ["as", "tried", "differs"]
    energies = [float(cell) for cell in row(result, "energy accounted") if cell[0].isdigit()]
    assert len(energies) == 3
    assert energies[2] < energies[0] < energies[1]


def test_it_plans_with_the_intervals_at_which_plant_and_balance_are_configured(app: Flask) -> None:
    begin = recorded()
    app.extensions["powerhive_config"] = but(
        app.extensions["powerhive_config"], plant_interval_s=60.0, balance_interval_s=30.0
    )
    with mock.patch.object(model, "replay", side_effect=model.replay) as replayed:
        assert replay(app, begin).exit_code == 0
    (of,) = replayed.call_args.args
    assert (of.reading_interval_s, of.interval_s) == (60.0, 30.0)


def test_it_changes_nothing_and_works_beside_a_service(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = recorded()
    monkeypatch.setattr(Lease, "held", lambda _self: False)
    before = {name: db.session.query(table).count() for name, table in db.metadata.tables.items()}
    assert replay(app, begin, "--policy", "economic").exit_code == 0
    assert {name: db.session.query(table).count() for name, table in db.metadata.tables.items()} == before


GOOD = ("--from", "2026-01-01T00:00", "--to", "2026-01-02T00:00")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Missing option '--from'"),
        (GOOD[:2], "Missing option '--to'"),
        (("--from", "noon", *GOOD[2:]), "--from must be a time like 2026-11-23T18:00:00Z (RFC 3339); got 'noon'"),
        ((*GOOD[:2], "--to", "2026-13-01"), "--to must be a time like"),
        ((*GOOD[:2], "--to", ""), "--to must be a time like"),
        ((*GOOD[:2], "--to", GOOD[1]), "--from must be before --to; got 2026-01-01T00:00 and 2026-01-01T00:00"),
        (("--from", GOOD[3], "--to", GOOD[1]), "--from must be before --to"),
        ((*GOOD[:2], "--to", "2026-01-08T00:01"), "may be at most 7 days"),
        (("--from", "2998-01-01", "--to", "2998-01-02"), "--from must lie in the past"),
        ((*GOOD, "--set", "tea=1"), "tea is not a setting"),
        ((*GOOD, "--set", "horizon_s"), "given as name=value"),
        ((*GOOD, "--set", "safety_margin_percent=51"), "safety_margin_percent must be a number from 0 to 50 %"),
        ((*GOOD, "--policy", "greedy"), "policy must be one of stepwise, economic; got 'greedy'"),
        ((*GOOD, "--policy", "economic", "--set", "policy=stepwise"), "policy is given twice"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_sentence_and_exit_status_2(app: Flask, words: tuple[str, ...], sentence: str) -> None:
    result = flask(app, "replay", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_span_without_readings_or_miners_is_one_sentence_and_exit_status_1(app: Flask) -> None:
    result = flask(app, "replay", *GOOD)
    assert (result.exit_code, result.output) == (
        1,
        "Error: There is no plant reading from 2026-01-01 00:00:00 to 2026-01-02 00:00:00 UTC.\n",
    )
    begin = recorded()
    for number in range(1, 5):
        farm.put(farm.Miner, number, managed=False)
    result = replay(app, begin)
    assert (result.exit_code, result.output) == (1, "Error: No miner is managed: there is nothing to replay.\n")


def test_a_missing_database_is_one_sentence(app: Flask) -> None:
    db.drop_all()
    result = flask(app, "replay", *GOOD)
    assert result.exit_code == 1
    assert "flask db upgrade" in result.output
