"""`flask user` and `flask token`: who may use PowerHive.

Passwords are asked for or read from standard input, never taken from the command line: that is in the shell's history
and in everybody's list of processes.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import TypeVar

import click
from flask.cli import AppGroup

from app.cli import service
from app.clock import utcnow
from app.core import people as rules
from app.core.access import Actor, Role, Scope
from app.errors import PowerHiveError
from app.store import people, sessions, tokens

Result = TypeVar("Result")
user = AppGroup("user", help="Add users, change their role or password, shut them out.")
token = AppGroup("token", help="Make and revoke API tokens.")
_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input (its first line).")


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True)
@_stdin
def add_user(name: str, role: str, password_stdin: bool) -> None:
    """Add the user NAME. The first one must be an admin, and locks the door at once."""
    _do(lambda: rules.check_name(name))
    password = _password(password_stdin)
    with service.database():
        made = _do(lambda: people.add(name, role, password, _who(), utcnow()))
    click.echo(f"{made.name} may log in now, as {made.role}.")


@user.command("list")
def list_users() -> None:
    """Show all users, their roles and last log-ins."""
    with service.database():
        everybody = people.everybody()
    if not everybody:
        click.echo("There is no user yet: PowerHive serves this machine only. flask user add NAME --role admin")
    for row in everybody:
        last = f"last log-in {row.last_login_at:%Y-%m-%d %H:%M} UTC" if row.last_login_at else "never logged in"
        click.echo(f"{row.name:24} {row.role:9} {'disabled  ' if row.disabled else ''}{last}")


@user.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def change_role(name: str, role: str) -> None:
    """Give the user NAME another ROLE, in force from its next request on."""
    with service.database():
        _do(lambda: people.set_role(name, role, _who(), utcnow()))
    click.echo(f"{name} is {role} now.")


@user.command("password")
@click.argument("name")
@_stdin
def set_password(name: str, password_stdin: bool) -> None:
    """Give the user NAME a new password; all its log-ins end, and it may try again at once."""
    with service.database():
        _do(lambda: people.get(name))
        password = _password(password_stdin)
        _do(lambda: people.set_password(name, password, _who(), utcnow()))
        sessions.forget_failures(rules.name_form(name))
    click.echo(f"{name} has a new password; all its log-ins have ended.")


@user.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Shut the user NAME out at once: its log-ins end, its tokens are revoked for good."""
    with service.database():
        _do(lambda: people.set_disabled(name, True, _who(), utcnow()))
    click.echo(f"{name} is shut out.")


@user.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Let the user NAME log in again."""
    with service.database():
        _do(lambda: people.set_disabled(name, False, _who(), utcnow()))
    click.echo(f"{name} may log in again.")


@token.command("add")
@click.argument("user_name", metavar="USER")
@click.argument("name")
@click.option("--scope", type=click.Choice([s.value for s in Scope]), default=Scope.READ.value, show_default=True)
@click.option("--days", type=int, default=rules.TOKEN_DAYS, show_default=True, help="For how long it is good.")
def add_token(user_name: str, name: str, scope: str, days: int) -> None:
    """Make a token called NAME for USER and print it, this once."""
    with service.database():
        made = _do(lambda: tokens.add(user_name, name, scope, days=days, who=_who(), now=utcnow()))
    click.echo(f"good until {made.row.expires_at:%Y-%m-%d %H:%M} UTC; shown this once:", err=True)
    click.echo(made.key)


@token.command("list")
def list_tokens() -> None:
    """Show all tokens that are not revoked, without the keys themselves."""
    now = utcnow()
    with service.database():
        for row in tokens.everyones():
            state = "expired" if row.expires_at <= now else "good until"
            used = f"{row.last_used_at:%Y-%m-%d %H:%M} UTC" if row.last_used_at else "never"
            click.echo(
                f"{row.id:5} {row.user.name:24} {row.name:24} {row.beginning}... {row.scope:5} {state} "
                f"{row.expires_at:%Y-%m-%d}, last used {used}"
            )


@token.command("revoke")
@click.argument("token_id", metavar="ID", type=int)
def revoke_token(token_id: int) -> None:
    """End the token with this ID (flask token list) at once and for good."""
    with service.database():
        row = _do(lambda: tokens.revoke(token_id, _who(), utcnow()))
    click.echo(f"The token {row.name} opens nothing any more.")


def _do(work: Callable[[], Result]) -> Result:
    """Do it; what is refused ends the command with its sentence."""
    try:
        return work()
    except PowerHiveError as error:
        raise click.ClickException(str(error)) from error


def _who() -> Actor:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return Actor(name[:24], "command line")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline(64 * 1024).rstrip("\r\n")
    given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return given
