"""A preset by hand is refused as it is ordered where a rule is known to forbid it, in the rule's own words."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.by_hand import objection
from app.core.types import Mode
from tests.core.builders import miner

OWNED = "the mode is armed and the balance decides this miner's preset; hold it (hold_minutes) to keep yours"


@pytest.mark.parametrize(
    ("facts", "mode", "keeps", "refused"),
    [
        ({"managed": True}, Mode.OBSERVE, False, None),
        ({"managed": True}, Mode.OFF, False, None),
        ({"managed": True}, Mode.ARMED, False, OWNED),
        ({"managed": True}, Mode.ARMED, True, None),
        ({"managed": True, "held": True}, Mode.ARMED, False, None),
        ({"managed": False, "held": True}, Mode.ARMED, False, None),
        ({"managed": False, "held": False}, Mode.OBSERVE, True, "only managed or held miners can be commanded"),
        ({"retired": True}, Mode.OBSERVE, True, "the miner is retired"),
        ({"model_alias": None}, Mode.OBSERVE, True, "the miner's model is unknown"),
        ({"identified": False}, Mode.OBSERVE, True, "discovery has not identified a VNish miner at this address"),
        ({"cooldown_left_s": 12.0}, Mode.ARMED, True, "the last change is too recent: 12 s of cooldown left"),
    ],
)
def test_what_is_refused_at_once(facts: dict[str, Any], mode: Mode, keeps: bool, refused: str | None) -> None:
    assert objection(miner(**facts), "2000", mode, keeps=keeps) == refused


@pytest.mark.parametrize("preset", ["9999", "2970", ""])
def test_a_preset_that_is_not_allowed_is_refused_in_every_mode(preset: str) -> None:
    low = miner(max_preset="2000", max_preset_w=2000)
    for mode in Mode:
        assert objection(low, preset, mode, keeps=True) is not None
