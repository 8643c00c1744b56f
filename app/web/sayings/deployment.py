"""What the deployment's settings mean (app/config.py)."""

from __future__ import annotations

from app.web.sayings.saying import say

SAYINGS = (
    say("where the plant's readings are fetched from"),
    say("let the API key travel unencrypted to a plant in a private network (http://)"),
    say("the plant's API key, sent as a bearer token; a secret, there is no default"),
    say("which plant, sent as ?plant_id=; empty: not sent"),
    say("the unit in which the plant really answers, whatever its field names say"),
    say("rated power of the plant in kW; a reading above 1.2 x this is refused (it catches a wrong unit)"),
    say("how often the plant is read"),
    say(
        "at the latest how long after one balance the next one is made (it also follows each plant reading at once)",
    ),
    say("how often every miner's status is polled"),
    say("how often the hash boards are read"),
    say("how often the subnets are scanned for miners"),
    say("the networks in which miners are looked for; nothing outside of them is ever contacted"),
    say("the TCP port of the miners' HTTP API"),
    say("the password that unlocks a miner, where none is set for that miner; a secret"),
    say("where the data is kept"),
    say("address and port of the pages"),
    say("any but a loopback address only once there is a user"),
    say("the host names by which the pages may be called"),
    say(
        "this runs in a container whose port is published to the host's loopback only: it may serve beyond the"
        " container's own loopback without any user",
    ),
    say("reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; those of anybody else are ignored"),
    say("hours without a request (an open dashboard makes them) after which a log-in ends"),
    say("hours after which a log-in ends in any case"),
    say("processes that serve pages"),
    say("how much is written to the log"),
    say("the farm is a simulation: every page says so, and only loopback addresses are accepted"),
)
