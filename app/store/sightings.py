"""What discovery saw: miners by their MAC, where they are, their keys and presets; and what else is there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import Session, scoped_session

from app.core.readings import MinerIdentity, Preset
from app.core.types import Outcome
from app.extensions import db, writing
from app.models import Miner, MinerModel, MinerPreset, MinerStatusRow, ModelPreset, OtherHost, PresetChangeRow
from app.redaction import Secret

log = logging.getLogger(__name__)

UNKNOWN_MODEL = "unknown"  # what the edge says where a miner does not name its model
OTHER_HOST_KEPT = timedelta(
    days=1
)  # since it was last seen; the port of one that still draws may be closed for a while

AnySession = Session | scoped_session[Session]


@dataclass(frozen=True, slots=True)
class KnownMiner:
    """What discovery has to know of a miner before it looks for it, and to take care of it."""

    id: int
    mac: str
    ip: str
    retired: bool
    algorithm: str
    api_key: Secret | None
    unlock_password: Secret | None
    adoption_retry_at: datetime | None
    ladder_read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stranger:
    """A host that answers, but is no miner PowerHive can adopt. `draws_power`: it is a miner nevertheless."""

    ip: str
    firmware: str
    draws_power: bool
    note: str


@dataclass(frozen=True, slots=True)
class Care:
    """What came of adopting one miner and reading its presets. `dead_key`: the key that was refused.

    `presets` None: not read, for whatever reason. `retry_at`: before then its password is not tried again.
    """

    miner_id: int
    api_key: Secret | None = None
    dead_key: Secret | None = None
    adoption_error: str | None = None
    retry_at: datetime | None = None
    presets: tuple[Preset, ...] | None = None
    saved_preset: str | None = None


def known() -> list[KnownMiner]:
    """Return every miner ever seen, retired ones too."""
    query = (
        select(
            Miner.id, Miner.mac, Miner.ip, Miner.retired, Miner.api_key, Miner.unlock_password,
            Miner.adoption_retry_at, Miner.ladder_read_at,
            func.coalesce(MinerModel.algorithm, "sha256d").label("algorithm"),
        )
        .outerjoin(MinerModel, MinerModel.id == Miner.model_id)
        .order_by(Miner.id)
    )  # fmt: skip
    return [
        KnownMiner(
            id=row.id,
            mac=row.mac,
            ip=row.ip,
            retired=row.retired,
            algorithm=row.algorithm,
            api_key=row.api_key,
            unlock_password=row.unlock_password,
            adoption_retry_at=row.adoption_retry_at,
            ladder_read_at=row.ladder_read_at,
        )
        for row in db.session.execute(query)
    ]


def record(seen: Sequence[MinerIdentity], strangers: Sequence[Stranger], now: datetime) -> int:
    """Store what one part of a scan saw, in one transaction; return how many miners are new.

    Each of `seen` has a MAC, and each MAC and address comes once. A new miner is not managed. One that moved keeps its
    history; whoever was known at an address that is another miner's by now has none until it is seen again.
    """
    with writing() as session:
        models = _models(session, seen, now)
        miners = {m.mac: m for m in session.scalars(select(Miner).where(Miner.mac.in_([s.mac for s in seen])))}
        _vacate(session, seen)
        new = [_new_miner(session, s, now) for s in seen if s.mac not in miners]
        miners |= {miner.mac: miner for miner in new}
        for identity in seen:
            model = models.get(identity.model_alias)
            _see(miners[identity.mac or ""], identity, None if model is None else model.id, now)
        session.flush()
        if new:
            session.execute(insert(MinerStatusRow), [{"miner_id": miner.id} for miner in new])
        _record_strangers(session, strangers, {s.ip for s in seen}, now)
    return len(new)


def forget_strangers(now: datetime) -> None:
    """Remove the hosts that were not seen for a day: else one that is gone would count as load for ever."""
    with writing() as session:
        session.execute(delete(OtherHost).where(OtherHost.last_seen_at < now - OTHER_HOST_KEPT))


def doubt_key(miner_id: int, api_key: Secret, error: str) -> None:
    """Note that the miner refused this key in a poll, so that discovery tries it and adopts the miner anew.

    The key stays: without one the miner could not be cut until then, and the door replaces a dead key by itself.
    """
    with writing() as session:
        miner = session.get(Miner, miner_id)
        if miner is not None and miner.api_key == api_key:
            miner.ladder_read_at, miner.adoption_error = None, error


def record_care(cares: Iterable[Care], now: datetime) -> None:
    """Store keys, back-offs and ladders of these miners, and merge the ladders of their models; one transaction."""
    cares = list(cares)
    if not cares:
        return
    with writing() as session:
        ids = [c.miner_id for c in cares]
        rows = {m.id: m for m in session.scalars(select(Miner).where(Miner.id.in_(ids)))}
        changing = _changing(session, ids)
        ladders: dict[int, tuple[Preset, ...]] = {}
        for care in cares:
            miner = rows.get(care.miner_id)
            if miner is None:
                continue
            _record_adoption(miner, care)
            if care.presets is not None:
                if miner.id not in changing:  # what was read may be older than the change
                    miner.saved_preset = care.saved_preset
                miner.ladder_read_at = now
                ladders[miner.id] = care.presets
        if _replace_ladders(session, ladders):
            for model_id in {rows[i].model_id for i in ladders} - {None}:
                _merge_ladder(session, model_id)


# --- miners ----------------------------------------------------------------------------------------------------------


def _models(session: AnySession, seen: Sequence[MinerIdentity], now: datetime) -> dict[str, MinerModel]:
    named = {s.model_alias: s for s in seen if s.model_alias and s.model_alias != UNKNOWN_MODEL}
    models = {m.alias: m for m in session.scalars(select(MinerModel).where(MinerModel.alias.in_(named)))}
    for alias, identity in named.items():
        if alias not in models:
            model = MinerModel(alias=alias[:64], name=identity.model_name[:120], created_at=now)
            session.add(model)
            models[alias] = model
        models[alias].algorithm = identity.algorithm[:32]
    session.flush()
    return models


def _vacate(session: AnySession, seen: Sequence[MinerIdentity]) -> None:
    """Take the address from every miner that another one answers at: it would be shown with that one's readings."""
    owners = {s.ip: s.mac for s in seen}
    for miner in session.scalars(select(Miner).where(Miner.ip.in_(owners))):
        if owners[miner.ip] != miner.mac:
            log.warning("miner %s is no longer at %s", miner.mac, miner.ip)
            miner.ip = ""


