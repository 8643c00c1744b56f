"""`make audit`: ask the database of known vulnerabilities about every pinned package, by pip-audit.

Ends with 1 where a vulnerability is known. Where the database cannot be asked, or knows nothing of our packages (an
incomplete mirror), it says so and ends with 0: no network is no reason to stop work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = "pip-audit==2.10.1"
LISTS = ("requirements.txt", "requirements-dev.txt")
PATIENCE_S = 300


@dataclass(frozen=True)
class Audit:
    """What came of one list. `answer` None: the database could not be asked, `trouble` says why."""

    name: str
    answer: dict[str, Any] | None
    trouble: str = ""


def ask(name: str) -> Audit:
    """Audit one list of pinned packages; the network is needed for the tool itself, too, the first time."""
    command = [
        ROOT / ".venv/bin/uv", "tool", "run", "--from", PIP_AUDIT, "pip-audit", "--disable-pip", "--require-hashes",
        "--progress-spinner", "off", "--format", "json", "--requirement", ROOT / name,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return Audit(name, json.loads(done.stdout))
    except ValueError:
        return Audit(name, None, (done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        return Audit(name, None, str(error))


def report(audit: Audit) -> tuple[list[str], bool]:
    """Return what to print of one list, and whether a vulnerability is known."""
    if audit.answer is None:
        return [f"{audit.name}: not audited, the database could not be asked: {audit.trouble}"], False
    packages = audit.answer.get("dependencies", [])
    skipped = [package for package in packages if "skip_reason" in package]
    found = [
        f"{audit.name}: {package['name']} {package['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    if len(skipped) == len(packages):
        return [f"{audit.name}: not audited, the database knows none of its {len(packages)} packages"], False
    unknown = f"; {len(skipped)} unknown to the database" if skipped else ""
    known = f"{len(found)} known vulnerabilities" if found else "no known vulnerability"
    return [*found, f"{audit.name}: {known} in {len(packages) - len(skipped)} packages{unknown}"], bool(found)


def main() -> int:
    """Audit both lists."""
    failed = False
    for name in LISTS:
        lines, bad = report(ask(name))
        print("\n".join(lines))
        failed = failed or bad
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
