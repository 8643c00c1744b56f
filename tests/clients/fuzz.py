"""Answers of hostile plants and miners: fixtures, mutated with their structure and as bytes, through the real readers.

    python -m tests.clients.fuzz [--seconds 600] [--inputs 1000000] [--seed 1]

prints how many inputs were tried. Whatever comes in, a reader gives a checked value or raises an error of our family.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from app.clients import miner
from app.clients.http import Answer, TransportError
from app.clients.miner import MinerAddress
from app.clients.plant import answered_at, parse_reading
from app.core import plant
from app.core.inspection import MAX_ANSWERS, ChipReading, Inspection
from app.core.plant import Bounds
from app.core.readings import Stamp
from app.errors import MinerError, PlantError

FIXTURES = Path(__file__).parent.parent / "fixtures"
MAC = "02:00:00:00:00:01"
PASSWORD, KEY = "canary-password", "canary-key-canary-key-canary-key"
ADDRESS = MinerAddress("127.0.9.1", api_key=KEY)
SUBNETS = (IPv4Network("127.0.9.0/30"),)
LONGEST_TEXT = 500
LONGEST_LIST = 20_000
STATUSES = (200,) * 12 + (204, 302, 400, 401, 403, 404, 429, 500, 502)

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.0, -0.0, 1e-320, 1e308, -1e308, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(10**30),
    "", " ", "0", "-1", "1e999", "NaN", "nan", "inf", "Infinity", "9" * 400, "1,5", "١٢", "２３００", "null", "true",
    "<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "{{7*7}}", "%s%n",
    "a\nb\r\nc", "\x00\x1b[31m", "\u202egnp.exe", "\u2066\u200b\ufeff", "\ud800", "\U0001f4a3" * 50, "n" * 20_000,
    "2026-11-20T14:30:15Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-45T99:99:99Z",
    "2026-11-20", "20261120T143015Z", "2026-11-20T14:30:15.1234567890123Z", "24:00", "2300 W", "2.3 kW", "~ 95 TH",
    "99999 days, 99:99", "mining", "auto-tuning", "disabled", "GH/s", "success",
    [], {}, [[]], [None], [{}], {"": None}, [1] * 600, {"name": {}}, {"max": "x", "min": []},
)  # fmt: skip
BYTES = (
    b"", b"null", b"NaN", b"[" * 200_000, b'{"a":' * 50_000, b"\xff\xfe", b"\xef\xbb\xbf", b'"\\ud800"', b"{}{}",
    b"<html>", b'{"a":1,"a":2}', b"1e999", b"-", b"\x00" * 100,
)  # fmt: skip


def fixtures_of(*prefixes: str) -> list[Any]:
    """Return the decoded fixtures whose names begin so."""
    found = []
    for path in sorted((FIXTURES / "vnish").glob("*.json")):
        if path.name.startswith(prefixes):
            found.append(json.loads(path.read_text()))
    return found


ANSWERS: Mapping[str, list[Any]] = {
    "info": fixtures_of("info_"),
    "model": fixtures_of("model_"),
    "status": fixtures_of("status_"),
    "summary": fixtures_of("summary_"),
    "perf-summary": fixtures_of("perf_summary_"),
    "chains": fixtures_of("chains_"),
    "boards": fixtures_of("boards_"),
    "autotune/presets": fixtures_of("presets_"),
    "settings": fixtures_of("settings_"),
    "unlock": fixtures_of("unlock_ok", "unlock_too", "unlock_wrong", "unlock_empty"),
    "apikeys": fixtures_of("apikeys_list", "apikeys_post"),
    "lock": [{}],
    "mining/restart": fixtures_of("mining_control", "mining_pause"),
    "mining/stop": fixtures_of("mining_control", "mining_pause"),
    "mining/start": fixtures_of("mining_control", "mining_pause"),
}
PLANT = [json.loads((FIXTURES / "plant" / "reading.json").read_text())]


def field_names() -> list[str]:
    """Return every field name of the fixtures."""
    sources = [*PLANT, *(content for contents in ANSWERS.values() for content in contents)]
    return sorted({key for content in sources for _, key in _places(content) if isinstance(key, str)})


class Mutator:
    """Makes an answer out of a fixture; the same seed makes the same answers."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def body(self, sources: list[Any]) -> bytes:
        """Return one answer: mostly a fixture with a few places changed, sometimes changed as bytes, too."""
        chance = self.chance
        if chance.random() < 0.01:
            return chance.choice(BYTES)
        content = copy.deepcopy(chance.choice(sources))
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 8))):
            content = self.changed(content)
        body = json.dumps(content, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        return self.garbled(body) if chance.random() < 0.1 else body

    def changed(self, content: Any) -> Any:
        """Return the content with one place of it changed."""
        places = list(_places(content))
        if not places or self.chance.random() < 0.02:
            return copy.deepcopy(self.chance.choice(NASTY))
        parent, key = self.chance.choice(places)
        deed = self.chance.randrange(8)
        if deed == 0:
            del parent[key]
        elif deed == 1:
            other, name = self.chance.choice(places)
            if name in other if isinstance(other, dict) else isinstance(name, int) and name < len(other):
                parent[key] = copy.deepcopy(other[name])
        elif deed == 2:
            parent[key] = [parent[key]] * self.chance.choice((0, 1, 2, 20))
        elif deed == 3:
            for _ in range(self.chance.choice((1, 40))):
                parent[key] = {"x": parent[key]}
        elif deed == 4 and isinstance(parent, dict):
            parent[str(self.chance.choice(NASTY))[:80]] = parent[key]
        elif deed == 5 and isinstance(parent[key], (int, float)) and not isinstance(parent[key], bool):
            parent[key] = parent[key] * self.chance.choice((-1, 0, 1e-9, 1e3, 1e9, 1e300))
        else:
            parent[key] = copy.deepcopy(self.chance.choice(NASTY))
        return content

    def garbled(self, body: bytes) -> bytes:
        """Return the bytes cut, flipped, doubled or with something put in."""
        chance, at = self.chance, self.chance.randrange(len(body) + 1)
        deed = chance.randrange(4)
        if deed == 0:
            return body[:at]
        if deed == 1 and at < len(body):
            return body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]
        if deed == 2:
            return body[:at] + body[at // 2 : at] + body[at:]
        return body[:at] + chance.choice((b"NaN", b"1e999", b"\xff", b"\n", b'"', b"}", b",", b"\x00")) + body[at:]


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (parent, key) of everything in the content."""
    stack = [content]
    while stack:
        node = stack.pop()
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in pairs:
            yield node, key
            if isinstance(value, (dict, list)):
                stack.append(value)


class HostileMiner:
    """Stands in for a session: answers every call with something made of a fixture of that call."""

    def __init__(self, mutator: Mutator) -> None:
        self._mutator = mutator
        self.answered = 0

    def call(self, method: str, url: str, *, headers: Mapping[str, str], body: object = None) -> Answer:
        self.answered += 1
        path = url.partition("/api/v1/")[2]
        chance = self._mutator.chance
        given = {"WWW-Authenticate": 'Digest realm="antMiner"'} if chance.random() < 0.1 else {}
        return Answer(chance.choice(STATUSES), given, self._mutator.body(ANSWERS[path]))


def told_of_itself(found: Inspection) -> tuple[ChipReading, ...]:
    """Check the one text that has lines; return the rest."""
    assert len(found.answers) <= MAX_ANSWERS
    for line in found.answers.splitlines():
        assert line.isprintable(), repr(line)
    assert KEY not in found.answers
    return found.chips


READERS: tuple[Callable[[Any], Any], ...] = (
    lambda s: miner.identify(s, MinerAddress("127.0.9.1")),
    lambda s: miner.adopt(s, MinerAddress("127.0.9.1"), PASSWORD, MAC),
    lambda s: miner.read_status(s, ADDRESS, "GH/s", "sha256d"),
    lambda s: miner.read_status(s, ADDRESS, "MH/s", "scrypt", detail=True, with_flags=True),
    lambda s: miner.read_status(s, ADDRESS, "GH/s", "sha256d", detail=True, with_flags=True),
    lambda s: miner.read_boards(s, ADDRESS, "GH/s", "sha256d"),
    lambda s: told_of_itself(miner.inspect(s, ADDRESS, "GH/s", "sha256d")),
    lambda s: miner.read_ladder(s, ADDRESS, "sha256d"),
    lambda s: miner.read_saved_preset(s, ADDRESS),
    lambda s: miner.set_preset(s, ADDRESS, "2300"),
    lambda s: miner.restart(s, ADDRESS),
    lambda s: miner.stop(s, ADDRESS),
    lambda s: miner.start(s, ADDRESS),
)


def feed_a_miner_reader(session: HostileMiner, reader: Callable[[Any], Any]) -> str:
    """Let one reader read; return how it ended. What it gives must be harmless; it may raise MinerError only."""
    try:
        check(reader(session))
    except MinerError as error:
        check_sentence(str(error))
        return type(error).__name__
    return "read"


def feed_the_plant_reader(mutator: Mutator) -> str:
    """Let the plant's reader, and the judge behind it, read one answer; return how it ended."""
    return read_plant(mutator.body(PLANT), mutator.chance)


def read_plant(body: bytes, chance: random.Random) -> str:
    received = Stamp(datetime(2026, 11, 20, 14, 30, 20, tzinfo=UTC), 1000.0, "boot")
    date = chance.choice(("", "Fri, 20 Nov 2026 14:30:18 GMT", "Fri, 99 Foo 0000", "x" * 200))
    age = chance.choice(("", "3", "-1", "999999999", "９"))
    try:
        content = Answer(200, {}, body).json()
    except TransportError as error:
        return error.kind
    try:
        reading = parse_reading(content, chance.choice(("MW", "kW")), answered_at({"Date": date, "Age": age}))
    except PlantError as error:
        check_sentence(str(error))
        return error.kind
    check(reading)
    return type(plant.admit(reading, (), None, received=received, bounds=Bounds(rated_kw=5000.0))).__name__


def check(value: Any) -> None:
    """Make sure that a value out of a peer's answer is harmless: finite, of bounded size, printable."""
    if isinstance(value, Enum) or value is None or isinstance(value, (bool, datetime)):
        return
    if isinstance(value, float):
        assert math.isfinite(value), value
    elif isinstance(value, int):
        assert abs(value) < 2**63, value
    elif isinstance(value, str):
        check_sentence(value)
    elif isinstance(value, (tuple, list)):
        assert len(value) <= LONGEST_LIST
        for item in value:
            check(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            check(getattr(value, field.name))
    else:
        raise AssertionError(f"{type(value)} came out of an answer")


def check_sentence(text: str) -> None:
    assert len(text) <= LONGEST_TEXT, len(text)
    assert text.isprintable(), repr(text)
    assert PASSWORD not in text
    assert KEY not in text


def run(seed: int, inputs: int, seconds: float) -> Counter[str]:
    """Feed that many answers, or for so long; return how often what came of it. `inputs` counts the answers read."""
    mutator, counts = Mutator(seed), Counter[str]()
    ends, session = time.monotonic() + seconds, HostileMiner(mutator)
    while counts["inputs"] < inputs and time.monotonic() < ends:
        for reader in READERS:
            counts[f"miner: {feed_a_miner_reader(session, reader)}"] += 1
            counts[f"plant: {feed_the_plant_reader(mutator)}"] += 1
            counts["plant answers"] += 1
        counts["miner answers"] = session.answered
        counts["inputs"] = counts["plant answers"] + counts["miner answers"]
    return counts


def main() -> None:
    """Fuzz and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    counts = run(options.seed, options.inputs, options.seconds)
    print(f"{time.monotonic() - begun:.0f} s, seed {options.seed}")
    for name, count in sorted(counts.items()):
        print(f"{count:9} {name}")


if __name__ == "__main__":
    main()
