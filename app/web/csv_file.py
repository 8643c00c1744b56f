"""Rows as a CSV file that a spreadsheet opens: UTF-8 with its mark, and no cell that would run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, stream_with_context

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "\ufeff"


def answer(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Return the rows as a download `name`.csv, written as they come. Numbers keep their point, None is empty."""
    response = Response(stream_with_context(_lines(header, rows)), mimetype="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def cell(value: Any) -> Any:
    """Return `value` as a cell: a text that a spreadsheet would take for a formula is quoted by an apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value


def _lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    page = io.StringIO()
    writer = csv.writer(page)
    page.write(_MARK)
    writer.writerow(header)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        yield page.getvalue()
        page.seek(0)
        page.truncate()
    yield page.getvalue()
