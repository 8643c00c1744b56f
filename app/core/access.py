"""Who may do what: roles, scopes of tokens, and one table of what each address of the program needs. Default: deny.

Issue 5, item 6. A test fails for every route without an entry in `NEEDS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.errors import NotAllowed


class Role(StrEnum):
    """What a user may do: a viewer reads everything, an operator steers the farm, an admin also decides who may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token may do of what its user may."""

    READ = "read"
    WRITE = "write"


class Need(StrEnum):
    """What an address needs: nothing, or at least this role."""

    OPEN = "open"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_RANK = {Need.OPEN: 0, Need.VIEWER: 1, Need.OPERATOR: 2, Need.ADMIN: 3}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

NEEDS: dict[str, Need] = {
    # Without anybody's name: files of the pages, the sign of life, the way in, the language to read it in
    "static": Need.OPEN,
    "health.alive": Need.OPEN,
    "language.choose": Need.OPEN,
    "login.show": Need.OPEN,
    "login.enter": Need.OPEN,
    # Reading
    "health.ready": Need.VIEWER,
    "metrics.metrics": Need.VIEWER,
    "api.docs": Need.VIEWER,
    "api.openapi": Need.VIEWER,
    "dashboard.index": Need.VIEWER,
    "dashboard.live": Need.VIEWER,
    "miners.index": Need.VIEWER,
    "dashboard.history": Need.VIEWER,
    "events.download": Need.VIEWER,
    "events.one": Need.VIEWER,
    "miner_models.ladder": Need.VIEWER,
    "miner_models.one": Need.VIEWER,
    "miners.as_csv": Need.VIEWER,
    "miners.chart_of": Need.VIEWER,
    "miners.consequence": Need.VIEWER,
    "miners.inspection": Need.VIEWER,
    "miners.live": Need.VIEWER,
    "miners.one": Need.VIEWER,
    "miners.other_hosts": Need.VIEWER,
    "miners.rows": Need.VIEWER,
    "miners.lines": Need.VIEWER,
    "settings.consequence": Need.VIEWER,
    "settings.history": Need.VIEWER,
    "settings.index": Need.VIEWER,
    "settings.print_questionnaire": Need.VIEWER,
    "settings.questionnaire": Need.VIEWER,
    "settings.sources": Need.VIEWER,
    "settings.sources_formula": Need.VIEWER,
    "setup.index": Need.VIEWER,
    "setup.live_steps": Need.VIEWER,
    "miner_models.index": Need.VIEWER,
    "miner_models.consequence": Need.VIEWER,
    "events.index": Need.VIEWER,
    "cycles.index": Need.VIEWER,
    "cycles.one": Need.VIEWER,
    "audit.index": Need.VIEWER,
    "audit.csv": Need.VIEWER,
    "api.latest_reading": Need.VIEWER,
    "api.readings": Need.VIEWER,
    "api.sources": Need.VIEWER,
    "api.status": Need.VIEWER,
    "api.balance_events": Need.VIEWER,
    "api.balance_cycles": Need.VIEWER,
    "api.preview": Need.VIEWER,
    "api.all_settings": Need.VIEWER,
    "api.all_models": Need.VIEWER,
    "api.one_model": Need.VIEWER,
    "api.all_miners": Need.VIEWER,
    "api.one_miner": Need.VIEWER,
    "api.explain": Need.VIEWER,
    "api.statuses": Need.VIEWER,
    "api.telemetry": Need.VIEWER,
    "api.command": Need.VIEWER,
    # One's own account
    "account.index": Need.VIEWER,
    "account.change_password": Need.VIEWER,
    "account.add_token": Need.VIEWER,
    "account.revoke_token": Need.VIEWER,
    "account.leave": Need.VIEWER,
    "account.leave_everywhere": Need.VIEWER,
    # Steering the farm
    "settings.change_safety_margin": Need.OPERATOR,
    "settings.change_mode": Need.OPERATOR,
    "miners.change_managed": Need.OPERATOR,
    "miners.change_many": Need.OPERATOR,
    "miner_models.save": Need.OPERATOR,
    "miners.change_label": Need.OPERATOR,
    "miners.change_password": Need.OPERATOR,
    "miners.hold": Need.OPERATOR,
    "miners.inspect": Need.OPERATOR,
    "miners.order_preset": Need.OPERATOR,
    "miners.release": Need.OPERATOR,
    "miners.retire": Need.OPERATOR,
    "orders.give": Need.OPERATOR,
    "setup.arm": Need.OPERATOR,
    "setup.choose_max_preset": Need.OPERATOR,
    "setup.manage_model": Need.OPERATOR,
    "setup.scan": Need.OPERATOR,
    "settings.change_group": Need.OPERATOR,  # which settings an operator may change: OPERATORS_SETTINGS
    "settings.back_to_default": Need.OPERATOR,
    "api.change_mode": Need.OPERATOR,
    "api.all_to_minimum": Need.OPERATOR,
    "api.stop_all": Need.OPERATOR,
    "api.resume": Need.OPERATOR,
    "api.change_settings": Need.OPERATOR,
    "api.change_safety_margin": Need.OPERATOR,
    "api.change_model": Need.OPERATOR,
    "api.change_miner": Need.OPERATOR,
    "api.order_preset": Need.OPERATOR,
    "api.scan": Need.OPERATOR,
    # What a meter measures and what the plant is decide whether the whole balance is right
    "api.change_source": Need.ADMIN,
    "settings.change_roles": Need.ADMIN,
    "settings.insist_on_role": Need.ADMIN,
    "settings.answer_questionnaire": Need.ADMIN,
    "setup.confirm_unit": Need.ADMIN,
    "setup.say_connection": Need.ADMIN,
    # Who may do what decides everything
    "people.index": Need.ADMIN,
    "people.add": Need.ADMIN,
    "people.change_role": Need.ADMIN,
    "people.set_password": Need.ADMIN,
    "people.disable": Need.ADMIN,
    "people.enable": Need.ADMIN,
    "people.revoke_token": Need.ADMIN,
}

# The run-time settings that steer a day's work. The others say how this plant and this farm are: an admin's.
OPERATORS_SETTINGS = frozenset(
    {"mode", "override", "safety_margin_percent", "policy", "stops_for_value", "ramp_up_kw_per_min",
     "ramp_down_kw_per_s"}
)  # fmt: skip


LONGEST_ACTOR = 80  # characters that the histories keep


class Actor(str):
    """Who changes something, as the history names it ("ana, token ci, over the API from 10.0.0.7"), and its parts.

    It is that text, so it fits wherever a history keeps a name. A plain text in its place is a program of this
    machine: the command line, the demo. `role` None: nothing is held against it (the command line, or no user yet).
    """

    __slots__ = ("address", "name", "role", "token", "via")
    name: str
    via: str
    address: str
    token: str
    role: Role | None

    def __new__(
        cls, name: str, via: str = "", address: str = "", *, token: str = "", role: Role | None = None
    ) -> Actor:
        """Write the parts as one text. `via`: page, API or command line; `name` "": nobody was logged in."""
        origin = f"{via} from {address}" if address else via
        text = ", ".join(part for part in (name, f"token {token}" if token else "", origin) if part)
        made = super().__new__(cls, text[:LONGEST_ACTOR])
        made.name, made.via, made.address, made.token, made.role = name, via, address, token, role
        return made


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as it is known. Nobody: no role. Without any user in the database everybody here is an admin.

    `user_id` None: nobody's account. `scope` of a token; a session may do all that its role may.
    """

    role: Role | None = None
    user_id: int | None = None
    name: str = ""
    token: str = ""
    scope: Scope | None = None
    session: str = ""  # the hash of the session's key

    @property
    def by_token(self) -> bool:
        return self.scope is not None

    def may(self, need: Need) -> bool:
        """Whether this caller has the role that is needed."""
        return need is Need.OPEN or (self.role is not None and _RANK[Need(self.role)] >= _RANK[need])


