"""Secrets at rest: tokens in the file, plain keys nowhere; rotation that may stop anywhere; a lost key is no crash."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from app import create_app, database_check, sealing
from app.config import Config, load
from app.errors import ConfigError
from app.extensions import db
from app.instance_folder import InstanceFolder, is_data_key
from app.jobs.gate import Lease
from app.models import Miner
from app.redaction import Secret
from app.sealing import Keyring
from app.store import sealed
from tests import factories
from tests.conftest import BASE_ENVIRONMENT, ROOT

KEY, PASSWORD = "canary-api-key-of-a-miner-000001", "canary unlock pässword €"
GOOD = "bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG5ldyE="
NEW, OLD = Secret(GOOD), Secret("b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG9sZCE=")


def plant_secrets(miners: int = 3) -> None:
    model = factories.model()
    for n in range(1, miners + 1):
        factories.miner(n, model, api_key=Secret(KEY), unlock_password=Secret(PASSWORD))
    db.session.commit()


def stored(app: Flask) -> list[Miner]:
    db.session.expire_all()
    return list(db.session.query(Miner).order_by(Miner.id))


def tokens(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT api_key, unlock_password FROM miners").fetchall()
    connection.close()
    return [token for row in rows for token in row if token is not None]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def close(app: Flask) -> None:
    db.session.remove()
    db.engine.dispose()


# --- the keyring -----------------------------------------------------------------------------------------------------


def test_a_token_opens_with_any_of_the_keys_and_is_made_with_the_first() -> None:
    token = Keyring([OLD]).seal(PASSWORD)
    assert Keyring([NEW, OLD]).unseal(token) == Secret(PASSWORD)
    assert Keyring([OLD]).unseal(Keyring([NEW, OLD]).seal(PASSWORD)) is None


@pytest.mark.parametrize("token", ["", "plain", "gAAAAA", "é", "\x00", "g" * 10_000])
def test_what_is_no_token_reads_as_no_secret(token: str) -> None:
    assert Keyring([NEW]).unseal(token) is None


def test_a_changed_token_reads_as_no_secret() -> None:
    ring = Keyring([NEW])
    token = ring.seal(KEY)
    assert ring.unseal(token[:40] + ("A" if token[40] != "A" else "B") + token[41:]) is None


# --- in the database -------------------------------------------------------------------------------------------------


def test_no_file_of_the_installation_but_its_own_holds_a_miner_s_secret(app: Flask, config: Config) -> None:
    with app.app_context():
        plant_secrets()
        assert {(m.api_key, m.unlock_password) for m in stored(app)} == {(Secret(KEY), Secret(PASSWORD))}
        close(app)
    content = everything_in(config.instance)
    assert KEY.encode() not in content
    assert PASSWORD.encode() not in content
    assert all(token.startswith("gAAAA") for token in tokens(config.instance / "powerhive.db"))
    assert all(key.reveal().encode() not in (config.instance / "powerhive.db").read_bytes() for key in config.data_keys)


def test_secrets_are_stars_in_every_repr(app: Flask) -> None:
    from app.store import polls, sightings

    with app.app_context():
        plant_secrets()
        shown = f"{polls.targets()} {sightings.known()} {[vars(m) for m in stored(app)]}"
    assert KEY not in shown
    assert PASSWORD not in shown
    assert "***" in shown


# --- old databases ---------------------------------------------------------------------------------------------------


@pytest.fixture
def old_database(config: Config) -> Iterator[Flask]:
    """A database of the version before secrets were sealed, with 300 miners' plain keys."""
    app = create_app(config)
    with app.app_context():
        upgrade(str(ROOT / "migrations"), revision="0008_keys")
        with db.engine.begin() as connection:
            insert = text(
                "INSERT INTO miners (mac, ip, firmware_version, hostname, hr_measure, created_at, updated_at, api_key, "
                "unlock_password) VALUES (:mac, '', '', '', 'GH/s', '2026-01-01', '2026-01-01', :key, :password)"
            )
            for n in range(300):
                connection.execute(insert, {"mac": f"m{n}", "key": f"{KEY[:-3]}{n:03}", "password": None})
            connection.execute(text("UPDATE miners SET unlock_password = :p WHERE id = 7"), {"p": PASSWORD})
        yield app
        close(app)


def test_the_migration_seals_every_plain_key_and_leaves_none_in_the_file(old_database: Flask, config: Config) -> None:
    upgrade(str(ROOT / "migrations"))
    found = stored(old_database)
    assert [m.api_key for m in found] == [Secret(f"{KEY[:-3]}{n:03}") for n in range(300)]
    assert [m.unlock_password for m in found if m.unlock_password] == [Secret(PASSWORD)]
    close(old_database)
    assert KEY[:-3].encode() not in everything_in(config.instance)
    assert PASSWORD.encode() not in everything_in(config.instance)


