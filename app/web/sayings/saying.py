"""How an English sentence of the rules is written down for those who translate it, and what its placeholders stand for.

`make translations` extracts every `say` and `say_count` into the catalogue, beside the sentences of the pages.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a placeholder stands for, and so what becomes of it. The value: the text that it takes, as a pattern."""

    NUMBER = r"[-+]?(?:[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?|inf|nan)"  # written with the reader's signs
    NAME = r"(?:(?!: )[^;]){1,120}?"  # of a preset, a model, a field: as it is
    TEXT = r".{1,400}?"  # somebody else's words: as they are
    ADDRESS = r"[0-9A-Fa-f:.]{1,45}"  # as it is
    UNIT = r"[^ ,;]{1,12}"  # translated where known
    WORD = r"[^;]{1,64}?"  # a preset's name, or a word in its place: translated where known
    LIST = r"(?:(?!: )[^;]){1,800}?"  # names, the last two joined by "and"
    PHRASE = r".{1,300}?"  # one of the sayings; the sentence is another one if it is none
    SENTENCE = r".{1,1500}?"  # whatever was said: translated as far as it is known


_NAMES = {
    Kind.NUMBER: "age available boards changes consumed count done efficiency error factor failed gap hashrate highest "
    "least limit lowest minutes miners needed percent power price rated reserved room scanned share slope strangers "
    "target total",
    Kind.NAME: "begin code end maximum model name preset time version wanted",
    Kind.TEXT: "paths text value",
    Kind.ADDRESS: "ip mac",
    Kind.UNIT: "unit",
    Kind.WORD: "new old",
    Kind.LIST: "names",
    Kind.PHRASE: "allowed consequence doing failure kind mode praise role role_again state",
    Kind.SENTENCE: "what why",
}
KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}


class Saying(NamedTuple):
    """An English sentence with placeholders, `%(power)s`, and its plural where `%(count)s` asks for one."""

    one: str
    many: str | None = None


def say(sentence: str) -> Saying:
    """Note a sentence. Its placeholders are those of `KINDS`; a last full stop may be missing where it is said."""
    return Saying(sentence)


def say_count(one: str, many: str) -> Saying:
    """Note a sentence about `%(count)s` things: for one, for several."""
    return Saying(one, many)
