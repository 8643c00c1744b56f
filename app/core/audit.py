"""What the audit trail tells apart: one word per kind of change by a person or a token."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What was done. The subject of an entry says to what: a setting, a miner's MAC, a model, a user."""

    SETTING = "setting"
    ORDER = "order"
    MINER = "miner"
    MODEL = "model"
    SOURCE = "source"
    ANSWER = "answer"
    USER = "user"
    PASSWORD = "password"  # noqa: S105 - that one was set; the password itself is nowhere
    TOKEN = "token"  # noqa: S105 - that one was made or revoked
    LOGGED_IN = "log-in"
    REFUSED = "log-in refused"
    LOGGED_OUT = "log-out"