def test_going_back_gives_the_plain_keys_back(old_database: Flask, config: Config) -> None:
    upgrade(str(ROOT / "migrations"))
    downgrade(str(ROOT / "migrations"), revision="0008_keys")
    assert sorted(tokens(config.instance / "powerhive.db")) == sorted(
        [PASSWORD, *(f"{KEY[:-3]}{n:03}" for n in range(300))]
    )


def test_a_migration_that_is_cut_off_loses_no_key(old_database: Flask, config: Config) -> None:
    calls = iter(range(10_000))

    class Cut(Keyring):
        def seal(self, secret: str) -> str:
            if next(calls) == 150:
                raise SystemExit("power cut")
            return super().seal(secret)

    old_database.extensions["powerhive_keyring"] = Cut(config.data_keys)
    with pytest.raises(SystemExit):
        upgrade(str(ROOT / "migrations"))
    close(old_database)
    assert len([token for token in tokens(config.instance / "powerhive.db") if token.startswith(KEY[:-3])]) == 300


# --- a key that is lost, wrong or no key -----------------------------------------------------------------------------


def test_a_lost_key_is_said_at_start_and_the_right_one_brings_all_back(
    app: Flask, config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    with app.app_context():
        plant_secrets()
        assert database_check.sentence_of_lost_secrets() == ""
        close(app)
    kept = (config.instance / "data_key").read_text()
    (config.instance / "data_key").unlink()
    again = create_app(load(BASE_ENVIRONMENT, config.instance))
    with again.app_context():
        sentence = database_check.sentence_of_lost_secrets()
        assert "3 API keys of miners and 3 unlock passwords" in sentence
        assert "data_key" in sentence
        assert {(m.api_key, m.unlock_password) for m in stored(again)} == {(None, None)}
        database_check.check()
        close(again)
    capfd.readouterr()
    database_check.exit_unless_ready(again)  # it starts
    assert "3 API keys of miners and 3 unlock passwords" in capfd.readouterr().err
    (config.instance / "data_key").write_text(kept)  # found again: nothing was lost
    whole = create_app(load(BASE_ENVIRONMENT, config.instance))
    with whole.app_context():
        assert {m.api_key for m in stored(whole)} == {Secret(KEY)}
        close(whole)


@pytest.mark.parametrize("content", ["", "short\n", "k" * 44, "\xff", f"{GOOD}\nrest"])
def test_a_damaged_key_file_is_refused_with_the_way_out(content: str, tmp_path: Path) -> None:
    (tmp_path / "data_key").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError) as caught:
        load(BASE_ENVIRONMENT, tmp_path)
    assert "data_key" in str(caught.value)
    assert content.strip() == "" or content.strip() not in str(caught.value)


@pytest.mark.parametrize("given", ["short", "k" * 44, f"{GOOD},", f"{GOOD} {GOOD}"])
def test_a_key_in_the_environment_that_is_none_is_refused_and_not_repeated(given: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="POWERHIVE_DATA_KEY") as caught:
        load(BASE_ENVIRONMENT | {"POWERHIVE_DATA_KEY": given}, tmp_path)
    assert given not in str(caught.value)


def test_the_environment_s_key_wins_and_leaves_no_file(tmp_path: Path) -> None:
    config = load(BASE_ENVIRONMENT | {"POWERHIVE_DATA_KEY": f"{NEW.reveal()}, {OLD.reveal()}"}, tmp_path)
    assert config.data_keys == (NEW, OLD)
    assert not (tmp_path / "data_key").exists()
    assert NEW.reveal() not in repr(config)


def test_the_key_file_is_its_owner_s_only_and_made_once(tmp_path: Path) -> None:
    first = load(BASE_ENVIRONMENT, tmp_path)
    assert load(BASE_ENVIRONMENT, tmp_path).data_keys == first.data_keys
    assert (tmp_path / "data_key").stat().st_mode & 0o777 == 0o600
    assert is_data_key(first.data_keys[0].reveal())


@pytest.mark.parametrize("name", ["data_key", "secret_key", "powerhive.toml"])
def test_a_file_of_secrets_that_everybody_can_read_is_refused(name: str, tmp_path: Path) -> None:
    load(BASE_ENVIRONMENT, tmp_path)
    (tmp_path / "powerhive.toml").write_text('unlock_password = "x"\n')
    (tmp_path / name).chmod(0o644)
    tmp_path.chmod(0o700)
    assert load(BASE_ENVIRONMENT, tmp_path), "nobody else can enter the folder"
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigError, match="chmod 600"):
        load(BASE_ENVIRONMENT, tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o640)
    assert load(BASE_ENVIRONMENT, tmp_path), "a service's group may read"


