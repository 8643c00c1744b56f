"""What operators ordered: left here by web and api, claimed and carried out by the commands job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from app.core import by_hand, ladder
from app.core import settings as rules
from app.core.audit import Action
from app.core.readings import Stamp
from app.core.types import MinerView, Override
from app.errors import Conflict, NotFound, SettingError
from app.extensions import db, writing
from app.models import Command, Miner, MinerPreset
from app.store import audit, command_keys, fleet, rungs, snapshot
from app.store import settings as settings_store
from app.store.command_keys import Once

SCAN, PRESET, INSPECT, MODE = "scan", "preset", "inspect", "mode"
OVERRIDES = {"all_to_minimum": Override.MINIMUM, "stop_all": Override.STOP, "resume": Override.NONE}
KINDS = (PRESET, SCAN, INSPECT, MODE, *OVERRIDES)


def enqueue(
    kind: str,
    *,
    by: str,
    now: datetime,
    reason: str | None = None,
    miner_id: int | None = None,
    arguments: dict[str, Any] | None = None,
    once: Once | None = None,
) -> int:
    """Leave an order for the commands job and return its id; with `once` that of the order already given with its key.

    The farm-wide ones (all_to_minimum, stop_all, resume) put the setting `override` into force in the same
    transaction, so that the next cycle obeys even if the commands job is late.

    Raises:
        SettingError: the key was given with another request.
    """
    with writing() as session:
        given = command_keys.repeated(session, once, by, now)
        if given is not None:
            return given
        command = _row(kind, by, now, reason, miner_id=miner_id, arguments=arguments or {}, once=once)
        session.add(command)
        audit.note(session, by, Action.ORDER, kind, now, new=arguments, reason=reason)
        if kind in OVERRIDES:
            settings_store.put(session, {"override": rules.check("override", OVERRIDES[kind])}, by, reason, now)
        session.flush()
        return command.id


def change_mode(mode: str, *, by: str, now: datetime, reason: str | None = None, once: Once | None = None) -> int:
    """Put a mode into force and return the id of its order, which is done at once: nobody has to carry it out.

    Raises:
        SettingError: no such mode, or the key was given with another request.
    """
    checked = rules.check("mode", mode)
    with writing() as session:
        given = command_keys.repeated(session, once, by, now)
        if given is not None:
            return given
        command = _row(MODE, by, now, reason, miner_id=None, arguments={"mode": checked}, once=once)
        command.status, command.started_at, command.finished_at = "done", now, now
        command.result = f"The mode is {checked} from the next cycle on."
        session.add(command)
        settings_store.put(session, {"mode": checked}, by, reason, now)
        session.flush()
        return command.id


def enqueue_preset(
    mac: str,
    preset: str,
    *,
    by: str,
    now: datetime,
    hold_minutes: int | None = None,
    reason: str | None = None,
    judged: Stamp | None = None,
    once: Once | None = None,
) -> int:
    """Order one preset on one miner by hand and return the order's id. `hold_minutes` locks the miner for that long.

    `judged`: refuse at once what the rules of this moment forbid, too (cooldown, an armed balance that owns the miner).

    Raises:
        NotFound: no such miner.
        SettingError: the preset is not in this miner's ladder, or the key was given with another request.
        Conflict: a hard limit forbids it (SPEC 5.1, 5.2, 5.4); it is judged again when the order is carried out.
    """
    with writing() as session:
        given = command_keys.repeated(session, once, by, now)
        if given is not None:
            return given
        miner = fleet.by_mac(session, mac)
        _check_preset(miner, rungs.of_miner(miner.id), preset, now)
        if judged is not None:
            _check_moment(snapshot.load_miner(session, miner.id, judged), preset, keeps=bool(hold_minutes))
        if hold_minutes:
            miner.hold, miner.hold_until = True, now + timedelta(minutes=hold_minutes)
            miner.hold_reason = (reason or f"preset {preset} by hand")[:200]
            miner.updated_at = now
        arguments = {"preset": preset, "hold_minutes": hold_minutes}
        command = _row(PRESET, by, now, reason, miner_id=miner.id, arguments=arguments, once=once)
        session.add(command)
        audit.note(session, by, Action.ORDER, miner.mac, now, new=dict(command.arguments), reason=reason)
        session.flush()
        return command.id


def enqueue_inspection(mac: str, *, by: str, now: datetime) -> int:
    """Order to ask one miner for everything it tells, and return the order's id; that of one still open, if any.

    Raises:
        NotFound: no such miner.
        Conflict: it is retired, or discovery has not opened it: such a host is not contacted (SPEC 5.2).
    """
    with writing() as session:
        miner = fleet.by_mac(session, mac)
        if miner.retired:
            raise Conflict(f"Miner {miner.mac} is retired: it is not asked.")
        if miner.api_key is None:
            raise Conflict(f"Miner {miner.mac} has not been opened by discovery: it is not asked.")
        open_ = select(Command.id).where(Command.miner_id == miner.id, Command.kind == INSPECT)
        found = session.scalar(open_.where(Command.status.in_(["waiting", "running"])).limit(1))
        if found is not None:
            return int(found)
        command = _row(INSPECT, by, now, None, miner_id=miner.id, arguments={})
        session.add(command)
        audit.note(session, by, Action.ORDER, miner.mac, now, new={"kind": INSPECT})
        session.flush()
        return command.id


def get(command_id: int) -> Command:
    """Return one order.

    Raises:
        NotFound: there is none with this id.
    """
    command = db.session.get(Command, command_id) if 0 < command_id < 2**63 else None
    if command is None:
        raise NotFound(f"There is no command {command_id}.")
    return command


def latest_of(miner_id: int, kind: str = PRESET) -> Command | None:
    """Return the newest order of this kind for this one miner, or None."""
    query = select(Command).where(Command.miner_id == miner_id, Command.kind == kind)
    return db.session.scalars(query.order_by(Command.id.desc()).limit(1)).first()


def claim_next(now: datetime) -> Command | None:
    """Take the oldest waiting order for this process and return it, or None. No two processes get the same one."""
    with writing() as session:
        waiting = select(Command.id).where(Command.status == "waiting").order_by(Command.id).limit(1)
        command_id = session.scalar(waiting)
        if command_id is None:
            return None
        claim = update(Command).where(Command.id == command_id, Command.status == "waiting")
        claimed = session.execute(claim.values(status="running", started_at=now))
        if getattr(claimed, "rowcount", 0) != 1:
            return None
    return db.session.get(Command, command_id, populate_existing=True)


def finish(command_id: int, *, ok: bool, result: str, now: datetime) -> None:
    """Close a claimed order as done or failed, with one sentence."""
    with writing() as session:
        session.execute(
            update(Command)
            .where(Command.id == command_id, Command.status == "running")
            .values(status="done" if ok else "failed", result=result, finished_at=now)
        )


def fail_interrupted(now: datetime) -> int:
    """Close orders that a stopped process left `running`; return how many. For the acting scheduler's start."""
    with writing() as session:
        result = session.execute(
            update(Command)
            .where(Command.status == "running")
            .values(status="failed", result="PowerHive stopped while it was carried out.", finished_at=now)
        )
        return int(getattr(result, "rowcount", 0))


