"""Every page a person can open, by path on the farm of `factories.full_farm()` and `factories.decided_cycle()`.

What is checked of every page (queries, accessibility, width, language) is checked of these.
"""

from __future__ import annotations

PAGES = ["/", "/miners", "/models", "/events", "/cycles", "/cycles/2"]
