"""One look, one run of a part by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import Result
from flask import Flask

from app import clock
from app.clients import miner as miner_client
from app.config import Config
from app.extensions import db
from app.jobs import apply, plant_poller
from app.jobs.gate import Lease
from app.models import BalanceCycle, Command, PresetChangeRow
from app.store import settings
from tests import factories
from tests.store import farm
from tests.store.farm import FakeHands


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def service(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process acts: the lease is taken (a process cannot lock itself out, so it is said here)."""
    monkeypatch.setattr(Lease, "held", lambda _self: False)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> FakeHands:
    fake = FakeHands()
    monkeypatch.setattr(apply, "miner_client", fake)
    return fake


def flask(app: Flask, *words: str) -> Result:
    result = app.test_cli_runner().invoke(args=list(words))
    db.session.rollback()
    return result


def emergency() -> None:
    """Four miners at 12 kW, a plant of 9 kW."""
    farm.build(4, clock.stamp())
    farm.reading(clock.stamp(), 9.0)


def test_a_dry_run_shows_the_plan_and_sends_and_stores_nothing(app: Flask, hands: FakeHands) -> None:
    emergency()
    result = flask(app, "balance", "--dry-run")
    assert result.exit_code == 0
    assert "Emergency" in result.output
    assert "3000 -> 1500" in result.output
    assert "Nothing was sent." in result.output
    assert hands.calls == []
    assert db.session.scalars(db.select(BalanceCycle)).all() == []


def test_a_dry_run_says_why_a_miner_is_passed_over_and_that_the_mode_is_not_armed(app: Flask) -> None:
    emergency()
    farm.put_setting("mode", "observe")
    farm.put(farm.Miner, 1, hold=True)
    result = flask(app, "balance", "--dry-run")
    assert "02:00:00:00:00:01  held by an operator" in result.output
    assert "would send 0 of" in result.output


def surplus() -> None:
    """Four miners at 10 kW, a plant of 13 kW, a service that has seen all."""
    farm.build(4, clock.stamp(), running="2500", policy="stepwise")
    farm.term(clock.stamp())
    farm.reading(clock.stamp(), 13.0)


def test_a_dry_run_tries_a_policy_and_settings_that_are_not_in_force(app: Flask, service: None) -> None:
    surplus()
    assert "policy stepwise, mode armed\n" in flask(app, "balance", "--dry-run").output
    tried = flask(app, "balance", "--dry-run", "--policy", "economic", "--set", "safety_margin_percent=0")
    assert tried.exit_code == 0, tried.output
    assert "policy economic, mode armed; tried: safety_margin_percent 0.0, policy economic" in tried.output
    assert "target 13.0 kW" in tried.output
    assert "every other managed miner stays: surplus 3.0 kW has lasted 15 of 180 s" in tried.output
    assert {row.name for row in db.session.scalars(db.select(farm.SettingRow))} == {"mode", "policy"}
    assert settings.load().policy == "stepwise"


