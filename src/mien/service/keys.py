"""API keys: made once, kept as hashes, revoked while the service runs.

A key is 256 random bits, so a plain SHA-256 hides it: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mien.errors import ConfigError
from mien.replacing import replacing

__all__ = ["ApiKey", "KeyRing", "add_key", "read_keys", "revoke_key"]

logger = logging.getLogger(__name__)

_START = "mien_"
"""So that scanners for leaked secrets can know one."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOOK_AGAIN_S = 1.0
"""A revoked key works no longer than this."""


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """What is kept of a key."""

    name: str
    """Who it was given to; stands in logs."""
    sha256: str
    """Of the key, hexadecimal."""
    created: str
    """UTC, ISO 8601."""
    revoked: str | None = None
    """When it stopped being valid; None if it has not."""

    @property
    def is_active(self) -> bool:
        """Whether it lets anyone in."""
        return self.revoked is None


def add_key(path: Path, name: str) -> str:
    """Make a key and keep its hash.

    Args:
        path: The file of the keys; made if it is not there, for its owner only.
        name: Who it is for: letters, digits, ``.``, ``_`` and ``-``.

    Returns:
        The key itself. It is nowhere else: show it once.

    Raises:
        ConfigError: If the name cannot be used or is taken, or the file cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"A key cannot be called '{name}'; expected up to 64 letters, digits, '.', '_' and '-'."
        )
    with _alone(path):
        keys = read_keys(path) if path.exists() else []
        if any(key.name == name and key.is_active for key in keys):
            raise ConfigError(
                f"{path} has an active key '{name}'. Revoke it first: mien keys revoke {name} --file {path}"
            )
        secret = _START + secrets.token_urlsafe(32)
        _write(path, [*keys, ApiKey(name=name, sha256=_hash(secret), created=_now())])
    return secret


def revoke_key(path: Path, name: str) -> None:
    """Make a key invalid; a service that runs notices within a second.

    Raises:
        ConfigError: If there is no active key of this name, or the file cannot be used.
    """
    read_keys(path)  # a file that is not there is said so, and no folder made for it
    with _alone(path):
        keys = read_keys(path)
        if not any(key.name == name and key.is_active for key in keys):
            active = ", ".join(key.name for key in keys if key.is_active) or "none"
            raise ConfigError(f"{path} has no active key '{name}'; active are: {active}.")
        now = _now()
        revoked = [
            replace(key, revoked=now) if key.name == name and key.is_active else key for key in keys
        ]
        _write(path, revoked)


def read_keys(path: Path) -> list[ApiKey]:
    """Read what is kept of the keys.

    Raises:
        ConfigError: If the file is missing or no file of keys.
    """
    try:
        keys = [ApiKey(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))["keys"]]
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file of keys {path}. Make one: mien keys add NAME --file {path}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError):
        raise ConfigError(
            f"{path} is no file of keys. Make one: mien keys add NAME --file keys.json"
        ) from None
    return keys


class KeyRing:
    """The active keys of a file, read again when it changes; safe to use in several threads."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigError: If it cannot be used.
        """
        self._path = path
        self._seen = self._version()
        self._names = _active(read_keys(path))
        self._is_read = True
        self._look_at = time.monotonic() + _LOOK_AGAIN_S

    def name_of(self, secret: str) -> str | None:
        """Return the name of a key, or None if it is none or was revoked."""
        # A lookup by hash tells nothing by its time: whoever can choose a hash's first bits knows no key by it.
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN_S
            self._refresh()
        return self._names.get(_hash(secret))

    def _refresh(self) -> None:
        version = self._version()
        # Who lets us read it, by permissions or owner, changes nothing in its version: what was not read is tried again.
        if version == self._seen and self._is_read:
            return
        try:
            self._names = _active(read_keys(self._path))
            self._is_read = True
        except ConfigError as error:
            # Nobody gets in by a file that cannot be read: a revoked key might be among those of before.
            self._names = {}
            self._is_read = False
            if version != self._seen:
                logger.error("No key is valid now: %s", error)
        self._seen = version

    def _version(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _active(keys: list[ApiKey]) -> dict[str, str]:
    return {key.sha256: key.name for key in keys if key.is_active}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Keep out who else changes the file, or one of two changes would be lost.

    The folder is locked, not the file, which is replaced, and not a file beside, which might be another user's.
    """
    folder = Path(os.path.realpath(path)).parent
    try:
        with suppress(FileExistsError):  # what opens it says that it is no folder
            folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, keys: list[ApiKey]) -> None:
    """Replace the file as a whole; it is its owner's alone from the first byte, or whose it was before."""
    text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=2) + "\n"
    try:
        mode = stat.S_IMODE(path.stat().st_mode) & 0o660 if path.exists() else 0o600
        with replacing(path, mode=mode | 0o600) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
