"""What students change of what they chose: the camera, and the consent to research."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from weakref import WeakValueDictionary

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
        """Of whom the store may not have what memory has."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """One for each student who is written down: threads would do it in any order."""

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
            await self._settle(student)
            return
        changes = student.camera_changes
        async with self._turn_of(student.id):
            record = student.record
            if student.camera_changes == changes:
                self._late[student.id] = student
                await self._write(replace(record, camera=camera, consent=consent or record.consent))
            if student.camera_changes == changes and student.id in lesson.students:
                lesson.change_camera(student, camera, consent)
                del self._late[student.id]
        # Who stopped or left in the meantime is late: that is written down after this.

    async def change_research(self, record: ParticipantRecord, agreed: bool) -> None:
        """Let a student's windows be exported or not, during the lesson and after it.

        The store first: it is what an export reads, and a page must not show what is not so there. Only this is written:
        the camera may be stopped meanwhile.

        Raises:
            StoreError: If the store is away.
        """
        async with self._turn_of(record.id):
            await self._threads.ask(self._store.set_research, record.id, agreed)
            if found := self._find(record.id, record.lesson):
                student = found[1]
                may_agree = student.record.camera != "none"
                student.record = replace(student.record, research=agreed and may_agree)

    async def write_late(self) -> None:
        """Write down what students changed while the store was away.

        Raises:
            StoreError: If it still is.
        """
        for student in list(self._late.values()):
            await self._settle(student)

    async def _settle(self, student: LiveStudent) -> None:
        self._late[student.id] = student
        async with self._turn_of(student.id):
            written = student.record
            await self._write(written)
            if student.record == written:
                self._late.pop(student.id, None)

    def _turn_of(self, student: str) -> asyncio.Lock:
        return self._turns.setdefault(student, asyncio.Lock())

    async def _write(self, record: ParticipantRecord) -> None:
        await self._threads.ask(self._store.set_camera, record)
