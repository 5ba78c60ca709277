"""When students are told to send next, with recognisers and a clock that do as they are told."""

import asyncio
import json

from mien.classroom.frame_line import MAX_SHIFT_S, FrameLine
from mien.classroom.frames import FrameReading
from mien.classroom.live_student import LiveStudent
from mien.classroom.metrics import Metrics
from mien.classroom.outbox import Outbox
from mien.classroom.pace import Pace
from mien.classroom.records import ParticipantRecord
from mien.classroom.signals import Observation
from mien.classroom.workers import FrameRefusedError
from mien.errors import InputError


class OneRecogniser:
    """Takes so long for each frame on the clock of the test."""

    def __init__(self, fake_time, seconds):
        self.time, self.seconds = fake_time, seconds
        self.waiting = asyncio.Queue()
        self.waiting.put_nowait("it")

    async def free(self):
        return await self.waiting.get()

    def give_back(self, thread):
        self.waiting.put_nowait(thread)

    async def answer(self, thread, jpeg):
        self.time.s += self.seconds
        self.waiting.put_nowait(thread)
        if jpeg == b"no picture":
            raise FrameRefusedError("no")
        if jpeg == b"surprise":
            raise RuntimeError("nobody thought of this")
        seen = Observation(time_s=0, faces=0)
        return FrameReading(observation=seen, width_px=320, height_px=240, crop=None)


class NoLesson:
    students = ()


def student(name, joined_at):
    record = ParticipantRecord(
        id=name, lesson="l", tag=None, camera="frames", consent="c", research=False, joined_at=joined_at
    )  # fmt: skip
    return LiveStudent(record, outbox=Outbox())


def acks(fake_time, seconds, frames):
    """Offer frames at once, and return how each was answered: outcome and pace."""

    async def scenario():
        line = FrameLine(
            OneRecogniser(fake_time, seconds), Pace(500), Metrics(), clock=fake_time.clock
        )
        students = [student(f"s{number}", fake_time.now()) for number in range(len(frames))]
        for one, jpeg in zip(students, frames, strict=True):
            line.offer(NoLesson(), one, 1, jpeg)
        running = asyncio.create_task(line.run())
        while not all(one.outbox._waiting for one in students):
            await asyncio.sleep(0)
        running.cancel()
        return [json.loads(one.outbox._waiting[0]) for one in students]

    return [(ack["outcome"], ack["pace_ms"]) for ack in asyncio.run(scenario())]


def test_who_had_to_wait_comes_so_much_later_the_next_time(fake_time):
    told = acks(fake_time, 0.03, [b"1", b"2", b"no picture", b"4"])
    assert told == [("seen", 500), ("seen", 530), ("refused", 560), ("seen", 590)]


def test_but_never_much_later(fake_time):
    told = acks(fake_time, 0.4, [b"1", b"2", b"3", b"4", b"5"])
    most = 500 + 1000 * MAX_SHIFT_S
    assert told[:4] == [("seen", 500), ("seen", most), ("seen", most), ("seen", most)]
    assert told[4] == ("late", 500)  # after 1.6 s


def test_a_surprise_while_a_frame_is_looked_at_is_answered_and_does_not_end_its_students_frames(
    fake_time, caplog
):
    class BreaksOnce:
        """A lesson that cannot take one observation in."""

        students = ("s",)
        broken = False

        def observe(self, *_):
            if not self.broken:
                self.broken = True
                raise InputError("An observation of 1 s came after one of 2 s.")

    async def scenario():
        line = FrameLine(
            OneRecogniser(fake_time, 0.03), Pace(500), Metrics(), clock=fake_time.clock
        )
        one, lesson = student("s", fake_time.now()), BreaksOnce()
        running = asyncio.create_task(line.run())
        for number, jpeg in enumerate((b"surprise", b"2", b"3"), 1):
            line.offer(lesson, one, number, jpeg)
            async with asyncio.timeout(60):
                while len(one.outbox._waiting) < number:
                    await asyncio.sleep(0)
        running.cancel()
        return [json.loads(text) for text in one.outbox._waiting]

    told = [(ack["sequence"], ack["outcome"]) for ack in asyncio.run(scenario())]
    assert told == [(1, "refused"), (2, "refused"), (3, "seen")]
    assert caplog.text.count("A frame could not be taken in") == 2


def test_an_error_while_a_frame_is_handed_on_costs_no_recogniser(fake_time, monkeypatch, caplog):
    monkeypatch.setattr("mien.classroom.rounds.PAUSE_S", 0.0)

    class BreaksOnce(FrameLine):
        broken = False

        async def _next(self):
            if not self.broken:
                self.broken = True
                raise KeyError("s")
            return await super()._next()

    async def scenario():
        line = BreaksOnce(
            OneRecogniser(fake_time, 0.03), Pace(500), Metrics(), clock=fake_time.clock
        )
        one = student("s", fake_time.now())
        running = asyncio.create_task(line.run())
        line.offer(NoLesson(), one, 1, b"1")
        async with asyncio.timeout(60):
            while not one.outbox._waiting:
                await asyncio.sleep(0)
        running.cancel()
        return json.loads(one.outbox._waiting[0])

    assert asyncio.run(scenario())["outcome"] == "seen"
    assert "Handing frames to recognisers went wrong" in caplog.text
