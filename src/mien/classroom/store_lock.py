"""One server for each store: whoever comes second would end the first one's lessons, or write everything twice.

The lock ends with the program, however that ends: the system lets go of a file's, PostgreSQL of a session's.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from mien.classroom.transaction import StoreError, as_store_error
from mien.errors import ConfigError

__all__ = ["StoreLock", "lock_store"]

TAKEOVER_S = 3.0
"""How long the lock is waited for: PostgreSQL may notice a moment later that a killed server is gone."""
_RETRY_S = 0.1
_NUMBER = int.from_bytes(b"mien")
"""PostgreSQL's locks of this kind have two numbers, of a program and of what it locks."""


class StoreLock(Protocol):
    """A store that nobody else may serve."""

    is_lost: bool
    """Whether another server has it by now."""

    def take(self) -> bool:
        """Take it; return whether it was free."""

    def renew(self) -> None:
        """See that it is still held, and take it again where the database was away.

        Raises:
            StoreError: If the database does not answer, or somebody else has the lock by now.
        """

    def close(self) -> None:
        """Let go."""


class _FileLock:
    """Of SQLite: a file beside the database, since the database's own locks are SQLite's."""

    is_lost = False

    def __init__(self, path: Path) -> None:
        self._file = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)

    def take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def renew(self) -> None:
        """Nothing: the system takes no lock away from a program that runs."""

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _SessionLock:
    """Of PostgreSQL: it lives as long as a connection."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._is_closed = False
        self.is_lost = False

    def take(self) -> bool:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # or the pool would hand it on, and the lock with it
        self._let_go()
        self._connection = connection
        # A machine that vanished is noticed in half a minute, not after the two hours of most systems.
        for name, value in (("idle", 10), ("interval", 5), ("count", 3)):
            connection.exec_driver_sql(f"SET tcp_keepalives_{name} = {value}")
        schema = sa.func.hashtext(sa.func.coalesce(sa.func.current_schema(), ""))
        return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_NUMBER, schema))))

    def renew(self) -> None:
        if self._is_closed or self._is_held():
            return
        try:
            self.is_lost = not self.take()
        except (SQLAlchemyError, OSError) as error:
            raise as_store_error(error) from None
        if self.is_lost:
            raise StoreError("Another server has taken the store.", "locked")

    def _is_held(self) -> bool:
        if self._connection is None or self.is_lost:
            return False
        try:
            self._connection.scalar(sa.select(1))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        self._is_closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None


def lock_store(engine: sa.Engine) -> StoreLock:
    """Take a store for this server alone.

    Raises:
        ConfigError: If another server has it, or it cannot be reached.
    """
    try:
        lock: StoreLock = _SessionLock(engine)
        if engine.dialect.name == "sqlite":
            lock = _FileLock(Path(engine.url.database or "").resolve())
        until_s = time.monotonic() + TAKEOVER_S
        while not lock.take():
            if time.monotonic() > until_s:
                lock.close()
                raise ConfigError(
                    "Another server holds the store. End that one, or give this one a store of its own: "
                    "--data-dir or MIEN_CLASSROOM_DATABASE_URL."
                )
            time.sleep(_RETRY_S)
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ConfigError(
            f"The store cannot be opened: {reason}. Check MIEN_CLASSROOM_DATABASE_URL."
        ) from None
    return lock
