"""Transactions whose failures are ours: what is wrong with the database, by its own code and never with a row's values."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from mien.errors import MienError

__all__ = ["StoreError", "Transaction", "as_store_error", "reason_of"]

_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01")
"""How codes begin: SQLite's names, and the SQLSTATE of PostgreSQL. Its words are in the language of its machine."""
_FAILURES = (SQLAlchemyError, OSError, ValueError)
"""PostgreSQL's driver turns values into what is sent itself, and its ValueErrors come as they are."""
_FULL = ("SQLITE_FULL", "53100")


class StoreError(MienError):
    """The database does not answer, is locked or full; what was to be written is still in memory."""

    def __init__(self, message: str, reason: str = "gone") -> None:
        """Say what happened; ``reason`` is ``locked``, ``full``, ``gone``, or ``refused``: trying again is no use."""
        super().__init__(message)
        self.reason = reason
        self.unsure: int | None = None
        """Number of a transaction that may have been taken all the same: the connection broke before the answer came."""


class Transaction:
    """All of it or nothing; SQLAlchemy's own messages may hold values."""

    def __init__(self, engine: sa.Engine) -> None:
        """Begin with the first statement."""
        self._context = engine.begin()

    def __enter__(self) -> sa.Connection:
        """Take a connection.

        Raises:
            StoreError: If there is none.
        """
        try:
            return self._context.__enter__()
        except _FAILURES as error:
            raise as_store_error(error) from None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Commit, or roll back if something failed.

        Raises:
            StoreError: If the database failed, now or before.
        """
        try:
            self._context.__exit__(kind, error, trace)
        except _FAILURES as failed:
            raise as_store_error(failed) from None
        if isinstance(error, _FAILURES):
            raise as_store_error(error) from None


def as_store_error(error: BaseException) -> StoreError:
    """Return what a database's driver raised as an error of ours."""
    words = str(getattr(error, "orig", None) or error).splitlines()[0]
    return StoreError(f"The store does not take or give rows: {words}.", reason_of(error))


def reason_of(error: BaseException) -> str:
    """Return the `StoreError.reason` of what a database's driver raised."""
    if isinstance(error, (sa.exc.IntegrityError, sa.exc.DataError)):
        return "refused"
    own = getattr(error, "orig", None) or error
    # Before it was sent: a number that is none, text that is no text.
    if isinstance(own, ValueError):
        return "refused"
    code = str(getattr(own, "sqlite_errorname", None) or getattr(own, "sqlstate", None) or "")
    if code.startswith(_LOCKED):
        return "locked"
    return "full" if code.startswith(_FULL) else "gone"
