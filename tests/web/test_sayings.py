"""Whatever the rules say has its words in Portuguese: all that the source can put together, and all that plans say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from app.core.meter_roles import Contradiction
from app.core.plan import plan
from app.core.readings import MinerState, SourceKind, SourceRole
from app.core.settings import SPECS
from app.core.types import Mode, Plan, Snapshot
from app.errors import SettingError
from app.web import errors, guard
from app.web.questionnaire import BY_QUESTIONNAIRE
from app.web.sayings import SAYINGS
from app.web.sayings.saying import KINDS, Saying, say, say_count
from app.web.sentences import patterns, translated, unknown_parts
from app.web.settings_page import BY_DEFAULT
from tests.conftest import ROOT
from tests.core import strategies
from tests.core.test_plan_properties import examples, under
from tests.spoken import Spoken, spoken

PORTUGUESE = "pt_BR"
ROOMS = ("core", "clients", "jobs", "store", "web/errors.py")

# What the source puts together, but nobody reads on a page, or reads only as a part of a sentence that is noted whole.
NO_SENTENCES: dict[str, set[str]] = {
    "app/core/access.py": {"f'{via} from {address}'", "f'token {token}'"},  # who did it, in histories
    "app/store/fleet.py": {"'all miners'", "f'all of {model}'"},  # subjects in the audit trail, as the MACs are
    "app/store/fleet_bulk.py": {"'all of a filter'"},
    "app/store/people.py": {"'the password of nobody'"},
    "app/core/inspection.py": {"'\\n… cut here: the answers are longer than is kept'"},  # inside a raw answer
    "app/core/economic.py": {  # a move's price is noted with all its endings
        "f'{old} -> {step.name}: {verb} {abs(watts):,.0f} W for {abs(ths):,.1f} TH/s{price}'",
        "f' ({watts / ths:,.0f} W per TH/s, {praise})'",
        '"the best use of the farm\'s watts"',
        "'the cheapest in the farm'",
    },
    "app/core/ladder.py": {"'this model'"},
    "app/core/meter_roles.py": {  # noted for one meter and for several; below is every contradiction there can be
        "f\"{_listed(self.names)} {('has' if one else 'have')} the role {self.role}, but \"",
        "f'{how}{why}: {self.effect_kw:,.0f} kW of other load are not subtracted'",
        "f'{how}{follows}: {self.effect_kw:,.0f} kW are subtracted twice'",
        "f\"{together}{('follows' if one else 'follow')} the miners (slope {self.slope or 0.0:.2f})\"",
        "f\"{together}{('reads' if one else 'read')} less than half of what the miners draw\"",
        "f\"{('does' if one else 'do')} not {together}follow the miners (slope {self.slope:.2f})\"",
        "f\"{', '.join(names[:-1])} and {names[-1]}\"",
    },
    "app/core/plant.py": {"f'{word} source {source.name}'"},
    "app/core/policies.py": {"f'{candidate.w_per_ths:.1f} W/TH'", "'efficiency unknown'"},
    "app/core/river.py": {  # the surplus is noted with all its endings
        "f'surplus {(target_w - planned_w) / 1000.0:,.1f} kW'",
        "f'{surplus}, of it {room_w / 1000.0:,.1f} kW may be used'",
        "f'{step_w / 1000.0:,.1f} kW each of raises and starts with each reading'",
    },
    "app/core/settings.py": {"'one of '", "'a whole number'"},
    "app/core/wording.py": {  # noted as cuts, stops, starts, raises; below is what plans say
        "f'{power_w / 1000.0:,.1f} kW'",
        "f'{_count(len(group), noun)} {verb} {kw(abs(sum(group)))}'",
        "'below a max preset taking'",
    },
    "app/clients/http.py": {"'timed out while connecting'", "f'lookup {host}'"},
    "app/clients/miner.py": {"f\"{address.ip} runs {name or 'no VNish firmware'}.\""},
    "app/clients/plant.py": {
        "'field reading'",
        "'field totals'",
        "'field trust'",
        "f'Bearer {key}'",
        "f'field {kind.value}'",
        "f'field {kind.value}.{name}'",
    },
    "app/clients/vnish.py": {
        "f'{command} mining'",
        "f'Bearer {self._token}'",
        "'after too many tries'",
        "'with this password'",
    },
    "app/jobs/apply.py": {"f'{ending.ending.error} It could not be adopted anew: {e}'"},  # after another sentence
    "app/jobs/discovery.py": {"'ladders read'", "'refused to be adopted'", "'left for the next run'"},
    "app/jobs/gate.py": {"f'a job has not ended within {self._patience_s:g} s while a worker had to be started'"},
    "app/jobs/master.py": {  # why the process ends: in its log
        "f'a job has not ended within {PATIENCE_S:g} s'",
        "'the scheduler stands still'",
        "'a database connection was left in use outside of a job'",
    },
    "app/jobs/meter_check.py": {"f'{name}: {finding.verdict} ({finding.reason}{slope})'"},
    "app/jobs/status_poller.py": {"'answering again'", "f' and {len(names) - _NAMED} more'"},
    "app/store/commands.py": {"'none yet'"},
    "app/store/miner_models.py": {"'no presets are known yet'", "f'{p.name}: W, TH/s'"},
    "app/store/plant_curve.py": {"f\"{row.label or row.ip} {row.old_preset or '?'} → {_to(row)}\""},
    "app/store/polls.py": {"f\"{t.mac} ({t.ip or 'no address'})\""},
    "app/web/errors.py": {"'no space'"},
}
FOR_THE_TERMINAL = {"app/core/replay.py"}  # what `flask replay` prints
PARTS_WITH_VALUES = [
    "10.0.0.5 runs no VNish firmware.",
    "10.0.0.5 runs Braiins OS.",
    "fan meter: contains (it follows the miners, slope 0.98 +- 0.02)",
    "A: apart (it does not follow the miners, slope 0.02 +- 0.01); B: undecided (too few readings yet)",
    "100 miners and 3 other hosts at 254 addresses; 1 new; 2 adopted; 3 ladders read; the round goes on",
    "7 miners and 0 other hosts at 254 addresses; 1 refused to be adopted; 4 left for the next run",
    "preset must be one of this miner's presets (none yet); got 'x; y: z'.",
    "preset must be one of this miner's presets (1850, 2300); got 'x'.",
    "It could not be adopted anew: Miner 10.0.0.5 refused to unlock with this password (403).",
    "Miner 10.0.0.5 did not answer in time (asked to stop mining). It could not be adopted anew: Is the disk full?",
    "not sent: Miner 10.0.0.5 cannot be reached: connection refused (asked to save the preset).",
    "The answer names a source twice. 2 of 3 changes taken on",
]


def sources() -> Iterator[Path]:
    for room in ROOMS:
        path = ROOT / "app" / room
        yield from [path] if path.suffix else sorted(path.rglob("*.py"))


def all_spoken() -> list[Spoken]:
    found = [one for path in sources() for one in spoken(path, ROOT)]
    return [one for one in found if one.where.split(":")[0] not in FOR_THE_TERMINAL]


SPOKEN = all_spoken()


def exempt(one: Spoken) -> bool:
    return one.template in NO_SENTENCES.get(one.where.split(":")[0], set())


def advice(text: str) -> str:
    return f"{text!r} is not known in Portuguese: note it in app/web/sayings, run `make translations`, translate it"


def assert_known(*texts: str) -> None:
    wrong = [f"{advice(text)} ({unknown})" for text in texts if (unknown := unknown_parts(text, PORTUGUESE))]
    assert wrong == []


def test_every_sentence_of_the_source_is_known() -> None:
    wrong = [
        f"{one.where}: {advice(form)} ({unknown})"
        for one in SPOKEN
        if not exempt(one)
        for form in one.forms
        if (unknown := unknown_parts(form, PORTUGUESE))
    ]
    assert wrong == [], "\n".join(wrong)
    assert len(SPOKEN) > 300  # else the source is read wrongly


def test_no_exemption_outlives_its_sentence() -> None:
    there = {(one.where.split(":")[0], one.template) for one in SPOKEN}
    assert {(file, one) for file, ones in NO_SENTENCES.items() for one in ones} - there == set()


def said_by(decided: Plan) -> list[str]:
    reasons = [change.reason for change in decided.changes] + [skip.reason for skip in decided.skipped]
    return [decided.reason, decided.stays, *reasons]


def figures(text: str) -> list[str]:
    return sorted(re.sub("[.,]", "", figure) for figure in re.findall(r"[0-9][0-9.,]*", text))


def assert_keeps_figures(text: str) -> None:
    assert figures(text) == figures(translated(text, PORTUGUESE)), text


@pytest.mark.parametrize("policy", ["stepwise", "economic"])
@given(picture=strategies.odd_snapshots() | strategies.calm_snapshots())
@examples(60)
def test_every_sentence_of_a_plan_is_known_and_keeps_its_numbers(policy: str, picture: Snapshot) -> None:
    for said in said_by(plan(under(picture, policy))):
        assert_known(said)
        assert_keeps_figures(said)


@given(picture=strategies.calm_snapshots())
@examples(30)
def test_a_plan_that_meters_stop_says_so_in_portuguese(picture: Snapshot) -> None:
    assert picture.plant is not None
    contradicted = tuple(one.sentence for one in CONTRADICTIONS[:2])
    assert_known(*said_by(plan(replace(picture, plant=replace(picture.plant, contradicted=contradicted)))))


CONTRADICTIONS = [
    Contradiction(names, role, slope, 2345.6, None)
    for names in (("Container 1",), ("Container 1", "C2"), ("A", "B", "Fans and pumps"))
    for role in (SourceRole.FOREIGN, SourceRole.MINERS)
    for slope in (None, 0.02, 0.98)
]


@pytest.mark.parametrize("one", CONTRADICTIONS, ids=str)
def test_every_contradiction_of_meters_is_known(one: Contradiction) -> None:
    both = f"{one.sentence}. {one.advice}"
    assert_known(one.sentence, one.advice, both)
    assert_keeps_figures(one.sentence)
    for name in one.names:
        assert name in translated(both, PORTUGUESE)


@pytest.mark.parametrize("text", PARTS_WITH_VALUES)
def test_sentences_of_many_parts_are_known(text: str) -> None:
    assert_known(text)
    assert_keeps_figures(text)


@pytest.mark.parametrize("name", SPECS)
def test_every_setting_is_explained(name: str) -> None:
    spec = SPECS[name]
    assert_known(spec.meaning, spec.allowed)
    with pytest.raises(SettingError) as refused:
        spec.check("no; such: value")
    assert_known(str(refused.value))
    assert name in translated(str(refused.value), PORTUGUESE)


@pytest.mark.parametrize("word", [*MinerState, *Mode, *SourceRole, *SourceKind, "stop", "readings"])
def test_every_word_that_a_sentence_may_hold_is_known(word: str) -> None:
    assert_known(word)
    assert translated(word, PORTUGUESE) != word


def test_what_the_web_says_for_itself_is_known() -> None:
    hosts = {"localhost"}
    refusals = [
        guard.objection("evil.example:80", None, None, hosts),
        guard.objection("localhost", "http://evil.example", None, hosts),
        guard.objection("localhost", None, "cross-site", hosts),
    ]
    assert_known(*(refusal for refusal in refusals if refusal), errors.STALE_FORM)
    assert_known(*errors.SENTENCES.values(), *errors.TITLES.values())
    assert all(refusals)


@pytest.mark.parametrize("reason", [BY_DEFAULT, BY_QUESTIONNAIRE])
def test_reasons_that_pages_write_into_the_history_are_known(reason: str) -> None:
    assert_known(reason)
    assert translated(reason, PORTUGUESE) != reason


def placeholders(saying: Saying) -> list[list[str]]:
    return [re.findall(r"%\((\w+)\)s", form) for form in saying if form]


def test_every_placeholder_has_a_kind() -> None:
    used = {name for saying in SAYINGS for names in placeholders(saying) for name in names}
    assert used == set(KINDS)


def test_sayings_about_several_things_count_them() -> None:
    counted = [saying for saying in SAYINGS if saying.many is not None]
    assert all("count" in names for saying in counted for names in placeholders(saying))
    assert len(counted) > 5


def test_no_saying_is_noted_twice() -> None:
    ones = [saying.one.removesuffix(".").lower() for saying in SAYINGS]
    assert sorted(ones) == sorted(set(ones))


def test_patterns_take_what_they_were_made_of() -> None:
    one, many = patterns([say("%(count)s %% of %(power)s kW."), say_count("%(count)s cut", "%(count)s cuts")])[:2]
    assert one.regex.fullmatch("7 % of 1,234.5 kW")
    assert many.regex.fullmatch("7 cuts")
    assert not one.regex.fullmatch("7 % of 1,234.5 kW or so")
