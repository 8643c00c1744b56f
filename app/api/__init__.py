"""The JSON API (SPEC 7): a module per resource on one blueprint. Field names are fixed; fields are only ever added."""

from __future__ import annotations

from flask import Flask

from app.api import balance, commands, docs, miner_models, miners, plant, settings
from app.api.blueprint import bp
from app.extensions import csrf

RESOURCES = (plant, balance, settings, miner_models, miners, commands, docs)  # importing them adds their routes


def register(app: Flask) -> None:
    """Add the JSON API to `app`. JSON only, so no form reaches it; the CSRF token of log-ins: `web.access`."""
    csrf.exempt(bp)
    app.register_blueprint(bp)
