"""Random farms for the property tests: odd ladders, histories, readings and settings; always the same types."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from app.core import ladder
from app.core.readings import Ladder, MinerState, Preset
from app.core.types import (
    ChangeKind,
    ChangeView,
    CycleMemory,
    MinerView,
    Mode,
    Origin,
    Outcome,
    Override,
    PlantView,
    Settings,
    Snapshot,
    UntunedUse,
)
from tests.core.builders import T0, miner, plant, preset, settings, snapshot, stamp

WATTS = st.integers(800, 4800)
FACTORS = st.sampled_from([1.0, 1.0, 0.85, 0.97, 1.15])
AGES = st.sampled_from([0.0, 1.0, 15.0, 29.9, 30.0, 44.0, 46.0, 59.0, 61.0, 119.0, 299.0, 899.0, 901.0, 7200.0])

TWICE = "container_1 has the role foreign, but follows the miners (slope 1.04): 23 kW are subtracted twice"


@st.composite
def ladders(draw: st.DrawFn, *, odd: bool) -> Ladder:
    watts = sorted(draw(st.sets(WATTS, min_size=0 if odd else 2, max_size=6)))
    steps: list[Preset] = []
    for power_w in watts:
        facts: dict[str, Any] = {}
        if odd:
            facts["tuned"] = draw(st.booleans())
            facts["modded_psu_required"] = draw(st.sampled_from([False, False, False, True]))
            facts["expected_power_w"] = draw(st.none() | st.none() | WATTS)
            facts["expected_hashrate_ths"] = draw(st.none() | st.floats(0, 200))
        steps.append(preset(power_w, draw(st.none() | st.floats(40, 200)), **facts))
    if odd:
        steps += draw(
            st.lists(st.sampled_from([preset(None), Preset("disabled", 900), Preset("auto", None)]), max_size=2)
        )
    return ladder.build(steps)


def names(steps: Ladder) -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, "gone", *(p.name for p in steps.presets)])


@st.composite
def changes(draw: st.DrawFn, steps: Ladder) -> ChangeView:
    kind = draw(st.sampled_from([ChangeKind.PRESET] * 6 + [ChangeKind.STOP, ChangeKind.START]))
    old, new = draw(names(steps)), draw(names(steps))
    watts = {p.name: float(p.power_w or 3000) for p in steps.presets}
    outcome = draw(st.sampled_from(Outcome))
    age_s = draw(AGES)
    return ChangeView(
        kind=kind,
        old_preset=old,
        new_preset=None if kind is ChangeKind.STOP else new,
        old_power_w=watts.get(old or "", 3000.0),
        new_power_w=30.0 if kind is ChangeKind.STOP else watts.get(new or "", 3000.0),
        outcome=outcome,
        age_s=age_s,
        effective=draw(st.booleans()),
        attempt=draw(st.integers(1, 4)),
        polled_unchanged=draw(st.booleans()),
        finished_age_s=None if outcome.on_its_way else draw(st.sampled_from([0.0, 10.0, age_s])),
        origin=draw(st.sampled_from(Origin)),
    )


@st.composite
def odd_miners(draw: st.DrawFn, number: int, shared: tuple[Ladder, ...]) -> MinerView:
    """Return a miner in any condition, with one of the shared ladders."""
    steps = draw(st.sampled_from(shared))
    top = draw(st.none() | st.sampled_from(steps.presets)) if steps.presets else None
    change = draw(st.none() | changes(steps))
    rare = st.sampled_from([False] * 6 + [True])
    age_s = 1e9 if change is None else change.age_s
    return miner(
        number,
        ladder=steps,
        model_alias=draw(st.sampled_from(["s19", "s19", "s19", None])),
        max_preset=None if top is None else top.name,
        max_preset_w=None if top is None else top.firmware_power_w,
        allow_modded_psu=draw(rare),
        untuned_use=draw(st.sampled_from(UntunedUse)),
        managed=not draw(rare),
        held=draw(rare),
        retired=draw(rare),
        identified=not draw(rare),
        state=draw(st.sampled_from([MinerState.MINING] * 6 + list(MinerState))),
        running_preset=draw(names(steps)),
        saved_preset=draw(names(steps)),
        measured_power_w=draw(st.none() | st.floats(0, 5000)),
        throttled_percent=draw(st.sampled_from([None, None, 100, 60])),
        silent_s=draw(st.sampled_from([None] * 5 + [0.0, 61.0, 1000.0])),
        last_accounted_w=draw(st.none() | st.floats(0, 5000)),
        worst_case_w=draw(st.sampled_from([3000.0, 4000.0])),
        last_change=change,
        cooldown_left_s=max(0.0, 30.0 - age_s),
        stopped_by_us=draw(st.booleans()),
        failed_this_cycle=draw(rare),
        power_factor=draw(FACTORS),
        hashrate_factor=draw(FACTORS),
    )


@st.composite
def calm_miners(draw: st.DrawFn, number: int) -> MinerView:
    """Return a managed miner that mines on one of its presets, with nothing on its way."""
    steps = draw(ladders(odd=False))
    runs = draw(st.sampled_from([p.name for p in steps.presets]))
    top = steps.presets[-1]
    return miner(
        number, "s19", runs, ladder=steps, max_preset=top.name, max_preset_w=top.firmware_power_w,
        power_factor=draw(FACTORS), hashrate_factor=draw(FACTORS),
    )  # fmt: skip


@st.composite
def readings(draw: st.DrawFn, *, odd: bool) -> PlantView | None:
    generation_kw = draw(st.floats(0, 60))
    foreign_kw = draw(st.floats(0, 20))
    if not odd:
        return plant(generation_kw, foreign_kw)
    if draw(st.integers(0, 9)) == 0:
        return None
    return plant(
        generation_kw,
        foreign_kw,
        recorded_at=T0,
        miners_meter_kw=draw(st.none() | st.floats(0, 40)),
        miners_meter_ok=draw(st.booleans()),
        age_s=draw(AGES),
        frozen_s=draw(st.sampled_from([0.0, 0.0, 599.0, 601.0, 5000.0])),
        generation_doubtful=draw(st.sampled_from([False, False, True])),
        over_generation_twice=draw(st.sampled_from([False, False, True])),
        contradicted=draw(st.sampled_from([(), (), (TWICE,)])),
        is_new=draw(st.booleans()),
    )


@st.composite
def odd_settings(draw: st.DrawFn) -> Settings:
    return settings(
        mode=draw(st.sampled_from([Mode.ARMED, Mode.ARMED, Mode.OBSERVE, Mode.OFF])),
        override=draw(st.sampled_from([Override.NONE] * 4 + [Override.MINIMUM, Override.STOP])),
        safety_margin_percent=draw(st.floats(0, 50)),
        farm_limit_kw=draw(st.none() | st.floats(0, 50)),
        count_unmanaged=draw(st.booleans()),
        wall_factor=draw(st.floats(1.0, 1.3)),
        stale_derate_percent_per_min=draw(st.floats(0, 100)),
        plant_lost_action=draw(st.sampled_from(["minimum", "hold", "stop"])),
        last_resort=draw(st.sampled_from(["stop", "hold"])),
        surplus_lasts_s=draw(st.sampled_from([0, 30])),
        ramp_up_kw_per_min=draw(st.none() | st.floats(0.1, 10)),
        ramp_down_kw_per_s=draw(st.none() | st.floats(0.1, 10)),
    )


@st.composite
def odd_snapshots(draw: st.DrawFn) -> Snapshot:
    """Return any picture that a cycle might see."""
    count = draw(st.integers(0, 5))
    shared = (draw(ladders(odd=True)), draw(ladders(odd=True)))
    moments = st.none() | st.sampled_from([stamp(-3600), stamp(-10), stamp(50), stamp(-500, boot="another")])
    return Snapshot(
        now=stamp(),
        settings=draw(odd_settings()),
        miners=tuple(draw(odd_miners(number, shared)) for number in range(1, count + 1)),
        plant=draw(readings(odd=True)),
        memory=CycleMemory(draw(st.floats(0, 10)), draw(moments), draw(moments)),
        uptime_s=draw(AGES),
        fresh_since_start=draw(st.sampled_from([True, True, False])),
        polled_since_start=draw(st.sampled_from([True, True, False])),
        other_firmware_count=draw(st.integers(0, 3)),
        raised_last_min_w=draw(st.floats(0, 5000)),
        cuts_only=draw(st.sampled_from([False, False, True])),
    )


@st.composite
def calm_snapshots(draw: st.DrawFn) -> Snapshot:
    """Return a healthy farm on fresh data: only the numbers differ."""
    count = draw(st.integers(1, 8))
    miners = tuple(draw(calm_miners(number)) for number in range(1, count + 1))
    return snapshot(miners, plant=draw(readings(odd=False)), safety_margin_percent=draw(st.floats(0, 30)))
