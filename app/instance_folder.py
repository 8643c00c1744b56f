"""The instance folder: where settings, database and secrets of one installation live."""

from __future__ import annotations

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError

_KEY_NAME = "secret_key"
_KEY_MIN_LENGTH = 32


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
                self._create_key(path)
            key = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([self._complaint(f"holds no readable {_KEY_NAME}", error)]) from error
        if len(key) < _KEY_MIN_LENGTH:
            raise ConfigError([f"{path} holds no usable key (too short). Delete it: the next start makes a new one."])
        return key

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

    def _create_key(self, path: Path) -> None:
        """Write the key beside its place and link it there: of several processes exactly one wins, none sees half."""
        handle, name = tempfile.mkstemp(prefix=f".{_KEY_NAME}-", dir=self.path)  # mode 600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
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
