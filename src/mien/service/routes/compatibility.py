"""Paths of other tools, so that their clients need only another address: deepface's POST /analyze, POST /main."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from mien.adapters import deepface
from mien.errors import InputError
from mien.faces import WholePicture
from mien.labels import canonical
from mien.service.bodies import (
    decode_base64,
    media_type,
    read_body,
    read_fields,
    read_json,
    read_parts,
)
from mien.service.engine import Engine
from mien.service.metrics import Metrics
from mien.service.problems import Problem
from mien.service.routes.predict import json_response, within
from mien.service.schemas import ERRORS, DeepFaceAnswer, EmotionAnswer
from mien.service.settings import Settings

__all__ = ["compatibility_routes"]

_CAPITALS = {
    "anger": "ANGRY",
    "disgust": "DISGUST",
    "fear": "FEAR",
    "happiness": "HAPPY",
    "sadness": "SAD",
    "surprise": "SURPRISE",
    "neutral": "NEUTRAL",
}
"""What clients of POST /main know; another expression is its own name in capitals."""

_BACKENDS = ("auto", "opencv", "yunet", "skip")
"""What deepface calls detectors. All but ``skip`` (the picture is a face) mean the service's own."""

_WRITTEN_FALSE = ("false", "0", "no")

_ANALYZE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "img": {"type": "string", "description": "base64, bare or as a data URL"},
                        "actions": {"type": "array", "items": {"type": "string"}},
                        "detector_backend": {"type": "string", "enum": list(_BACKENDS)},
                        "enforce_detection": {"type": "boolean"},
                    },
                    "required": ["img"],
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"img": {"type": "string", "format": "binary"}},
                    "required": ["img"],
                }
            },
        },
    }
}

_MAIN_SCHEMA = {
    "type": "object",
    "properties": {"image": {"type": "string", "format": "byte"}},
    "required": ["image"],
}
_MAIN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {"schema": _MAIN_SCHEMA},
            "multipart/form-data": {"schema": _MAIN_SCHEMA},
        },
    }
}


def compatibility_routes(engine: Engine, settings: Settings, metrics: Metrics) -> APIRouter:
    """Return the routes that stand in for other services."""
    router = APIRouter(responses=ERRORS, tags=["compatibility"])

    async def body_of(request: Request) -> bytes:
        held = request.scope["state"]["held"]
        body = await read_body(request, held, settings.max_body_bytes, settings.upload_s)
        request.scope["state"]["facts"] |= {"bytes": len(body), "pictures": 1}
        return body

    @router.post("/analyze", response_model=DeepFaceAnswer, openapi_extra=_ANALYZE_BODY)
    async def analyze(request: Request) -> Response:
        """Answer as deepface's service does, for `actions: ["emotion"]`.

        `img` is base64 in JSON, or a file in a form. A picture without a face is an error, unless `enforce_detection` is
        false. The cloud is never asked here.
        """
        data, sent = _asked(request, await body_of(request))
        # null is what programs send that set nothing.
        asked = {name: value for name, value in sent.items() if value is not None}
        backend = asked.get("detector_backend", "auto")
        if backend not in _BACKENDS:
            raise Problem(
                422, "bad_argument", f"detector_backend is none of {', '.join(_BACKENDS)}."
            )
        try:
            deepface.check_actions(_actions(asked.get("actions", ["emotion"])))
            async with within(settings.timeout_s):
                looked = await engine.look(
                    data,
                    WholePicture() if backend == "skip" else None,
                    takes_whole=not _truth(asked.get("enforce_detection", True)),
                )
            if not looked.found:
                raise deepface.no_face("numpy array")
            records = [
                deepface.record(face, found)
                for face, found in zip(looked.faces, looked.found, strict=True)
            ]
        except InputError as error:
            raise Problem(422, "not_analyzed", str(error)) from None
        request.scope["state"]["facts"]["faces"] = len(looked.faces)
        metrics.pictures.inc()
        metrics.faces.labels("mien").inc(len(looked.faces))
        return json_response({"results": records})

    @router.post("/main", response_model=EmotionAnswer, openapi_extra=_MAIN_BODY)
    async def main(request: Request) -> Response:
        """Answer `{"emotion": "HAPPY"}` to a form whose field `image` is a picture in base64.

        The largest face counts. If there is none, and no fallback finds one, `emotion` is empty.
        """
        fields = read_fields(request, await body_of(request))
        data = decode_base64(fields.get("image"), "image")
        async with within(settings.timeout_s):
            answer = await engine.answer(data)
        request.scope["state"]["facts"]["faces"] = len(answer.faces)
        metrics.pictures.inc()
        if answer.asked:
            metrics.fallbacks.inc()
            request.scope["state"]["facts"]["fallback"] = 1
        if not answer.faces:
            return json_response({"emotion": "", "source": "mien"})
        face, source = answer.faces[0]
        metrics.faces.labels(source).inc()
        key = canonical(face.expression) or face.expression
        return json_response(
            {"emotion": _CAPITALS.get(key, face.expression.upper()), "source": source}
        )

    return router


def _asked(request: Request, body: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return the picture and the arguments beside it."""
    if media_type(request) == "application/json":
        sent = read_json(body)
        if not isinstance(sent, dict):
            raise Problem(422, "no_picture", "The JSON is no object with the field img.")
        return decode_base64(sent.get("img"), "img"), sent
    if media_type(request) == "multipart/form-data":
        parts = {part.name: bytes(part.data) for part in read_parts(request, body, 32)}
        if "img" not in parts:
            raise Problem(
                422, "no_picture", "The form has no field 'img'. Put the picture into it."
            )
        return parts.pop("img"), {
            name: data.decode("utf-8", "replace") for name, data in parts.items()
        }
    raise Problem(
        415,
        "unsupported_type",
        f"Content-Type is '{media_type(request)}'; expected application/json or multipart/form-data.",
    )


def _actions(asked: object) -> list[str]:
    """Read what deepface's clients send: a list, or a list written out in a form."""
    words = asked.strip("[]() ").split(",") if isinstance(asked, str) else asked
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Problem(422, "bad_argument", "actions is no list of words; mien knows ['emotion'].")
    return [word.strip(" '\"") for word in words]


def _truth(asked: object) -> bool:
    return asked.strip().lower() not in _WRITTEN_FALSE if isinstance(asked, str) else bool(asked)