NOBODY = Caller()
ANYBODY = Caller(role=Role.ADMIN)  # the door stands open: there is no user yet


def refusal(endpoint: str, method: str, caller: Caller) -> str | None:
    """Return why a known caller may not ask this of `endpoint`, None where it may. An unknown endpoint is nobody's."""
    need = NEEDS.get(endpoint)
    if need is None:
        return "Nobody may call this address: what it needs was never decided."
    if not caller.may(need):
        return f"This needs the role {_or_more(need)}; {caller.name} is {caller.role or 'nobody'}."
    if caller.scope is Scope.READ and method not in SAFE_METHODS:
        return f"The token {caller.token!r} may only read; this needs one with the scope write."
    return None


def may_change(role: Role | None, setting: str) -> bool:
    """Whether this role may change this setting at all. Without a role nothing is held against anybody."""
    return role in (None, Role.ADMIN) or (role is Role.OPERATOR and setting in OPERATORS_SETTINGS)


def check_settings(who: str, names: Iterable[str]) -> None:
    """Hold the settings that are an admin's against whoever wants to change them.

    Raises:
        NotAllowed: an operator wants to change one of them; the sentence names it.
    """
    role = who.role if isinstance(who, Actor) else None
    reserved = next((name for name in names if not may_change(role, name)), None)
    if reserved is not None:
        raise NotAllowed(f"Changing {reserved} needs the role admin; {who.name if isinstance(who, Actor) else who} "
                         f"is {role}.")  # fmt: skip


def _or_more(need: Need) -> str:
    return {Need.VIEWER: "viewer, operator or admin", Need.OPERATOR: "operator or admin"}.get(need, "admin")
