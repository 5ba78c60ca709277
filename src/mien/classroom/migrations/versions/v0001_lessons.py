"""Lessons, participants, tokens, windows, aggregates, self-reports, moments and the record of views."""

import sqlalchemy as sa
from alembic import op

from mien.classroom.tables import UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("teacher", sa.String(64), nullable=False, index=True),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("code", sa.String(16), unique=True),
        sa.Column("decision", sa.JSON, nullable=False),
        sa.Column("mapping", sa.String(64), nullable=False),
        sa.Column("started_at", UtcTime, nullable=False, index=True),
        sa.Column("ended_at", UtcTime),
    )
    op.create_table(
        "participants",
        sa.Column("id", sa.String(32), primary_key=True),
        _to("lesson", "lessons"),
        sa.Column("tag", sa.String(16)),
        sa.Column("camera", sa.String(8), nullable=False),
        sa.Column("consent", sa.String(32)),
        sa.Column("joined_at", UtcTime, nullable=False),
        sa.Column("admitted_at", UtcTime),
    )
    op.create_table(
        "tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("teacher", sa.String(64)),
        _to("participant", "participants", nullable=True),
        sa.Column("expires_at", UtcTime, nullable=False, index=True),
    )
    op.create_table(
        "windows",
        _number(),
        _to("lesson", "lessons"),
        _to("participant", "participants"),
        sa.Column("at", UtcTime, nullable=False, index=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("window", sa.JSON, nullable=False),
    )
    op.create_table(
        "aggregates",
        _number(),
        _to("lesson", "lessons"),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("aggregate", sa.JSON, nullable=False),
    )
    op.create_table(
        "self_reports",
        _number(),
        _to("lesson", "lessons"),
        _to("participant", "participants"),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("answer", sa.String(16), nullable=False),
    )
    op.create_table(
        "moments",
        _number(),
        _to("lesson", "lessons"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("start_s", sa.Float, nullable=False),
        sa.Column("moment", sa.JSON, nullable=False),
        sa.UniqueConstraint("lesson", "state", "start_s", name="one_moment"),
    )
    op.create_table(
        "audit",
        _number(),
        sa.Column("at", UtcTime, nullable=False, index=True),
        sa.Column("teacher", sa.String(64), nullable=False),
        sa.Column("lesson", sa.String(32), nullable=False, index=True),
        sa.Column("action", sa.String(32), nullable=False),
    )


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _to(name: str, table: str, nullable: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(name, sa.String(32), key, nullable=nullable, index=True)
