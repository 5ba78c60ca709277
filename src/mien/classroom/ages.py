"""Which rows have reached their age, table by table."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from mien.classroom import tables
from mien.classroom.records import LessonRecord, ParticipantRecord

__all__ = ["LESSON_HOURS", "kept_until", "too_old"]

LESSON_HOURS = 12.0
"""A lesson that nobody ended is ended then."""
_ENDED_WITHIN_HOURS = 1.0
"""By then a server that runs has ended it; what is still open is of one that was not started again."""


def kept_until(
    student: ParticipantRecord,
    lesson: LessonRecord,
    window_hours: float,
    aggregate_days: float,
    round_s: float,
) -> datetime:
    """Return when the last of a student has gone by itself, at the latest: at its age or its lesson's, but not before that is over.

    Args:
        student: As it is kept.
        lesson: The student's.
        window_hours: Age of what is one student's.
        aggregate_days: Of lessons with all that is theirs.
        round_s: From one deletion to the next.
    """
    by_age = min(
        student.joined_at + timedelta(hours=window_hours),
        lesson.started_at + timedelta(days=aggregate_days),
    )
    ends_at = lesson.ended_at or lesson.started_at + timedelta(hours=LESSON_HOURS)
    return max(by_age, ends_at + timedelta(seconds=round_s))


def too_old(
    now: datetime, window_hours: float, aggregate_days: float, audit_days: float
) -> dict[str, sa.Delete]:
    """Return by kind how to delete what has reached its age.

    However short the ages are, a lesson that runs stays, with what is kept of the class and the seats of its students. Their
    windows and taps go at their age all the same.

    Args:
        now: The time in UTC.
        window_hours: Age of what is one student's.
        aggregate_days: Of lessons with all that is theirs.
        audit_days: Of the record of who looked at what.
    """
    windows, taps, students = tables.windows, tables.self_reports, tables.participants
    lessons, audit, tokens = tables.lessons, tables.audit, tables.tokens
    windows_before = now - timedelta(hours=window_hours)
    abandoned_before = now - timedelta(hours=LESSON_HOURS + _ENDED_WITHIN_HOURS)
    is_over = sa.or_(lessons.c.ended_at.is_not(None), lessons.c.started_at < abandoned_before)
    over = sa.select(lessons.c.id).where(is_over)
    lessons_before = now - timedelta(days=aggregate_days)
    return {
        "windows": sa.delete(windows).where(windows.c.at < windows_before),
        "self_reports": sa.delete(taps).where(taps.c.at < windows_before),
        "participants": sa.delete(students).where(
            students.c.joined_at < windows_before, students.c.lesson.in_(over)
        ),
        "lessons": sa.delete(lessons).where(lessons.c.started_at < lessons_before, is_over),
        "audit": sa.delete(audit).where(audit.c.at < now - timedelta(days=audit_days)),
        "tokens": sa.delete(tokens).where(tokens.c.expires_at <= now),
    }
