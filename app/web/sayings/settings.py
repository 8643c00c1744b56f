"""What the run-time settings mean and what they may be (app/core/settings.py); reasons in their history."""

from __future__ import annotations

from app.web.sayings.saying import say

SAYINGS = (
    say("%(name)s must be %(allowed)s; got %(value)s."),
    say("one of %(names)s"),
    say("a number from %(lowest)s to %(highest)s"),
    say("a number from %(lowest)s to %(highest)s %(unit)s"),
    say("a whole number from %(lowest)s to %(highest)s"),
    say("a whole number from %(lowest)s to %(highest)s %(unit)s"),
    say("or empty for none"),
    say("readings"),
    say("%(name)s is not a setting; the settings are %(names)s."),
    say("A setting is given as name=value, like horizon_s=600; got %(value)s."),
    say("%(name)s is given twice."),
    say("observe plans and shows, armed sends, off does neither"),
    say("how presets are chosen"),
    say("what a button ordered for the whole farm, until resume"),
    say("share of the available power that stays unused"),
    say("cap on the managed miners' power beside the plant's"),
    say("distance from the target that is left alone"),
    say("shortest time between two changes on one miner"),
    say("subtract the draw of known unmanaged miners; off where a foreign meter already contains them"),
    say("wall power per board power, where board watts understate the wall"),
    say("what a miner with another firmware counts, since it cannot be asked"),
    say("age from which a reading allows no increases"),
    say("age from which the target is lowered"),
    say("how fast trust in an old reading melts (0: not)"),
    say("age from which the plant counts as lost"),
    say("what to do when the plant is lost"),
    say("when even the lowest presets exceed the available power"),
    say("how long a surplus must last for raises (stepwise)"),
    say("how long a new preset is expected to stay: what a change may cost (economic)"),
    say("share of the target above it that is left alone, where that is more than the tolerance (economic)"),
    say(
        "share of the fleet's maximum below the target that is left alone, where that is more than the tolerance "
        "(economic)"
    ),
    say("raises go to the lowest target of so many readings (economic)"),
    say("surplus beyond this share of the target may be used after two readings (economic)"),
    say("share of the fleet's maximum raised in one cycle, and as much again started (economic)"),
    say("how often presets are exchanged at the same power (economic)"),
    say("hashrate such an exchange must win (economic)"),
    say("full hashrate that going to an untuned preset costs (economic)"),
    say(
        "with last_resort = stop: also stop miners whose watts win more hashrate elsewhere, not only when nothing "
        "else helps (economic)"
    ),
    say("room above a stopped miner's lowest preset to start it"),
    say("how long that room must last (economic: or two readings with fast_raise_percent to spare)"),
    say("limit on raises"),
    say("limit on cuts that are no emergency"),
    say("back to the default"),
    say("the plant owner's questionnaire"),
)
