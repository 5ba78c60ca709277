"""Gaps, where the store was away; snapshots, to go on after a restart; and who agreed to a research export."""

import sqlalchemy as sa
from alembic import op

from mien.classroom.tables import UtcTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them; nobody who joined before had agreed to an export."""
    op.create_table(
        "gaps",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "lesson",
            sa.String(32),
            sa.ForeignKey("lessons.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("start_at", UtcTime, nullable=False),
        sa.Column("end_at", UtcTime, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("lost_rows", sa.Integer, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column(
            "lesson",
            sa.String(32),
            sa.ForeignKey("lessons.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("signals", sa.JSON, nullable=False),
    )
    op.add_column(
        "participants",
        sa.Column("research", sa.Boolean, nullable=False, server_default=sa.false()),
    )
