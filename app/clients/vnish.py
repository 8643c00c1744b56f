"""The endpoints of VNish's local HTTP API (CONTRACT 1, 2): paths, credentials, status codes. No meaning.

What the fields mean is `answers`' business, what is done with a miner is `miner`'s. Keys, tokens and passwords appear
in no error, no repr and no log line.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from app.clients.fields import clean
from app.clients.http import Answer, SweepSession, TransportError
from app.errors import MinerError, MinerUnauthorized

MAX_ERR_TEXT = 200


@dataclass(frozen=True, slots=True)
class MinerAddress:
    """Where a miner is and what opens it. `api_key` None: not adopted yet. Raises ValueError for a name or worse."""

    ip: str
    port: int = 80
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.ip)  # an address, so that it cannot smuggle anything into a URL

    @property
    def base_url(self) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"http://{host}:{self.port}" if self.port != 80 else f"http://{host}"


class VnishApi:
    """One miner's API within one session. With `token` (adoption only) the bearer token is sent instead of the key.

    Every call raises MinerUnauthorized (401, 403) and MinerError: `reached` False when no connection came about,
    `answered` True when the miner itself refused.
    """

    def __init__(self, session: SweepSession, address: MinerAddress, *, token: str | None = None) -> None:
        self._session = session
        self._address = address
        self._token = token

    def __repr__(self) -> str:
        return f"VnishApi({self._address.ip}:{self._address.port})"

    # --- reading

    def info(self) -> Answer:
        """GET /info, of any status: who answers is told by what it answers."""
        return self._call("GET", "info", "tell what it is", with_key=False)  # a stranger gets no key of ours

    def model(self) -> Any | None:
        """GET /model; None where the firmware has no such call (404, before 1.2.6)."""
        answer = self._call("GET", "model", "tell its model")
        return None if answer.status == 404 else self._json(self._checked(answer, "tell its model"))

    def status(self) -> Any:
        """GET /status."""
        return self._get("status", "tell its state")

    def summary(self) -> Any:
        """GET /summary."""
        return self._get("summary", "give its summary")

    def perf_summary(self) -> Any:
        """GET /perf-summary."""
        return self._get("perf-summary", "tell its running preset")

    def chains(self) -> Any:
        """GET /chains, or /boards where the firmware (1.3) calls it so."""
        answer = self._call("GET", "chains", "list its boards")
        if answer.status == 404:
            answer = self._call("GET", "boards", "list its boards")
        return self._json(self._checked(answer, "list its boards"))

    def presets(self) -> Any:
        """GET /autotune/presets."""
        return self._get("autotune/presets", "list its presets")

    def settings(self) -> Any:
        """GET /settings."""
        return self._get("settings", "give its settings")

    # --- credentials

    def unlock(self, password: str) -> Any:
        """POST /unlock: the answer holds the bearer token. 403 and 429: MinerUnauthorized with the lock-out time."""
        answer = self._call("POST", "unlock", "unlock", {"pw": password}, with_key=False)
        if answer.status in (401, 403, 429):
            why = "after too many tries" if answer.status == 429 else "with this password"
            raise MinerUnauthorized(
                f"Miner {self._address.ip} refused to unlock {why} ({answer.status}).",
                retry_after_s=_unlock_timeout_s(answer),
            )
        return self._json(self._checked(answer, "unlock", secret=password))

    def lock(self) -> None:
        """POST /lock: drops the bearer session."""
        self._checked(self._call("POST", "lock", "lock"), "lock")

    def apikeys(self) -> Any:
        """GET /apikeys: every key of the miner in clear text."""
        return self._get("apikeys", "list its API keys")

    def add_apikey(self, key: str, description: str) -> None:
        """POST /apikeys. inserted, updated and nochanges are all good."""
        body = {"key": key, "description": description}
        self._checked(self._call("POST", "apikeys", "take an API key", body), "take an API key", secret=key)

    # --- commands

    def save_preset(self, preset: str) -> Any:
        """POST /settings with the preset's name and nothing else: more would overwrite the tuning (CONTRACT 4)."""
        body = {"miner": {"overclock": {"preset": preset}}}
        answer = self._checked(self._call("POST", "settings", "save the preset", body), "save the preset")
        if not answer.body.strip():
            return None
        return self._json(answer, answered=False)  # it did something, nobody knows what

    def mining(self, command: str) -> None:
        """POST /mining/{start,stop,restart,pause,resume}. Any 2xx is a yes, whatever its body (CONTRACT 5)."""
        self._checked(self._call("POST", f"mining/{command}", f"{command} mining"), f"{command} mining")

    # --- inside

    def _get(self, path: str, doing: str) -> Any:
        return self._json(self._checked(self._call("GET", path, doing), doing))

    def _call(self, method: str, path: str, doing: str, body: object = None, *, with_key: bool = True) -> Answer:
        headers = {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        elif self._address.api_key is not None and with_key:
            headers["x-api-key"] = self._address.api_key
        try:
            answer = self._session.call(method, f"{self._address.base_url}/api/v1/{path}", headers=headers, body=body)
            return answer.without(self._token or self._address.api_key)
        except TransportError as e:
            answered = e.kind == "too_large" and method == "GET"
            raise MinerError(
                f"Miner {self._address.ip} {e} (asked to {doing}).", answered=answered, reached=e.reached
            ) from e

    def _checked(self, answer: Answer, doing: str, *, secret: str = "") -> Answer:
        """Return a 2xx answer. Raises MinerUnauthorized or MinerError with the firmware's own words."""
        if answer.ok:
            return answer
        sentence = f"Miner {self._address.ip} refused to {doing} ({answer.status}){self._err(answer, secret)}."
        if answer.status in (401, 403):
            raise MinerUnauthorized(sentence)
        permanent = 300 <= answer.status < 400 or answer.status in (400, 404, 405)
        raise MinerError(sentence, permanent=permanent, answered=True)

    def _json(self, answer: Answer, *, answered: bool = True) -> Any:
        try:
            return answer.json()
        except TransportError as e:
            raise MinerError(f"Miner {self._address.ip} {e}.", answered=answered) from e

    def _err(self, answer: Answer, secret: str) -> str:
        """Return ": <the firmware's err text>", without any secret we sent, or ""."""
        try:
            content = answer.json()
        except TransportError:
            return ""
        text = clean(content.get("err") if isinstance(content, dict) else None, 10_000)
        for sent in (secret, self._token, self._address.api_key):
            text = text.replace(sent, "...") if sent else text  # before it is cut: half a key is too much
        text = text[:MAX_ERR_TEXT].strip()
        return f": {text}" if text else ""


def _unlock_timeout_s(answer: Answer) -> int | None:
    try:
        content = answer.json()
    except TransportError:
        return None
    seconds = content.get("unlock_timeout") if isinstance(content, dict) else None
    good = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds <= 86_400
    return seconds if good else None
