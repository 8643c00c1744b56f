"""The catalogues hold every sentence of the program, translated, and what the program reads is made of them."""

from __future__ import annotations

import pytest

from app.web.language import DEFAULT
from app.web.language import LANGUAGES as OFFERED
from tests import catalogue

LANGUAGE = pytest.mark.parametrize("language", catalogue.LANGUAGES)
RUN = "run `make translations`, translate what it lists, run it again"


def ids(messages: catalogue.Sentences) -> set[str]:
    return {one for message in messages if message.id for one in forms(message.id)}


def forms(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def test_every_language_offered_has_a_catalogue() -> None:
    assert {*catalogue.LANGUAGES, DEFAULT} == set(OFFERED)


@LANGUAGE
def test_the_catalogue_has_every_sentence_of_the_program_and_no_other(language: str) -> None:
    wanted, there = ids(catalogue.extracted()), ids(catalogue.read(language))
    assert wanted - there == set(), f"not in the catalogue: {RUN}"
    assert there - wanted == set(), f"not in the program any more: {RUN}"


@LANGUAGE
def test_every_sentence_is_translated(language: str) -> None:
    assert [message.id for message in catalogue.untranslated(catalogue.read(language))] == [], RUN


@LANGUAGE
def test_a_translation_has_the_placeholders_of_its_sentence(language: str) -> None:
    wrong = [
        (message.id, said)
        for message in catalogue.read(language)
        if message.id
        for said, original in zip(forms(message.string), forms(message.id), strict=True)
        if catalogue.placeholders(said) != catalogue.placeholders(original)
    ]
    assert wrong == []


@LANGUAGE
def test_a_translation_ends_as_its_sentence_does(language: str) -> None:
    wrong = [
        message.id
        for message in catalogue.read(language)
        if message.id and {one[-1:] for one in forms(message.string)} != {forms(message.id)[0][-1:]} & set(".:?…")
        if forms(message.id)[0][-1:] in ".:?…"
    ]
    assert wrong == []


@LANGUAGE
def test_the_catalogue_is_written_as_make_translations_writes_it(language: str) -> None:
    written = catalogue.po_path(language).read_bytes()
    assert catalogue.po_bytes(catalogue.updated(language)) == written, RUN


@LANGUAGE
def test_what_the_program_reads_is_what_the_catalogue_compiles_to(language: str) -> None:
    assert catalogue.mo_path(language).read_bytes() == catalogue.mo_bytes(catalogue.read(language)), RUN


@pytest.mark.parametrize(
    ("one", "said", "left"),
    [
        ("Hello", "Olá", 0),
        ("Hello", "", 1),
        (("%(n)s miner", "%(n)s miners"), ("%(n)s máquina", "%(n)s máquinas"), 0),
        (("%(n)s miner", "%(n)s miners"), ("%(n)s máquina", ""), 1),
        (("%(n)s miner", "%(n)s miners"), ("", ""), 1),
    ],
)
def test_what_is_left_to_translate_is_found(one: str, said: str, left: int) -> None:
    messages = catalogue.Sentences("pt_BR")
    messages.add(one, said)
    assert len(catalogue.untranslated(messages)) == left


def test_a_doubtful_translation_is_left_to_translate() -> None:
    messages = catalogue.Sentences("pt_BR", fuzzy=False)
    messages.add("Hello", "Olá", flags=["fuzzy"])
    assert [message.id for message in catalogue.untranslated(messages)] == ["Hello"]


@pytest.mark.parametrize(
    ("text", "found"),
    [("%(power)s kW of 5 %%", ["%%", "%(power)s"]), ("%(min)g to %(max).1f", ["%(max).1f", "%(min)g"]), ("no", [])],
)
def test_placeholders_are_found(text: str, found: list[str]) -> None:
    assert catalogue.placeholders(text) == found
