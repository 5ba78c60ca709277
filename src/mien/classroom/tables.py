"""The tables of the store. A change here needs a migration beside it; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = [
    "METADATA",
    "NAME_LENGTH",
    "UtcTime",
    "aggregates",
    "audit",
    "gaps",
    "lessons",
    "moments",
    "participants",
    "self_reports",
    "snapshots",
    "tokens",
    "windows",
]

NAME_LENGTH = 64
"""Characters that a teacher's name may have."""


class UtcTime(sa.TypeDecorator[datetime]):
    """A time in UTC, with its zone; SQLite keeps none, so it is put back when read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Send UTC; SQLite gets it without the zone."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: sa.Dialect) -> datetime | None:
        """Return UTC."""
        if value is None:
            return None
        read: datetime = value
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


METADATA = sa.MetaData()


def _lesson() -> sa.Column[str]:
    return sa.Column(
        "lesson",
        sa.String(32),
        sa.ForeignKey("lessons.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


def _participant(nullable: bool = False) -> sa.Column[str]:
    """Withdrawal deletes the participant, and the database whatever hangs on it."""
    return sa.Column(
        "participant",
        sa.String(32),
        sa.ForeignKey("participants.id", ondelete="CASCADE"),
        nullable=nullable,
        index=True,
    )


lessons = sa.Table(
    "lessons",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("teacher", sa.String(NAME_LENGTH), nullable=False, index=True),
    sa.Column("title", sa.String(120), nullable=False),
    sa.Column("code", sa.String(16), unique=True),  # None once the lesson has ended
    sa.Column("decision", sa.JSON, nullable=False),  # what the policy gate decided, and why
    sa.Column("mapping", sa.String(64), nullable=False),
    sa.Column("started_at", UtcTime, nullable=False, index=True),
    sa.Column("ended_at", UtcTime),
)

participants = sa.Table(
    "participants",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),  # random, for this lesson only
    _lesson(),
    sa.Column("tag", sa.String(16)),  # to be admitted by; forgotten then
    sa.Column("camera", sa.String(8), nullable=False),
    sa.Column(
        "consent", sa.String(32)
    ),  # version of the words agreed to; None if no camera was ever on
    sa.Column("research", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("joined_at", UtcTime, nullable=False),
    sa.Column("admitted_at", UtcTime),
)

tokens = sa.Table(
    "tokens",
    METADATA,
    sa.Column(
        "digest", sa.String(64), primary_key=True
    ),  # SHA-256: the token itself is kept nowhere
    sa.Column("teacher", sa.String(NAME_LENGTH)),
    _participant(nullable=True),
    sa.Column("expires_at", UtcTime, nullable=False, index=True),
)

windows = sa.Table(
    "windows",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _lesson(),
    _participant(),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("window", sa.JSON, nullable=False),  # a few means and counts; no pixels, no landmarks
)

aggregates = sa.Table(
    "aggregates",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _lesson(),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # aggregate, answers or agreement
    sa.Column("aggregate", sa.JSON, nullable=False),  # what the teacher's page was sent
)

self_reports = sa.Table(
    "self_reports",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _lesson(),
    _participant(),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("answer", sa.String(16), nullable=False),
)

moments = sa.Table(
    "moments",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _lesson(),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("start_s", sa.Float, nullable=False),
    sa.Column("moment", sa.JSON, nullable=False),
    sa.UniqueConstraint("lesson", "state", "start_s", name="one_moment"),
)

gaps = sa.Table(
    "gaps",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _lesson(),
    sa.Column("start_at", UtcTime, nullable=False),
    sa.Column("end_at", UtcTime, nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("lost_rows", sa.Integer, nullable=False),
)

snapshots = sa.Table(
    "snapshots",
    METADATA,
    sa.Column(
        "lesson", sa.String(32), sa.ForeignKey("lessons.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("signals", sa.JSON, nullable=False),  # to go on after a restart; gone when it ends
)

audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("teacher", sa.String(NAME_LENGTH), nullable=False),
    sa.Column("lesson", sa.String(32), nullable=False, index=True),  # outlives the lesson
    sa.Column("action", sa.String(32), nullable=False),
)
