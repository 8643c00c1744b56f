"""Discovery: scan the subnets, recognise VNish miners, adopt them, read their presets (SPEC 4, CONTRACT 2).

A run works in slices and ends within its deadline. A round over large networks takes several runs, each asked for by
the one before. Nothing outside the configured subnets is ever contacted. What a run does not get done is still to do
by the rows: a miner without a key or with an old ladder is taken care of by the next one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Protocol

from app.clients import miner, scan
from app.clients.http import SweepSession
from app.clients.miner import MinerAddress
from app.clock import monotonic_s, utcnow
from app.core.presence import in_subnets
from app.core.readings import MinerIdentity, Preset
from app.errors import MinerError, MinerUnauthorized, NotVnish
from app.extensions import db
from app.jobs import runner
from app.jobs.fan_out import Replies, fan_out
from app.jobs.runner import JobContext
from app.redaction import Secret
from app.store import sightings
from app.store.sightings import Care, KnownMiner, Stranger

THREADS = 64
SLICE_HOSTS = 1024  # scanned in about 2 s where most are silent
SLICE_NEEDS_S = 5.0  # a slice is not begun with less left: scan and identification
CARE_NEEDS_S = 2.0  # nor a miner's adoption
RESERVE_S = 1.5  # of the deadline, for the database
LADDER_EVERY = timedelta(hours=1)
FIRST_BACK_OFF_S = 300.0
LONGEST_BACK_OFF_S = 3600.0
NO_FIRMWARE = ("other", "unknown")  # what the edge calls something that does not even look like a miner


class Miners(Protocol):
    """What discovery asks of the network: `app.clients`, or a fake in tests."""

    def scan(self, hosts: Sequence[str], port: int) -> list[str]: ...
    def identify(self, session: SweepSession, address: MinerAddress) -> MinerIdentity: ...
    def adopt(self, session: SweepSession, address: MinerAddress, password: str, mac: str) -> str: ...
    def read_ladder(self, session: SweepSession, address: MinerAddress, algorithm: str) -> tuple[Preset, ...]: ...
    def read_saved_preset(self, session: SweepSession, address: MinerAddress) -> str | None: ...


class _Network:
    """The real ones."""

    scan = staticmethod(scan.scan)
    identify = staticmethod(miner.identify)
    adopt = staticmethod(miner.adopt)
    read_ladder = staticmethod(miner.read_ladder)
    read_saved_preset = staticmethod(miner.read_saved_preset)


@dataclass(slots=True)
class _BackOff:
    delay_s: float
    password: Secret


@dataclass(slots=True)
class Progress:
    """What is kept between runs, and harmless to lose: where the round is, and how long refused passwords rest.

    A restart begins a new round, and doubles the rest from its beginning again; the time before which no password is
    tried is a row.
    """

    subnets: tuple[IPv4Network, ...] = ()
    hosts: Iterator[str] | None = None
    back_offs: dict[int, _BackOff] = field(default_factory=dict)

    def next_slice(self, subnets: tuple[IPv4Network, ...], size: int) -> list[str]:
        """Return the next addresses of the round, the first ones where none is under way; [] ends the round."""
        if self.hosts is None or subnets != self.subnets:
            self.subnets, self.hosts = subnets, scan.hosts_of(subnets)
        part = list(itertools.islice(self.hosts, size))
        if len(part) < size:
            self.hosts = iter(())
        return part

    def end_round(self) -> None:
        """Let the next run begin a new one."""
        self.hosts = None


_progress = Progress()


@dataclass(slots=True)
class _Run:
    """One run: its network, its time, and what it has done."""

    context: JobContext
    network: Miners
    progress: Progress
    ends_at: float
    scanned: int = 0
    miners: int = 0
    new: int = 0
    strangers: int = 0
    adopted: int = 0
    ladders: int = 0
    refused: int = 0
    bugs: list[BaseException] = field(default_factory=list)

    def left_s(self) -> float:
        return self.ends_at - monotonic_s()

    def time_is_up(self) -> bool:
        return self.left_s() <= 0

    def session(self, expected_hosts: int) -> SweepSession:
        return SweepSession(expected_hosts, only=self.context.config.subnets, ends_at=self.ends_at)

    def address(self, ip: str, api_key: Secret | None = None) -> MinerAddress:
        """Raises MinerError for an address outside the configured subnets: it is never contacted."""
        if not in_subnets(ip, self.context.config.subnets):
            raise MinerError(f"{ip or 'It'} is outside the configured subnets, so it is not contacted.", reached=False)
        return MinerAddress(ip, self.context.config.miner_port, None if api_key is None else api_key.reveal())


def run(context: JobContext, network: Miners | None = None, progress: Progress | None = None) -> str:
    """Go on with the round for as long as the deadline allows, then take care of the miners that need it."""
    ends_at = monotonic_s() + max(0.0, context.deadline.left_s() - RESERVE_S)
    this = _Run(context, network or _Network(), progress or _progress, ends_at)
    round_done = False
    while not round_done and this.left_s() > SLICE_NEEDS_S:
        round_done = _look(this)
    care_left = _take_care(this)
    if round_done:
        this.progress.end_round()
        sightings.forget_strangers(utcnow())
    if (this.scanned and not round_done) or (care_left and (this.adopted or this.ladders)):
        runner.request("discovery")  # never without progress: one miner that trickles must not make it run for ever
    for bug in this.bugs:
        raise bug
    return _note(this, care_left, round_done=round_done)


# --- who is there ----------------------------------------------------------------------------------------------------


def _look(this: _Run) -> bool:
    """Scan one slice and store what is there; return whether the round is over with it."""
    config = this.context.config
    hosts = this.progress.next_slice(config.subnets, SLICE_HOSTS)
    answering = this.network.scan(hosts, config.miner_port) if hosts else []
    with this.session(len(answering)) as session:
        replies = fan_out(
            lambda ip: this.network.identify(session, this.address(ip)),
            answering,
            threads=THREADS,
            time_is_up=this.time_is_up,
        )
        homes = {m.mac: m for m in sightings.known()}
        seen, twins = _settle_twins(this, session, replies, homes)
    strangers = [*twins, *_strangers(replies, {m.ip for m in homes.values() if not m.retired})]
    this.new += sightings.record(seen, strangers, utcnow())
    this.scanned += len(hosts)
    this.miners += len(seen)
    this.strangers += len(strangers)
    this.bugs += [error for _, error in replies.bugs]
    return len(hosts) < SLICE_HOSTS


def _settle_twins(
    this: _Run, session: SweepSession, replies: Replies[str, MinerIdentity], homes: dict[str, KnownMiner]
) -> tuple[list[MinerIdentity], list[Stranger]]:
    """Return the miners, one per MAC, and those that answer with another one's MAC.

    MACs are made up by the firmware and may collide. The one at the known address stays; one seen elsewhere has moved
    only if nobody answers with its MAC at its old address any more.
    """
    answers = dict(replies.answered)
    silent = {ip for ip, error in replies.failed if not isinstance(error, NotVnish)} | set(replies.unasked)
    taken: dict[str, str] = {}  # MAC -> address
    for ip, identity in answers.items():
        home = homes.get(identity.mac or "")
        if identity.mac is not None and home is not None and home.ip == ip:
            taken[identity.mac] = ip
    seen, twins = [], []
    for ip, identity in answers.items():
        mac = identity.mac
        if mac is None:
            continue
        if mac not in taken:
            home = homes.get(mac)
            taken[mac] = home.ip if home is not None and _still_there(this, session, home, answers, silent) else ip
        if taken[mac] == ip:
            seen.append(identity)
        else:
            note = f"answers with the MAC {mac}, which is that of the miner at {taken[mac]}; not adopted"
            twins.append(Stranger(ip, "VNish, MAC used twice", draws_power=True, note=note))
    return seen, twins


def _still_there(
    this: _Run, session: SweepSession, home: KnownMiner, answers: dict[str, MinerIdentity], silent: set[str]
) -> bool:
    """Tell whether a known miner still answers at its old address. One that answers badly there is still there."""
    if home.ip in answers:
        return answers[home.ip].mac == home.mac
    if home.ip in silent:
        return True
    try:
        return this.network.identify(session, this.address(home.ip)).mac == home.mac
    except NotVnish:
        return False
    except MinerError as error:
        return error.answered or this.time_is_up()


def _strangers(replies: Replies[str, MinerIdentity], known_ips: set[str]) -> list[Stranger]:
    strangers = []
    for ip, identity in replies.answered:
        if identity.mac is None and ip not in known_ips:
            note = f"{identity.model_name} ({identity.firmware_version}) does not tell its MAC; not adopted"
            strangers.append(Stranger(ip, "VNish without MAC", draws_power=True, note=note))
    for ip, error in replies.failed:
        if isinstance(error, NotVnish):
            strangers.append(Stranger(ip, error.firmware, error.firmware not in NO_FIRMWARE, str(error)))
    return strangers


# --- keys and ladders ------------------------------------------------------------------------------------------------


def _take_care(this: _Run) -> int:
    """Adopt, and read presets, where it is due; return how many miners were left for the next run."""
    now = utcnow()
    wanting = [m for m in sightings.known() if not m.retired and m.ip and _needs_care(this, m, now)]
    wanting = [m for m in wanting if in_subnets(m.ip, this.context.config.subnets)]
    wanting.sort(key=lambda m: (m.ladder_read_at is not None, m.ladder_read_at or now, m.id))
    db.session.rollback()  # no read transaction stays open while miners answer
    with this.session(len(wanting)) as session:
        replies = fan_out(
            lambda known: _care(this, session, known, now),
            wanting,
            threads=THREADS,
            time_is_up=lambda: this.left_s() <= CARE_NEEDS_S / 2,
        )
    cares = [care for _, care in replies.answered]
    sightings.record_care(cares, utcnow())
    this.adopted += sum(care.api_key is not None for care in cares)
    this.ladders += sum(care.presets is not None for care in cares)
    this.refused += sum(care.adoption_error is not None for care in cares)
    this.bugs += [error for _, error in replies.bugs]
    return len(replies.unasked)


def _needs_care(this: _Run, known: KnownMiner, now: datetime) -> bool:
    if known.api_key is not None:
        read_at = known.ladder_read_at
        return read_at is None or not timedelta(0) <= now - read_at < LADDER_EVERY
    rest = this.progress.back_offs.get(known.id)
    if rest is not None and rest.password != _password(this, known):
        return True  # the operator gave it another one
    retry_at = known.adoption_retry_at
    return retry_at is None or not now < retry_at <= now + timedelta(seconds=LONGEST_BACK_OFF_S)


def _password(this: _Run, known: KnownMiner) -> Secret:
    return known.unlock_password or this.context.config.unlock_password


def _check_identity(this: _Run, session: SweepSession, known: KnownMiner) -> None:
    """See that the miner at this address is still the same one before its key or password is shown to it.

    An address may have gone to another miner since the last scan of it: adopted there, that one would be commanded
    under this one's name. Raises MinerError.
    """
    mac = this.network.identify(session, this.address(known.ip)).mac
    if mac != known.mac:
        raise MinerError(f"Another miner ({mac or 'without a MAC'}) answers at its address {known.ip}.", answered=True)


def _care(this: _Run, session: SweepSession, known: KnownMiner, now: datetime) -> Care:
    """Adopt one miner where it has no key, or a dead one (once), and read its presets."""
    key, new_key, dead_key = known.api_key, None, None
    _check_identity(this, session, known)
    for _ in range(2):
        if key is None:
            try:
                key = new_key = _adopted(this, session, known)
            except MinerError as error:
                if not error.answered:
                    raise
                return _refused(this, known, error, dead_key, now)
            this.progress.back_offs.pop(known.id, None)
        try:
            presets = this.network.read_ladder(session, this.address(known.ip, key), known.algorithm)
            saved = this.network.read_saved_preset(session, this.address(known.ip, key))
            return Care(known.id, new_key, dead_key, presets=presets, saved_preset=saved)
        except MinerUnauthorized as error:
            if new_key is not None:
                return _refused(this, known, error, dead_key, now)
            key, dead_key = None, key
        except MinerError:
            if new_key is None:
                raise
            return Care(known.id, new_key, dead_key)  # the key is good; the presets come with the next run
    raise AssertionError("a key is refused at most twice")  # pragma: no cover


def _adopted(this: _Run, session: SweepSession, known: KnownMiner) -> Secret:
    password = _password(this, known).reveal()
    return Secret(this.network.adopt(session, this.address(known.ip), password, known.mac))


def _refused(this: _Run, known: KnownMiner, error: MinerError, dead_key: Secret | None, now: datetime) -> Care:
    """Leave the miner in peace for a while, twice as long each time: a loop of unlocks ends in a lock-out (429)."""
    password = _password(this, known)
    rest = this.progress.back_offs.get(known.id)
    before_s = rest.delay_s if rest is not None and rest.password == password else FIRST_BACK_OFF_S / 2
    named_s = error.retry_after_s or 0 if isinstance(error, MinerUnauthorized) else 0
    delay_s = min(LONGEST_BACK_OFF_S, max(2 * before_s, float(named_s)))
    this.progress.back_offs[known.id] = _BackOff(delay_s, password)
    retry_at = now + timedelta(seconds=delay_s)
    return Care(known.id, dead_key=dead_key, adoption_error=str(error)[:300], retry_at=retry_at)


def _note(this: _Run, care_left: int, *, round_done: bool) -> str:
    parts = [f"{this.miners} miners and {this.strangers} other hosts at {this.scanned} addresses"]
    counts = ((this.new, "new"), (this.adopted, "adopted"), (this.ladders, "ladders read"),
              (this.refused, "refused to be adopted"), (care_left, "left for the next run"))  # fmt: skip
    parts += [f"{count} {words}" for count, words in counts if count]
    if not round_done:
        parts.append("the round goes on")
    return "; ".join(parts)
