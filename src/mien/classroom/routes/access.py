"""Who may ask what: a dependency for each kind of caller. Every refusal has the same shape."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from mien.classroom.lessons import LiveLesson
from mien.classroom.limits import Bucket, Buckets, Rate, Turns
from mien.classroom.live_student import LiveStudent
from mien.classroom.outbox import Outbox
from mien.classroom.records import LessonRecord, ParticipantRecord
from mien.classroom.school import School, utc_now
from mien.classroom.tokens import Bearer
from mien.errors import MienError

__all__ = [
    "Kept",
    "KeptOf",
    "Limits",
    "OpenSockets",
    "OwnLesson",
    "RefusedError",
    "RunningLesson",
    "Seat",
    "SeatOf",
    "StudentOf",
    "Teacher",
    "address_of",
    "limits_of",
    "open_sockets_of",
    "school_of",
]


class RefusedError(MienError):
    """A request that gets an error as its answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Say with which status, under which short name, and in which words."""
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """How often callers may try.

    What is right passes, whatever others behind the same address tried before: else anybody could lock a whole school out.
    Keys and receipts are too long to be guessed however often one tries. Codes are not, and have `guesses`.
    """

    wrong_keys: Buckets = field(default_factory=lambda: Buckets(Rate(burst=10, per_s=0.1)))
    """By address; beyond it the answer is to wait."""
    wrong_receipts: Buckets = field(default_factory=lambda: Buckets(Rate(burst=40, per_s=0.5)))
    wrong_codes: Buckets = field(default_factory=lambda: Buckets(Rate(burst=40, per_s=0.5)))
    """By address: a class behind one mistypes often."""
    guesses: Bucket = field(default_factory=lambda: Bucket(Rate(burst=100_000, per_s=5)))
    """Of all addresses together, for a wrong code is a guess at every running lesson. Once it is empty, an address that has used
    up its `wrong_codes` gets no right code through either: in twelve hours a lesson is hit with a chance of 1 to 2,000,000."""
    joins: Buckets = field(default_factory=lambda: Buckets(Rate(burst=100, per_s=1)))
    """By address and lesson, of right codes: one caller does not take all seats at once, and without pages that stay open never;
    a class of 250 behind one address is in after two and a half minutes."""
    requests: Buckets = field(default_factory=lambda: Buckets(Rate(burst=60, per_s=5)))
    """By token."""
    sockets: Buckets = field(default_factory=lambda: Buckets(Rate(burst=8, per_s=0.5)))
    """By token: a page that connects again and again waits in between."""
    turns: Turns = field(default_factory=Turns)
    """Of those who connect."""


class OpenSockets:
    """Which sockets were opened by which token, so that they end with it."""

    def __init__(self) -> None:
        """None are open."""
        self._of: dict[str, set[Outbox]] = {}

    def add(self, bearer: Bearer, outbox: Outbox) -> None:
        """Note that a socket is open."""
        self._of.setdefault(bearer.digest, set()).add(outbox)

    def discard(self, bearer: Bearer, outbox: Outbox) -> None:
        """Note that a socket is closed."""
        left = self._of.get(bearer.digest, set())
        left.discard(outbox)
        if not left:
            self._of.pop(bearer.digest, None)

    def close(self, bearer: Bearer) -> None:
        """Close all of a token that is void."""
        for outbox in self._of.get(bearer.digest, ()):
            outbox.close(4003, "token")


def open_sockets_of(connection: HTTPConnection) -> OpenSockets:
    """Return which sockets teachers have open."""
    opened: OpenSockets = connection.app.state.teacher_sockets
    return opened


def school_of(connection: HTTPConnection) -> School:
    """Return what the server shares."""
    school: School = connection.app.state.school
    return school


def limits_of(connection: HTTPConnection) -> Limits:
    """Return how often callers may try."""
    limits: Limits = connection.app.state.limits
    return limits


def address_of(connection: HTTPConnection) -> str:
    """Return the caller's address; behind a proxy the one that the proxy names."""
    return connection.client.host if connection.client else "unknown"


async def _bearer(request: Request) -> Bearer:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    school = school_of(request)
    bearer = None
    if scheme.lower() == "bearer" and token:
        bearer = await school.bearer(token)
    if bearer is None:
        raise RefusedError(401, "token", "The token is missing, wrong or too old. Sign in again.")
    if not limits_of(request).requests.take(bearer.digest):
        raise RefusedError(429, "too_many", "Too many requests. Wait a little.")
    return bearer


async def _teacher(bearer: Annotated[Bearer, Depends(_bearer)]) -> Bearer:
    if bearer.teacher is None:
        raise RefusedError(403, "teachers_only", "Only teachers may ask this.")
    return bearer


Teacher = Annotated[Bearer, Depends(_teacher)]


async def _own_lesson(lesson_id: str, request: Request, teacher: Teacher) -> LessonRecord:
    """Somebody else's lesson is answered like one that does not exist."""
    school = school_of(request)
    running = school.lessons.get(lesson_id)  # so that it can be ended while the store is away
    record = running.record if running else await school.ask(school.store.lesson, lesson_id)
    if record is None or record.teacher != teacher.teacher:
        raise RefusedError(404, "no_lesson", "There is no such lesson of yours.")
    return record


OwnLesson = Annotated[LessonRecord, Depends(_own_lesson)]


async def _running_lesson(record: OwnLesson, request: Request) -> LiveLesson:
    lesson = school_of(request).lessons.get(record.id)
    if lesson is None:
        raise RefusedError(409, "ended", "The lesson has ended.")
    return lesson


RunningLesson = Annotated[LiveLesson, Depends(_running_lesson)]


@dataclass(frozen=True, slots=True)
class Seat:
    """A student and the lesson."""

    lesson: LiveLesson
    student: LiveStudent


async def _student(bearer: Annotated[Bearer, Depends(_bearer)]) -> tuple[str, str]:
    if bearer.participant is None or bearer.lesson is None:
        raise RefusedError(403, "students_only", "Only students may ask this.")
    return bearer.participant, bearer.lesson


StudentOf = Annotated[tuple[str, str], Depends(_student)]
"""Id of the participant and of the lesson, whatever has become of both."""


async def _seat(request: Request, student: StudentOf) -> Seat:
    found = school_of(request).find_student(*student)
    if found is None:
        raise RefusedError(409, "ended", "The lesson has ended.")
    return Seat(*found)


SeatOf = Annotated[Seat, Depends(_seat)]
"""Of a lesson that runs."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A student of whom something is kept, in a lesson that runs or that is over."""

    record: ParticipantRecord
    lesson: LessonRecord
    is_over: bool


async def _kept(request: Request, student: StudentOf) -> Kept:
    school, (participant, lesson_id) = school_of(request), student
    found = school.find_student(participant, lesson_id)
    if found is not None:
        return Kept(found[1].record, found[0].record, is_over=False)
    record = await school.ask(school.store.participant, participant)
    lesson = await school.ask(school.store.lesson, lesson_id)
    if record is None or lesson is None or school.writer.is_forgotten(lesson_id, participant):
        raise RefusedError(401, "token", "The token is missing, wrong or too old. Sign in again.")
    # A lesson may be over before its end is written down.
    ended = replace(lesson, ended_at=lesson.ended_at or utc_now())
    return Kept(record, ended, is_over=True)


KeptOf = Annotated[Kept, Depends(_kept)]
