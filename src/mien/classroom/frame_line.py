"""Frames on their way to a recogniser: of each student the newest one only, in the order in which students came."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mien.classroom.frames import FrameReading
from mien.classroom.lessons import LiveLesson
from mien.classroom.live_student import Frame, LiveStudent
from mien.classroom.metrics import Metrics
from mien.classroom.pace import Pace
from mien.classroom.rounds import for_ever
from mien.classroom.workers import FrameRefusedError, Workers

__all__ = ["MAX_AGE_S", "MAX_SHIFT_S", "FrameLine"]

logger = logging.getLogger(__name__)

MAX_AGE_S = 1.5
"""An older frame says nothing about now: it is dropped, and its student told."""
MAX_SHIFT_S = 0.1
"""A frame that waited for a recogniser comes by so much later the next time, this at most. Cameras send as regularly as
clocks: those that send at the same moment would do so all lesson long. So they drift apart until each comes when a recogniser
is free, which the pace alone, being the same for all, never does."""


class FrameLine:
    """Hands frames to the recognisers and tells each student what became of every one."""

    def __init__(
        self,
        workers: Workers[FrameReading],
        pace: Pace,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join recognisers and students."""
        self._workers = workers
        self._pace = pace
        self._metrics = metrics
        self._clock = clock
        self._line: asyncio.Queue[tuple[LiveLesson, LiveStudent]] = asyncio.Queue()
        self._looking: set[asyncio.Task[None]] = set()

    def offer(self, lesson: LiveLesson, student: LiveStudent, sequence: int, jpeg: bytes) -> None:
        """Take a student's frame; the one before, if nobody has looked at it yet, is dropped."""
        if student.newest is not None:
            self.answer(student, student.newest.sequence, "replaced")
        student.newest = Frame(sequence, jpeg, self._clock())
        if not student.in_work:
            student.in_work = True
            self._line.put_nowait((lesson, student))

    def answer(
        self,
        student: LiveStudent,
        sequence: int,
        outcome: str,
        waited_s: float = 0.0,
        **details: object,
    ) -> None:
        """Tell a student what became of a message, and when to send the next."""
        self._metrics.answered.labels(outcome).inc()
        pace_ms = self._pace.ms + round(1000 * min(waited_s, MAX_SHIFT_S))
        student.tell(type="ack", sequence=sequence, outcome=outcome, pace_ms=pace_ms, **details)

    async def run(self) -> None:
        """Go on for ever: a free recogniser takes the newest frame of whoever waits longest."""
        await for_ever("Handing frames to recognisers", self._hand_on)

    async def _hand_on(self) -> None:
        thread = await self._workers.free()
        try:
            lesson, student, frame = await self._next()
        except BaseException:  # or it would be free for nobody
            self._workers.give_back(thread)
            raise
        task = asyncio.create_task(self._look(thread, lesson, student, frame))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _next(self) -> tuple[LiveLesson, LiveStudent, Frame]:
        while True:
            lesson, student = await self._line.get()
            frame, student.newest = student.newest, None
            if frame is None:  # stopped or withdrew in the meantime
                student.in_work = False
                self._metrics.answered.labels("stopped").inc()
            elif self._clock() - frame.received_s > MAX_AGE_S:
                student.in_work = False
                self.answer(student, frame.sequence, "late")
            else:
                return lesson, student, frame

    async def _look(
        self, thread: object, lesson: LiveLesson, student: LiveStudent, frame: Frame
    ) -> None:
        waited_s = self._clock() - frame.received_s
        try:
            reading = await self._workers.answer(thread, frame.jpeg)  # type: ignore[arg-type]
            if student.id in lesson.students:  # otherwise withdrawn while it was looked at
                lesson.observe(student, reading.observation)
        except FrameRefusedError:
            self.answer(student, frame.sequence, "refused", waited_s)
        except Exception:
            # A page sends the next one only after the answer: without it, it would be silent for the rest of the lesson.
            logger.exception("A frame could not be taken in.")
            self.answer(student, frame.sequence, "refused", waited_s)
        else:
            self.answer(student, frame.sequence, "seen", waited_s, **_seen(reading))
        finally:  # whatever happened to this frame, the student's next one is looked at
            self._metrics.latency.observe(self._clock() - frame.received_s)
            student.in_work = student.newest is not None
            if student.in_work:
                self._line.put_nowait((lesson, student))


def _seen(reading: FrameReading) -> dict[str, object]:
    """What the student's own page shows: how many faces, and the crop that was looked at."""
    crop = reading.crop and [[round(x, 1), round(y, 1)] for x, y in reading.crop]
    return {
        "faces": reading.observation.faces,
        "size": [reading.width_px, reading.height_px],
        "crop": crop,
    }
