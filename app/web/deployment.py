"""What the deployment set, to look at only: value, meaning and where it is from. Secrets never show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.config import SETTINGS, Config
from app.redaction import Secret
from app.web import formats
from app.web.words import gettext as _


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployment setting: `key` as in the file, `variable` as in the environment."""

    key: str
    variable: str
    meaning: str
    value: str
    origin: str


def lines(config: Config) -> list[Deployed]:
    """Return every deployment setting, in the order of their documentation."""
    origins = {"file": _("file"), "environment": _("environment")}
    return [
        Deployed(
            key=setting.key,
            variable=setting.variable,
            meaning=formats.said(setting.meaning),
            value=shown(getattr(config, setting.key)),
            origin=origins.get(config.origins.get(setting.key, ""), _("default")),
        )
        for setting in SETTINGS
    ]


def shown(value: Any) -> str:
    """A checked value as people read it; of a secret only whether it is set."""
    if isinstance(value, Secret):
        return _("set") if value else _("not set")
    if value is None or value in ("", ()):
        return _("not set")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int):
        return f"{value[0]}:{value[1]}"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
