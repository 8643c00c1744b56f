"""Every page a person can open, by path on the farm of `factories.full_farm()` and `factories.decided_cycle()`.

What is checked of every page (queries, accessibility, width, language) is checked of these.
"""

from __future__ import annotations

MINER = "/miners/02:00:00:00:00:01"
MINERS = ["/miners", "/miners?problem=any&sort=-power", "/miners/other-hosts", MINER, f"{MINER}/inspection"]
SETTINGS = [
    "/settings", "/settings/sources", "/settings/history", "/settings/questionnaire", "/settings/questionnaire/print",
]  # fmt: skip
PAGES = [
    "/", "/dashboard/chart", *MINERS, "/models", "/models/s19jpro", "/events", "/events/1", "/cycles", "/cycles/2",
    *SETTINGS, "/setup", "/api/docs", "/login", "/account", "/people", "/audit",
]  # fmt: skip
