"""What the address to serve on needs: that it is free, and a user where others can reach it. Said before any start."""

from __future__ import annotations

import socket

from flask import Flask

from app.config import Config
from app.config_values import is_loopback
from app.errors import ConfigError


def exit_unless_free(config: Config) -> None:
    """Try the configured address; exit with 2 and one sentence where it cannot be served on."""
    from app.factory import exit_with

    try:
        check(*config.bind)
    except ConfigError as error:
        exit_with(error)


def exit_unless_guarded(config: Config, app: Flask | None = None) -> None:
    """Exit with 2 and the ways out where others would reach a PowerHive in which nobody has to log in.

    The database must be ready (`app.database_check`).
    """
    if is_loopback(config.bind[0]) or config.published_to_loopback:
        return
    from app.extensions import db
    from app.factory import create_app, exit_with
    from app.store import people

    with (create_app(config) if app is None else app).app_context():
        try:
            if not people.anybody():
                exit_with(ConfigError([_unguarded(config)]))
        finally:
            db.session.remove()  # the next thing that happens is a fork: nothing may be open
            db.engine.dispose()


def check(host: str, port: int) -> None:
    """Try to bind the address as the server will.

    Raises:
        ConfigError: the port is in use, may not be used, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server: a port just left is free
        try:
            probe.bind((host, port))
        except OSError as error:
            way_out = "Is PowerHive running already? Choose another with bind (POWERHIVE_BIND)."
            raise ConfigError([f"Cannot serve on {host}:{port}: {error.strerror}. {way_out}"]) from error


def _unguarded(config: Config) -> str:
    port = config.bind[1]
    return (
        f"POWERHIVE_BIND is {config.bind_address}, which other machines can reach, and there is no user yet: anybody "
        "could steer the miners. Either add the first user, who is asked for a password: flask --app wsgi user add "
        f"NAME --role admin; or serve this machine only (POWERHIVE_BIND=127.0.0.1:{port}) and come by an SSH tunnel: "
        f"ssh -L {port}:127.0.0.1:{port} user@this-machine; or, in a container whose port is published to the host's "
        "loopback only, say so with POWERHIVE_PUBLISHED_TO_LOOPBACK=true."
    )
