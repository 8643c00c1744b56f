"""PowerHive does not start where others would reach it without having to log in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from app.bind_check import exit_unless_guarded
from app.config import Config
from tests import people


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_alone_needs_no_user(app: Flask, config: Config, host: str) -> None:
    exit_unless_guarded(replace(config, bind=(host, 8080)), app)
    with app.app_context():
        people.user("boss")
    exit_unless_guarded(replace(config, bind=(host, 8080)), app)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_an_address_others_can_reach_needs_one_and_the_ways_out_are_named(
    app: Flask, config: Config, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    open_to_all = replace(config, bind=(host, 8080))
    with pytest.raises(SystemExit) as ended:
        exit_unless_guarded(open_to_all, app)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    for way_out in ("user add", "ssh -L 8080", "POWERHIVE_BIND=127.0.0.1:8080", "POWERHIVE_PUBLISHED_TO_LOOPBACK"):
        assert way_out in said
    with app.app_context():
        people.user("boss")
    exit_unless_guarded(open_to_all, app)


def test_a_container_says_explicitly_that_only_the_host_reaches_it(app: Flask, config: Config) -> None:
    exit_unless_guarded(replace(config, bind=("0.0.0.0", 8080), published_to_loopback=True), app)
