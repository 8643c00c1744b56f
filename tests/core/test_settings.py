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


@pytest.mark.parametrize(
    "text, stored",
    [
        ("horizon_s=600", {"horizon_s": 600}),
        (" cooldown_s = 45.0 ", {"cooldown_s": 45}),
        ("safety_margin_percent=12.5", {"safety_margin_percent": 12.5}),
        ("policy=economic", {"policy": "economic"}),
        ("mode=armed", {"mode": "armed"}),
        ("count_unmanaged=False", {"count_unmanaged": False}),
        ("farm_limit_kw=none", {"farm_limit_kw": None}),
        ("farm_limit_kw=", {"farm_limit_kw": None}),
        ("farm_limit_kw=0", {"farm_limit_kw": 0.0}),
    ],
)
def test_a_text_is_read_as_its_setting_wants_it(text: str, stored: dict[str, Any]) -> None:
    assert settings.read([text]) == stored


@pytest.mark.parametrize(
    "texts, words",
    [
        (["horizon_s"], "given as name=value"),
        (["=5"], "given as name=value"),
        ([""], "given as name=value"),
        (["tea=1"], "tea is not a setting; the settings are mode, policy"),
        (["horizon_s=1", "horizon_s=1"], "horizon_s must be"),
        (["horizon_s=600", "horizon_s=900"], "horizon_s is given twice"),
        (["horizon_s=ten"], "horizon_s must be a whole number from 300 to 14400 s; got 'ten'"),
        (["horizon_s="], "horizon_s must be a whole number"),
        (["horizon_s=none"], "horizon_s must be a whole number"),
        (["cooldown_s=5_0"], "cooldown_s must be"),
        (["cooldown_s=30.5"], "cooldown_s must be"),
        (["cooldown_s=-30"], "cooldown_s must be"),
        (["safety_margin_percent=nan"], "safety_margin_percent must be"),
        (["safety_margin_percent=1e1"], "safety_margin_percent must be"),
        (["safety_margin_percent=" + "9" * 400], "safety_margin_percent must be"),
        (["safety_margin_percent=１２"], "safety_margin_percent must be"),
        (["count_unmanaged=1"], "count_unmanaged must be true or false; got '1'"),
        (["policy=greedy"], "policy must be one of stepwise, economic; got 'greedy'"),
        (["policy="], "policy must be one of"),
    ],
)
def test_a_text_that_means_nothing_allowed_is_refused_by_name(texts: list[str], words: str) -> None:
    with pytest.raises(SettingError) as refused:
        settings.read(texts)
    assert words in str(refused.value)


def test_changed_settings_keep_all_the_others() -> None:
    before = Settings(mode=Mode.ARMED, override=Override.MINIMUM, horizon_s=900, farm_limit_kw=5.0)
    after = settings.changed(before, {"horizon_s": 600, "mode": "observe", "farm_limit_kw": None})
    assert after == Settings(mode=Mode.OBSERVE, override=Override.MINIMUM, horizon_s=600)
    assert settings.changed(before, {}) == before
