"""Whatever a plant or a miner answers: a checked value, or an error of our family. The long run: `make test-long`."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clients import answers
from tests.clients import fuzz

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(fuzz.field_names())


class OneAnswer(fuzz.HostileMiner):
    """Answers every call with the same."""

    def __init__(self, content: Any) -> None:
        super().__init__(fuzz.Mutator(0))
        self._body = json.dumps(content).encode()

    def call(self, method: str, url: str, **_: Any) -> fuzz.Answer:
        return fuzz.Answer(200, {}, self._body)


def test_mutated_answers_raise_nothing_unexpected() -> None:
    counts = fuzz.run(seed=2026, inputs=20_000, seconds=60)
    assert counts["inputs"] >= 20_000
    outcomes = {name for name in counts if ": " in name}
    assert {"miner: read", "miner: MinerError", "miner: NotVnish", "miner: MinerUnauthorized"} <= outcomes
    assert {"plant: AdmittedReading", "plant: Refused", "plant: bad_number", "plant: not_json"} <= outcomes


@settings(max_examples=150, deadline=None)
@given(st.recursive(JSON, lambda inner: st.dictionaries(NAMES, inner, max_size=6), max_leaves=20))
def test_any_json_raises_nothing_unexpected(content: Any) -> None:
    for reader in fuzz.READERS:
        fuzz.feed_a_miner_reader(OneAnswer(content), reader)
    fuzz.read_plant(json.dumps({"reading": content}).encode(), random.Random(1))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_unexpected(body: bytes) -> None:
    fuzz.read_plant(body, random.Random(1))


def test_the_fuzzer_notices_a_reader_that_keeps_what_cannot_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of the checker: with one guard taken out of the readers it must cry."""
    monkeypatch.setattr(answers, "clean", lambda value, limit=120: value[:limit] if isinstance(value, str) else "")
    with pytest.raises(AssertionError):
        fuzz.run(seed=2026, inputs=20_000, seconds=60)


def test_the_fuzzer_notices_a_reader_that_stumbles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "as_object", lambda value: value or {})
    with pytest.raises(AttributeError):
        fuzz.run(seed=2026, inputs=20_000, seconds=60)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_million_mutated_answers_raise_nothing_unexpected() -> None:
    counts = fuzz.run(seed=5, inputs=1_000_000, seconds=600)
    print(dict(sorted(counts.items())))
    assert counts["inputs"] >= 1_000_000 or counts["plant answers"] > 100_000