def _row(
    kind: str,
    by: str,
    now: datetime,
    reason: str | None,
    *,
    miner_id: int | None,
    arguments: dict[str, Any],
    once: Once | None = None,
) -> Command:
    if kind not in KINDS:
        raise ValueError(f"{kind} is not a kind of command")
    return Command(
        kind=kind,
        miner_id=miner_id,
        arguments=arguments,
        reason=reason,
        created_at=now,
        created_by=by,
        idempotency_key=None if once is None else once.key,
        request_digest=None if once is None else once.digest,
    )


def _check_moment(miner: MinerView, preset: str, *, keeps: bool) -> None:
    refused = by_hand.objection(miner, preset, settings_store.load().mode, keeps=keeps)
    if refused:
        raise Conflict(f"Not allowed: {refused}.")


def _check_preset(miner: Miner, own: list[MinerPreset], name: str, now: datetime) -> None:
    if name not in {rung.name for rung in own}:
        known = ", ".join(rung.name for rung in own) or "none yet"
        raise SettingError("preset", f"preset must be one of this miner's presets ({known}); got {name[:60]!r}.")
    if miner.retired:
        raise Conflict(f"Miner {miner.mac} is retired.")
    if miner.model is None:
        raise Conflict(f"Miner {miner.mac} is of an unknown model and is not touched.")
    if not (miner.managed or fleet.is_held(miner, now)):
        raise Conflict(f"Miner {miner.mac} is neither managed nor held, so it is not commanded.")
    view = rungs.view(miner, own, rungs.of_model(miner.model.id), now)
    objection = ladder.forbidden(view.ladder.get(name), view)
    if objection:
        raise Conflict(f"Not allowed: {objection}.")
