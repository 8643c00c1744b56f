"""One miner as the rules see it, from rows at hand: which presets it may be sent, and what they would mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.core import ladder, learning, power
from app.core.readings import MinerState, Preset, Stamp
from app.core.types import ChangeView, MinerView, Settings, UntunedUse
from app.extensions import db
from app.models import Miner, MinerPreset, ModelPreset
from app.store import fleet

_STATES = {str(state): state for state in MinerState}


@dataclass(frozen=True, slots=True)
class Rung:
    """One preset of a miner's ladder. `power_w`, `hashrate_ths`: what it is expected to be at the wall; None: unknown.

    `objection`: why it may never be sent to this miner (SPEC 5.1, 5.4), None: it may. `by_itself`: the balance may
    choose it.
    """

    preset: Preset
    power_w: float | None
    hashrate_ths: float | None
    objection: str | None
    by_itself: bool

    @property
    def efficiency_w_per_ths(self) -> float | None:
        return self.power_w / self.hashrate_ths if self.power_w and self.hashrate_ths else None


def of_miner(miner_id: int) -> list[MinerPreset]:
    """Return the rows of a miner's own ladder."""
    return list(db.session.scalars(select(MinerPreset).where(MinerPreset.miner_id == miner_id)))


def of_model(model_id: int | None) -> list[ModelPreset]:
    """Return the rows of a model's merged ladder; none for no model."""
    return list(db.session.scalars(select(ModelPreset).where(ModelPreset.model_id == model_id)))


def view(
    miner: Miner,
    own: Sequence[MinerPreset],
    model_rungs: Sequence[ModelPreset],
    now: datetime,
    change: ChangeView | None = None,
) -> MinerView:
    """Return the miner as the ladder's rules see it. Not for a cycle: silence and cooldown are not judged here."""
    model, status = miner.model, miner.status
    by_name = {rung.name: rung for rung in model_rungs}
    top = by_name.get(model.max_preset or "") if model else None
    return MinerView(
        id=miner.id,
        mac=miner.mac,
        ladder=ladder.build(_preset(rung, by_name.get(rung.name)) for rung in own),
        model_alias=None if model is None else model.alias,
        max_preset=None if model is None else model.max_preset,
        max_preset_w=None if top is None else top.firmware_power_w,
        allow_modded_psu=model is not None and model.allow_modded_psu,
        untuned_use=_untuned_use(miner),
        managed=miner.managed,
        held=fleet.is_held(miner, now),
        retired=miner.retired,
        identified=miner.api_key is not None,
        state=MinerState.UNKNOWN if status is None else _STATES.get(status.state, MinerState.UNKNOWN),
        running_preset=None if status is None else status.running_preset,
        saved_preset=miner.saved_preset,
        power_factor=learning.rounded((status.power_factor if status else None) or 1.0),
        hashrate_factor=learning.rounded((status.hashrate_factor if status else None) or 1.0),
        last_change=change,
    )


def ladder_of(miner: MinerView, settings: Settings) -> list[Rung]:
    """Return the miner's presets with what they mean, highest firmware watts first, unknown watts last."""
    chosen = {preset.name for preset in ladder.choices(miner)}
    known = [p for p in miner.ladder.presets if p.firmware_power_w is not None]
    unknown = [p for p in miner.ladder.presets if p.firmware_power_w is None]
    return [
        Rung(
            preset=preset,
            power_w=power.wall_w(miner, preset, settings),
            hashrate_ths=power.preset_ths(miner, preset) or None,
            objection=ladder.forbidden(preset, miner),
            by_itself=preset.name in chosen,
        )
        for preset in (*reversed(known), *unknown)
    ]


def cooldown_left_s(recorded: Stamp | None, settings: Settings, now: Stamp) -> float:
    """Return the seconds until a miner whose latest change was recorded then may be changed again (SPEC 5.3)."""
    return 0.0 if recorded is None else max(0.0, settings.cooldown_s - recorded.elapsed_s(now))


def _preset(own: MinerPreset, merged: ModelPreset | None) -> Preset:
    return Preset(
        name=own.name,
        firmware_power_w=own.firmware_power_w,
        hashrate_ths=own.hashrate_ths,
        tuned=own.tuned,
        modded_psu_required=own.modded_psu_required,
        expected_power_w=None if merged is None else merged.expected_power_w,
        expected_hashrate_ths=None if merged is None else merged.expected_hashrate_ths,
    )


def _untuned_use(miner: Miner) -> UntunedUse:
    try:
        return UntunedUse.WHEN_NEEDED if miner.model is None else UntunedUse(miner.model.untuned_use)
    except ValueError:
        return UntunedUse.NEVER  # as in the cycle's snapshot
