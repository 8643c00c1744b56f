"""What is read of the source when it is asked what the rules may say."""

from __future__ import annotations

from pathlib import Path

from tests.spoken import spoken

MODULE = '''
"""This module says nothing here."""

import logging
import re
from enum import StrEnum

log = logging.getLogger(__name__)
PLAIN = "a plain sentence"
WORD = "word"
PATTERN = re.compile(r"a pattern (\\d+)")


class Step(StrEnum):
    FIRST = "first of all"


def kw(power_w: float) -> str:
    """Nor does this function."""
    return f"{power_w / 1000.0:,.1f} kW"


def reason(draft, only):
    verb, praise = ("takes", "the best") if only else ("frees", "the worst")
    log.warning("what is logged: %s", verb)
    if draft is None:
        raise ValueError("only a programmer reads this")
    return f"{kw(draft)} {verb} {'one' if only else 'all'}; {praise} of {draft.name or 'nobody'}"
'''


def forms_of(source: str, folder: Path) -> set[str]:
    (folder / "rules.py").write_text(source, encoding="utf-8")
    return {form for one in spoken(folder / "rules.py", folder) for form in one.forms}


def test_sentences_are_found_with_all_their_alternatives(tmp_path: Path) -> None:
    found = forms_of(MODULE, tmp_path)
    assert {"a plain sentence", "7 kW takes one; the best of nobody", "7 kW frees all; the worst of 7"} <= found


def test_what_no_page_shows_is_left_out(tmp_path: Path) -> None:
    found = forms_of(MODULE, tmp_path)
    assert not {form for form in found if "says nothing" in form or "logged" in form or "programmer" in form}
    assert not {form for form in found if "first of" in form or "pattern" in form}
    assert "word" not in found


def test_a_sentence_says_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(MODULE, encoding="utf-8")
    assert next(spoken(tmp_path / "rules.py", tmp_path)).where == "rules.py:9"
