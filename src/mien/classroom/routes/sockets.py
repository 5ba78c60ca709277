"""The two sockets: a student's, which takes binary messages, and a teacher's, which only sends."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from mien.classroom import protocol
from mien.classroom.lessons import LiveLesson
from mien.classroom.limits import Bucket, Rate
from mien.classroom.live_student import LiveStudent
from mien.classroom.outbox import Outbox
from mien.classroom.protocol import Kind, Message, ProtocolError
from mien.classroom.routes.access import limits_of, open_sockets_of, school_of
from mien.classroom.school import School
from mien.classroom.store import StoreError
from mien.classroom.tokens import Bearer
from mien.errors import InputError

__all__ = ["router"]

logger = logging.getLogger(__name__)
router = APIRouter()

HELLO_TIMEOUT_S = 5.0
_MAX_REASON_BYTES = 123
MESSAGES = Rate(burst=30, per_s=12)
"""Of one student: a frame every tenth of a second at most, and some taps."""


class _Closed(Exception):  # noqa: N818 - not an error: how a socket comes to its end
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.websocket("/ws/student")
async def student_socket(socket: WebSocket) -> None:
    """Take what a student sends: the token first, then frames, signals and taps."""
    await _serve(socket, "student")


@router.websocket("/ws/teacher")
async def teacher_socket(socket: WebSocket) -> None:
    """Send a teacher what may be known of the class; the token, and the lesson's id, come in the first message."""
    await _serve(socket, "teacher")


async def _serve(socket: WebSocket, role: str) -> None:
    school = school_of(socket)
    await socket.accept()
    gauge = school.metrics.sockets.labels(role)
    if socket.app.state.open_sockets >= school.settings.max_sockets:
        await _close(socket, 1013, "full")
        return
    socket.app.state.open_sockets += 1
    gauge.inc()
    try:
        await (_student(socket, school) if role == "student" else _teacher(socket, school))
    except WebSocketDisconnect:
        pass
    except _Closed as closed:
        school.metrics.refused.labels(closed.reason).inc()
        await _close(socket, closed.code, closed.reason)
    except ProtocolError as error:
        school.metrics.refused.labels("protocol").inc()
        await _close(socket, 1008, str(error))
    except StoreError:
        await _close(socket, 1013, "the store is away")
    except Exception:
        # Otherwise uvicorn would end the connection without a code, and the page could not tell what happened.
        logger.exception("A %s's socket ends by a fault of ours.", role)
        await _close(socket, 1011, "a fault of the server")
    finally:
        socket.app.state.open_sockets -= 1
        gauge.dec()


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(5):
                await socket.close(code, _as_reason(reason))


def _as_reason(text: str) -> str:
    """A reason has so many bytes at most, and a message may quote what was sent: in any script."""
    return text.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


async def _receive(socket: WebSocket) -> Message:
    """Return the next message; the server itself has refused longer ones with 1009."""
    event = await socket.receive()
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event.get("code") or 1005)
    data = event.get("bytes")
    if data is None:
        raise _Closed(1003, "text")
    return protocol.decode(data)


async def _hello(socket: WebSocket, school: School) -> tuple[Bearer, str]:
    """Read the first message: a token, and after a space what it is for."""
    try:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            message = await _receive(socket)
    except TimeoutError:
        raise _Closed(1008, "no token came") from None
    token, _, subject = protocol.hello_token(message).partition(" ")
    await limits_of(socket).turns.take()
    bearer = school.tokens.recall(token) or await school.bearer(token)
    if bearer is None:
        raise _Closed(4003, "token")
    if not limits_of(socket).sockets.take(bearer.digest):
        raise _Closed(4029, "too many connections")
    return bearer, subject


# A student's socket


async def _student(socket: WebSocket, school: School) -> None:
    bearer, _ = await _hello(socket, school)
    if bearer.participant is None or bearer.lesson is None:
        raise _Closed(4003, "students only")
    found = school.find_student(bearer.participant, bearer.lesson)
    if found is None:
        raise _Closed(4004, "ended")
    lesson, student = found
    outbox = Outbox()
    outbox.put(
        type="welcome",
        sequence=student.guard.last,
        pace_ms=school.pace.ms,
        mode=lesson.decision.mode.value,
        admitted=student.is_admitted,
        tag=student.record.tag,
        camera=student.record.camera,
    )
    lesson.connect(student, outbox)
    try:
        await _both_ways(socket, outbox, _take_messages(socket, school, lesson, student))
    finally:
        lesson.disconnect(student, outbox)
        lesson.tell_waiting()