def _new_miner(session: AnySession, identity: MinerIdentity, now: datetime) -> Miner:
    miner = Miner(mac=identity.mac, ip=identity.ip, created_at=now, updated_at=now)
    session.add(miner)
    return miner


def _see(miner: Miner, identity: MinerIdentity, model_id: int | None, now: datetime) -> None:
    if miner.ip and miner.ip != identity.ip:
        log.warning("miner %s moved from %s to %s", miner.mac, miner.ip, identity.ip)
    facts = {
        "ip": identity.ip,
        "model_id": model_id,
        "firmware_version": identity.firmware_version[:64],
        "hostname": identity.hostname[:120],
        "hr_measure": identity.hr_measure[:8],
    }
    if (miner.model_id, miner.firmware_version) != (model_id, facts["firmware_version"]):
        miner.ladder_read_at = None  # another firmware has other presets
    if any(getattr(miner, name) != value for name, value in facts.items()):
        miner.updated_at = now
        for name, value in facts.items():
            setattr(miner, name, value)
    miner.last_seen_at = now


def _record_strangers(session: AnySession, strangers: Sequence[Stranger], miners_ips: set[str], now: datetime) -> None:
    if miners_ips:
        session.execute(delete(OtherHost).where(OtherHost.ip.in_(miners_ips)))
    rows = {h.ip: h for h in session.scalars(select(OtherHost).where(OtherHost.ip.in_([s.ip for s in strangers])))}
    for stranger in strangers:
        host = rows.get(stranger.ip)
        if host is None:
            host = OtherHost(ip=stranger.ip, first_seen_at=now)
            session.add(host)
        host.firmware, host.draws_power = stranger.firmware[:64], stranger.draws_power
        host.note, host.last_seen_at = stranger.note[:300], now


