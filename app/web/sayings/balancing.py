"""What the rules say of a cycle, of a change and of a miner that stays (app/core, app/store/cycles.py)."""

from __future__ import annotations

from app.web.sayings.saying import say, say_count

SAYINGS = (
    say("There is no plant reading yet: nothing is changed"),
    say("%(power)s kW could be used, but no miner is managed"),
    say("%(power)s kW of %(target)s kW used"),
    say("%(power)s kW used, %(gap)s kW above the target"),
    say("on target"),
    say("above the target"),
    say("nothing is raised"),
    say("Emergency: %(power)s kW used, %(available)s kW available"),
    say("Emergency: %(power)s kW more are drawn than generated, by the meters"),
    say("no miner can be cut"),
    say_count(
        "%(power)s kW cannot be shed in this cycle (%(count)s miner passed over)",
        "%(power)s kW cannot be shed in this cycle (%(count)s miners passed over)",
    ),
    say("%(power)s kW below the target"),
    say("%(power)s kW below the target, kept for %(reserved)s kW of stopped miners"),
    say("%(power)s kW below the target, but no miner can be raised now"),
    say("%(power)s kW below the target: no next preset fits into that"),
    say("Surplus of %(power)s kW has lasted %(age)s of %(needed)s s"),
    say_count("%(count)s cut freeing %(power)s kW", "%(count)s cuts freeing %(power)s kW"),
    say_count(
        "%(count)s move below a max preset taking %(power)s kW",
        "%(count)s moves below a max preset taking %(power)s kW",
    ),
    say_count("%(count)s stop freeing %(power)s kW", "%(count)s stops freeing %(power)s kW"),
    say_count("%(count)s start taking %(power)s kW", "%(count)s starts taking %(power)s kW"),
    say_count("%(count)s raise taking %(power)s kW", "%(count)s raises taking %(power)s kW"),
    say("stays: %(why)s"),
    say("others were chosen for it"),
    say("surplus %(power)s kW: less than %(least)s kW is left alone"),
    say("surplus %(power)s kW has lasted %(age)s of %(needed)s s"),
    say("surplus %(power)s kW, of it %(room)s kW may be used with the next reading"),
    say("surplus %(power)s kW, of it %(room)s kW may be used now"),
    say(
        "surplus %(power)s kW, of it %(room)s kW may be used, %(limit)s kW each of raises and starts with each reading"
    ),
    say("The mode is off: nothing is planned"),
    say("stop all, ordered by the operator"),
    say("Stop all, ordered by the operator, until resume"),
    say("all to minimum, ordered by the operator"),
    say("All to minimum, ordered by the operator, until resume"),
    say("The plant is lost; the farm holds its presets, as set"),
    say("The plant is lost: the farm goes to a stop"),
    say("The plant is lost: the farm goes to its lowest presets"),
    say("the plant is lost"),
    say("there is no plant reading yet"),
    say("the plant's values have been frozen for %(minutes)s min"),
    say("the plant reading is %(age)s s old"),
    say("the plant's newest answer was refused"),
    say("a generation source has failed"),
    say("the meters read more consumption than generation"),
    say("no fresh plant reading since the start yet"),
    say("no full status poll since the start yet"),
)