async def _both_ways(socket: WebSocket, outbox: Outbox, taking: object) -> None:
    """Receive and send at once; whichever ends first ends the other."""
    receiver = asyncio.ensure_future(taking)  # type: ignore[call-overload]
    sender = asyncio.create_task(outbox.drain(socket.send_text))
    try:
        done, _ = await asyncio.wait((receiver, sender), return_when=asyncio.FIRST_COMPLETED)
        if receiver in done:
            receiver.result()
        with suppress(TimeoutError, RuntimeError):
            code, reason = sender.result()
            await _close(socket, code, reason)
    finally:
        for task in (receiver, sender):
            task.cancel()
        await asyncio.gather(receiver, sender, return_exceptions=True)


async def _take_messages(
    socket: WebSocket, school: School, lesson: LiveLesson, student: LiveStudent
) -> None:
    messages = Bucket(MESSAGES)
    while True:
        message = await _receive(socket)
        if not messages.take():
            raise _Closed(1008, "too many messages")
        student.guard.admit(message.sequence)
        if not student.is_admitted:
            raise _Closed(1008, "not admitted")
        if message.kind is Kind.FRAME:
            _take_frame(school, lesson, student, message)
        elif message.kind is Kind.SIGNALS:
            _take_signals(school, lesson, student, message)
        elif message.kind is Kind.TAP:
            answer = protocol.answer_of(message)
            lesson.tap(student, answer)
            student.tell(type="tapped", answer=answer.value, sequence=message.sequence)
        else:
            raise ProtocolError("The token came a second time.")


def _take_frame(school: School, lesson: LiveLesson, student: LiveStudent, message: Message) -> None:
    school.metrics.received.labels("frame").inc()
    if student.record.camera == "frames":
        school.frames.offer(lesson, student, message.sequence, message.payload)
    else:  # sent before the page knew that it had been stopped
        school.frames.answer(student, message.sequence, "stopped")


def _take_signals(
    school: School, lesson: LiveLesson, student: LiveStudent, message: Message
) -> None:
    school.metrics.received.labels("signals").inc()
    # The setting may have been taken back at a restart, in the middle of a lesson.
    if student.record.camera != "device" or not school.settings.device_signals:
        school.frames.answer(student, message.sequence, "stopped")
        return
    observation = protocol.observation_of(message, lesson.time_s())
    try:
        lesson.observe(student, observation)
    except InputError:  # probabilities in presence mode
        school.frames.answer(student, message.sequence, "refused")
    else:
        school.frames.answer(student, message.sequence, "seen")


# A teacher's socket


async def _teacher(socket: WebSocket, school: School) -> None:
    bearer, lesson_id = await _hello(socket, school)
    if bearer.teacher is None:
        raise _Closed(4003, "teachers only")
    lesson = school.lessons.get(lesson_id)
    if lesson is None or lesson.record.teacher != bearer.teacher:
        raise _Closed(4004, "no such lesson")
    outbox, opened = Outbox(), open_sockets_of(socket)
    opened.add(bearer, outbox)
    seconds = school.tokens.seconds_left(bearer)
    end = asyncio.get_running_loop().call_later(seconds or 0, outbox.close, 4003, "token")
    try:
        await school.note_watching(lesson)
        if lesson.id not in school.lessons:  # ended in the meantime: nobody would tell this page
            raise _Closed(4004, "ended")
        lesson.watch(outbox)
        await _both_ways(socket, outbox, _take_nothing(socket))
    finally:
        end.cancel()
        opened.discard(bearer, outbox)
        lesson.teachers.discard(outbox)


async def _take_nothing(socket: WebSocket) -> None:
    """Wait for the end; a teacher's page has nothing to say here."""
    await _receive(socket)
    raise ProtocolError("A teacher's socket takes nothing after the token.")
