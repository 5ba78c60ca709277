"""What students change of what they chose: the camera, and the consent to research."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mien.classroom.lessons import LiveLesson, LiveStudent
from mien.classroom.store import ParticipantRecord, Store
from mien.classroom.store_threads import StoreThreads

__all__ = ["Choices"]


class Choices:
    """Keeps what students chose the same in the store and in memory."""

    def __init__(
        self,
        store: Store,
        threads: StoreThreads,
        find_student: Callable[[str, str], tuple[LiveLesson, LiveStudent] | None],
    ) -> None:
        """Take where it is written down, the threads that may wait for that, and who finds a student of a running lesson."""
        self._store = store
        self._threads = threads
        self._find = find_student

    async def change_camera(
        self, lesson: LiveLesson, student: LiveStudent, camera: str, consent: str | None
    ) -> None:
        """Begin or stop to send. Stopping works whatever the store does; to begin, consent must have been written down.

        Who stops agrees to no research any more.

        Raises:
            StoreError: If the store is away.
        """
        if camera == "none":
            lesson.change_camera(student, camera, consent)
        changes = student.camera_changes
        record = student.record
        await self._set_choices(
            replace(
                record,
                camera=camera,
                consent=consent or record.consent,
                research=record.research and camera != "none",
            )
        )
        if camera == "none" or student.id not in lesson.students:
            return
        if student.camera_changes == changes:
            lesson.change_camera(student, camera, consent)
        else:  # stopped in the meantime, which may have been written down before
            await self._set_choices(student.record)

    async def change_research(self, record: ParticipantRecord, agreed: bool) -> None:
        """Let a student's windows be exported or not, during the lesson and after it."""
        await self._set_choices(replace(record, research=agreed))

    async def _set_choices(self, record: ParticipantRecord) -> None:
        """The store first: it is what an export reads, and a page must not show what is not so there."""
        await self._threads.ask(self._store.set_choices, record)
        if found := self._find(record.id, record.lesson):
            student = found[1]
            student.record = replace(student.record, research=record.research)
