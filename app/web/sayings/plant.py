"""What was wrong with the answers of the plant, and what its meters say (app/clients/plant.py, app/core/plant.py)."""

from __future__ import annotations

from app.web.sayings.saying import say

SAYINGS = (
    say("The answer names a source twice."),
    say("Generation source %(name)s reads %(power)s kW, which cannot be."),
    say("Consumption source %(name)s reads %(power)s kW, which cannot be."),
    say("The confidence reads %(share)s; it is a share from 0 to 1."),
    say(
        "The plant trusts this reading with %(share)s only (%(text)s); it takes more than %(needed)s to drive the farm."
    ),
    say("The reading is dated %(age)s s in the future."),
    say("The reading is %(age)s s older than the newest one."),
    say("If it was removed, give it the role retired."),
    say("Generation source %(name)s has never given a good value (now: %(text)s), so what it draws is not known."),
    say("Consumption source %(name)s has never given a good value (now: %(text)s), so what it draws is not known."),
    say("Generation source %(name)s has given no good value for more than %(minutes)s min (now: %(text)s)."),
    say("Consumption source %(name)s has given no good value for more than %(minutes)s min (now: %(text)s)."),
    say("The answer names no generation source."),
    say("The sum of the sources is too large to be power."),
    say("Generation reads %(power)s kW, more than %(factor)s times the plant's rated %(rated)s kW."),
    say("Is the unit (MW or kW) right?"),
    say("The plant %(failure)s."),
    say('The answer is about the plant "%(name)s", not the one that was asked for.'),
    say("The field trust.confidence_score is not between 0 and 1."),
    say("The reading names no generation source."),
    say("The reading names more than %(count)s sources."),
    say("The plant answered with a redirect (%(code)s), which is not followed."),
    say("The plant refused the API key (%(code)s)."),
    say("The plant refused the request (400): check the plant id."),
    say("The plant answered with HTTP status %(code)s."),
    say("The plant answered with a web page instead of JSON."),
    say("The plant answered with nothing."),
    say("The plant's answer is not valid JSON: cut short, or with numbers that do not exist."),
    say("The %(name)s is %(kind)s, not an object."),
    say("missing or null"),
    say("a list"),
    say("a number"),
    say("an object"),
    say("true or false"),
    say("and"),
    say("text"),
    say("The field %(name)s is %(kind)s, not a number."),
    say("The field %(name)s is not a finite number."),
    say("The field %(name)s is negative."),
    say("The field %(name)s is impossibly large."),
    say("The field %(name)s has a source without a name of its own."),
    say("The field %(name)s is %(kind)s, not a time."),
    say("The field %(name)s has no time zone."),
    say("The field %(name)s is not a time that can be read."),
    say("no reading: %(why)s"),
    say("nothing newer than the reading of %(time)s UTC"),
    say("%(power)s kW generated, %(consumed)s kW consumed, %(age)s s old"),
    say("PowerHive: it answers again"),
    say("%(name)s has the role foreign, but follows the miners (slope %(slope)s): %(power)s kW are subtracted twice"),
    say(
        "%(names)s have the role foreign, but together follow the miners (slope %(slope)s): %(power)s kW are "
        "subtracted twice"
    ),
    say(
        "%(name)s has the role miners, but reads less than half of what the miners draw: %(power)s kW of other load "
        "are not subtracted"
    ),
    say(
        "%(names)s have the role miners, but together read less than half of what the miners draw: %(power)s kW of "
        "other load are not subtracted"
    ),
    say(
        "%(name)s has the role miners, but does not follow the miners (slope %(slope)s): %(power)s kW of other load "
        "are not subtracted"
    ),
    say(
        "%(names)s have the role miners, but do not together follow the miners (slope %(slope)s): %(power)s kW of "
        "other load are not subtracted"
    ),
    say(
        "Nothing is raised until you give it the role %(role)s, or say %(role_again)s again if you know better "
        "(PATCH %(paths)s)"
    ),
    say(
        "Nothing is raised until you give them the role %(role)s, or say %(role_again)s again if you know better "
        "(PATCH %(paths)s)"
    ),
    say("foreign"),
    say("miners"),
    say("retired"),
    say("generation"),
    say("consumption"),
    say("no meter to check"),
    say("%(name)s: contains (%(why)s)"),
    say("%(name)s: apart (%(why)s)"),
    say("%(name)s: undecided (%(why)s)"),
    say("slope %(slope)s +- %(error)s"),
    say("too few readings yet"),
    say("it reads less than half of what the miners draw"),
    say("too few changes in the last hour"),
    say("the miners' draw hardly moved in the last hour"),
    say("the miners' draw moved within ten minutes of the last hour only"),
    say("it follows the miners"),
    say("it does not follow the miners"),
    say("other load in it moves too much to tell"),
    say("it follows the miners in part, or other load moves with them"),
    say("There is no plant source %(name)s."),
    say("%(name)s is a %(kind)s source: its role can be %(names)s."),
)
