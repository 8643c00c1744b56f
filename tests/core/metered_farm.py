"""A farm behind several meters: the whole loop of reading, plan, change, restart and ramp, with the check of the roles.

Every minute the last hour is judged as the program does it, and what contradicts a role is in the next reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.core import meter_roles, metering
from app.core.meter_roles import Contradiction, Judgement, Meter
from app.core.metering import Draw
from app.core.readings import SourceRole
from app.core.types import PlantView, Snapshot
from tests.core.builders import T0
from tests.core.meter_model import Load
from tests.core.model_farm import READING_AGE_S, TICK_S, Farm
from tests.core.model_miner import ModelMiner

WALL = 1.04  # wall power over board power
CHECK_S = 60
Which = Callable[[ModelMiner], bool]


class MeteredFarm(Farm):
    """`meters`: name -> which miners are behind it, and what else. All are foreign until told otherwise."""

    def __init__(
        self, miners: list[ModelMiner], generation_kw: float, meters: dict[str, tuple[Which, Load]], **values: Any
    ) -> None:
        super().__init__(miners, generation_kw, **values)
        self.meters = meters
        self.kept = {name: Judgement(name, SourceRole.FOREIGN) for name in meters}
        self.readings: dict[str, list[tuple[float, float]]] = {name: [] for name in meters}
        self.reports: list[Draw] = []
        self.first_found_t: int | None = None
        self.raised: list[int] = []  # when something was raised
        self._picture, self.program.snapshot = self.program.snapshot, self._snapshot

    def _snapshot(self, *about: Any) -> Snapshot:
        """The snapshot, with the window that the economic policy looks at."""
        recent = [plan.available_kw for plan in self.program.plans[-11:]]
        return replace(self._picture(*about), recent_available_kw=tuple(recent))

    def set_role(self, name: str, role: SourceRole) -> MeteredFarm:
        self.kept[name] = replace(self.kept[name], role=role)
        return self

    @property
    def contradictions(self) -> tuple[Contradiction, ...]:
        return meter_roles.contradictions(list(self.kept.values()))

    def meter_kw(self, name: str, at_s: float) -> float:
        behind, other = self.meters[name]
        return WALL * sum(m.draw_w(at_s) for m in self.miners.values() if behind(m)) / 1000.0 + other(at_s)

    def run(self, seconds: float) -> MeteredFarm:
        for _ in range(int(seconds / TICK_S)):
            plans = len(self.program.plans)
            super().run(TICK_S)
            if len(self.program.plans) > plans:
                self._note_cycle()
            if self.t % CHECK_S == 0:
                self._check()
        return self

    def _note_cycle(self) -> None:
        plan = self.program.plans[-1]
        views = [self.program.view(id_, self.now) for id_ in self.miners]
        reported_w, count = metering.reported_w(views, plan.accounted, self.program.settings)
        self.reports.append(Draw(float(self.t), reported_w / 1000.0, count))
        if any(change.delta_w > 0 for change in plan.changes):
            self.raised.append(self.t)

    def _check(self) -> None:
        since = self.t - metering.WINDOW_S
        found = meter_roles.judge_all(
            [Meter(n, one.role, [r for r in self.readings[n] if r[0] >= since]) for n, one in self.kept.items()],
            [draw for draw in self.reports if draw.at_s >= since],
        )
        standing = meter_roles.standing(list(self.kept.values()))
        when = T0 + timedelta(seconds=self.t)
        self.kept = {
            name: meter_roles.updated(one, found[name], self.t, when, stands=name in standing)
            for name, one in self.kept.items()
        }
        if self.contradictions and self.first_found_t is None:
            self.first_found_t = self.t

    def _measure(self) -> None:
        at_s = self._measured_t = self.t - READING_AGE_S
        values = {name: round(self.meter_kw(name, at_s), 1) for name in self.meters}
        for name, value_kw in values.items():
            self.readings[name].append((at_s, value_kw))
        of = {role: [values[n] for n, one in self.kept.items() if one.role is role] for role in SourceRole}
        ours = of[SourceRole.MINERS]
        self._reading = PlantView(
            reading_id=self.t,
            recorded_at=T0 + timedelta(seconds=at_s),
            generation_kw=self.generation_kw,
            container_kw=sum(values.values()),
            foreign_kw=sum(of[SourceRole.FOREIGN]),
            miners_meter_kw=sum(ours) if ours else None,
            contradicted=tuple(found.sentence for found in self.contradictions),
        )


def everyone(_miner: ModelMiner) -> bool:
    return True


def nobody(_miner: ModelMiner) -> bool:
    return False
