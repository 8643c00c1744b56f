"""The instance folder: where settings, database and secrets of one installation live."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError

_KEY_NAME = "secret_key"
_KEY_MIN_LENGTH = 32
_DATA_KEY_NAME = "data_key"
_DATA_KEY_BYTES = 32


def is_data_key(text: str) -> bool:
    """Tell whether `text` is 32 bytes in URL-safe base64: what Fernet takes for a key."""
    try:
        return len(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)) == _DATA_KEY_BYTES
    except ValueError:
        return False


def check_private(path: Path) -> None:
    """Make sure that no other user of this machine can read or write a file of secrets.

    Its owner's group may: a service user often reads what root owns. A folder that others cannot enter protects what
    is in it.

    Raises:
        ConfigError: they can.
    """
    try:
        mode, folder = path.stat().st_mode, path.parent.stat().st_mode
    except OSError:
        return  # whoever reads it says what is wrong
    if mode & (stat.S_IROTH | stat.S_IWOTH) and folder & stat.S_IXOTH:
        raise ConfigError([f"{path} holds secrets and every user of this machine can read it: chmod 600 {path}"])


def new_data_key() -> str:
    """Return a fresh key for the secrets in the database."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_DATA_KEY_BYTES)).decode("ascii")


@dataclass(frozen=True, slots=True)
class InstanceFolder:
    """One installation's folder; nobody else may read it."""

    path: Path

    def prepare(self) -> None:
        """Create the folder if it is missing and make sure that it can be written.

        Raises:
            ConfigError: it cannot be created or written; the sentence says why and what to do.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".probe-", dir=self.path)
            try:
                os.write(handle, b"PowerHive was here")
            finally:
                os.close(handle)
                Path(name).unlink()
        except OSError as error:
            raise ConfigError([self._complaint("cannot be written", error)]) from error

    def secret_key(self) -> str:
        """Return the key that signs sessions and forms; created once, mode 600, the same for all processes.

        Raises:
            ConfigError: the file cannot be written, or holds no usable key.
        """
        path = self.path / _KEY_NAME
        try:
            if not path.exists():
                self._create_key(path, secrets.token_hex(32))
            check_private(path)
            key = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([self._complaint(f"holds no readable {_KEY_NAME}", error)]) from error
        if len(key) < _KEY_MIN_LENGTH:
            raise ConfigError([f"{path} holds no usable key (too short). Delete it: the next start makes a new one."])
        return key

    @property
    def data_key_path(self) -> Path:
        """The file of the keys that seal the secrets in the database, newest first, one a line."""
        return self.path / _DATA_KEY_NAME

    def data_keys(self) -> tuple[str, ...]:
        """Return the keys that seal the secrets in the database, newest first; created once, mode 600.

        Raises:
            ConfigError: the file cannot be written, or holds something else than keys.
        """
        path = self.data_key_path
        try:
            if not path.exists():
                self._create_key(path, new_data_key())
            check_private(path)
            keys = path.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([self._complaint(f"holds no readable {_DATA_KEY_NAME}", error)]) from error
        if not keys or not all(is_data_key(key) for key in keys):
            sentence = (
                f"{path} is damaged: it must hold one key of 44 characters a line. Bring back a copy of it. If there "
                "is none, delete it: the next start makes a new key and adopts every miner anew; unlock passwords of "
                "single miners must then be entered again."
            )
            raise ConfigError([sentence])
        return tuple(keys)

    def replace_data_keys(self, keys: Sequence[str]) -> None:
        """Write the keys, newest first, in place of those of the file: whole, or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        handle, name = tempfile.mkstemp(prefix=f".{_DATA_KEY_NAME}-", dir=self.path)  # mode 600
        try:
            _write_through(handle, "\n".join(keys) + "\n")
            Path(name).replace(self.data_key_path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself must outlast a power cut before anything is sealed with the new key
        finally:
            os.close(folder)

    def reserve(self, database: Path) -> None:
        """Create an empty database file that only its owner may read: it will hold the miners' API keys.

        Raises:
            ConfigError: the file cannot be created there.
        """
        try:
            os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError([f"The database {database} cannot be created: {reason}."]) from error

    def _create_key(self, path: Path, key: str) -> None:
        """Write the key beside its place and link it there: of several processes exactly one wins, none sees half."""
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=self.path)  # mode 600
        try:
            _write_through(handle, key + "\n")
            Path(path).hardlink_to(name)
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()

    def _complaint(self, what: str, error: Exception) -> str:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return (
            f"The instance folder {self.path} {what}: {reason}. PowerHive keeps its database and secrets there; make "
            "it writable, free some space, or name another folder with POWERHIVE_INSTANCE."
        )


def _write_through(handle: int, text: str) -> None:
    """Write the text to the open file, down to the disk, and close it."""
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
