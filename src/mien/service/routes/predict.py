"""POST /v1/predict and /v1/predict/faces: pictures in, expressions out. GET /v1/models: who answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request, Response

from mien.service.bodies import pictures_of, read_body
from mien.service.engine import Answer, Engine
from mien.service.metrics import Metrics
from mien.service.problems import Problem
from mien.service.schemas import ERRORS, CropsAnswer, ModelList, PredictAnswer, picture_body
from mien.service.settings import Settings
from mien.types import Face

__all__ = ["json_response", "predict_routes", "within"]


def predict_routes(engine: Engine, settings: Settings, metrics: Metrics) -> APIRouter:
    """Return the routes of a recogniser."""
    router = APIRouter(responses=ERRORS)
    head = {"model": engine.recognizer.model.info.name, "labels": engine.recognizer.head.name}

    async def pictures(request: Request) -> list[bytes]:
        held = request.scope["state"]["held"]
        body = await read_body(request, held, settings.max_body_bytes, settings.upload_s)
        found = pictures_of(request, body, settings.max_pictures)
        request.scope["state"]["facts"] |= {"bytes": len(body), "pictures": len(found)}
        return found

    async def one(data: bytes) -> Answer | Problem:
        try:
            return await engine.answer(data)
        except Problem as problem:
            return problem.told()

    @router.post("/v1/predict", response_model=PredictAnswer, openapi_extra=picture_body())
    async def predict(request: Request) -> Response:
        """Find the faces of one picture or several and name their expressions.

        Pictures come as the body itself, as fields `file` of a form, or as base64 in JSON: `{"picture": …}` or
        `{"pictures": […]}`. Addresses are not followed. Of several pictures, those that cannot be read have an `error`
        and the others are answered; if none can be read, the first one's error is the answer.
        """
        sent = await pictures(request)
        async with within(settings.timeout_s):
            # Most requests bring one picture, and a task of its own would cost more than it helps.
            several = len(sent) > 1
            answers = await asyncio.gather(*map(one, sent)) if several else [await one(sent[0])]
        problems = [answer for answer in answers if isinstance(answer, Problem)]
        if len(problems) == len(answers):
            raise problems[0]
        _count(request, answers, metrics)
        return json_response({**head, "pictures": [_picture(answer) for answer in answers]})

    @router.post("/v1/predict/faces", response_model=CropsAnswer, openapi_extra=picture_body())
    async def predict_faces(request: Request) -> Response:
        """Name the expressions of faces that are already cut out, each a picture of its own.

        Framed like FER2013's, from forehead to chin, they are recognised best.
        """
        sent = await pictures(request)
        async with within(settings.timeout_s):
            faces = await engine.answer_crops(sent)
        request.scope["state"]["facts"]["faces"] = len(faces)
        metrics.faces.labels("mien").inc(len(faces))
        metrics.pictures.inc(len(sent))
        return json_response({**head, "faces": [_face(face, "mien") for face in faces]})

    @router.head("/v1/models", include_in_schema=False)
    @router.get("/v1/models", response_model=ModelList)
    async def models() -> Response:
        """Say which model answers: its expressions in their order, its scores, where it came from."""
        return json_response({"models": [_model(engine)]})

    return router


def within(seconds: float) -> _Within:
    """Give up after some time, with an answer that says so."""
    return _Within(seconds)


class _Within:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise Problem(
                503,
                "took_too_long",
                f"There was no answer within {self._seconds:g} s. Send fewer pictures at once, or later.",
                {"retry-after": "1"},
            ) from None


def json_response(answer: Any) -> Response:
    """Return an answer as JSON."""
    return Response(json.dumps(answer, ensure_ascii=False).encode(), media_type="application/json")


def _count(request: Request, answers: list[Answer | Problem], metrics: Metrics) -> None:
    read = [answer for answer in answers if isinstance(answer, Answer)]
    for answer in read:
        for _, source in answer.faces:
            metrics.faces.labels(source).inc()
        if answer.asked:
            metrics.fallbacks.inc()
    metrics.pictures.inc(len(read))
    facts = request.scope["state"]["facts"]
    facts["faces"] = sum(len(answer.faces) for answer in read)
    if any(answer.asked for answer in read):
        facts["fallback"] = sum(answer.asked for answer in read)


def _picture(answer: Answer | Problem) -> dict[str, Any]:
    if isinstance(answer, Problem):
        return {
            "width": None,
            "height": None,
            "faces": [],
            "faces_left_out": 0,
            "source": "mien",
            "fallback_asked": False,
            "error": {"code": answer.code, "message": answer.message},
        }
    return {
        "width": answer.width,
        "height": answer.height,
        "faces": [_face(face, source) for face, source in answer.faces],
        "faces_left_out": answer.num_left_out,
        "source": answer.source,
        "fallback_asked": answer.asked,
        "error": None,
    }


def _face(face: Face, source: str) -> dict[str, Any]:
    return {**face.as_dict(), "source": source}


def _model(engine: Engine) -> dict[str, Any]:
    recognizer = engine.recognizer
    info = recognizer.model.info
    return {
        "name": info.name,
        "architecture": info.architecture,
        "labels": recognizer.head.name,
        "expressions": list(recognizer.labels),
        "unsure_below": recognizer.unsure_below,
        "detector": recognizer.detector.name,
        "licence": info.licence,
        "scores": dict(info.scores),
        "provenance": dict(info.provenance),
    }
