"""Presets in order, and which may be chosen."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import ladder
from app.core.readings import Ladder, Preset
from app.core.types import UntunedUse
from tests.core.builders import ladder_of, miner, preset


def names(presets: tuple[Preset, ...]) -> list[str]:
    return [p.name for p in presets]


def test_a_ladder_is_ordered_by_firmware_watts_and_unknown_ones_come_last() -> None:
    steps = ladder.build(
        [preset(None, name="b"), preset(2300), preset(1740, expected_power_w=9000), preset(None, name="a")]
    )
    assert names(steps.presets) == ["1740", "2300", "a", "b"]


@pytest.mark.parametrize(
    ("twice", "watts"),
    [
        ((preset(None, name="x"), preset(2300, name="x")), 2300),
        ((preset(2300, name="x"), preset(2500, name="x")), 2300),
    ],
)
def test_a_name_that_comes_twice_counts_once_with_known_watts(twice: tuple[Preset, ...], watts: int) -> None:
    (only,) = ladder.build(twice).presets
    assert only.firmware_power_w == watts


ODD = ladder_of([(1740, 65), (2000, 80), (2970, 100)], preset(None), preset(1900, modded_psu_required=True))


@pytest.mark.parametrize(
    ("facts", "allowed"),
    [
        ({}, ["1740", "2000", "2970"]),
        ({"max_preset": "2300", "max_preset_w": 2300}, ["1740", "2000"]),
        ({"allow_modded_psu": True}, ["1740", "1900", "2000", "2970"]),
        ({"max_preset": None, "max_preset_w": None}, []),
        ({"max_preset": "500", "max_preset_w": 500}, []),
        ({"ladder": Ladder()}, []),
    ],
)
def test_the_hard_limits_decide_what_is_allowed(facts: dict[str, Any], allowed: list[str]) -> None:
    assert names(ladder.allowed(miner(**({"ladder": ODD} | facts)))) == allowed


@pytest.mark.parametrize(
    ("tuned", "use", "chosen"),
    [
        (2, UntunedUse.WHEN_NEEDED, ["1000", "1100"]),
        (1, UntunedUse.WHEN_NEEDED, ["1000", "1100", "1200", "1300"]),
        (0, UntunedUse.WHEN_NEEDED, ["1000", "1100", "1200", "1300"]),
        (1, UntunedUse.NEVER, ["1000"]),
        (0, UntunedUse.NEVER, []),
        (2, UntunedUse.ALWAYS, ["1000", "1100", "1200", "1300"]),
    ],
)
def test_untuned_presets_are_chosen_only_as_the_model_says(tuned: int, use: UntunedUse, chosen: list[str]) -> None:
    steps = ladder.build(preset(1000 + 100 * i, tuned=i < tuned) for i in range(4))
    view = miner(ladder=steps, untuned_use=use)
    assert names(ladder.choices(view)) == chosen
    assert ladder.lowest(view) == (steps.get("1000") if chosen else None)


def test_the_lowest_preset_is_that_of_the_fewest_firmware_watts_whatever_an_operator_says() -> None:
    own = preset(1740, 65.0, expected_power_w=2050), preset(2970, 100.0, expected_power_w=1000)
    edited = ladder_of([(2000, 80)], *own)
    assert ladder.lowest(miner(ladder=edited)) == edited.get("1740")
