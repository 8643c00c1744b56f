"""What a page says instead of what was asked for (app/web/errors.py, app/web/guard.py)."""

from __future__ import annotations

from app.web.sayings.saying import say

SAYINGS = (
    say("The request could not be understood."),
    say("There is nothing at this address."),
    say("This address does not take that kind of request."),
    say("The request is larger than 64 kB."),
    say("Something went wrong inside PowerHive."),
    say("It is written in the log; nothing else is affected."),
    say("Not understood"),
    say("Not accepted"),
    say("Not found"),
    say("Not possible now"),
    say("Not a valid value"),
    say("A mistake in PowerHive"),
    say("The database does not answer"),
    say("This page was open for so long, or in so old a state, that its form no longer counts."),
    say("Load it again."),
    say("The database is busy; nothing was changed."),
    say("Try again in a moment."),
    say("The disk is full; nothing was changed."),
    say("PowerHive goes on controlling if it can: make room."),
    say("The database is read-only; nothing was changed."),
    say("Look at the rights of its folder."),
    say("The database does not answer; nothing was changed."),
    say("PowerHive's log says why."),
    say("The host name %(value)s is not one of this PowerHive's; add it to POWERHIVE_ALLOWED_HOSTS if it should be."),
    say("The query of the address (behind the ?) is not UTF-8."),
    say("Requests from the origin %(value)s are not accepted."),
    say("Requests that another site's page makes are not accepted."),
    say("Open PowerHive by its address instead."),
)
