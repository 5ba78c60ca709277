"""Who works on what right now: locks that end with the process that holds them, however it ends.

A lock of the operating system (one machine) or of PostgreSQL (several) is given back when its holder is killed or cut
off, so that a run that nobody works on is known at once: no heartbeat, no time to wait, no clock to trust.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

__all__ = ["FileLeases", "JournalLock", "Leases", "PostgresLeases"]

POLL_S = 0.2


class Leases(Protocol):
    """Names, each of which one process at most holds at a time."""

    def acquire(self, name: str) -> bool:
        """Take a name; False if another process has it."""

    def wait(self, name: str) -> AbstractContextManager[None]:
        """Wait for a name, and give it back at the end of the block."""

    def release(self, name: str) -> None:
        """Give a name back."""

    def close(self) -> None:
        """Give everything back."""


class _Waiting:
    """What both kinds of leases have in common: waiting for a name."""

    @contextmanager
    def wait(self: Leases, name: str) -> Iterator[None]:
        """Wait for a name, and give it back at the end of the block."""
        while not self.acquire(name):
            time.sleep(POLL_S)
        try:
            yield
        finally:
            self.release(name)


class FileLeases(_Waiting):
    """Locked files in a folder, for processes on one machine."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made with the first lock."""
        self._folder = folder
        self._held: dict[str, int] = {}

    def acquire(self, name: str) -> bool:
        """Take a name; False if another process has it."""
        if name in self._held:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._held[name] = file
        return True

    def release(self, name: str) -> None:
        """Give a name back. Its file stays: deleting it would let two processes lock two files of one name."""
        os.close(self._held.pop(name))

    def close(self) -> None:
        """Give everything back."""
        for name in list(self._held):
            self.release(name)


class PostgresLeases(_Waiting):
    """Advisory locks of PostgreSQL, for processes on any number of machines.

    They belong to one connection, which the server closes when its process dies.
    """

    def __init__(self, engine: Any, study: str) -> None:
        """Connect.

        Args:
            engine: Of SQLAlchemy, without a pool, so that closing closes.
            study: What the names belong to; two studies on one server do not meet.
        """
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # A machine that lost its power sends no goodbye: let the server ask after a minute, not after hours.
        self._connection.exec_driver_sql("SET tcp_keepalives_idle = 60")
        self._study = study
        self._held: set[str] = set()

    def acquire(self, name: str) -> bool:
        """Take a name; False if another process has it."""
        if name in self._held:  # one connection may take its own lock again and again
            return False
        if not self._call("pg_try_advisory_lock", name):
            return False
        self._held.add(name)
        return True

    def release(self, name: str) -> None:
        """Give a name back."""
        self._call("pg_advisory_unlock", name)
        self._held.discard(name)

    def close(self) -> None:
        """Give everything back."""
        self._connection.close()

    def _call(self, function: str, name: str) -> bool:
        digest = hashlib.sha256(f"{self._study}/{name}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        return bool(self._connection.exec_driver_sql(f"SELECT {function}({number})").scalar())


class JournalLock:
    """What Optuna's journal is written under: Optuna's own lock files outlive a killed process, this does not.

    A process killed in the middle of a line leaves a part of it, after which Optuna could read no further; whoever
    writes next cuts it off.
    """

    def __init__(self, journal: Path) -> None:
        """Name the journal; it may not exist yet."""
        self._journal = journal
        self._file = -1

    def acquire(self) -> bool:
        """Wait for the lock."""
        path = self._journal.with_suffix(".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._cut_off_torn_line()
        return True

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._file)

    def __enter__(self) -> JournalLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _cut_off_torn_line(self) -> None:
        if not self._journal.exists() or not self._journal.stat().st_size:
            return
        with self._journal.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                text = self._journal.read_bytes()
                file.truncate(text.rfind(b"\n") + 1)
