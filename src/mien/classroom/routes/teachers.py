"""What teachers ask: to sign in, to open and end lessons, to let students in, to read reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from mien.classroom import reports
from mien.classroom.records import LessonRecord
from mien.classroom.routes.access import (
    OwnLesson,
    RefusedError,
    RunningLesson,
    Teacher,
    address_of,
    limits_of,
    open_sockets_of,
    school_of,
)
from mien.classroom.schemas import Admission, LessonRequest, SignIn
from mien.classroom.tokens import TEACHER_MINUTES, teacher_of_key

__all__ = ["router"]

router = APIRouter(prefix="/api")


@router.post("/sign-in")
async def sign_in(body: SignIn, request: Request) -> dict[str, Any]:
    """Exchange a teacher's key for a short-lived token."""
    school, limit = school_of(request), limits_of(request).wrong_keys
    teacher = teacher_of_key(school.settings.keys(), body.key)
    if teacher is None:
        if not limit.take(address_of(request)):
            raise RefusedError(
                429, "too_many", "Too many wrong keys from this address. Wait a minute."
            )
        raise RefusedError(401, "key", "The key is wrong.")
    token = await school.ask(school.tokens.for_teacher, teacher)
    return {"token": token, "teacher": teacher, "minutes": TEACHER_MINUTES}


@router.post("/sign-out", status_code=204)
async def sign_out(teacher: Teacher, request: Request) -> None:
    """Make the token void, and close what was opened with it."""
    school = school_of(request)
    await school.ask(school.tokens.revoke, teacher)
    open_sockets_of(request).close(teacher)


@router.get("/lessons")
async def list_lessons(teacher: Teacher, request: Request) -> dict[str, Any]:
    """List the teacher's own lessons, the newest first."""
    school = school_of(request)
    records = await school.ask(school.store.lessons, teacher.teacher)
    return {"lessons": [_as_dict(record) for record in records]}


@router.post("/lessons", status_code=201)
async def open_lesson(body: LessonRequest, teacher: Teacher, request: Request) -> dict[str, Any]:
    """Begin a lesson; the answer holds the code by which students join."""
    assert teacher.teacher is not None
    return _as_dict(await school_of(request).open_lesson(teacher.teacher, body.title))


@router.get("/lessons/{lesson_id}")
async def show_lesson(record: OwnLesson, request: Request) -> dict[str, Any]:
    """Tell how a lesson stands: who waits, by tag, and how many are in."""
    lesson = school_of(request).lessons.get(record.id)
    return {**_as_dict(record), "room": lesson.room() if lesson else None}


@router.post("/lessons/{lesson_id}/admit", status_code=204)
async def admit(body: Admission, lesson: RunningLesson, request: Request) -> None:
    """Let students in who wait."""
    ids = [student.id for student in lesson.waiting(body.participants)]
    await school_of(request).admit(lesson, ids)


@router.post("/lessons/{lesson_id}/refuse", status_code=204)
async def refuse(body: Admission, lesson: RunningLesson, request: Request) -> None:
    """Send students away who wait; nothing of them is kept."""
    for student in lesson.waiting(body.participants):
        await school_of(request).withdraw(lesson.id, student.id)


@router.post("/lessons/{lesson_id}/end", status_code=204)
async def end_lesson(lesson: RunningLesson, request: Request) -> None:
    """End a lesson."""
    await school_of(request).end_lesson(lesson)


@router.delete("/lessons/{lesson_id}", status_code=204)
async def delete_lesson(record: OwnLesson, teacher: Teacher, request: Request) -> None:
    """Delete a lesson with everything of it; if it runs, it is ended first."""
    school = school_of(request)
    await school.delete_lesson(record.id)
    await school.ask(school.store.note, teacher.teacher or "", record.id, "delete")


@router.get("/lessons/{lesson_id}/report")
async def show_report(
    record: OwnLesson,
    teacher: Teacher,
    request: Request,
    format: Literal["html", "csv", "json"] = "json",
    lang: Literal["en", "ko"] = "en",
    utc_offset_min: Annotated[int, Query(ge=-18 * 60, le=18 * 60)] = 0,
) -> Response:
    """Return the report of a lesson; that it was read is written down."""
    school = school_of(request)
    await school.ask(school.store.note, teacher.teacher or "", record.id, f"report {format}")
    report = await school.ask(reports.collect, school.store, record)
    text, kind = await school.ask(reports.render, report, format, lang, utc_offset_min)
    disposition = f'attachment; filename="lesson-{record.id}.{format}"'
    headers = {"content-disposition": disposition}
    return Response(reports.as_file(text, format), media_type=kind, headers=headers)


@router.get("/lessons/{lesson_id}/export")
async def export(record: OwnLesson, teacher: Teacher, request: Request) -> Response:
    """Return the windows of the students who agreed to research, numbered by lot.

    Not before the lesson is over and all of it is stored: read again and again it would show single students live.
    """
    school = school_of(request)
    if not school.decision.export_allowed:
        raise RefusedError(
            403, "mode", f"Mode {school.decision.mode} exports nothing; only mode research does."
        )
    if record.ended_at is None:
        raise RefusedError(
            409, "running", "The lesson runs; the export is there once it has ended."
        )
    least = school.mapping.aggregate.min_students
    try:
        text = await school.ask(reports.export_windows, school.store, record.id, least)
    except reports.TooFewError as error:
        raise RefusedError(409, "few", str(error)) from None
    await school.ask(school.store.note, teacher.teacher or "", record.id, "export")
    disposition = f'attachment; filename="windows-{record.id}.csv"'
    headers = {"content-disposition": disposition}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/lessons/{lesson_id}/views")
async def show_views(record: OwnLesson, request: Request) -> dict[str, Any]:
    """List who has looked at the lesson, and when."""
    school = school_of(request)
    rows = await school.ask(school.store.views, record.id)
    return {"views": [{**row, "at": row["at"].isoformat()} for row in rows]}


def _as_dict(record: LessonRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "title": record.title,
        "code": record.code,
        "mode": record.decision["mode"],
        "started_at": record.started_at.isoformat(),
        "ended_at": record.ended_at.isoformat() if record.ended_at else None,
    }
