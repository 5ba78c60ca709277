"""A connection to PostgreSQL whose waiting has an end: a database may be reached and still say nothing."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa

__all__ = ["ANSWER_S", "CONNECT_ARGUMENTS", "limit_waiting"]

ANSWER_S = 5.0
"""How long the answer to one statement is waited for. The database itself gives one up a second before."""

CONNECT_ARGUMENTS = {
    "connect_timeout": 2,
    # The last one ends a transaction whose commit never arrives: it would hold its locks for hours.
    "options": "-c lock_timeout=1000 -c statement_timeout=4000 -c idle_in_transaction_session_timeout=10000",
    # A machine that vanished is noticed by the system too, instead of after hours.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class _Connection(psycopg.Connection[Any]):
    """Psycopg's, but it is given up when the database has been silent for too long.

    Time limits of the database are no help when that is stopped, and those of TCP none while its machine still answers.
    """

    limit_s: float | None = None
    """In the place of `ANSWER_S`, for statements that are known to take longer."""

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Drive one exchange with the database."""
        return super().wait(self._limited(gen), *args, **kwargs)

    def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        limit_s = self.limit_s or ANSWER_S
        until_s = time.monotonic() + limit_s
        ready = None
        try:
            while True:
                # Psycopg comes back every tenth of a second, whether anything has arrived or not.
                ready = yield gen.send(ready)
                if time.monotonic() > until_s:
                    self.pgconn.finish()  # what it still says would be taken for the next answer
                    raise psycopg.OperationalError(f"no answer within {limit_s:g} s")
        except StopIteration as done:
            return done.value


def limit_waiting(engine: sa.Engine) -> None:
    """Make an engine's connections such."""

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return _Connection.connect(*arguments, **parameters)
