"""Opening the database of lessons: SQLite in WAL mode, private and overwriting what it deletes, or PostgreSQL."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from mien.errors import ConfigError

__all__ = ["open_engine"]

BUSY_TIMEOUT_S = 1.0
"""How long a locked database is waited for; the batch is tried again a second later anyway."""

_TO_JSON = functools.partial(json.dumps, allow_nan=False)
"""Infinity and NaN are no JSON: SQLite takes them, PostgreSQL does not, and both must be alike."""


def open_engine(url: str) -> sa.Engine:
    """Open the database; a SQLite file is made for this user only.

    Raises:
        ConfigError: If the URL is none of SQLite's or PostgreSQL's.
    """
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        raise ConfigError(
            "MIEN_CLASSROOM_DATABASE_URL cannot be read; expected postgresql+psycopg://user@host/name "
            "or sqlite:///file."
        ) from None
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return _open_postgres(parsed)
    if kind != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ConfigError(
            f"MIEN_CLASSROOM_DATABASE_URL names a {kind} database; expected postgresql or a SQLite file."
        )
    path = Path(parsed.database)
    _make_private(path)
    engine = sa.create_engine(
        parsed,
        connect_args={"timeout": BUSY_TIMEOUT_S},
        json_serializer=_TO_JSON,
        hide_parameters=True,
    )
    _stay_with(engine, path)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _open_postgres(url: sa.URL) -> sa.Engine:
    from mien.classroom.postgres import CONNECT_ARGUMENTS, limit_waiting  # its driver is an extra

    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args=CONNECT_ARGUMENTS,
        json_serializer=_TO_JSON,
        hide_parameters=True,
    )
    limit_waiting(engine)
    return engine


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, which would let others of this machine read it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigError(f"The store {path} cannot be opened: {error.strerror}.") from None


def _stay_with(engine: sa.Engine, path: Path) -> None:
    """Use the file that was opened, or none: SQLite writes on into one that was deleted, and makes a new one when asked again."""
    opened = path.stat()

    def check(*_: Any) -> None:
        try:
            is_there = os.path.samestat(path.stat(), opened)
        except OSError:
            is_there = False
        if not is_there:
            raise OSError(f"its file {path} was deleted, moved or replaced")

    for event in ("do_connect", "checkout"):
        sa.event.listen(engine, event, check)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",  # in WAL mode nothing committed is lost when only the program dies
        "foreign_keys=ON",  # off by default: withdrawing would leave a student's rows behind
        "secure_delete=ON",  # deleted rows are overwritten, not only unlinked
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
