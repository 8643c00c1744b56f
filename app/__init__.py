"""PowerHive keeps the power of a mining farm matched to what a small hydro plant can give."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Config


def create_app(config: Config | None = None) -> Flask:
    """Build the Flask application; see `app.factory.create_app`.

    The factory is imported late, so that `app.core` can be used without Flask.
    """
    from app.factory import create_app as build

    return build(config)
