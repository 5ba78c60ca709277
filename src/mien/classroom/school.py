"""All running lessons and what they share: the store, the recognisers, the pace. One for each server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from mien.classroom.ages import LESSON_HOURS
from mien.classroom.choices import Choices
from mien.classroom.frame_line import FrameLine
from mien.classroom.frames import FrameReading
from mien.classroom.joining import Joined, Joining, LessonFullError
from mien.classroom.lessons import LiveLesson, new_signals
from mien.classroom.live_student import LiveStudent
from mien.classroom.metrics import Metrics
from mien.classroom.pace import LoadMeter, Pace
from mien.classroom.policy import Decision
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord
from mien.classroom.resume import resume
from mien.classroom.rounds import for_ever
from mien.classroom.settings import Settings
from mien.classroom.signals import SignalMapping
from mien.classroom.store import Store, StoreError
from mien.classroom.store_threads import StoreThreads, answer_in_time
from mien.classroom.tokens import Bearer, Tokens, new_code, new_id, new_tag
from mien.classroom.workers import Workers
from mien.classroom.writer import Writer

__all__ = ["School", "utc_now"]

logger = logging.getLogger(__name__)

TICK_EVERY_S = 1.0
PURGE_EVERY_S = 600.0
HOLD_EVERY_S = 5.0
REMEMBER_AFTER_S = 1.0
"""So long whoever brings a token waits for the store to know it; then memory decides, and withdrawing goes on."""
WITHDRAW_S = 1.5
"""So long whoever withdraws waits for the store; memory has forgotten them before."""
_FLUSH_S = 3.0
"""How long the last rows are tried for when the server stops."""

T = TypeVar("T")


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


class School:
    """Opens lessons, lets students in and out, moves everything on once a second."""

    def __init__(
        self,
        settings: Settings,
        decision: Decision,
        mapping: SignalMapping,
        store: Store,
        workers: Workers[FrameReading],
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what lessons share; nothing runs before `start`."""
        self.settings = settings
        self.decision = decision
        self.mapping = mapping
        self.store = store
        self.metrics = Metrics()
        self.pace = Pace(settings.pace_ms)
        self.tokens = Tokens(store, now, settings.keys())
        self.lessons: dict[str, LiveLesson] = {}
        self._ending: dict[str, datetime] = {}
        """When lessons ended that are over but whose end the store does not know yet."""
        self.frames = FrameLine(workers, self.pace, self.metrics)
        self.last_tick_s = time.monotonic()
        self.last_purge_s = time.monotonic()
        """When what was too old was last deleted; a round in which the store was away does not count."""
        self._workers = workers
        self._load = LoadMeter(workers.busy_s, workers.count)
        self._now = now
        self._clock = clock
        self._threads = StoreThreads()
        self.ask = self._threads.ask
        self.choices = Choices(store, self._threads, self.find_student)
        self.writer = Writer(store, self._threads.write, now, self.metrics)
        self._endless: list[asyncio.Task[None]] = []
        self._writing: set[asyncio.Task[Any]] = set()
        self._sweeping = False

    async def bearer(self, token: str) -> Bearer | None:
        """Return who brings a token; None if it is unknown or over.

        Raises:
            StoreError: If neither the store nor memory says it.
        """
        try:
            async with asyncio.timeout(REMEMBER_AFTER_S):
                return await self.ask(self.tokens.bearer, token)
        except (TimeoutError, StoreError):
            bearer = self.tokens.remembered(token)
            return bearer or await self.ask(self.tokens.bearer, token)

    # Start and stop

    async def start(self) -> None:
        """Start the recognisers, go on with lessons that were running, delete what is too old, and begin to tick.

        Deleting holds the store for as long as the disk takes; it is over before anybody may ask.
        """
        await self._workers.start()
        for record in await self.ask(self.store.lessons, running=True):
            await self._restore(record)
        await self._end_and_purge()
        beside = (
            self.frames.run(),
            for_ever("Moving lessons on", self.tick, TICK_EVERY_S),
            for_ever("Deleting what is too old", self._end_and_purge, self.purge_every_s),
            for_ever("Holding the store", self._hold, HOLD_EVERY_S),
            for_ever("Writing down who has stopped", self._write_late, TICK_EVERY_S),
        )
        self._endless = [asyncio.create_task(one) for one in beside]

    async def stop(self) -> None:
        """Write what waits and let go; lessons that run go on after the next start."""
        await _cancel(self._endless)
        # Not what is being written: its thread would finish it all the same, and its rows would be written again.
        with suppress(TimeoutError):
            last = [self._store_last(lesson) for lesson in self.lessons.values()]
            ends = [self._store_end(lesson_id) for lesson_id in self._ending]
            late = self._write_late()
            await asyncio.wait_for(asyncio.gather(*last, *ends, late, *self._writing), _FLUSH_S)
        await _cancel(self._writing)
        await self._workers.stop()
        self._threads.close()
        self.store.close()

    async def _store_last(self, lesson: LiveLesson) -> None:
        lesson.take_late_taps()
        lesson.remember()
        await self.writer.write(lesson.id, lesson.take_batch())

    def _spawn(self, writing: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _restore(self, record: LessonRecord) -> None:
        """Go on with a lesson after a restart; one of other rules is ended instead."""
        same_rules = record.decision.get("mode") == self.decision.mode.value
        if not same_rules or record.mapping != self.mapping.id:
            logger.warning("A lesson ran under other rules than now; it is ended.")
            await self.ask(self.store.end_lesson, record.id, self._tokens_until())
            return
        facts = (record, self.decision, self.mapping, self._now, self._clock)
        lesson = await self._threads.ask_patiently(resume, self.store, *facts)
        self.lessons[record.id] = lesson
        logger.info("A lesson goes on with %d students.", len(lesson.students))

    # Lessons

    async def open_lesson(self, teacher: str, title: str) -> LessonRecord:
        """Begin a lesson."""
        record = LessonRecord(
            id=new_id(),
            teacher=teacher,
            title=title,
            code=new_code(),
            decision=self.decision.as_dict(),
            mapping=self.mapping.id,
            started_at=self._now(),
        )
        await self.ask(self.store.add_lesson, record)
        signals = new_signals(self.decision, self.mapping)
        self.lessons[record.id] = LiveLesson(record, self.decision, signals, self._now, self._clock)
        return record

    async def end_lesson(self, lesson: LiveLesson) -> None:
        """End a lesson; its report stays for as long as aggregates do.

        It is over for everybody at once. If the store is away, the last rows and the end are written when it is back.
        """
        self.lessons.pop(lesson.id, None)
        lesson.finish()
        self._ending[lesson.id] = self._now()
        storing = self._spawn(self._store_end(lesson.id, lesson.take_batch()))
        with suppress(StoreError):
            async with answer_in_time():
                await asyncio.shield(storing)

    async def _store_end(self, lesson_id: str, last: Batch | None = None) -> None:
        if not await self.writer.write(lesson_id, last or Batch()):
            return
        with suppress(StoreError):  # the next tick tries again
            await self.choices.write_late()  # before there is an export
            end, ended_at = self.store.end_lesson, self._ending.get(lesson_id)
            await self.ask(end, lesson_id, self._tokens_until(), ended_at)
            if self.writer.close(lesson_id):  # else somebody has just withdrawn
                self._ending.pop(lesson_id, None)

    async def delete_lesson(self, lesson_id: str) -> None:
        """Delete a lesson with all that is kept of it or still waits to be; one that runs is ended first.

        Raises:
            StoreError: If the store is away; the lesson is over all the same.
        """
        if lesson_id in self.lessons:
            await self.end_lesson(self.lessons[lesson_id])
        await self.ask(self.store.delete_lesson, lesson_id)
        # Rows of a lesson that there is not would be refused again and again, and `/readyz` would say so for ever.
        self._ending.pop(lesson_id, None)
        self.writer.drop(lesson_id)

    def _tokens_until(self) -> datetime:
        return self._now() + timedelta(hours=self.settings.window_hours)

    # Students

    def lesson_with_code(self, code: str) -> LiveLesson | None:
        """Return the running lesson that a code joins."""
        return next((one for one in self.lessons.values() if one.record.code == code), None)

    async def join(self, lesson: LiveLesson, joining: Joining) -> Joined:
        """Let somebody into the waiting room.

        Raises:
            LessonFullError: If the lesson has no seat left.
        """
        if len(lesson.students) + lesson.joining >= self.settings.max_students:
            raise LessonFullError("The lesson has no seat left. Ask the teacher.")
        # The seat is taken from here on, or many who come at once would all find it free.
        lesson.joining += 1
        try:
            return await self._take_seat(lesson, joining)
        finally:
            lesson.joining -= 1

    async def _take_seat(self, lesson: LiveLesson, joining: Joining) -> Joined:
        record = ParticipantRecord(
            id=new_id(),
            lesson=lesson.id,
            tag=new_tag({one.record.tag for one in lesson.students.values()}),
            camera=joining.camera,
            consent=joining.consent,
            research=joining.research and joining.camera != "none" and self.decision.export_allowed,
            joined_at=self._now(),
        )
        await self.ask(self.store.add_participant, record)
        token = await self.ask(self.tokens.for_participant, record.id)
        # Until the rows are gone, whenever the lesson ends; with them it goes.
        hours = LESSON_HOURS + self.settings.window_hours
        receipt = await self.ask(self.tokens.receipt, record.id, hours)
        return Joined(lesson=lesson, student=lesson.add(record), token=token, receipt=receipt)

    async def admit(self, lesson: LiveLesson, ids: list[str]) -> None:
        """Let students in who wait; ids that do not wait are passed by."""
        waiting = [i for i in ids if i in lesson.students and not lesson.students[i].is_admitted]
        if waiting:
            await self.ask(self.store.admit, waiting)
            lesson.admit([i for i in waiting if i in lesson.students], self._now())

    async def withdraw(self, lesson_id: str, student_id: str) -> bool:
        """Delete a student, from a lesson that runs or that is over.

        Returns:
            Whether the store has done it already; if not, it will as soon as it answers.

        Raises:
            StoreError: If the lesson is over, all of it is stored, and the store is away: nothing has changed then.
        """
        lesson = self.lessons.get(lesson_id)
        if lesson is not None and student_id in lesson.students:
            self.tokens.forget(student_id)
            lesson.withdraw(student_id)
        elif lesson is None and not self.writer.holds(lesson_id):
            await self.ask(self.store.delete_participant, student_id)
            return True
        memory = lesson.snapshot if lesson else None
        leaving = self._spawn(self.writer.forget(lesson_id, student_id, memory))
        await asyncio.wait({leaving}, timeout=WITHDRAW_S)
        return leaving.done() and leaving.result()

    async def note_watching(self, lesson: LiveLesson) -> None:
        """Write down that the lesson's teacher watches it; if the store is away, as soon as it is back.

        A page that lost its connection in that time must be able to come back: the lesson goes on.
        """
        at, teacher, action = self._now(), lesson.record.teacher, "watch"
        try:
            await self.ask(self.store.note, teacher, lesson.id, action)
        except StoreError:
            row = {"at": at, "teacher": teacher, "lesson": lesson.id, "action": action}
            lesson.batch.views.append(row)

    def find_student(
        self, student_id: str, lesson_id: str
    ) -> tuple[LiveLesson, LiveStudent] | None:
        """Return a student of a running lesson."""
        lesson = self.lessons.get(lesson_id)
        student = lesson.students.get(student_id) if lesson else None
        return (lesson, student) if lesson and student else None

    # Once a second

    async def tick(self) -> None:
        """Move all lessons on and hand their rows to the writer."""
        self.pace.adapt(load := self._load.read())
        self.metrics.load.set(load)
        self.metrics.pace.set(self.pace.ms / 1000)
        self.metrics.lessons.set(len(self.lessons))
        self.metrics.students.set(sum(len(one.students) for one in self.lessons.values()))
        is_too_slow = self.pace.ms > 1000 * self.mapping.window.slowest_s
        for lesson in list(self.lessons.values()):
            lesson.tick()
            for student_id in lesson.abandoned():
                self._spawn(self.withdraw(lesson.id, student_id))
            lesson.tell_store(self.writer.away_since(lesson.id), self.writer.reason(lesson.id))
            lesson.tell_load(is_too_slow)
            if not self.writer.is_busy(lesson.id):
                self._spawn(self.writer.write(lesson.id, lesson.take_batch()))
        for lesson_id in self._ending:
            if not self.writer.is_busy(lesson_id):
                self._spawn(self._store_end(lesson_id))
        if not self._sweeping and self.store.remains.are_due(is_idle=not self.lessons):
            self._sweeping = True
            self._spawn(self._sweep())
        self.last_tick_s = time.monotonic()

    async def _sweep(self) -> None:
        try:
            with suppress(StoreError):  # it is tried again
                sweep = self.store.remains.sweep
                await self._threads.ask_patiently(sweep, is_idle=not self.lessons)
        finally:
            self._sweeping = False

    async def _hold(self) -> None:
        with suppress(StoreError):  # the writer says it
            await self.ask(self.store.hold)

    async def _write_late(self) -> None:
        with suppress(StoreError):  # it is tried again
            await self.choices.write_late()

    async def _end_and_purge(self) -> None:
        for lesson in list(self._forgotten_lessons()):
            await self.end_lesson(lesson)
        with suppress(StoreError):  # it is tried again; the writer has said that the store is away
            await self.purge()

    async def purge(self) -> dict[str, Any]:
        """Delete what has reached its age, or would before the next round: the limits are kept, not passed by a little."""
        limits, round_h = self.settings, self.purge_every_s / 3600
        counts = await self._threads.ask_patiently(
            self.store.purge,
            limits.window_hours - round_h,
            limits.aggregate_days - round_h / 24,
            limits.audit_days - round_h / 24,
        )
        self.last_purge_s = time.monotonic()
        logger.info("Purged: %s", counts)
        return counts

    @property
    def purge_every_s(self) -> float:
        """From one purge to the next: a tenth of the shortest age at most."""
        limits = self.settings
        shortest_h = min(limits.window_hours, 24 * limits.aggregate_days, 24 * limits.audit_days)
        return min(PURGE_EVERY_S, shortest_h * 3600 / 10)

    def _forgotten_lessons(self) -> Iterator[LiveLesson]:
        for lesson in self.lessons.values():
            if lesson.time_s() > LESSON_HOURS * 3600:
                yield lesson


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
