"""What a student chooses who joins a lesson, and what the student gets."""

from __future__ import annotations

from dataclasses import dataclass

from mien.classroom.lessons import LiveLesson
from mien.classroom.live_student import LiveStudent
from mien.errors import InputError

__all__ = ["Joined", "Joining", "LessonFullError"]


class LessonFullError(InputError):
    """No more students fit into a lesson."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What a student chose before joining."""

    camera: str
    consent: str | None
    research: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a student gets who has joined."""

    lesson: LiveLesson
    student: LiveStudent
    token: str
    receipt: str
    """To write down: by it the student comes back when the page is closed, to see and to delete what is kept."""
