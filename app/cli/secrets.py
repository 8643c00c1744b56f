"""`flask secrets`: seal the secrets of the database with a new data key; give up those whose key is lost."""

from __future__ import annotations

import os

import click
from flask import current_app
from flask.cli import AppGroup

from app import sealing
from app.cli import service
from app.config import DATA_KEY_VARIABLE
from app.instance_folder import InstanceFolder, new_data_key
from app.redaction import Secret
from app.store import sealed

secrets = AppGroup("secrets", help="The key that seals miners' API keys and unlock passwords in the database.")


@secrets.command("rotate")
def rotate() -> None:
    """Seal every secret with a new data key, and drop the old one.

    Refused while a service acts: it would go on with the old key. May be stopped anywhere, even by a power cut: the old
    key stays beside the new one until everything is sealed anew; run it once more then.
    """
    with service.database(), service.lease():
        folder = InstanceFolder(service.config().instance)
        held = [key.reveal() for key in service.config().data_keys]
        if os.environ.get(DATA_KEY_VARIABLE):
            _rotate_in_environment(held)
            return
        if len(held) == 1:  # with two an earlier rotation did not come to its end: go on with that one
            held = [new_data_key(), *held]
            _write(folder, held)
            sealing.use(current_app, [Secret(key) for key in held])
        count, lost = sealed.seal_anew(), sealed.tally().lost
        _write(folder, held[:1])
        click.echo(f"{count} secrets are sealed with a new key; the old one is gone. Make a new backup of data_key.")
        _tell_lost(lost)


@secrets.command("forget")
@click.confirmation_option(prompt="Secrets that cannot be read with the present data key are removed for good. Go on?")
def forget() -> None:
    """Remove the secrets that cannot be read, because their data key is lost."""
    with service.database(), service.lease():
        gone = sealed.forget_lost()
        click.echo(f"{gone.lost_api_keys} API keys and {gone.lost_passwords} unlock passwords were removed.")


def _rotate_in_environment(held: list[str]) -> None:
    if len(held) == 1:
        raise click.ClickException(
            f"The data key comes from {DATA_KEY_VARIABLE}: put a new key before the old one there, separated by a "
            "comma, and run this again. A new key: openssl rand -base64 32 | tr '+/' '-_'"
        )
    count, lost = sealed.seal_anew(), sealed.tally().lost
    click.echo(f"{count} secrets are sealed with the first key of {DATA_KEY_VARIABLE}; remove the others there.")
    _tell_lost(lost)


def _write(folder: InstanceFolder, keys: list[str]) -> None:
    try:
        folder.replace_data_keys(keys)
    except OSError as error:
        raise click.ClickException(
            f"{folder.data_key_path} cannot be written: {error.strerror}. Nothing is lost; run this again."
        ) from error


def _tell_lost(lost: int) -> None:
    if lost:
        click.echo(f"{lost} secrets could not be read and stay as they are; see flask secrets forget.")
