"""What can be done with one miner: identify, adopt, read, change (CONTRACT 2-5). Endpoints: `vnish`; fields: `answers`.

Everything here asks exactly one miner within the session's time limits, retries nothing and remembers nothing. All
functions raise MinerError (see its attributes for what is certain); those that need the API key raise MinerUnauthorized
when it is dead: the caller then adopts once, and tries once more.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from app.clients import answers
from app.clients.fields import clean
from app.clients.http import Answer, SweepSession, TransportError
from app.clients.vnish import MinerAddress, VnishApi
from app.core.inspection import ChipReading, Inspection, as_text
from app.core.readings import BoardReading, MinerIdentity, MinerStatus, Preset
from app.errors import MinerError, NotVnish

__all__ = [
    "MinerAddress",
    "SetResult",
    "adopt",
    "check_saved_preset",
    "identify",
    "inspect",
    "read_boards",
    "read_ladder",
    "read_saved_preset",
    "read_status",
    "restart",
    "set_preset",
    "start",
    "stop",
]

BITMAIN_STOCK = "Bitmain stock"
OTHER = "other"
_KEY = re.compile(r"[\x21-\x7e]{32}")
_ANTHILL = re.compile(rb"<meta[^>]{0,100}AnthillOS", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SetResult:
    """The miner took the preset into its settings. That proves nothing about what runs (CONTRACT 4).

    `restart_required`: it runs only after `restart`. A flag the miner does not give counts as False.
    """

    accepted: bool
    restart_required: bool
    reboot_required: bool


# --- who is there ----------------------------------------------------------------------------------------------------


def identify(session: SweepSession, address: MinerAddress) -> MinerIdentity:
    """Return who answers at this address, without any credential.

    Raises NotVnish where something else answers (`firmware`: "Bitmain stock", the name it gives itself, or "other"),
    MinerError where nothing does, or where a VNish miner answers but not well enough: that one is to be asked again.
    """
    api = VnishApi(session, address)
    answer = api.info()
    if not answer.ok:
        raise _not_vnish(address, answer)
    try:
        info = answer.json()
    except TransportError as e:
        if answer.body.lstrip()[:1] in (b"{", b"["):  # cut or garbled JSON: no reason to write a miner off
            raise MinerError(f"Miner {address.ip} {e}.", answered=True) from e
        raise _not_vnish(address, answer) from e
    name = clean(info.get("fw_name"), 40) if isinstance(info, dict) else ""
    if "vnish" not in name.casefold():
        raise NotVnish(f"{address.ip} runs {name or 'no VNish firmware'}.", firmware=name or OTHER)
    model = api.model() if answers.needs_model(info) else None
    return answers.identity(address.ip, info, model)


def _not_vnish(address: MinerAddress, answer: Answer) -> MinerError:
    challenge = f"{answer.headers.get('WWW-Authenticate', '')} {answer.headers.get('Server', '')}".casefold()
    if answer.status == 401 and ("antminer" in challenge or "lighttpd" in challenge):
        return NotVnish(f"{address.ip} is a miner with Bitmain's own firmware.", firmware=BITMAIN_STOCK)
    if answer.status >= 500 or answer.status in (408, 429) or _ANTHILL.search(answer.body):
        return MinerError(f"{address.ip} does not say what it is ({answer.status}).", answered=True)
    return NotVnish(f"{address.ip} is no VNish miner ({answer.status}).", firmware=OTHER)


def adopt(session: SweepSession, address: MinerAddress, password: str, mac: str) -> str:
    """Return an API key of this miner that bears our name and its MAC: the one it has, else a new one (CONTRACT 2).

    With its MAC, because firmware settings are copied from miner to miner: no key may open two of them.

    Uses the bearer token of an unlock only, whatever key `address` holds, and drops the token at the end. Raises
    MinerUnauthorized (wrong password, too many tries: do not loop) and MinerError.
    """
    description = " ".join(("PowerHive", mac))
    token = _field(VnishApi(session, address).unlock(password), "token")
    if not (isinstance(token, str) and token.isascii() and token.isprintable() and 0 < len(token) <= 4096):
        raise MinerError(f"Miner {address.ip} unlocked without giving a token.", answered=True)
    api = VnishApi(session, address, token=token)
    try:
        for item in _listed(api.apikeys(), address):
            key = _field(item, "key")
            if _field(item, "description") == description and isinstance(key, str) and _KEY.fullmatch(key):
                return key
        key = secrets.token_hex(16)
        api.add_apikey(key, description)
        return key
    finally:
        _lock(api)


def _lock(api: VnishApi) -> None:
    """Drop the session; a miner that will not is no reason to lose the key just made (the session ends by itself)."""
    try:
        api.lock()
    except MinerError:
        return


def _listed(content: Any, address: MinerAddress) -> list[Any]:
    if isinstance(content, list):
        return content
    raise MinerError(f"Miner {address.ip} does not list its API keys.", answered=True)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_status(
    session: SweepSession,
    address: MinerAddress,
    hr_measure: str,
    algorithm: str,
    *,
    detail: bool = False,
    with_flags: bool = False,
) -> MinerStatus:
    """Return one poll: /summary and /perf-summary.

    `with_flags` asks /status, too (restart_required, reboot_required); so does a summary without a state. `detail`, for
    telemetry: /info (uptime) and /chains (what the summary does not tell of the boards). Units: see MinerStatus.
    """
    api = VnishApi(session, address)
    summary = api.summary()
    perf = _perf_summary(api)
    flags = api.status() if with_flags or not answers.tells_state(summary) else None
    status = answers.status(summary, perf, flags, hr_measure, algorithm)
    if not detail:
        return status
    boards = answers.merged_boards(status.boards, read_boards(session, address, hr_measure, algorithm))
    return replace(status, uptime_s=_uptime_s(api), boards=boards)


def _perf_summary(api: VnishApi) -> Any:
    """Return /perf-summary, None where the miner refuses it (500 in some failures): the rest is still worth having."""
    try:
        return api.perf_summary()
    except MinerError as e:
        if e.answered:
            return None
        raise


def _uptime_s(api: VnishApi) -> int | None:
    try:
        return answers.uptime_s(api.info().json())
    except TransportError:
        return None


def read_boards(
    session: SweepSession, address: MinerAddress, hr_measure: str, algorithm: str
) -> tuple[BoardReading, ...]:
    """Return the boards with their chips counted by grade, () where the firmware has no such call. 25 KB: not hot."""
    try:
        return answers.boards(VnishApi(session, address).chains(), hr_measure, algorithm)
    except MinerError as e:
        if e.permanent and e.answered:
            return ()
        raise


def inspect(session: SweepSession, address: MinerAddress, hr_measure: str, algorithm: str) -> Inspection:
    """Return all that the miner tells of itself: its chips, and its answers as text without secrets. Not hot: 40 KB."""
    api = VnishApi(session, address)
    asked = {"summary": api.summary(), "perf-summary": _perf_summary(api), "status": api.status()}
    return Inspection(_chips(api, hr_measure, algorithm), as_text(asked))


def _chips(api: VnishApi, hr_measure: str, algorithm: str) -> tuple[ChipReading, ...]:
    """Return the chips, () where the firmware has no such call or refuses it: the rest is still worth having."""
    try:
        return answers.chips(api.chains(), hr_measure, algorithm)
    except MinerError as e:
        if e.answered:
            return ()
        raise


def read_ladder(session: SweepSession, address: MinerAddress, algorithm: str) -> tuple[Preset, ...]:
    """Return the miner's own presets by ascending firmware watts, unknown watts last. Needs the key."""
    return answers.ladder(VnishApi(session, address).presets(), algorithm)


