"""Every sentence that is written in English for whoever reads it later: what the rules, the jobs and the edge say.

Sentences that are put together of parts ("stays: " and what decided, a reason and its moves) are translated part by
part, split at "; ", ": ", ", " and between sentences; so a part is noted here, not every sum of parts.
"""

from __future__ import annotations

from app.web.sayings import access, accounting, answers, balancing, changes, deployment, plant, refusals, settings, work

SAYINGS = (
    *balancing.SAYINGS,
    *changes.SAYINGS,
    *accounting.SAYINGS,
    *plant.SAYINGS,
    *answers.SAYINGS,
    *work.SAYINGS,
    *settings.SAYINGS,
    *deployment.SAYINGS,
    *refusals.SAYINGS,
    *access.SAYINGS,
)
