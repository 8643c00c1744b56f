"""One run of schemathesis over the whole description: its examples, boundaries, random cases, and linked calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

# no job runs in a test: after a minute they are late, and 503 is the right answer
READY = {
    name: {"expected-statuses": ["200", "4xx", "503"]} for name in ("not_a_server_error", "positive_data_acceptance")
}


@dataclass
class Found:
    """What a run did: cases by phase, answers by status, which operations ever answered 2xx, and what was wrong."""

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    failures: set[str] = field(default_factory=set)


def run(app: Flask, *, examples: int, stateful: int, steps: int, seed: int, **generation: Any) -> Found:
    """Run every check in every phase: `examples` random cases per call, `stateful` walks of so many linked calls."""
    config = _config(examples, stateful, steps, seed, generation)
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app, config=config)
    found = Found()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _record(event, found)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.failures.add(str(event))
    return found


def _config(examples: int, stateful: int, steps: int, seed: int, generation: dict[str, Any]) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none", **generation},
            "phases": {"stateful": {"max-steps": steps, "generation": {"max-examples": stateful}}},
            # 422 is for what no schema says: a preset of this ladder, a key used twice, a sign that cannot be seen
            "checks": _accepting("422"),
            # what a setting tried there may be is the setting's rule, and every bad query is 400
            "operations": [
                {"include-name": "GET /api/balance/preview", "checks": _accepting("400")},
                {"include-name": "GET /readyz", "checks": READY},
            ],
        }
    )


def _accepting(*statuses: str) -> dict[str, Any]:
    """What a request that the schemas allow may be answered beside success, 404 and 409."""
    return {"positive_data_acceptance": {"expected-statuses": ["2xx", "304", "404", "409", *statuses]}}


def _record(event: events.ScenarioFinished, found: Found) -> None:
    recorder = event.recorder
    found.cases[event.phase.name] += len(recorder.interactions)
    for case_id, interaction in recorder.interactions.items():
        if interaction.response is None:
            continue
        status = interaction.response.status_code
        found.statuses[status] += 1
        if 200 <= status < 300:
            found.succeeded.add(recorder.cases[case_id].value.operation.label)
    for case_id, checks in recorder.checks.items():
        for check in checks:
            found.checks[check.name] += 1
            if check.failure_info is not None:
                failure, case = check.failure_info.failure, recorder.cases[case_id].value
                found.failures.add(
                    f"{event.phase.name} {case.operation.label} {check.name}: {failure.title}\n"
                    f"    {failure.message[:300]}\n    {check.failure_info.code_sample[:600]}"
                )
