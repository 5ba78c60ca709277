"""A scripted class against a running server: who sends what when, and what came of it."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

from mien.classroom.client import ClientError, Sending, SimulatedStudent, SimulatedTeacher, ask
from mien.classroom.protocol import Kind
from mien.classroom.simulator import Scenario, simulated_frames

__all__ = ["Outcome", "PictureOf", "device_sendings", "picture_sendings", "simulate"]

PictureOf = Callable[[int, Any, int], bytes]
"""Student, scripted state, number of the frame -> a JPEG."""

_JOINS_AT_ONCE = 16


@dataclass(slots=True)
class Outcome:
    """What a simulated lesson came to."""

    counts: Counter[str] = field(default_factory=Counter)
    """By what the server said of each message."""
    latencies_s: list[float] = field(default_factory=list)
    reconnects: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    """What the teacher's page was sent, each with ``received_s`` since the start."""
    lesson: str | None = None
    """Id of the lesson that was opened for it."""

    def percentile_ms(self, share: float) -> float:
        """Return a latency below which a share of the answers came, in ms."""
        ordered = sorted(self.latencies_s)
        if not ordered:
            return math.nan
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def device_sendings(
    scenario: Scenario, student: int, expressions: bool = True
) -> Iterator[Sending]:
    """Give what a student's own device would send: probabilities and flags, no picture; in presence mode only faces."""
    frames = (
        Sending(frame.time_s, (Kind.SIGNALS, _as_json(frame.observation, expressions)))
        for frame in simulated_frames(scenario, student)
        if frame.observation is not None
    )
    return merge(frames, _taps(scenario, student), key=lambda sending: sending.time_s)


def picture_sendings(scenario: Scenario, student: int, picture: PictureOf) -> Iterator[Sending]:
    """Give a student's frames as pictures."""
    frames = (
        Sending(frame.time_s, (Kind.FRAME, picture(student, frame.state, number)))
        for number, frame in enumerate(simulated_frames(scenario, student))
        if frame.observation is not None
    )
    return merge(frames, _taps(scenario, student), key=lambda sending: sending.time_s)


def _as_json(observation: Any, expressions: bool) -> bytes:
    fields = observation.as_dict()
    del fields["time_s"]  # the server's clock counts
    if not expressions:
        fields = {"faces": fields["faces"]}
        return json.dumps(fields).encode()
    if fields["probs"] is not None:
        fields["probs"] = [round(p, 5) for p in fields["probs"]]
    return json.dumps(fields).encode()


def _taps(scenario: Scenario, student: int) -> Iterator[Sending]:
    for one in sorted(scenario.answers, key=lambda answer: answer.at_s):
        if student in one.students:
            yield Sending(one.at_s, (Kind.TAP, one.answer.value.encode()))


async def simulate(
    base: str,
    scenario: Scenario,
    *,
    key: str | None = None,
    code: str | None = None,
    picture: PictureOf | None = None,
    keeps_pace: bool = True,
    tell: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Outcome:
    """Hold a scripted lesson.

    Args:
        base: Address of the server, for example ``http://127.0.0.1:8432``.
        scenario: The script.
        key: Of a teacher, who then opens the lesson, lets everybody in and ends it.
        code: Of a lesson that a person has opened and lets students into.
        picture: Draws frames; None sends what students' own devices would have measured, which the server takes only if
            ``MIEN_CLASSROOM_DEVICE_SIGNALS`` is set for it.
        keeps_pace: Whether students heed the server's pace.
        tell: Gets every message to the teacher as it comes.

    Raises:
        ClientError: If the server refuses or does not answer.
    """
    outcome = Outcome()
    began = time.monotonic()

    def told(message: dict[str, Any]) -> None:
        outcome.messages.append({**message, "received_s": time.monotonic() - began})
        tell(message)

    teacher = None
    if code is None:
        assert key is not None
        teacher = await asyncio.to_thread(SimulatedTeacher, base, key)
        code, outcome.lesson = teacher.lesson["code"], teacher.lesson["id"]
    policy = await asyncio.to_thread(ask, base, "GET", "/api/policy")
    students = [
        SimulatedStudent(
            base,
            code,
            "device" if picture is None else "frames",
            policy["consent"],
            device_sendings(scenario, number, policy["expressions"])
            if picture is None
            else picture_sendings(scenario, number, picture),
            1 / scenario.fps,
            keeps_pace,
        )
        for number in range(scenario.num_students)
    ]
    watching = asyncio.create_task(teacher.run(told)) if teacher else None
    try:
        await _join(students)
        until_s = time.monotonic() + scenario.duration_s
        await asyncio.gather(*(student.run(until_s) for student in students))
    except BaseException:  # an interruption too
        if teacher is not None:  # nobody else would end it
            with suppress(ClientError):
                await teacher.end()
        raise
    if teacher is not None and watching is not None:
        await teacher.end()
        await asyncio.wait_for(watching, 10)
    for student in students:
        outcome.counts += student.outcomes
        outcome.latencies_s += student.latencies_s
        outcome.reconnects += student.reconnects
    return outcome


async def _join(students: list[SimulatedStudent]) -> None:
    """Let students join, some at a time."""
    seats = asyncio.Semaphore(_JOINS_AT_ONCE)

    async def join(student: SimulatedStudent) -> None:
        async with seats:
            await student.join()

    await asyncio.gather(*(join(student) for student in students))