def test_a_dry_run_with_another_window_or_cooldown_looks_at_it_as_it_would_be(app: Flask, service: None) -> None:
    surplus()
    words = ("balance", "--dry-run", "--policy", "economic", "--set", "raise_window_readings=1")
    assert "2500 -> 3000" in flask(app, *words).output
    with farm.writing() as session:
        session.add(PresetChangeRow(
            miner_id=1, kind="preset", origin="balancer", old_preset="3000", new_preset="2500", old_power_w=3000,
            new_power_w=2500, reason="test", outcome="confirmed", recorded=farm.earlier(clock.stamp(), 60)
        ))  # fmt: skip
    assert "02:00:00:00:00:01  in cooldown for" in flask(app, *words, "--set", "cooldown_s=600").output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--policy", "greedy"), "policy must be one of stepwise, economic; got 'greedy'"),
        (("--set", "horizon_s"), "given as name=value"),
        (("--set", "tea=1"), "tea is not a setting"),
        (("--set", "cooldown_s=1"), "cooldown_s must be a whole number from 30 to 3600 s; got 1."),
        (("--set", "policy=economic", "--policy", "stepwise"), "policy is given twice"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_one_sentence(app: Flask, words: tuple[str, ...], sentence: str) -> None:
    result = flask(app, "balance", "--dry-run", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


def test_a_real_cycle_tries_nothing(app: Flask, hands: FakeHands) -> None:
    emergency()
    result = flask(app, "balance", "--yes", "--policy", "economic")
    assert (result.exit_code, hands.calls) == (2, [])
    assert "go with --dry-run only" in result.output


def test_a_real_cycle_needs_a_yes(app: Flask, hands: FakeHands) -> None:
    emergency()
    assert flask(app, "balance").exit_code == 2
    assert flask(app, "balance", "--yes", "--dry-run").exit_code == 2
    assert hands.calls == []


def test_a_real_cycle_cuts_and_says_so(app: Flask, config: Config, hands: FakeHands) -> None:
    emergency()
    farm.put(farm.Miner, 1, ip="127.0.9.1")
    result = flask(app, "balance", "--yes")
    assert result.exit_code == 0, result.output
    assert "taken on" in result.output
    assert {address for _, address, _ in hands.calls} == {9 * 250}  # the others lie outside the subnets


@pytest.mark.parametrize("words", [("balance", "--yes"), ("poll",), ("jobs", "run", "balancer")])
def test_what_would_act_is_refused_beside_a_service(
    app: Flask, service: None, hands: FakeHands, words: tuple[str, ...]
) -> None:
    emergency()
    result = flask(app, *words)
    assert result.exit_code == 1
    assert "A service acts on this database" in result.output
    assert hands.calls == []


def test_a_dry_run_works_beside_a_service(app: Flask, service: None) -> None:
    emergency()
    farm.term(clock.stamp())
    assert flask(app, "balance", "--dry-run").exit_code == 0


def test_a_scan_beside_a_service_is_left_to_it(app: Flask, service: None) -> None:
    assert flask(app, "scan").exit_code == 0
    assert db.session.scalars(db.select(Command.kind)).all() == ["scan"]


def test_a_failing_job_ends_with_1_and_its_reason(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_context: object) -> str:
        raise farm.MinerError("The plant has gone fishing.")

    monkeypatch.setattr(plant_poller, "run", broken)
    result = flask(app, "poll")
    assert result.exit_code == 1
    assert "gone fishing" in result.output


def test_one_job_runs_by_name_and_the_list_shows_it(app: Flask, hands: FakeHands) -> None:
    result = flask(app, "jobs", "run", "balancer")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("balancer: ")
    assert "balancer" in flask(app, "jobs", "list").output
    assert flask(app, "jobs", "run", "tea").exit_code == 2


def test_the_status_fits_on_one_screen(app: Flask, hands: FakeHands) -> None:
    empty = flask(app, "status")
    assert (empty.exit_code, empty.output.splitlines()[0][:7]) == (0, "NO_DATA")
    emergency()
    flask(app, "jobs", "run", "balancer")
    full = flask(app, "status")
    assert "4 online, 0 offline, 4 managed" in full.output
    assert "Emergency" in full.output
    assert len(full.output.splitlines()) < 24


def test_the_status_names_a_meter_that_contradicts_its_role(app: Flask) -> None:
    factories.contradicted("box")
    assert "role        box has the role foreign, but follows the miners" in flask(app, "status").output


def test_a_missing_database_is_one_sentence(app: Flask) -> None:
    db.drop_all()
    for words in (("status",), ("balance", "--dry-run"), ("jobs", "list")):
        result = flask(app, *words)
        assert result.exit_code == 1
        assert "flask db upgrade" in result.output
        assert "Traceback" not in result.output


def test_the_real_hands_can_do_all_that_the_door_asks_of_them() -> None:
    for name in ("set_preset", "restart", "stop", "start", "read_saved_preset", "adopt"):
        assert callable(getattr(miner_client, name))
