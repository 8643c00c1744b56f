"""Which processes of this machine are of a run, by what is set in their environment."""

from __future__ import annotations

from pathlib import Path


def with_setting(setting: str) -> list[int]:
    """Return the processes whose environment holds this text, as `NAME=value` with the NUL that ends it or a part."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if setting.encode() in environment:
                found.append(int(entry.name))
    return found
