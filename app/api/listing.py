"""Lists: read part by part (`Link: rel=next`), and not sent again where the caller has them already (`ETag`, 304)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, jsonify, request, url_for
from werkzeug.http import quote_etag

Row = TypeVar("Row")
CACHE = "private, no-cache"  # kept by the caller only, and asked for every time


def answer(
    rows: Sequence[Row], more: bool, shown: Callable[[Row], Any], onward: Callable[[Row], dict[str, Any]]
) -> Response:
    """Return rows as JSON, and where there are `more`, the address of the next part.

    `onward`: the query that continues after a row, e.g. {"before": its id}.
    """
    response = jsonify([shown(row) for row in rows])
    if more:
        query = {name: request.args.getlist(name) for name in request.args} | onward(rows[-1])
        address = url_for(str(request.endpoint), **(request.view_args or {}))
        response.headers["Link"] = f'<{address}?{urlencode(query, doseq=True)}>; rel="next"'
    return response


def first(
    rows: Sequence[Row], limit: int, shown: Callable[[Row], Any], onward: Callable[[Row], dict[str, Any]]
) -> Response:
    """As `answer`, of one row more than is wanted, which tells whether there are more."""
    return answer(rows[:limit], len(rows) > limit, shown, onward)


def by_mark(mark: object, answered: Callable[[], Response]) -> Response:
    """Return 304 where the caller has what `mark` stands for; else what `answered` makes, tagged by it.

    For what a cheap mark decides for certain: then nothing is read nor rendered in vain.
    """
    return _tagged(repr((mark, request.path, request.query_string)).encode(), answered)


def by_content(response: Response) -> Response:
    """Tag an answer by what it says; 304 where the caller has it. It saves bytes, not work."""
    return _tagged(response.get_data() + response.headers.get("Link", "").encode(), lambda: response)


def _tagged(decides: bytes, answered: Callable[[], Response]) -> Response:
    tag = hashlib.sha256(decides).hexdigest()[:32]
    known = request.if_none_match.contains_weak(tag)
    response = Response(status=304) if known else answered()
    response.headers["ETag"] = quote_etag(tag, weak=True)
    response.headers["Cache-Control"] = CACHE
    return response
