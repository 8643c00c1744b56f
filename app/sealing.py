"""Secrets at rest: what opens a miner is in the database only as a Fernet token (docs/decisions/0011-secrets.md).

The data keys come from the instance folder or the environment (`app.config`), never from the database: a copy of the
database alone opens no miner. The first key seals, every key unseals, so that a rotation may stop anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, current_app
from sqlalchemy import Text, TypeDecorator
from sqlalchemy.engine import Dialect

from app.redaction import Secret

_EXTENSION = "powerhive_keyring"
_UNSEALED_KEPT = 65_536  # the largest fleet's keys and passwords; each cycle reads them all


class Keyring:
    """The data keys, newest first."""

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])
        self.unseal = lru_cache(_UNSEALED_KEPT)(self._unseal)  # 30 us each: 0.1 s per look at 3,000 miners

    def seal(self, secret: str) -> str:
        """Return the text as a token of the newest key."""
        return self._fernet.encrypt(secret.encode()).decode("ascii")

    def _unseal(self, token: str) -> Secret | None:
        """Return the secret; None where none of the keys made this token, or where it was changed since."""
        try:
            return Secret(self._fernet.decrypt(token.encode()).decode())
        except (InvalidToken, UnicodeError):
            return None


def use(app: Flask, keys: Iterable[Secret]) -> None:
    """Let `app` seal with the first of these keys and unseal with all of them."""
    app.extensions[_EXTENSION] = Keyring(keys)


def keyring() -> Keyring:
    """Return the keyring of the current application."""
    found: Keyring = current_app.extensions[_EXTENSION]
    return found


class SealedText(TypeDecorator[Secret]):
    """A column of secrets: tokens in the database, `Secret` in the program.

    A token that cannot be unsealed reads as None, as if there were no secret: the miner is then adopted anew. Two
    tokens of one secret differ, so such a column cannot be compared in SQL.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Secret | str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return keyring().seal(value.reveal() if isinstance(value, Secret) else value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Secret | None:
        return None if value is None else keyring().unseal(value)
