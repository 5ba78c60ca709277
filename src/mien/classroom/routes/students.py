"""What students ask: to join, to change what they send, to see and to delete what is kept of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from mien.classroom import tables
from mien.classroom.ages import kept_until
from mien.classroom.joining import Joining, LessonFullError
from mien.classroom.routes.access import (
    KeptOf,
    RefusedError,
    SeatOf,
    StudentOf,
    address_of,
    limits_of,
    school_of,
)
from mien.classroom.schemas import (
    CONSENT_VERSION,
    CameraChoice,
    JoinRequest,
    Receipt,
    ResearchChoice,
)
from mien.classroom.store import StoreError
from mien.classroom.tokens import normal_code

__all__ = ["router"]

router = APIRouter(prefix="/api")


@router.get("/policy")
async def show_policy(request: Request) -> dict[str, Any]:
    """Tell what is done here and why, and for how long what is kept; anybody may know."""
    school = school_of(request)
    settings = school.settings
    return {
        **school.decision.as_dict(),
        "reason": {lang: school.decision.reason(lang) for lang in ("en", "ko")},
        "expressions": school.decision.expressions_allowed,
        "aggregates": school.decision.aggregates_allowed,
        "research": school.decision.export_allowed,
        "consent": CONSENT_VERSION,
        "mapping": school.mapping.id,
        "window_hours": settings.window_hours,
        "aggregate_days": settings.aggregate_days,
        "audit_days": settings.audit_days,
    }


@router.post("/join", status_code=201)
async def join(body: JoinRequest, request: Request) -> dict[str, Any]:
    """Ask to be let in; the answer holds the token and the tag by which the teacher recognises who waits."""
    _refuse_devices(body, request)
    school, limits, address = school_of(request), limits_of(request), address_of(request)
    too_many = RefusedError(
        429, "too_many", "Too many wrong codes from this address. Wait a minute."
    )
    if not limits.wrong_codes.has(address) and not limits.guesses.has():
        raise too_many
    no_lesson = RefusedError(
        404, "no_lesson", "No lesson has this code. Check it with your teacher."
    )
    lesson = school.lesson_with_code(normal_code(body.code))
    if lesson is None:
        limits.guesses.take()
        if not limits.wrong_codes.take(address):
            raise too_many
        raise no_lesson
    if not limits.joins.take(f"{address} {lesson.id}"):
        raise RefusedError(429, "too_many", "Many join from this address. Try again in a moment.")
    choice = Joining(camera=body.camera, consent=body.consent, research=body.research)
    try:
        joined = await school.join(lesson, choice)
    except LessonFullError as error:
        raise RefusedError(409, "full", str(error)) from None
    except StoreError as error:
        if error.reason == "refused":  # the lesson was deleted in the meantime
            raise no_lesson from None
        raise
    return {
        "token": joined.token,
        "receipt": joined.receipt,
        "participant": joined.student.id,
        "tag": joined.student.record.tag,
        "lesson": {"title": lesson.record.title, "mode": lesson.decision.mode.value},
    }


def _refuse_devices(body: CameraChoice, request: Request) -> None:
    """Numbers cost nothing to invent: with them whoever has the code could make up the students that a class needs."""
    if body.camera == "device" and not school_of(request).settings.device_signals:
        raise RefusedError(
            403,
            "device",
            "This server takes pictures only; MIEN_CLASSROOM_DEVICE_SIGNALS changes that.",
        )


@router.post("/receipt")
async def come_back(body: Receipt, request: Request) -> dict[str, Any]:
    """Exchange a student's receipt for a token, during the lesson and as long as anything of the student is kept."""
    school, limit = school_of(request), limits_of(request).wrong_receipts
    token = await school.ask(school.tokens.from_receipt, body.receipt)
    if token is None:
        if not limit.take(address_of(request)):
            raise RefusedError(
                429, "too_many", "Too many wrong receipts from this address. Wait a minute."
            )
        raise RefusedError(
            404, "no_receipt", "Nothing is kept under this receipt; it is wrong, or all is deleted."
        )
    return {"token": token}


@router.get("/me")
async def show_me(kept: KeptOf, request: Request) -> dict[str, Any]:
    """Tell a student how the seat stands, or what it was if the lesson is over."""
    record, school = kept.record, school_of(request)
    ages = (school.settings.window_hours, school.settings.aggregate_days)
    until = kept_until(record, kept.lesson, *ages, school.purge_every_s)
    return {
        "participant": record.id,
        "tag": record.tag,
        "admitted": record.admitted_at is not None,
        "camera": record.camera,
        "consent": record.consent,
        "research": record.research,
        "title": kept.lesson.title,
        "is_over": kept.is_over,
        "joined_at": record.joined_at.isoformat(),
        "kept_until": until.isoformat(),
    }


@router.put("/me/camera", status_code=204)
async def change_camera(body: CameraChoice, seat: SeatOf, request: Request) -> None:
    """Begin or stop to send; to stop needs no reason."""
    _refuse_devices(body, request)
    choices = school_of(request).choices
    await choices.change_camera(seat.lesson, seat.student, body.camera, body.consent)


@router.put("/me/research", status_code=204)
async def change_research(body: ResearchChoice, kept: KeptOf, request: Request) -> None:
    """Take the consent to research back without leaving, after the lesson too; or give it, to the words of the camera."""
    school = school_of(request)
    if body.research:
        if not school.decision.export_allowed:
            raise RefusedError(
                403, "mode", "Nothing is exported here, so nothing can be agreed to."
            )
        if kept.is_over or kept.record.consent is None:
            raise RefusedError(409, "no_consent", "Only who sends pictures in a lesson can agree.")
    await school.choices.change_research(kept.record, body.research)


@router.get("/me/data")
async def show_data(kept: KeptOf, request: Request) -> dict[str, Any]:
    """Return all that is kept of the student; while the lesson runs the signals' memory too."""
    school, record = school_of(request), kept.record
    windows = await school.ask(school.store.rows_of, tables.windows, record.lesson, record.id)
    taps = await school.ask(school.store.rows_of, tables.self_reports, record.lesson, record.id)
    snapshot = await school.ask(school.store.snapshot, record.lesson)
    seats = snapshot["signals"]["signals"]["seats"] if snapshot else {}
    return {
        "participant": await show_me(kept, request),
        "windows": [{"at": row["at"].isoformat(), **row["window"]} for row in windows],
        "self_reports": [{"at": row["at"].isoformat(), "answer": row["answer"]} for row in taps],
        "snapshot": seats.get(record.id),
    }


@router.delete("/me")
async def withdraw(student: StudentOf, request: Request, response: Response) -> dict[str, Any]:
    """Leave and delete everything, after the lesson too.

    202 if the store is away: memory has forgotten, the rows go as soon as it is back. A page asks again until they are
    gone, for a server that is killed before then has forgotten that it was asked.
    """
    participant, lesson = student
    is_done = await school_of(request).withdraw(lesson, participant)
    response.status_code = 200 if is_done else 202
    return {"deleted": is_done}
