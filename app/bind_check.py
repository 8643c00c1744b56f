"""Whether the address to serve on is free: said in one sentence before anything starts."""

from __future__ import annotations

import socket

from app.config import Config
from app.errors import ConfigError


def exit_unless_free(config: Config) -> None:
    """Try the configured address; exit with 2 and one sentence where it cannot be served on."""
    from app.factory import exit_with

    try:
        check(*config.bind)
    except ConfigError as error:
        exit_with(error)


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
