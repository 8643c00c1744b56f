"""Checks once a minute whether the meters do what their roles say: follow the miners, or not (SPEC 3)."""

from __future__ import annotations

import logging

from app.clock import stamp
from app.core.meter_roles import Judged, judge_all
from app.jobs.runner import JobContext
from app.store import meter_roles

log = logging.getLogger(__name__)


def run(_context: JobContext) -> str:
    """Judge every consumption meter by the last hour and keep the verdicts; a new contradiction is logged once."""
    now = stamp()
    seen = meter_roles.evidence(now)
    before = {found.names for found in meter_roles.contradictions()}
    judged = judge_all(seen.meters, seen.draws)
    meter_roles.record(judged, seen, now.utc)
    after = {found.names: found for found in meter_roles.contradictions()}
    for names, found in after.items():
        if names not in before:
            log.warning("a meter contradicts its role: %s", found.sentence)
    for names in before - set(after):
        log.warning("the role of %s is not contradicted any more", ", ".join(names))
    return "; ".join(_note(name, judged[name]) for name in sorted(judged)) or "no meter to check"


def _note(name: str, judged: Judged) -> str:
    finding = judged.finding
    slope = "" if finding.slope is None else f", slope {finding.slope:.2f} +- {finding.error or 0.0:.2f}"
    return f"{name}: {finding.verdict} ({finding.reason}{slope})"
