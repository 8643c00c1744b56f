"""Deployment settings: `instance/powerhive.toml` and the environment, checked, or a clear error at start.

One table, `SETTINGS`, drives parsing, messages, documentation and the test of `instance/powerhive.example.toml`.
What is wrong is named all at once, each problem with the setting's name and what it may be.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from app import config_values as values
from app.config_values import BadValue
from app.errors import ConfigError
from app.instance_folder import InstanceFolder, check_private, is_data_key
from app.redaction import Secret

PREFIX = "POWERHIVE_"
FILE_NAME = "powerhive.toml"
_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """One deployment setting: its key in the file; in the environment it is `POWERHIVE_` + the key in capitals."""

    key: str
    meaning: str
    allowed: str
    parse: Callable[[Any], Any]
    default: Any = _REQUIRED
    default_shown: str = ""  # where the default cannot be written down as a value

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED

    @property
    def variable(self) -> str:
        return PREFIX + self.key.upper()


def _span(minimum: float, maximum: float) -> dict[str, Any]:
    return {"parse": partial(values.number, minimum=minimum, maximum=maximum),
            "allowed": f"seconds from {minimum:g} to {maximum:g}"}  # fmt: skip


SETTINGS: tuple[Setting, ...] = (
    Setting("plant_endpoint", "where the plant's readings are fetched from", values.ENDPOINT_ALLOWED,
            values.endpoint, "https://energy-aggregator.fly.dev/data/latest"),
    Setting("plant_plain_http", "let the API key travel unencrypted to a plant in a private network (http://)",
            "true or false", values.boolean, False),
    Setting("plant_api_key", "the plant's API key, sent as a bearer token; a secret, there is no default",
            "the key as the plant's operator gave it, without blanks", values.header_secret),
    Setting("plant_id", "which plant, sent as ?plant_id=; empty: not sent", "up to 120 characters, or empty",
            partial(values.text, longest=120), ""),
    Setting("plant_power_unit", "the unit in which the plant really answers, whatever its field names say",
            "MW or kW", partial(values.choice, choices=("MW", "kW")), "MW"),
    Setting("plant_rated_kw", "rated power of the plant in kW; a reading above 1.2 x this is refused (it catches a "
            "wrong unit)", "a number from 1 to 1000000, or empty",
            partial(values.number, minimum=1, maximum=1_000_000, optional=True), None, "empty: not checked"),
    Setting("plant_interval_s", "how often the plant is read", default=15.0, **_span(2, 300)),
    Setting("balance_interval_s", "at the latest how long after one balance the next one is made (it also follows "
            "each plant reading at once)", default=15.0, **_span(2, 300)),
    Setting("status_interval_s", "how often every miner's status is polled", default=15.0, **_span(2, 300)),
    Setting("telemetry_interval_s", "how often the hash boards are read", default=600.0, **_span(10, 86_400)),
    Setting("discovery_interval_s", "how often the subnets are scanned for miners", default=300.0,
            **_span(10, 86_400)),
    Setting("subnets", "the networks in which miners are looked for; nothing outside of them is ever contacted",
            values.SUBNETS_ALLOWED, values.subnets),
    Setting("miner_port", "the TCP port of the miners' HTTP API", "a whole number from 1 to 65535",
            partial(values.integer, minimum=1, maximum=65_535), 80),
    Setting("unlock_password", "the password that unlocks a miner, where none is set for that miner; a secret",
            "1 to 120 characters", values.password, Secret("admin"), "admin, the firmware's own"),
    Setting("database_url", "where the data is kept", values.DATABASE_ALLOWED, values.database_url, "",
            "SQLite in the instance folder: powerhive.db"),
    Setting("bind", "address and port of the pages; any but a loopback address only once there is a user",
            values.BIND_ALLOWED, values.bind, ("127.0.0.1", 8080),
            "127.0.0.1:8080"),
    Setting("allowed_hosts", "the host names by which the pages may be called", values.HOSTS_ALLOWED,
            values.host_names, ("localhost", "127.0.0.1", "::1"), "localhost, 127.0.0.1, ::1"),
    Setting("published_to_loopback", "this runs in a container whose port is published to the host's loopback only: it "
            "may serve beyond the container's own loopback without any user", "true or false", values.boolean, False),
    Setting("trusted_proxies", "reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; those of "
            "anybody else are ignored", values.PROXIES_ALLOWED, values.addresses, (), "none"),
    Setting("session_idle_h", "hours without a request (an open dashboard makes them) after which a log-in ends",
            "a number from 0.25 to 720", partial(values.number, minimum=0.25, maximum=720), 12.0),
    Setting("session_longest_h", "hours after which a log-in ends in any case", "a number from 1 to 2160",
            partial(values.number, minimum=1, maximum=2160), 168.0),
    Setting("workers", "processes that serve pages", "a whole number from 1 to 16",
            partial(values.integer, minimum=1, maximum=16), 2),
    Setting("log_level", "how much is written to the log", "DEBUG, INFO, WARNING or ERROR",
            partial(values.choice, choices=("DEBUG", "INFO", "WARNING", "ERROR")), "INFO"),
    Setting("simulated", "the farm is a simulation: every page says so, and only loopback addresses are accepted",
            "true or false", values.boolean, False),
)  # fmt: skip

_SECRET_SETTINGS = {"plant_api_key", "unlock_password", "database_url"}  # a database's address may hold a password
INSTANCE_VARIABLE = PREFIX + "INSTANCE"  # environment only: the folder in which the file is
DATA_KEY_VARIABLE = PREFIX + "DATA_KEY"  # environment only
DATA_KEY_ALLOWED = (
    "keys of 32 random bytes in URL-safe base64 (openssl rand -base64 32 | tr '+/' '-_'), the newest first, separated "
    "by commas"
)
INSTANCE_MEANING = "the folder of settings, database and secrets (default: instance/ beside the program)"


@dataclass(frozen=True, slots=True)
class Config:
    """The checked deployment settings. Secrets show as `***`; `instance` is an existing, writable folder."""

    instance: Path
    secret_key: Secret
    data_keys: tuple[Secret, ...]  # the first seals secrets in the database, all unseal them (app.sealing)
    plant_endpoint: str
    plant_plain_http: bool
    plant_api_key: Secret
    plant_id: str
    plant_power_unit: str
    plant_rated_kw: float | None
    plant_interval_s: float
    balance_interval_s: float
    status_interval_s: float
    telemetry_interval_s: float
    discovery_interval_s: float
    subnets: tuple[IPv4Network, ...]
    miner_port: int
    unlock_password: Secret
    database_url: Secret  # may hold a password
    bind: tuple[str, int]
    allowed_hosts: tuple[str, ...]
    published_to_loopback: bool
    trusted_proxies: tuple[str, ...]
    session_idle_h: float
    session_longest_h: float
    workers: int
    log_level: str
    simulated: bool
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)  # key: file | environment; else a default

    @property
    def bind_address(self) -> str:
        """`host:port` as a server's command line wants it."""
        host, port = self.bind
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def database_path(self) -> Path | None:
        """The SQLite file, or None on another database."""
        url = make_url(self.database_url.reveal())
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    @property
    def lease_path(self) -> Path:
        """The lock file that makes one scheduler the acting one: beside the database, so one per database."""
        database = self.database_path
        if database is None or database == (self.instance / "powerhive.db").resolve():
            return self.instance / "scheduler.lock"
        return database.with_name(database.name + ".scheduler.lock")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret text of the settings, for the log to leave out."""
        password = make_url(self.database_url.reveal()).password
        held = (self.plant_api_key, self.secret_key, self.unlock_password, *self.data_keys)
        known = tuple(secret.reveal() for secret in held)
        return (*known, password) if password else known


def load(environ: Mapping[str, str], instance_dir: Path | None = None) -> Config:
    """Read, check and complete the deployment settings; create the instance folder and its secret key.

    `instance_dir` wins over `POWERHIVE_INSTANCE`, which wins over `instance/` beside the program.

    Raises:
        ConfigError: all problems at once, one sentence each.
    """
    chosen = instance_dir or Path(environ.get(INSTANCE_VARIABLE) or _default_instance())
    folder = InstanceFolder(chosen.expanduser().absolute())
    folder.prepare()
    problems: list[str] = []
    given = _from_file(folder.path / FILE_NAME, problems) | _from_environment(environ, problems)
    checked: dict[str, Any] = {}
    for setting in SETTINGS:
        try:
            checked[setting.key] = _value_of(setting, given)
        except BadValue as error:
            problems.append(str(error))
    problems += _contradictions(checked)
    if problems:
        raise ConfigError(problems)
    database = values.absolute_database_url(checked.pop("database_url"), folder.path)
    config = Config(
        instance=folder.path,
        secret_key=Secret(folder.secret_key()),
        data_keys=_data_keys(environ, folder),
        database_url=Secret(database),
        origins={key: "environment" if name.startswith(PREFIX) else "file" for key, (name, _raw) in given.items()},
        **checked,
    )
    if config.database_path is not None:
        folder.reserve(config.database_path)
    return config


def _data_keys(environ: Mapping[str, str], folder: InstanceFolder) -> tuple[Secret, ...]:
    """Return the keys of the environment, else those of the instance folder.

    Raises:
        ConfigError: one of them is no key; it is not repeated.
    """
    given = environ.get(DATA_KEY_VARIABLE, "").strip()
    if not given:
        return tuple(Secret(key) for key in folder.data_keys())
    keys = [key.strip() for key in given.split(",")]
    if not all(is_data_key(key) for key in keys):
        raise ConfigError([f"{DATA_KEY_VARIABLE} holds something that is no key. Allowed: {DATA_KEY_ALLOWED}."])
    return tuple(Secret(key) for key in keys)


@cache
def of_this_process() -> Config:
    """Return the settings of this process, read once.

    Workers are forked from the master, so all of them see what the master read: a file edited meanwhile acts at the
    next start of the service, everywhere at once.

    Raises:
        ConfigError: see `load`.
    """
    return load(os.environ)


def _default_instance() -> Path:
    return Path(__file__).resolve().parent.parent / "instance"


def _value_of(setting: Setting, given: Mapping[str, tuple[str, Any]]) -> Any:
    if setting.key not in given:
        if setting.required:
            raise BadValue(
                f"{setting.variable} is missing: {setting.meaning}. Set it in the environment, or as {setting.key} in "
                f"{FILE_NAME}. Allowed: {setting.allowed}."
            )
        return setting.default
    name, raw = given[setting.key]
    try:
        return setting.parse(raw)
    except BadValue as error:
        raise BadValue(f"{name} {error}. Allowed: {setting.allowed}.") from None


def _from_file(path: Path, problems: list[str]) -> dict[str, tuple[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path} is not valid TOML: {error}.")
        return {}
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}.")
        return {}
    if document.keys() & _SECRET_SETTINGS:
        try:
            check_private(path)
        except ConfigError as error:
            problems += error.problems
    known = {setting.key for setting in SETTINGS}
    for key in document.keys() - known:
        elsewhere = {"instance": INSTANCE_VARIABLE, "data_key": DATA_KEY_VARIABLE}.get(key)
        hint = f"set {elsewhere} in the environment" if elsewhere else _nearest(key, known)
        problems.append(f"{key} in {path} is not a setting ({hint}).")
    return {key: (f"{key} in {path}", value) for key, value in document.items() if key in known}


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, tuple[str, Any]]:
    by_variable = {setting.variable: setting for setting in SETTINGS}
    given: dict[str, tuple[str, Any]] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in (INSTANCE_VARIABLE, DATA_KEY_VARIABLE):
            continue
        if variable not in by_variable:
            hint = _nearest(variable, {*by_variable, INSTANCE_VARIABLE, DATA_KEY_VARIABLE})
            problems.append(f"{variable} in the environment is not a setting ({hint}).")
            continue
        given[by_variable[variable].key] = (variable, value.strip())
    return given


def _nearest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    matches = [k for k in known if close and k.lower() == close[0]]
    return f"did you mean {matches[0]}?" if matches else f"the settings are {', '.join(sorted(known))}"


def _contradictions(checked: Mapping[str, Any]) -> list[str]:
    """What is wrong only together with another setting."""
    problems = []
    endpoint = checked.get("plant_endpoint")
    if endpoint is not None and values.is_plain_http(endpoint) and not checked.get("plant_plain_http"):
        problems.append(
            f"{PREFIX}PLANT_ENDPOINT is http:// to another machine: whoever shares a network with it could read the "
            f"API key and invent readings. Allowed: https://, or {PREFIX}PLANT_PLAIN_HTTP=true where nobody else does."
        )
    if not checked.get("simulated"):
        return problems
    if endpoint is not None and not values.is_loopback_url(endpoint):
        problems.append(
            f"{PREFIX}PLANT_ENDPOINT is not on this machine, but {PREFIX}SIMULATED is set. Allowed: an address on "
            "127.0.0.0/8 or localhost; or unset the simulation."
        )
    outside = [str(net) for net in checked.get("subnets", ()) if not net.is_loopback]
    if outside:
        problems.append(
            f"{PREFIX}SUBNETS names {', '.join(outside)}, but {PREFIX}SIMULATED is set. Allowed: networks in "
            "127.0.0.0/8; or unset the simulation."
        )
    return problems
