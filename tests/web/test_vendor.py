"""What we vendored is what its README says, with licence and sum."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

VENDOR = Path(__file__).resolve().parents[2] / "app" / "static" / "vendor"
FOLDERS = sorted(path for path in VENDOR.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_vendored_file_has_its_sum_and_licence(folder: Path) -> None:
    readme = (folder / "README").read_text(encoding="utf-8")
    sums = dict(re.findall(r"SHA-256 ([0-9a-f]{64}) (\S+)", readme))
    files = [path for path in folder.iterdir() if path.name not in ("README", "LICENSE")]
    assert files
    assert (folder / "LICENSE").stat().st_size > 100
    assert "npm package " in readme
    assert {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in files} == sums
