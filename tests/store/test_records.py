"""What operators stated, and settings that two people change at once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app import clock
from app.errors import ChangedMeanwhile, SettingError
from app.store import records, setting_history, settings

MARGIN = "safety_margin_percent"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Any:
    with app.app_context():
        yield


def change(wanted: dict[str, Any], seen: dict[str, Any]) -> None:
    settings.change_seen(wanted, seen, "ann", None, clock.utcnow())


def answer(chosen: dict[str, Any], seen: dict[str, Any], stated: dict[str, str], stated_seen: dict[str, int]) -> None:
    records.answer_all(chosen, seen, stated, stated_seen, who="ann", reason="q", now=clock.utcnow())


def test_a_setting_changed_since_it_was_seen_is_a_conflict_and_nothing_is_written() -> None:
    settings.change(MARGIN, 12, "bob", None, clock.utcnow())
    with pytest.raises(ChangedMeanwhile) as caught:
        change({"tolerance_w": 700, MARGIN: 15}, {"tolerance_w": 500, MARGIN: 10.0})
    assert caught.value.names == (MARGIN,)
    assert (settings.load().safety_margin_percent, settings.load().tolerance_w) == (12, 500)


def test_two_people_who_want_the_same_do_not_collide() -> None:
    settings.change(MARGIN, 12, "bob", None, clock.utcnow())
    change({MARGIN: 12}, {MARGIN: 10.0})
    assert len(settings.history()) == 1


def test_what_was_never_seen_is_a_conflict() -> None:
    with pytest.raises(ChangedMeanwhile):
        change({MARGIN: 15}, {})
    with pytest.raises(ChangedMeanwhile):
        change({"farm_limit_kw": 15}, {})  # no value in force is not the same as not seen


def test_a_bad_value_is_refused_before_the_conflict() -> None:
    with pytest.raises(SettingError):
        change({MARGIN: 51}, {})


def test_the_newest_answer_counts_and_the_same_again_leaves_no_row() -> None:
    for text in ("grid", "grid", "dump_load"):
        records.state("connection", text, "ann", clock.utcnow())
    newest = records.newest()["connection"]
    assert (newest.answer, newest.stated_by, newest.id) == ("dump_load", "ann", 2)


def test_settings_and_answers_are_kept_together_or_not_at_all() -> None:
    records.state("frequency", "60 Hz", "bob", clock.utcnow())
    with pytest.raises(ChangedMeanwhile) as caught:
        answer({MARGIN: 15}, {MARGIN: 10.0}, {"frequency": "50 Hz", "owner": "Ann"}, {"frequency": 0, "owner": 0})
    assert caught.value.names == ("frequency",)
    assert settings.load().safety_margin_percent == 10
    assert set(records.newest()) == {"frequency"}
    answer({MARGIN: 15}, {MARGIN: 10.0}, {"frequency": "50 Hz"}, {"frequency": 1})
    assert (settings.load().safety_margin_percent, records.newest()["frequency"].answer) == (15, "50 Hz")


def test_all_that_changed_meanwhile_is_named_at_once() -> None:
    settings.change(MARGIN, 12, "bob", None, clock.utcnow())
    records.state("frequency", "60 Hz", "bob", clock.utcnow())
    with pytest.raises(ChangedMeanwhile) as caught:
        answer({MARGIN: 15}, {MARGIN: 10.0}, {"frequency": "50 Hz"}, {})
    assert caught.value.names == (MARGIN, "frequency")


@pytest.mark.parametrize(
    ("name", "text", "found"), [("", "", 3), (MARGIN, "", 2), ("", "bob", 1), ("", "dry", 1), (MARGIN, "50%", 0)]
)
def test_the_history_is_filtered(name: str, text: str, found: int) -> None:
    settings.change(MARGIN, 12, "ann", "dry season", clock.utcnow())
    settings.change(MARGIN, 11, "bob", None, clock.utcnow())
    settings.change("tolerance_w", 600, "ann", None, clock.utcnow())
    page = setting_history.page(name, text)
    assert (page.total, len(page.changes), len(list(setting_history.everything(name, text)))) == (found,) * 3


def test_the_history_comes_in_pages_of_fifty_newest_first() -> None:
    for number in range(51):
        settings.change("tolerance_w", 600 + number, "ann", None, clock.utcnow())
    first, last = setting_history.page(), setting_history.page(number=9)
    assert (len(first.changes), first.changes[0].new_value, first.pages) == (50, 650, 2)
    assert (len(last.changes), last.page) == (1, 2)
