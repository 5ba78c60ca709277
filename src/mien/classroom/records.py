"""What the store keeps of lessons and students, and the rows that lessons leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mien.classroom import tables

__all__ = ["Batch", "LessonRecord", "ParticipantRecord", "Row"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonRecord:
    """A lesson, as it is kept."""

    id: str
    teacher: str
    title: str
    code: str | None
    """What students type to join; None once it has ended."""
    decision: dict[str, Any]
    """What the policy gate decided, and why."""
    mapping: str
    """Id of the mapping from probabilities to states that was in force."""
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRecord:
    """A student in one lesson, under a random id that means nothing elsewhere."""

    id: str
    lesson: str
    tag: str | None
    """A short random word, shown to student and teacher until admitted."""
    camera: str
    """``frames``, ``device`` or ``none``: the student sends pictures, what the own device measured, or neither."""
    consent: str | None
    """Version of the words that were last agreed to; it stays when the camera is stopped, for windows that are kept."""
    research: bool
    """Whether the windows may be exported."""
    joined_at: datetime
    admitted_at: datetime | None = None


@dataclass(slots=True)
class Batch:
    """What a lesson has to write since the last time."""

    windows: list[Row] = field(default_factory=list)
    aggregates: list[Row] = field(default_factory=list)
    self_reports: list[Row] = field(default_factory=list)
    moments: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    views: list[Row] = field(default_factory=list)
    """Who looked at the lesson while the store was away."""
    snapshot: Row | None = None
    """Replaces the lesson's last one."""

    def parts(self) -> list[tuple[sa.Table, list[Row]]]:
        """Return each table with its rows."""
        return [
            (tables.windows, self.windows),
            (tables.aggregates, self.aggregates),
            (tables.self_reports, self.self_reports),
            (tables.audit, self.views),
        ]

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.parts()) + len(self.moments) + len(self.gaps)

    def add(self, other: Batch) -> None:
        """Take in what came later."""
        for (_, target), (_, rows) in zip(self.parts(), other.parts(), strict=True):
            target += rows
        self.moments += other.moments
        self.gaps += other.gaps
        self.snapshot = other.snapshot or self.snapshot

    def without(self, participant: str) -> Batch:
        """Return the batch less all rows of a student, and less the snapshot, which holds them too."""
        kept = Batch(moments=self.moments, gaps=self.gaps)
        for (_, target), (_, rows) in zip(kept.parts(), self.parts(), strict=True):
            target += [row for row in rows if row.get("participant") != participant]
        return kept
