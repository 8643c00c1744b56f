"""Carries out what operators asked for on the pages or over JSON, one order after the other.

The farm-wide orders (all to minimum, stop all, resume) were put into force as a setting when they were given; here the
balancer is only asked to act on it at once. A preset by hand passes the same door as every other change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from app.clients import miner
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clock import monotonic_s, stamp, utcnow
from app.core import power
from app.core.inspection import Inspection
from app.core.presence import in_subnets
from app.core.types import ChangeKind, Mode, Origin, Outcome, Override, PresetChange, Settings
from app.errors import PowerHiveError
from app.extensions import db
from app.jobs import apply as door
from app.jobs import runner
from app.jobs.apply import Hands, Result
from app.jobs.runner import JobContext
from app.redaction import Redactor
from app.store import commands, cycles, fleet, inspections, polls
from app.store import settings as settings_store
from app.store import snapshot as snapshots
from app.store.changes import ChangeContext
from app.store.polls import PollTarget

ORDER_S = 6.0  # an order is taken only with this much time left
INSPECT_S = 4.0  # a miner that tells everything this slowly must not keep a preset by hand waiting

Inspect = Callable[[SweepSession, PollTarget, int], Inspection]


class Order(Protocol):
    """What a row of `commands` says."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def miner_id(self) -> int | None: ...
    @property
    def arguments(self) -> dict[str, Any]: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def created_by(self) -> str: ...


def run(job: JobContext) -> str:
    """Carry out the waiting orders, oldest first; what there is no time for waits for the next run."""
    return carry_out(job)


def inspect(session: SweepSession, target: PollTarget, port: int) -> Inspection:
    """Ask one miner for everything it tells."""
    address = MinerAddress(target.ip, port, None if target.api_key is None else target.api_key.reveal())
    return miner.inspect(session, address, target.hr_measure, target.algorithm)


def carry_out(job: JobContext, hands: Hands | None = None, inspect: Inspect = inspect) -> str:
    """Carry out the waiting orders with these hands (None: the real ones); `inspect` stands in for miners in tests."""
    done = failed = 0
    while job.deadline.left_s() > ORDER_S:
        command = commands.claim_next(utcnow())
        if command is None:
            break
        ok, sentence = False, "PowerHive itself failed while carrying this out; see its log."
        try:
            ok, sentence = _carry_out(command, job, hands, inspect)
        finally:
            commands.finish(command.id, ok=ok, result=sentence, now=utcnow())
        done, failed = done + ok, failed + (not ok)
    if not done and not failed:
        return "nothing to do"
    return f"{done} orders carried out, {failed} failed"


def _carry_out(command: Order, job: JobContext, hands: Hands | None, inspect: Inspect) -> tuple[bool, str]:
    """Return whether the order was carried out, and the sentence for the operator."""
    try:
        if command.kind == commands.PRESET:
            return _set_preset(command, job, hands)
        if command.kind == commands.INSPECT:
            return _inspected(command, job, inspect)
        if command.kind == commands.SCAN:
            runner.request("discovery")
            return True, "The scan begins now; new miners appear on the miners page."
        if command.kind in commands.OVERRIDES:
            runner.request("balancer")
            return True, _override_sentence(command.kind, settings_store.load().mode)
        return False, f"{command.kind} is not an order PowerHive knows."
    except PowerHiveError as e:
        return False, str(e)


def _inspected(command: Order, job: JobContext, inspect: Inspect) -> tuple[bool, str]:
    """Ask one miner for its chips and answers, within its subnet and time, and keep what it tells."""
    target = next(iter(polls.targets([command.miner_id])), None) if command.miner_id is not None else None
    if target is None or target.api_key is None:
        return False, "The miner is retired, or discovery has not opened it: it is not asked."
    if not in_subnets(target.ip, job.config.subnets):
        return False, "The miner has no address in the configured subnets, so it is not contacted."
    own = (target.api_key, fleet.get(target.mac).unlock_password)
    secrets = [*job.config.secrets, *(secret.reveal() for secret in own if secret)]
    db.session.rollback()  # no read transaction stays open while the miner answers
    with SweepSession(1, only=job.config.subnets, ends_at=monotonic_s() + INSPECT_S) as session:
        found = inspect(session, target, job.config.miner_port)
    # A miner knows the password that opens it, and may say it anywhere.
    found = replace(found, answers=Redactor(secrets).clean(found.answers))
    inspections.record(target.miner_id, found, utcnow())
    return True, "The miner told everything; its page shows it."


def _override_sentence(kind: str, mode: Mode) -> str:
    override = commands.OVERRIDES[kind]
    if override == Override.MINIMUM:
        return "In force until resume: the next cycle brings all miners to their lowest presets."
    if override == Override.STOP:
        return "In force until resume: the next cycle stops all miners."
    if mode is Mode.ARMED:
        return "The farm follows the plant again."
    return f"The order is lifted, but the mode is {mode}: nothing is raised or started again until it is armed."


def _set_preset(command: Order, job: JobContext, hands: Hands | None) -> tuple[bool, str]:
    """One preset on one miner by hand: in every mode, also while the miner is held; the hard limits hold for it."""
    preset = command.arguments.get("preset")
    if command.miner_id is None or not isinstance(preset, str):
        return False, "The order names no miner or no preset."
    change = _by_hand(command, command.miner_id, preset)
    cycle = cycles.latest()
    context = ChangeContext(
        command_id=command.id,
        current_w=None if cycle is None else cycle.current_w,
        available_w=None if cycle is None else cycle.available_kw * 1000.0,
        target_w=None if cycle is None else cycle.target_w,
    )
    results = door.apply([change], context, job, hands=hands)
    if not results:
        return False, "Not sent: out of time. Give the order again."
    return _told(results[0], preset)


def _by_hand(command: Order, miner_id: int, preset: str) -> PresetChange:
    miner, settings = snapshots.miner_now(miner_id, stamp())
    account = power.account(miner, settings)
    new_w = power.preset_w(miner, preset, settings)
    reason = f"by hand ({command.created_by})"
    return PresetChange(
        miner_id=miner.id,
        mac=miner.mac,
        kind=ChangeKind.PRESET,
        old_preset=account.preset,
        new_preset=preset,
        old_power_w=account.power_w,
        new_power_w=_worst_case_w(miner.worst_case_w, settings) if new_w is None else new_w,
        reason=f"{reason}: {command.reason}" if command.reason else reason,
        origin=Origin.OPERATOR,
    )


def _worst_case_w(worst_case_w: float, settings: Settings) -> float:
    return worst_case_w * settings.wall_factor


def _told(result: Result, preset: str) -> tuple[bool, str]:
    if result.ending is None:
        return False, f"Refused: {result.sentence}."
    if result.outcome is Outcome.SENT:
        return True, f"Preset {preset} is sent; the events show when the miner runs it."
    if result.outcome is Outcome.UNKNOWN:
        return (
            False,
            f"Whether the miner took preset {preset} is not known yet; the events will show it. {result.sentence}",
        )
    return False, f"The miner did not take preset {preset}. {result.sentence}"
