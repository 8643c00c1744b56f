"""CSV files: what a spreadsheet would run is made harmless; everything else comes back as it went in."""

from __future__ import annotations

import csv
import io

import pytest
from flask import Flask

from app.web import csv_file


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_only_text(text: str) -> None:
    assert csv_file.cell(text) == "'" + text


def test_rows_come_back_as_they_went_in(app: Flask) -> None:
    with app.test_request_context("/"):
        answer = csv_file.answer("events", ["name", "power_w"], [['a,b\n"c"', -450], ["ção", None]])
        text = answer.get_data(as_text=True)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="events.csv"'
    assert text.startswith("\ufeff")
    assert list(csv.reader(io.StringIO(text[1:], newline=""))) == [
        ["name", "power_w"],
        ['a,b\n"c"', "-450"],
        ["ção", ""],
    ]


def test_no_rows_are_a_file_with_a_head(app: Flask) -> None:
    with app.test_request_context("/"):
        assert csv_file.answer("x", ["a"], []).get_data(as_text=True) == "\ufeffa\r\n"
