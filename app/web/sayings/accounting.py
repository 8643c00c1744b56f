"""How a miner's power was counted (app/core/power.py)."""

from __future__ import annotations

from app.web.sayings.saying import say

SAYINGS = (
    say("silent: last accounted"),
    say("cut refused"),
    say("raise on its way"),
    say("cut accepted"),
    say("cut not accepted yet"),
    say("booting: worst case"),
    say("booting: saved preset"),
    say("running preset"),
    say("worst case"),
    say("silent: the meter confirms that it is off"),
    say("silent for more than 15 min"),
)
