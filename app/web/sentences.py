"""Sentences that the rules wrote into rows (reasons of cycles and events), in the reader's language.

Rows keep English: they are written once, by rules that know no reader, and programs read them, too.
"""

from __future__ import annotations

_CATALOGUES: dict[str, dict[str, str]] = {}


def translated(text: str, language: str) -> str:
    """Return `text` in `language`; as it is where the language is English or nothing is known of the sentence."""
    return _CATALOGUES.get(language, {}).get(text, text)
