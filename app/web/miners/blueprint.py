"""The blueprint that the miners' pages share."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("miners", __name__, url_prefix="/miners")