# --- rotation --------------------------------------------------------------------------------------------------------


def test_rotation_seals_everything_anew_and_drops_the_old_key(app: Flask, config: Config) -> None:
    with app.app_context():
        plant_secrets()
        before = set(tokens(config.instance / "powerhive.db"))
    done = app.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert (done.exit_code, "6 secrets are sealed with a new key" in done.output) == (0, True)
    (key,) = InstanceFolder(config.instance).data_keys()
    assert Secret(key) not in config.data_keys
    assert key not in done.output
    again = create_app(load(BASE_ENVIRONMENT, config.instance))
    with again.app_context():
        assert {(m.api_key, m.unlock_password) for m in stored(again)} == {(Secret(KEY), Secret(PASSWORD))}
        close(again)
    content = (config.instance / "powerhive.db").read_bytes()
    assert not any(token.encode() in content for token in before)


def test_rotation_is_refused_while_a_service_acts(app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "held", lambda _self: False)  # another process has it
    for words in (["secrets", "rotate"], ["secrets", "forget", "--yes"]):
        done = app.test_cli_runner().invoke(args=words)
        assert (done.exit_code, "service acts" in done.output) == (1, True)
    assert InstanceFolder(config.instance).data_keys() == tuple(key.reveal() for key in config.data_keys)


def test_rotation_with_keys_of_the_environment(app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"POWERHIVE_DATA_KEY": OLD.reveal()}
    monkeypatch.setenv("POWERHIVE_DATA_KEY", OLD.reveal())
    first = create_app(load(BASE_ENVIRONMENT | one, config.instance))
    with first.app_context():
        plant_secrets()
    refused = first.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert (refused.exit_code, "put a new key before the old one" in refused.output) == (1, True)
    two = {"POWERHIVE_DATA_KEY": f"{NEW.reveal()},{OLD.reveal()}"}
    both = create_app(load(BASE_ENVIRONMENT | two, config.instance))
    done = both.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert (done.exit_code, "remove the others" in done.output) == (0, True)
    with both.app_context():
        sealing.use(both, [NEW])
        assert {m.api_key for m in stored(both)} == {Secret(KEY)}
        close(both)
    with first.app_context():
        close(first)


def test_what_cannot_be_read_is_forgotten_only_when_told(app: Flask, config: Config) -> None:
    database, runner = config.instance / "powerhive.db", app.test_cli_runner()
    with app.app_context():
        plant_secrets()
        sealing.use(app, [NEW])
        stored(app)[0].api_key = Secret("sealed with a key that is lost")
        db.session.commit()
    assert "1 secrets could not be read" in runner.invoke(args=["secrets", "rotate"]).output
    assert runner.invoke(args=["secrets", "forget"], input="n\n").exit_code == 1
    assert len(tokens(database)) == 6
    assert "1 API keys and 0 unlock passwords" in runner.invoke(args=["secrets", "forget"], input="y\n").output
    assert len(tokens(database)) == 5


@pytest.mark.timeout(60)
@pytest.mark.parametrize("rows", [0, 150, 700])
def test_a_rotation_killed_in_the_middle_loses_nothing(app: Flask, config: Config, rows: int) -> None:
    """kill -9 once so many rows are sealed anew; afterwards every key is readable, and a second run ends it."""
    with app.app_context():
        plant_secrets(1000)
        close(app)
    program = (
        "import os, signal, app.sealing as s, wsgi\n"
        f"left = [2 * {rows}]\n"
        "seal = s.Keyring.seal\n"
        "def counted(self, secret):\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return seal(self, secret)\n"
        "s.Keyring.seal = counted\n"
        "wsgi.app.test_cli_runner().invoke(args=['secrets', 'rotate'])\n"
    )
    environment = os.environ | BASE_ENVIRONMENT | {"POWERHIVE_INSTANCE": str(config.instance)}
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(InstanceFolder(config.instance).data_keys()) == 2
    again = create_app(load(BASE_ENVIRONMENT, config.instance))
    with again.app_context():
        assert {(m.api_key, m.unlock_password) for m in stored(again)} == {(Secret(KEY), Secret(PASSWORD))}
    done = again.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert "2000 secrets" in done.output
    assert len(InstanceFolder(config.instance).data_keys()) == 1
    last = create_app(load(BASE_ENVIRONMENT, config.instance))
    with last.app_context():
        assert sealed.tally().readable == 2000
        close(last)
    with again.app_context():
        close(again)
