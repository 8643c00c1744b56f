"""Passwords, bearer sessions and API keys of one simulated miner (CONTRACT section 2)."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

from simulator.http_server import Reply, Request, json_reply

KEY_LENGTH = 32
SESSION_S = 540.0
TRIES_ALLOWED = 5
LOCKOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Credential:
    """Who asks: by session ``token`` or by key (None), and the seconds the session has left."""

    token: str | None
    seconds_left: int | None


class MinerAuth:
    """Keys survive a reboot, sessions do not. All times are real monotonic seconds.

    ``given_out``: every password, key and session token that ever opened this miner, also those that are gone.
    """

    def __init__(self, password: str, api_keys: dict[str, str], seed: int) -> None:
        self.password = password
        self.api_keys = dict(api_keys)
        self._sessions: dict[str, float] = {}
        self._failed = 0
        self._locked_until_s = 0.0
        self._random = random.Random(seed)
        self.given_out = {password, *api_keys}

    def unlock(self, body: object, real_s: float) -> Reply:
        """POST /unlock: 200 with a token, 403 on a wrong password, 429 after too many of them."""
        if real_s < self._locked_until_s:
            return json_reply({"unlock_timeout": int(self._locked_until_s - real_s) + 1}, 429)
        password = body.get("pw") if isinstance(body, dict) else None
        if not isinstance(password, str):
            return json_reply({"err": "missing field `pw`"}, 400)
        if password != self.password:
            self._failed += 1
            if self._failed >= TRIES_ALLOWED:
                self._failed = 0
                self._locked_until_s = real_s + LOCKOUT_S
            return json_reply({"unlock_timeout": None}, 403)
        self._failed = 0
        token = "".join(self._random.choices(string.ascii_letters + string.digits, k=32))
        self._sessions = {known: until for known, until in self._sessions.items() if until > real_s}
        self._sessions[token] = real_s + SESSION_S
        self.given_out.add(token)
        return json_reply({"token": token})

    def credential(self, request: Request, real_s: float) -> Credential | None:
        """The good credential of a request, or None. Either header suffices; "Bearer" may be left out."""
        if request.headers.get("x-api-key", "") in self.api_keys:
            return Credential(None, None)
        token = request.headers.get("authorization", "").strip()
        if token.lower().startswith("bearer "):
            token = token[7:].strip()
        until_s = self._sessions.get(token)
        if until_s is None or until_s <= real_s:
            return None
        return Credential(token, int(until_s - real_s))

    def list_keys(self) -> Reply:
        """GET /apikeys: every key in clear text."""
        return json_reply([{"key": key, "description": text} for key, text in self.api_keys.items()])

    def add_key(self, body: object) -> Reply:
        """POST /apikeys: inserted, updated or nochanges; 400 unless both fields are there and the key has 32."""
        if not isinstance(body, dict):
            return json_reply({"err": "invalid body"}, 400)
        key, description = body.get("key"), body.get("description")
        if not isinstance(key, str) or not isinstance(description, str) or len(key) != KEY_LENGTH:
            return json_reply({"err": "key must have 32 characters and a description"}, 400)
        known = self.api_keys.get(key)
        status = "inserted" if known is None else "nochanges" if known == description else "updated"
        self.api_keys[key] = description
        self.given_out.add(key)
        return json_reply({"status": status})

    def delete_key(self, body: object) -> Reply:
        """POST /apikeys/delete."""
        key = body.get("key") if isinstance(body, dict) else None
        if not isinstance(key, str) or self.api_keys.pop(key, None) is None:
            return json_reply({"err": "unknown key"}, 500)
        return Reply()

    def lock(self, credential: Credential, *, others: bool) -> Reply:
        """POST /lock drops this session, POST /lock/others every other one; 401 for a key, which has none."""
        if credential.token is None:
            return Reply(401)
        mine = self._sessions.get(credential.token)
        if others and mine is not None:
            self._sessions = {credential.token: mine}
        else:
            self._sessions.pop(credential.token, None)
        return Reply()

    def drop_sessions(self) -> None:
        """After a reboot: every session is gone, every key is kept."""
        self._sessions.clear()

    def forget_keys(self, new_password: str | None = None) -> None:
        """Reflashed: no key, no session, and maybe another password."""
        self.api_keys.clear()
        self._sessions.clear()
        if new_password is not None:
            self.password = new_password
            self.given_out.add(new_password)
