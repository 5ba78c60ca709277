"""What students change of what they chose: the camera, and the consent to research."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from mien.classroom.lessons import LiveLesson
from mien.classroom.live_student import LiveStudent
from mien.classroom.records import ParticipantRecord
from mien.classroom.store import Store
from mien.classroom.store_threads import StoreThreads, answer_in_time

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
        self._asked: WeakValueDictionary[str, asyncio.Future[None]] = WeakValueDictionary()
        """What the store was asked last for each of them; it may go on when nobody waits for it any more."""

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
        # Who stopped or left in the meantime is late: that is written down after this.

    async def change_research(self, record: ParticipantRecord, agreed: bool) -> None:
        """Let a student's windows be exported or not, during the lesson and after it.

        The store first: it is what an export reads, and a page must not show what is not so there. Only this is written:
        the camera may be stopped meanwhile.

        Raises:
            StoreError: If the store is away.
        """
        async with self._turn_of(record.id):
            if found := self._find(record.id, record.lesson):
                self._late[record.id] = found[1]  # the store may still do what it did not answer
            await self._ask(record.id, self._store.set_research, record.id, agreed)
            if found:
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

    @asynccontextmanager
    async def _turn_of(self, student: str) -> AsyncIterator[None]:
        async with answer_in_time(), self._turns.setdefault(student, asyncio.Lock()):
            yield

    async def _write(self, record: ParticipantRecord) -> None:
        await self._ask(record.id, self._store.set_camera, record)

    async def _ask(self, student: str, call: Callable[..., None], *args: Any) -> None:
        if last := self._asked.get(student):
            await asyncio.wait({last})
        asked = asyncio.ensure_future(self._threads.ask_patiently(call, *args))
        self._asked[student] = asked
        # What fails after it was given up would be logged as a fault of ours.
        asked.add_done_callback(lambda _: asked.cancelled() or asked.exception())
        await asyncio.shield(asked)
