"""Which meters contradict the role the operator gave them, with what effect (SPEC 3, "Foreign load").

A verdict stands until a new decided one takes its place, the role changes, or the operator says the role again: who
knows better wins until newer readings decide once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.core.metering import Draw, Finding, MeterVerdict, Reading, judge
from app.core.readings import SourceRole


@dataclass(frozen=True, slots=True)
class Meter:
    """A consumption source in the role foreign or miners, with its good readings, oldest first."""

    name: str
    role: SourceRole
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a meter, and which meters were added up for it (itself among them)."""

    finding: Finding
    together: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is kept of a meter. `verdict` None: none decided yet.

    `judged_role`, `together`: the role it had and the meters that were added up. `reading_id`: the newest reading it
    rests on; `after_id`: the operator said the role again when this reading was the newest, so only later ones count.
    """

    name: str
    role: SourceRole
    verdict: MeterVerdict | None = None
    slope: float | None = None
    effect_kw: float = 0.0
    judged_role: SourceRole | None = None
    together: tuple[str, ...] = ()
    reading_id: int = 0
    after_id: int | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Meters whose role is wrong by what they measure. `effect_kw`: what is subtracted twice, or not at all."""

    names: tuple[str, ...]
    role: SourceRole
    slope: float | None
    effect_kw: float
    decided_at: datetime | None

    @property
    def sentence(self) -> str:
        """What is wrong, and its effect."""
        one = len(self.names) == 1
        how = f"{_listed(self.names)} {'has' if one else 'have'} the role {self.role}, but "
        together = "" if one else "together "
        if self.role is SourceRole.FOREIGN:
            follows = f"{together}{'follows' if one else 'follow'} the miners (slope {self.slope or 0.0:.2f})"
            return f"{how}{follows}: {self.effect_kw:,.0f} kW are subtracted twice"
        if self.slope is None:
            why = f"{together}{'reads' if one else 'read'} less than half of what the miners draw"
        else:
            why = f"{'does' if one else 'do'} not {together}follow the miners (slope {self.slope:.2f})"
        return f"{how}{why}: {self.effect_kw:,.0f} kW of other load are not subtracted"

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence."""
        other = SourceRole.MINERS if self.role is SourceRole.FOREIGN else SourceRole.FOREIGN
        it = "it" if len(self.names) == 1 else "them"
        return (
            f"Nothing is raised until you give {it} the role {other}, or say {self.role} again if you know better "
            f"(PATCH {', '.join(f'/api/plant/sources/{name}' for name in self.names)})"
        )


def judge_all(meters: Sequence[Meter], draws: Sequence[Draw]) -> dict[str, Judged]:
    """Judge every meter by its role.

    The miners may be spread over several meters, and each follows them in part only. Those in the role miners make one
    sum in the books, so the sum is judged. Those in the role foreign are judged alone, and where none contains the
    miners, together: without those that do not follow them at all.
    """
    found: dict[str, Judged] = {}
    ours = [meter for meter in meters if meter.role is SourceRole.MINERS]
    if ours:
        found |= _together(ours, judge(_sum(ours), draws))
    foreign = [meter for meter in meters if meter.role is SourceRole.FOREIGN]
    alone = {meter.name: judge(meter.readings, draws) for meter in foreign}
    found |= {name: Judged(finding, (name,)) for name, finding in alone.items()}
    if any(finding.verdict is MeterVerdict.CONTAINS for finding in alone.values()):
        return found
    rest = [meter for meter in foreign if not moves_apart(alone[meter.name])]
    if len(rest) > 1 and (finding := judge(_sum(rest), draws)).verdict is MeterVerdict.CONTAINS:
        found |= _together(rest, finding)
    return found


def moves_apart(found: Finding | Judgement | None) -> bool:
    """Whether a meter does not follow the miners; one that is only too low for all of them may contain some."""
    return found is not None and found.verdict is MeterVerdict.APART and found.slope is not None


def _together(meters: Sequence[Meter], finding: Finding) -> dict[str, Judged]:
    names = tuple(sorted(meter.name for meter in meters))
    return {name: Judged(finding, names) for name in names}


def _sum(meters: Sequence[Meter]) -> list[Reading]:
    """Return what they read together, at the times when all of them did."""
    values = [dict(meter.readings) for meter in meters]
    return [(at_s, sum(of[at_s] for of in values)) for at_s in sorted(set(values[0]).intersection(*values[1:]))]


# --- what stands -----------------------------------------------------------------------------------------------------


def updated(before: Judgement, judged: Judged, reading_id: int, now: datetime, *, stands: bool) -> Judgement:
    """Return what to keep of a meter after a check; `stands`: the verdict before is still in force.

    An undecided hour leaves the verdict as it is, but what a meter's level alone decided ends with that level. A level
    that is too low for all the miners says nothing against a verdict that several meters gave together.
    """
    finding, together = judged.finding, judged.together
    by_level = before.verdict is MeterVerdict.APART and before.slope is None
    if finding.verdict is MeterVerdict.UNDECIDED:
        return before if stands and not by_level else Judgement(before.name, before.role, after_id=before.after_id)
    if stands and finding.slope is None and len(before.together) > len(together):
        return before
    same = stands and (before.verdict, before.together) == (finding.verdict, together)
    return replace(
        before,
        verdict=finding.verdict,
        slope=finding.slope,
        judged_role=before.role,
        together=together,
        reading_id=reading_id,
        decided_at=before.decided_at if same else now,
    )


def standing(judgements: Sequence[Judgement]) -> dict[str, Judgement]:
    """Return the verdicts in force by meter.

    One that several meters gave together stands only while all of them have that role and none has a newer verdict of
    its own; that of the meters in the role miners only while they are all of these.
    """
    by_name = {judgement.name: judgement for judgement in judgements}
    ours = {judgement.name for judgement in judgements if judgement.role is SourceRole.MINERS}
    return {name: judgement for name, judgement in by_name.items() if _stands(judgement, by_name, ours)}


def _stands(judgement: Judgement, by_name: Mapping[str, Judgement], ours: set[str]) -> bool:
    if judgement.verdict is None or judgement.name not in judgement.together:
        return False
    if judgement.role is SourceRole.MINERS and set(judgement.together) != ours:
        return False
    given = (judgement.verdict, judgement.together, judgement.judged_role)
    for name in judgement.together:
        other = by_name.get(name)
        if other is None or (other.verdict, other.together, other.role) != given:
            return False
        if other.after_id is not None and other.after_id >= judgement.reading_id:
            return False
    return True


def effect_kw(judgement: Judgement, meter_kw: float, accounted_kw: float) -> float:
    """Return what a standing verdict means in kW; 0 where it fits the role.

    A foreign meter that contains the miners: their accounted power is subtracted from the generation and held against
    the target as well. A meter in the role miners that does not contain them: they count as what explains its reading,
    so its own load is not subtracted, up to their accounted power.
    """
    if not _contradicts(judgement):
        return 0.0
    return accounted_kw if judgement.role is SourceRole.FOREIGN else min(meter_kw, accounted_kw)


def contradictions(judgements: Sequence[Judgement]) -> tuple[Contradiction, ...]:
    """Return what stands against the roles given, each group of meters once."""
    found: dict[tuple[str, ...], Contradiction] = {}
    for judgement in standing(judgements).values():
        if _contradicts(judgement):
            names, decided_at = judgement.together, judgement.decided_at
            found[names] = Contradiction(names, judgement.role, judgement.slope, judgement.effect_kw, decided_at)
    return tuple(found[names] for names in sorted(found))


def _contradicts(judgement: Judgement) -> bool:
    wrong = {SourceRole.FOREIGN: MeterVerdict.CONTAINS, SourceRole.MINERS: MeterVerdict.APART}
    return judgement.verdict is not None and wrong.get(judgement.role) is judgement.verdict


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
