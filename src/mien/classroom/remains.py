"""What deleting leaves on the disk: databases unlink rows first, and their bytes stay until something is written over them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from mien.classroom import tables
from mien.classroom.transaction import StoreError, Transaction, as_store_error

__all__ = ["Remains"]

SMALL_BYTES = 16 * 1024 * 1024
"""PostgreSQL writes a table of this size anew in half a second, for which nobody may use it; larger ones wait until no
lesson runs. Some 40,000 windows."""
RETRY_S = 60.0
"""After a table could not be had: whoever wants it for oneself holds up those who come after."""
SWEEP_S = 120.0
"""How long PostgreSQL may take for one table."""
_CHECKPOINT_MS = 100
"""How long SQLite waits for whoever reads the journal; it is tried again every second."""


class Remains:
    """Of one store: whether there are any, and how they go."""

    def __init__(
        self, engine: sa.Engine, busy_ms: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Look after a database; ``busy_ms`` is how long its other statements wait for a lock."""
        self._engine = engine
        self._busy_ms = busy_ms
        self._clock = clock
        self._is_due = True  # what a server before this one has left is not known
        self._are_large_due = False
        self._not_before_s = -math.inf

    def note(self) -> None:
        """Something was deleted."""
        self._is_due = True
        if self._engine.dialect.name == "sqlite":
            with suppress(StoreError):  # it is tried again
                self.sweep(is_idle=False)

    def are_due(self, *, is_idle: bool) -> bool:
        """Whether `sweep` has something to do."""
        is_due = self._is_due or (is_idle and self._are_large_due)
        return is_due and self._clock() >= self._not_before_s

    def sweep(self, *, is_idle: bool) -> None:
        """Write over what was deleted, as far as that goes now; what is left stays due.

        Args:
            is_idle: Whether no lesson runs, so that large tables may be locked while they are written anew.

        Raises:
            StoreError: If the database does not answer.
        """
        if self._engine.dialect.name == "sqlite":
            self._is_due = not self._empty_journal()
            return
        self._is_due = False  # before: what is deleted meanwhile is due again
        try:
            self._are_large_due = not self._rewrite(is_idle)
        except (SQLAlchemyError, OSError) as error:
            self._is_due, self._not_before_s = True, self._clock() + RETRY_S
            raise as_store_error(error) from None

    def _empty_journal(self) -> bool:
        """Copy SQLite's journal into the file and empty it; False while somebody still reads in it."""
        with Transaction(self._engine) as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_CHECKPOINT_MS}")
            try:
                row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {self._busy_ms}")
        is_busy = bool(row[0])
        return not is_busy

    def _rewrite(self, is_idle: bool) -> bool:
        """Have PostgreSQL write tables anew; return whether that was all of them.

        Closing the gaps in its files, as it does by itself, leaves up to two thirds of what was deleted where it was.
        """
        is_all = True
        with self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            driver: Any = connection.connection.driver_connection
            driver.limit_s = SWEEP_S
            connection.detach()  # its limits are no others'
            connection.exec_driver_sql("SET statement_timeout = 0")
            for table in tables.METADATA.sorted_tables:
                size = connection.scalar(sa.select(sa.func.pg_total_relation_size(table.name)))
                may_lock = is_idle or (size or 0) < SMALL_BYTES
                connection.exec_driver_sql(f"VACUUM {'(FULL)' if may_lock else ''} {table.name}")
                is_all = is_all and may_lock
        return is_all
