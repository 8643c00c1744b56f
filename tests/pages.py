"""Every page a person can open, by path on the farm of `factories.full_farm()` and `factories.decided_cycle()`.

What is checked of every page (queries, accessibility, width, language) is checked of these.
"""

from __future__ import annotations

PAGES = ["/", "/miners", "/models", "/models/s19jpro", "/events", "/events/1", "/cycles", "/cycles/2",
         "/settings", "/settings/sources", "/settings/history", "/settings/questionnaire",
         "/settings/questionnaire/print", "/setup"]  # fmt: skip
PAGES += ["/dashboard/chart"]
