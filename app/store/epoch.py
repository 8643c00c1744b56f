"""Moments as seconds since 1970, in the database's own words: for means over steps of time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, cast, extract, func
from sqlalchemy.orm import InstrumentedAttribute

from app.extensions import db


def epoch_s(column: InstrumentedAttribute[datetime]) -> ColumnElement[int]:
    """Return a column of moments as whole seconds since 1970."""
    if db.engine.dialect.name == "sqlite":
        return cast(func.strftime("%s", column), BigInteger)
    return cast(func.floor(extract("epoch", column)), BigInteger)
