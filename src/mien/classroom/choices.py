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
        self._late: dict[str, LiveStudent] = {}
        """Who has stopped to send and is not yet written down to have."""

    async def change_camera(
        self, lesson: LiveLesson, student: LiveStudent, camera: str, consent: str | None
    ) -> None:
        """Begin or stop to send. Stopping works whatever the store does; to begin, consent must have been written down.

        Who stops agrees to no research any more.

        Raises:
            StoreError: If the store is away; that somebody has stopped is written down when it is back.
        """
        if camera == "none":
            lesson.change_camera(student, camera, consent)
            student.record = replace(student.record, research=False)
            self._late[student.id] = student
            await self._write_stop(student)
            return
        changes, record = student.camera_changes, student.record
        await self._write(replace(record, camera=camera, consent=consent or record.consent))
        if student.id not in lesson.students:
            return
        if student.camera_changes == changes:
            lesson.change_camera(student, camera, consent)
        else:  # stopped in the meantime, which may have been written down before
            await self._write(student.record)

    async def change_research(self, record: ParticipantRecord, agreed: bool) -> None:
        """Let a student's windows be exported or not, during the lesson and after it.

        The store first: it is what an export reads, and a page must not show what is not so there.

        Raises:
            StoreError: If the store is away.
        """
        await self._write(replace(record, research=agreed))
        if found := self._find(record.id, record.lesson):
            student = found[1]
            student.record = replace(student.record, research=agreed)

    async def write_late(self) -> None:
        """Write down who stopped while the store was away.

        Raises:
            StoreError: If it still is.
        """
        for student in list(self._late.values()):
            await self._write_stop(student)

    async def _write_stop(self, student: LiveStudent) -> None:
        written = student.record
        await self._write(written)
        # If the student has begun again meanwhile, that may have been written down before.
        if student.record == written:
            self._late.pop(student.id, None)

    async def _write(self, record: ParticipantRecord) -> None:
        await self._threads.ask(self._store.set_choices, record)
