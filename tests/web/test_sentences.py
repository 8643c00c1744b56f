"""Sentences of rows in the reader's language: whole, in parts, with figures; what is unknown stays as it is."""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web import formats, sentences
from app.web.sayings import SAYINGS
from app.web.sentences import MOST_CHARS, MOST_PARTS, translated, unknown_parts

PORTUGUESE = "pt_BR"
FRAGMENTS = sorted({part for saying in SAYINGS for form in saying if form for part in form.split("%(")})
JOINTS = ["; ", ": ", ", ", ". ", " (", "stays: ", "Miner 7 ", "7", " ", "%", "%(power)s", "\n", "\0", "é"]


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        (
            "2,531.0 kW used, 313.2 kW above the target: 3 cuts freeing 4.2 kW, 1 stop freeing 3.0 kW",
            "2.531,0 kW em uso, 313,2 kW acima da meta: 3 reduções liberam 4,2 kW, 1 parada libera 3,0 kW",
        ),
        (
            "2300 -> 1850: frees 450 W for 11.0 TH/s (41 W per TH/s, the cheapest in the farm)",
            "2300 -> 1850: libera 450 W por 11,0 TH/s (41 W por TH/s, o mais barato da fazenda)",
        ),
        (
            "stays: surplus 3.1 kW has lasted 40 of 180 s; others were chosen for it",
            "fica como está: sobra de 3,1 kW já dura 40 de 180 s; outras foram escolhidas para isso",
        ),
        ("Surplus 3.1 kW: less than 10.0 kW is left alone", "Sobra de 3,1 kW: abaixo de 10,0 kW fica sem uso"),
        ("stopped; in cooldown for 12 s", "parada; em intervalo por mais 12 s"),
        ("is auto-tuning, not settled", "está em autoajuste, ainda não estável"),
        (
            "2,531.0 kW of 2,845.0 kW used, nothing is raised: the plant reading is 46 s old",
            "2.531,0 kW de 2.845,0 kW em uso, nada é aumentado: a leitura da usina tem 46 s",
        ),
        ("unknown preset -> stop: frees 3,000 W (its hashrate is not known)",
         "preset desconhecido -> parada: libera 3.000 W (seu hashrate é desconhecido)"),
        ("is throttled to 80 % by its firmware", "está limitada a 80 % pelo seu firmware"),
        (
            "ramp_up_kw_per_min must be a number from 0.1 to 100000 kW/min, or empty for none; got nan.",
            "ramp_up_kw_per_min precisa ser um número de 0,1 a 100000 kW/min, ou vazio para nenhum; recebido nan.",
        ),
    ],
)  # fmt: skip
def test_a_sentence_is_said_in_portuguese_with_its_figures(english: str, portuguese: str) -> None:
    assert translated(english, PORTUGUESE) == portuguese
    assert unknown_parts(english, PORTUGUESE) == ()


@pytest.mark.parametrize(
    ("count", "cuts", "passed_over"),
    [("0", "0 redução libera", "0 máquina"), ("1", "1 redução libera", "1 máquina"),
     ("2", "2 reduções liberam", "2 máquinas"), ("1,000", "1.000 reduções liberam", "1.000 máquinas")],
)  # fmt: skip
def test_several_things_are_said_as_portuguese_does(count: str, cuts: str, passed_over: str) -> None:
    cut, miner = ("cut", "miner") if count == "1" else ("cuts", "miners")
    said = f"{count} {cut} freeing 4.2 kW; 2.1 kW cannot be shed in this cycle ({count} {miner} passed over)"
    assert translated(said, PORTUGUESE).startswith(f"{cuts} 4,2 kW; 2,1 kW não podem")
    assert f"({passed_over} deixada" in translated(said, PORTUGUESE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("Überhitzt", "Überhitzt"),
        ("by hand (page from 10.0.0.9): visita do dono", "manualmente (página em 10.0.0.9): visita do dono"),
        ("by hand (ana): troca; teste", "manualmente (ana): troca; teste"),
        (
            "Miner 10.0.0.5 refused to save the preset (500): PSU not ready, 1,5 A; retry.",
            "A máquina 10.0.0.5 recusou: salvar o preset (500): PSU not ready, 1,5 A; retry.",
        ),
        ("The plant is purple.", "The plant is purple."),
        ("Refused: some new rule; offline for 3 s", "Recusada: some new rule; offline há 3 s"),
    ],
)
def test_what_nobody_has_noted_stays_as_it_is(text: str, said: str) -> None:
    assert translated(text, PORTUGUESE) == said


def test_a_name_stays_as_it_is_even_where_it_looks_like_a_sentence() -> None:
    said = translated("%(power)s %s -> 2300%%: frees 1,450 W (its hashrate is not known)", PORTUGUESE)
    assert said == "%(power)s %s -> 2300%%: libera 1.450 W (seu hashrate é desconhecido)"


def test_english_and_unheard_of_languages_are_not_touched() -> None:
    said = "offline for 1,234 s"
    assert translated(said, "en") is said
    assert unknown_parts(said, "en") == ()


def test_a_text_without_end_is_not_looked_at() -> None:
    endless = "offline for 3 s; " * 60_000
    assert translated(endless, PORTUGUESE) is endless
    assert unknown_parts("offline for 3 s; " * 200, PORTUGUESE) != ()


def test_a_text_of_too_many_parts_stays_as_it_is() -> None:
    several, many = ("; ".join(["offline for 3 s"] * number) for number in (MOST_PARTS, MOST_PARTS + 2))
    assert translated(several, PORTUGUESE) == several.replace("for", "há")
    assert translated(many, PORTUGUESE) == many


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_text_is_survived(text: str) -> None:
    said = translated(text, PORTUGUESE)
    if unknown_parts(text, PORTUGUESE) == (text,):
        assert said == text


@given(st.lists(st.sampled_from(["xyzw", "qk", "vx", "zzz", "7", "Überx"]), min_size=1, max_size=12).map(" ".join))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_unknown_words_come_back_unchanged(text: str) -> None:
    assert translated(text, PORTUGUESE) == text


@given(st.lists(st.sampled_from(FRAGMENTS + JOINTS * 10), max_size=60).map("".join))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_text_made_to_be_hard_is_tried_a_bounded_number_of_times(text: str) -> None:
    book, tries = sentences.phrasebook(PORTUGUESE), [0]
    whole = book._as_a_whole

    def counted(part: str, effort: sentences._Effort, depth: int) -> sentences.Put | None:
        tries[0] += not effort.is_spent()
        return whole(part, effort, depth)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "_as_a_whole", counted)
        book.put(text[:MOST_CHARS])
    assert tries[0] <= sentences.MOST_TRIES


def test_pages_begin_a_sentence_with_a_capital_and_a_phrase_as_it_is(app: Flask) -> None:
    with app.test_request_context("/", headers={"Cookie": "language=pt_BR"}):
        assert formats.said("offline for 3 s") == "Offline há 3 s"
        assert formats.translated("limit on raises") == "limite dos aumentos"
        assert formats.said(None) == ""
    with app.test_request_context("/"):
        assert formats.translated("limit on raises") == "limit on raises"
