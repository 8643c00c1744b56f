"""Deployment settings: what is read, what is refused, and that every setting is documented."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from app.config import INSTANCE_VARIABLE, SETTINGS, Config, load
from app.errors import ConfigError
from app.redaction import Redactor, Secret
from tests.conftest import BASE_ENVIRONMENT, ROOT

NEEDED = {"POWERHIVE_PLANT_API_KEY": "a-key", "POWERHIVE_SUBNETS": "10.0.1.0/24"}
EXAMPLE = ROOT / "instance" / "powerhive.example.toml"


def problems(environ: Mapping[str, str], folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(environ, folder)
    return caught.value.problems


def with_file(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "powerhive.toml").write_text(text)
    return folder


def test_two_settings_are_enough(tmp_path: Path) -> None:
    config = load(NEEDED, tmp_path)
    assert config.plant_endpoint == "https://energy-aggregator.fly.dev/data/latest"
    assert config.subnets == (IPv4Network("10.0.1.0/24"),)
    assert config.bind_address == "127.0.0.1:8080"
    assert config.database_url.reveal() == f"sqlite:///{tmp_path}/powerhive.db"
    assert config.lease_path == tmp_path / "scheduler.lock"
    assert (config.plant_power_unit, config.plant_rated_kw, config.plant_interval_s) == ("MW", None, 15.0)
    assert config.simulated is False


def test_all_problems_are_named_at_once_with_what_is_allowed(tmp_path: Path) -> None:
    found = problems(
        {"POWERHIVE_PLANT_INTERVAL_S": "1", "POWERHIVE_PLANT_POWER_UNIT": "GW", "POWERHIVE_BIND": "anywhere:8080"},
        tmp_path,
    )
    assert len(found) == 5
    text = "\n".join(found)
    assert "POWERHIVE_PLANT_API_KEY is missing" in text
    assert "POWERHIVE_SUBNETS is missing" in text
    assert "POWERHIVE_PLANT_INTERVAL_S is 1. Allowed: seconds from 2 to 300." in text
    assert "POWERHIVE_PLANT_POWER_UNIT is 'GW'. Allowed: MW or kW." in text
    assert "POWERHIVE_BIND is 'anywhere:8080', whose host is no address." in text


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    with_file(tmp_path, 'plant_api_key = "from-file"\nsubnets = ["10.0.1.0/24"]\nworkers = 3\nplant_interval_s = 5\n')
    config = load({"POWERHIVE_WORKERS": "4"}, tmp_path)
    assert (config.workers, config.plant_interval_s, config.plant_api_key.reveal()) == (4, 5.0, "from-file")


def test_an_unknown_setting_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with_file(tmp_path, "plant_intervall_s = 15\n")
    text = "\n".join(problems(NEEDED | {"POWERHIVE_SUBNET": "10.0.0.0/24"}, tmp_path))
    assert "did you mean plant_interval_s?" in text
    assert "POWERHIVE_SUBNET in the environment is not a setting (did you mean POWERHIVE_SUBNETS?)" in text


def test_the_instance_folder_cannot_be_set_in_the_file_inside_it(tmp_path: Path) -> None:
    with_file(tmp_path, 'instance = "/elsewhere"\n')
    assert INSTANCE_VARIABLE in problems(NEEDED, tmp_path)[0]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with_file(tmp_path, "workers = \n")
    assert "not valid TOML" in problems(NEEDED, tmp_path)[0]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PLANT_API_KEY", "", "is empty"),
        ("PLANT_API_KEY", "two words", "blanks"),
        ("PLANT_API_KEY", "key\nHost: evil", "blanks or characters"),
        ("PLANT_ENDPOINT", "ftp://plant/data", "not an http address"),
        ("PLANT_ENDPOINT", "http://plant.example.com/data", "unencrypted"),
        ("PLANT_ENDPOINT", "https://user:pw@plant.example.com/", "holds a user"),
        ("PLANT_ENDPOINT", "https://plant.example.com/?plant_id=3", "query"),
        ("PLANT_ENDPOINT", "https://[::1", "not an address"),
        ("PLANT_RATED_KW", "-5", "is -5"),
        ("PLANT_RATED_KW", "nan", "not a number"),
        ("PLANT_RATED_KW", "1e9", "not a number"),
        ("STATUS_INTERVAL_S", "fifteen", "not a number"),
        ("DISCOVERY_INTERVAL_S", "5", "is 5"),
        ("SUBNETS", "10.0.0.0/8", "larger than /16"),
        ("SUBNETS", "10.0.1.7/24", "has host bits set"),
        ("SUBNETS", "fd00::/120", "IPv6"),
        ("SUBNETS", "farm", "farm"),
        ("SUBNETS", " , ", "is empty"),
        ("MINER_PORT", "0", "is 0"),
        ("MINER_PORT", "80.5", "not a whole number"),
        ("MINER_PORT", "８０", "not a number"),
        ("UNLOCK_PASSWORD", "", "is empty"),
        ("DATABASE_URL", "sqlite://", "names no file"),
        ("DATABASE_URL", "mysql://h/db", "is for 'mysql'"),
        ("DATABASE_URL", "nonsense", "not a database address"),
        ("BIND", "8080", "not address:port"),
        ("BIND", "127.0.0.1:0", "port"),
        ("BIND", "farm.example:8080", "no address"),
        ("TRUSTED_PROXIES", "10.0.0.0/8", "not an address"),
        ("TRUSTED_PROXIES", "*", "not an address"),
        ("SESSION_IDLE_H", "0", "is 0"),
        ("SESSION_LONGEST_H", "for ever", "not a number"),
        ("PUBLISHED_TO_LOOPBACK", "mostly", "is 'mostly'"),
        ("ALLOWED_HOSTS", "*", "not a host name"),
        ("ALLOWED_HOSTS", "http://farm", "not a host name"),
        ("WORKERS", "0", "is 0"),
        ("LOG_LEVEL", "LOUD", "is 'LOUD'"),
        ("SIMULATED", "maybe", "is 'maybe'"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str, says: str, tmp_path: Path) -> None:
    found = problems(NEEDED | {f"POWERHIVE_{name}": value}, tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"POWERHIVE_{name} ")
    assert says in found[0]
    assert "Allowed: " in found[0]


@pytest.mark.parametrize(
    ("line", "says"),
    [("workers = true", "must be a number"), ('simulated = "perhaps"', "is 'perhaps'"), ("subnets = 5", "must be"),
     ("plant_id = 7", "must be a text"), ("[plant]\nid = 1", "not a setting")],
)  # fmt: skip
def test_a_wrong_type_in_the_file_is_refused(line: str, says: str, tmp_path: Path) -> None:
    needed = {name: value for name, value in NEEDED.items() if not name.endswith("SUBNETS") or "subnets" not in line}
    found = problems(needed, with_file(tmp_path, line))
    assert says in found[0]


def test_subnets_come_as_text_or_list_and_once_each(tmp_path: Path) -> None:
    config = load(NEEDED | {"POWERHIVE_SUBNETS": "10.0.1.0/24, 10.0.2.0/24,10.0.1.0/24"}, tmp_path)
    assert [str(net) for net in config.subnets] == ["10.0.1.0/24", "10.0.2.0/24"]


def test_a_local_plant_may_be_plain_http(tmp_path: Path) -> None:
    for address in ("http://127.0.0.1:18081/data", "http://192.168.4.2/data", "http://localhost:8/x"):
        given = NEEDED | {"POWERHIVE_PLANT_ENDPOINT": address, "POWERHIVE_PLANT_PLAIN_HTTP": "true"}
        assert load(given, tmp_path).plant_endpoint == address


def test_plain_http_off_this_machine_needs_a_yes(tmp_path: Path) -> None:
    (found,) = problems(NEEDED | {"POWERHIVE_PLANT_ENDPOINT": "http://192.168.4.2/data"}, tmp_path)
    assert "POWERHIVE_PLANT_PLAIN_HTTP=true" in found
    assert load(NEEDED | {"POWERHIVE_PLANT_ENDPOINT": "http://127.0.0.1:1/data"}, tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000", "0.0.0.0:9000", "[::]:9000"])
def test_every_address_may_be_bound(address: str, tmp_path: Path) -> None:
    assert load(NEEDED | {"POWERHIVE_BIND": address}, tmp_path).bind_address == address


def test_a_simulated_farm_takes_only_loopback(tmp_path: Path) -> None:
    found = problems(NEEDED | {"POWERHIVE_SIMULATED": "true"}, tmp_path)
    assert [problem.split()[0] for problem in found] == ["POWERHIVE_PLANT_ENDPOINT", "POWERHIVE_SUBNETS"]
    config = load(
        NEEDED
        | {
            "POWERHIVE_SIMULATED": "1",
            "POWERHIVE_SUBNETS": "127.20.0.0/24",
            "POWERHIVE_PLANT_ENDPOINT": "http://127.0.0.1:18081/data/latest",
        },
        tmp_path,
    )
    assert config.simulated


def test_secrets_show_as_stars(tmp_path: Path) -> None:
    config = load(NEEDED | {"POWERHIVE_UNLOCK_PASSWORD": "open-sesame"}, tmp_path)
    assert "a-key" not in repr(config)
    assert "open-sesame" not in repr(config)
    assert config.secret_key.reveal() not in repr(config)
    assert f"{Secret('x')} {Secret('x')!r}" == "*** ***"


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    found = problems(NEEDED | {"POWERHIVE_PLANT_API_KEY": "my secret key"}, tmp_path)
    assert "my secret" not in found[0]


def test_the_settings_cannot_be_changed(config: Config) -> None:
    with pytest.raises(FrozenInstanceError):
        config.workers = 9  # type: ignore[misc]


def test_the_secret_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "instance"
    first = load(NEEDED, folder)
    assert load(NEEDED, folder).secret_key == first.secret_key
    assert len(first.secret_key.reveal()) == 64
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "powerhive.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"secret_key", "data_key", "powerhive.db"}


def test_an_empty_secret_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("\n")
    assert "too short" in problems(NEEDED, tmp_path)[0]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = problems(NEEDED, tmp_path / "file" / "instance")
    assert "POWERHIVE_INSTANCE" in found[0]


def test_another_database_file_has_its_own_lease(tmp_path: Path) -> None:
    config = load(NEEDED | {"POWERHIVE_DATABASE_URL": "sqlite:///other.db"}, tmp_path)
    assert config.database_path == tmp_path / "other.db"
    assert config.lease_path == tmp_path / "other.db.scheduler.lock"


def test_every_setting_is_documented_in_the_example_and_nothing_else() -> None:
    documented = re.findall(r"^(?:# )?([a-z_]+) = ", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(setting.key for setting in SETTINGS)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    lines = re.findall(r"^# ([a-z_]+ = .*)$", EXAMPLE.read_text(), re.MULTILINE)
    shown = tomllib.loads("\n".join(lines))
    given = {key: shown[key] for key in shown if key not in ("plant_api_key", "subnets", "plant_rated_kw")}
    with_defaults = with_file(tmp_path, "\n".join(f"{line}" for line in lines if line.split()[0] in given))
    assert load(NEEDED, with_defaults) == load(NEEDED, with_defaults)
    (with_defaults / "powerhive.toml").rename(with_defaults / "kept.toml")
    plain = load(NEEDED, with_defaults)
    (with_defaults / "kept.toml").rename(with_defaults / "powerhive.toml")
    assert load(NEEDED, with_defaults) == plain


def test_every_setting_is_a_field_of_the_config() -> None:
    made = {"instance", "secret_key", "data_keys", "origins"}
    assert {field.name for field in fields(Config)} == {s.key for s in SETTINGS} | made


def test_a_wrong_setting_ends_the_program_with_2_and_no_traceback(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POWERHIVE_")}
    environment |= {"POWERHIVE_INSTANCE": str(tmp_path), "POWERHIVE_WORKERS": "many"}
    done = subprocess.run(
        [sys.executable, "-c", "import wsgi"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "POWERHIVE_WORKERS is 'many'" in done.stderr
    assert "POWERHIVE_PLANT_API_KEY is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_base_settings_of_the_tests_are_valid(tmp_path: Path) -> None:
    assert load(BASE_ENVIRONMENT, tmp_path)


def test_the_redactor_spares_words_that_only_contain_a_secret() -> None:
    redactor = Redactor(("admin",))
    assert redactor.clean("pw admin of the administrator") == "pw *** of the administrator"
    assert redactor.clean("postgresql://u:hunter2@host/db") == "postgresql://u:***@host/db"


def test_the_redactor_knows_a_token_by_its_form() -> None:
    key = "ph_" + "aB3-_" * 8 + "xyz"
    assert Redactor().clean(f"the call with {key} failed") == "the call with ph_*** failed"