# --- keys and ladders ------------------------------------------------------------------------------------------------


def _record_adoption(miner: Miner, care: Care) -> None:
    if care.dead_key is not None and miner.api_key == care.dead_key:
        miner.api_key = None
    if care.api_key is not None:
        miner.api_key, miner.adoption_error, miner.adoption_retry_at = care.api_key, None, None
    elif care.adoption_error is not None:
        if miner.adoption_error is None:
            log.warning("miner %s could not be adopted: %s", miner.mac, care.adoption_error)
        miner.adoption_error, miner.adoption_retry_at = care.adoption_error, care.retry_at


def _changing(session: AnySession, miner_ids: Sequence[int]) -> set[int]:
    on_its_way = [outcome.value for outcome in Outcome if outcome.on_its_way]
    query = select(PresetChangeRow.miner_id).where(
        PresetChangeRow.miner_id.in_(miner_ids), PresetChangeRow.outcome.in_(on_its_way)
    )
    return set(session.scalars(query))


def _replace_ladders(session: AnySession, ladders: Mapping[int, tuple[Preset, ...]]) -> bool:
    """Store the ladders that differ from what is stored; return whether any did. An empty answer changes nothing."""
    stored: dict[int, set[Preset]] = {}
    for row in session.scalars(select(MinerPreset).where(MinerPreset.miner_id.in_(ladders))):
        stored.setdefault(row.miner_id, set()).add(_as_preset(row))
    changed = {i: presets for i, presets in ladders.items() if presets and set(presets) != stored.get(i)}
    if not changed:
        return False
    session.execute(delete(MinerPreset).where(MinerPreset.miner_id.in_(changed)))
    rows = [_preset_columns(i, preset) for i, presets in changed.items() for preset in presets]
    session.execute(insert(MinerPreset), rows)
    return True


def _as_preset(row: MinerPreset) -> Preset:
    return Preset(row.name, row.firmware_power_w, row.hashrate_ths, row.tuned, row.modded_psu_required)


def _preset_columns(miner_id: int, preset: Preset) -> dict[str, object]:
    return {
        "miner_id": miner_id,
        "name": preset.name,
        "firmware_power_w": preset.firmware_power_w,
        "hashrate_ths": preset.hashrate_ths,
        "tuned": preset.tuned,
        "modded_psu_required": preset.modded_psu_required,
    }


def _merge_ladder(session: AnySession, model_id: int | None) -> None:
    """Bring a model's merged ladder up to date with its miners' own; the operator's numbers stay.

    Where miners differ about a preset's watts the lower number counts (it is what the ceiling is judged by). A preset
    that no miner has any more stays only where the operator has a number or the ceiling on it.
    """
    merged = _merged(session, model_id)
    model = session.get(MinerModel, model_id)
    rows = {row.name: row for row in session.scalars(select(ModelPreset).where(ModelPreset.model_id == model_id))}
    for name, row in rows.items():
        if name in merged:
            continue
        wanted = model is not None and model.max_preset == name
        if wanted or row.expected_power_w is not None or row.expected_hashrate_ths is not None:
            row.miner_count = row.tuned_count = 0
        else:
            session.delete(row)
    for name, facts in merged.items():
        found = rows.get(name)
        if found is None:
            found = ModelPreset(model_id=model_id, name=name)
            session.add(found)
        found.firmware_power_w, found.hashrate_ths, modded, found.tuned_count, found.miner_count = facts
        found.modded_psu_required = bool(modded)


def _merged(session: AnySession, model_id: int | None) -> dict[str, tuple[int | None, float | None, int, int, int]]:
    own = MinerPreset
    modded = func.sum(case((own.modded_psu_required, 1), else_=0))
    tuned = func.sum(case((own.tuned, 1), else_=0))
    query = (
        select(own.name, func.min(own.firmware_power_w), func.avg(own.hashrate_ths), modded, tuned, func.count())
        .join(Miner, Miner.id == own.miner_id)
        .where(Miner.model_id == model_id, Miner.retired.is_(False))
        .group_by(own.name)
    )
    return {name: (watts, ths, m, t, count) for name, watts, ths, m, t, count in session.execute(query)}
