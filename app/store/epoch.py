"""Moments as numbers, in the database's own words: for means over steps of time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Integer, cast, extract, func
from sqlalchemy.orm import InstrumentedAttribute

from app.extensions import db


def epoch_s(column: InstrumentedAttribute[datetime]) -> ColumnElement[int]:
    """Return a column of moments as whole seconds since 1970."""
    if db.engine.dialect.name == "sqlite":
        return cast(func.strftime("%s", column), BigInteger)
    return cast(func.floor(extract("epoch", column)), BigInteger)


def minute(column: InstrumentedAttribute[datetime]) -> ColumnElement[int]:
    """Return the minute of a column of moments, 0-59."""
    if db.engine.dialect.name == "sqlite":
        return cast(func.substr(column, 15, 2), Integer)  # of "2026-11-23 18:05:09.000000": a third of strftime's time
    return cast(extract("minute", column), Integer)
