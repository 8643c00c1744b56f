"""What the door says: to whom it does not open, and what a user, a password or a token may be."""

from __future__ import annotations

from app.web.sayings.saying import say

SAYINGS = (
    say("Nobody may call this address: what it needs was never decided."),
    say("This needs the role %(role)s; %(name)s is %(code)s."),
    say("viewer, operator or admin"),
    say("operator or admin"),
    say("The token %(value)s may only read; this needs one with the scope write."),
    say("Changing %(name)s needs the role admin; %(version)s is %(code)s."),
    say("name must be %(allowed)s; got %(value)s."),
    say("1 to 24 characters of a-z, 0-9, dot, hyphen and underscore, beginning with a letter"),
    say("1 to 24 printable characters"),
    say("password must be 12 to 256 characters, without control characters."),
    say("password must not be the user's name with little added."),
    say("password must have at least four different characters."),
    say("There is no user %(name)s."),
    say("There is a user %(name)s already."),
    say("There is no user yet."),
    say("Add the first one on the machine itself with flask user add."),
    say("The first user must be an admin: nobody else could add the others."),
    say("%(name)s is the only admin: make another user an admin first."),
    say("Name and password do not fit together."),
    say("Too many wrong passwords."),
    say("Wait %(count)s s and try again."),
    say("%(name)s is disabled."),
    say("%(name)s has a token %(value)s already: revoke it, or call the new one otherwise."),
    say("%(name)s has %(count)s live tokens: revoke one first."),
    say("There is no such token, or it is revoked already."),
    say("A log-in's call of the API must carry its page's X-CSRFToken; programs use a token of their own."),
    say("Not logged in"),
    say("Too many attempts"),
    say("Log in first."),
    say("A token opens the JSON API; the pages need a log-in."),
    say("PowerHive has no user yet, so it serves this very machine only, and not through a proxy."),
    say("Add the first user there with flask user add NAME --role admin."),
)
