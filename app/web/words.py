"""The words of the pages in the reader's language, for modules and templates alike.

As Flask-Babel's own, but the catalogue is looked up once per request, not anew for each of a page's hundreds
of words (context, locale, translations), which took a fifth of its time.
"""

from __future__ import annotations

from typing import Any

import flask_babel
from flask import g


def gettext(text: str, /, **variables: Any) -> str:
    """Return `text` in the reader's language, with `variables` for its placeholders."""
    found = word(text)
    return found % variables if variables else found


def ngettext(one: str, many: str, num: int, /, **variables: Any) -> str:
    """Return the form for `num` in the reader's language, with `num` and `variables` for its placeholders."""
    return words(one, many, num) % {"num": num, **variables}


def word(text: str) -> str:
    """Return `text` in the reader's language, its placeholders untouched."""
    found: str = _texts().ugettext(text)
    return found


def words(one: str, many: str, num: int) -> str:
    """Return the form for `num` in the reader's language, its placeholders untouched."""
    found: str = _texts().ungettext(one, many, num)
    return found


def _texts() -> Any:
    if "texts" not in g:
        g.texts = flask_babel.get_translations()
    return g.texts