def read_saved_preset(session: SweepSession, address: MinerAddress) -> str | None:
    """Return the preset of the settings: what runs after the next start, not what runs now. Needs the key."""
    return answers.saved_preset(VnishApi(session, address).settings())


def check_saved_preset(session: SweepSession, address: MinerAddress, preset: str) -> bool:
    """Return whether the settings name this preset, so that the miner will start with it. Needs the key."""
    return read_saved_preset(session, address) == preset


# --- changing --------------------------------------------------------------------------------------------------------


def set_preset(session: SweepSession, address: MinerAddress, preset: str) -> SetResult:
    """Save a preset, its name exactly as the ladder has it. Needs the key.

    MinerError: `reached` False - nothing happened; `answered` True - refused (400, permanent: no such preset);
    else nobody knows. What really runs is told by `read_status`.
    """
    flags = VnishApi(session, address).save_preset(preset)
    return SetResult(
        accepted=True,
        restart_required=_field(flags, "restart_required") is True,
        reboot_required=_field(flags, "reboot_required") is True,
    )


def restart(session: SweepSession, address: MinerAddress) -> None:
    """Restart mining (15-20 s, then a ramp of minutes), with the saved preset. Needs the key."""
    VnishApi(session, address).mining("restart")


def stop(session: SweepSession, address: MinerAddress) -> None:
    """Stop mining: boards without power, control board and fans go on. Needs the key."""
    VnishApi(session, address).mining("stop")


def start(session: SweepSession, address: MinerAddress) -> None:
    """Start mining after `stop`, with the saved preset. Needs the key."""
    VnishApi(session, address).mining("start")


def _field(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else None
