"""The audit of the pinned packages: what it finds, and what it says where it cannot ask."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.dependency_audit import LISTS, Audit, report

CLEAN = {"name": "flask", "version": "3.1.0", "vulns": []}
FLAWED = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "x", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "says", "bad"),
    [
        ([CLEAN, CLEAN], "no known vulnerability in 2 packages", False),
        ([CLEAN, UNKNOWN], "in 1 packages; 1 unknown", False),
        ([CLEAN, FLAWED], "old 1.0: PYSEC-1, mended in 1.1", True),
        ([UNKNOWN, UNKNOWN], "not audited, the database knows none of its 2 packages", False),
        ([], "not audited", False),
    ],
)
def test_it_tells_flaws_from_what_could_not_be_audited(packages: list[Any], says: str, bad: bool) -> None:
    lines, failed = report(Audit("requirements.txt", {"dependencies": packages}))
    assert (says in "\n".join(lines), failed) == (True, bad)


def test_a_database_out_of_reach_is_said_and_is_no_failure() -> None:
    lines, failed = report(Audit("requirements.txt", None, "connection refused"))
    assert ("could not be asked: connection refused" in lines[0], failed) == (True, False)


@pytest.mark.parametrize("name", LISTS)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert packages
    assert [line for line in packages if not re.match(r"\S+==\S+\s.*--hash=sha256:", line)] == []
