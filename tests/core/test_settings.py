"""Run-time settings: what each may be, in words, and that a damaged row stops nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from app.core import settings
from app.core.settings import SPECS
from app.core.types import Mode, Override, Settings
from app.errors import SettingError


def test_every_setting_of_the_rules_has_its_bounds_and_meaning() -> None:
    assert {f.name for f in fields(Settings)} == set(SPECS)
    assert all(spec.meaning for spec in SPECS.values())


@pytest.mark.parametrize("name", SPECS)
def test_every_default_is_an_allowed_value(name: str) -> None:
    assert settings.check(name, SPECS[name].default) == SPECS[name].default


@pytest.mark.parametrize(
    "name, value, stored",
    [
        ("safety_margin_percent", 0, 0.0),
        ("safety_margin_percent", 12.5, 12.5),
        ("safety_margin_percent", 50, 50.0),
        ("cooldown_s", 30, 30),
        ("cooldown_s", 45.0, 45),
        ("farm_limit_kw", None, None),
        ("count_unmanaged", False, False),
        ("mode", "armed", "armed"),
        ("plant_lost_action", "hold", "hold"),
    ],
)
def test_it_takes_what_is_allowed(name: str, value: Any, stored: Any) -> None:
    taken = settings.check(name, value)
    assert (taken, type(taken)) == (stored, type(stored))


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("safety_margin_percent", -1, "a number from 0 to 50 %"),
        ("safety_margin_percent", 51, "a number from 0 to 50 %"),
        ("safety_margin_percent", "abc", "got 'abc'"),
        ("safety_margin_percent", "x" * 500, "..."),
        ("safety_margin_percent", True, "got True"),
        ("safety_margin_percent", None, "got None"),
        ("safety_margin_percent", float("nan"), "got nan"),
        ("safety_margin_percent", float("inf"), "got inf"),
        ("safety_margin_percent", 10**400, "a number from 0 to 50 %"),
        ("cooldown_s", 29, "a whole number from 30 to 3600 s"),
        ("cooldown_s", 30.5, "a whole number"),
        ("count_unmanaged", 1, "true or false"),
        ("mode", "on", "one of observe, armed, off"),
        ("mode", ["armed"], "one of observe, armed, off"),
        ("farm_limit_kw", -1, "or empty for none"),
        ("wall_factor", 0.5, "a number from 1 to 1.3"),
        ("nonsense", 1, "nonsense is not a setting"),
    ],
)
def test_it_refuses_the_rest_in_a_sentence_that_names_field_and_bounds(name: str, value: Any, words: str) -> None:
    with pytest.raises(SettingError, match=name) as refused:
        settings.check(name, value)
    assert words in str(refused.value)
    assert refused.value.field == name
    assert len(str(refused.value)) < 700


def test_stored_values_become_settings_and_damaged_ones_fall_back_to_the_default() -> None:
    read = settings.from_values(
        {"mode": "armed", "override": "stop", "cooldown_s": 5, "safety_margin_percent": 20, "of_old": 1}
    )
    assert (read.mode, read.override, read.cooldown_s, read.safety_margin_percent) == (
        Mode.ARMED, Override.STOP, 30, 20.0,
    )  # fmt: skip
    assert settings.from_values({}) == Settings()
