"""The shapes of answers, for /openapi.json. Answers are written from our own records; tests hold them against these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ERRORS",
    "CropsAnswer",
    "DeepFaceAnswer",
    "EmotionAnswer",
    "ModelList",
    "PredictAnswer",
    "picture_body",
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(_Shape):
    """What went wrong."""

    code: str = Field(description="For programs; stays the same.")
    message: str = Field(description="For people: what happened, what was expected, what to do.")


class ErrorAnswer(_Shape):
    """The one shape of everything that is not answered as it was asked."""

    error: ErrorDetail


class QualityShape(_Shape):
    """How well a face can be seen."""

    face_px: int = Field(description="Shorter side of the crop, px.")
    sharpness: float = Field(description="Variance of the Laplacian; blur lowers it.")
    brightness: float = Field(description="Mean grey, 0 to 255.")
    flags: list[Literal["small", "blurred", "dark"]]


class FaceShape(_Shape):
    """A face and its expression."""

    box: list[int] | None = Field(
        description="x, y, width, height in px of the upright picture; null for a crop."
    )
    score: float | None = Field(description="The detector's own measure; null for a crop.")
    expression: str = Field(description="The most probable label, however sure.")
    confidence: float = Field(ge=0, le=1, description="Its calibrated probability.")
    probabilities: dict[str, float] = Field(description="All labels; they sum to 1.")
    unsure: bool = Field(description="Whether the confidence is below what was set.")
    quality: QualityShape | None
    source: Literal["mien", "rekognition"] = Field(description="Who answered.")


class PictureShape(_Shape):
    """One picture: its faces, or why it could not be read."""

    width: int | None = Field(
        description="Of the upright picture, px; null if it could not be read."
    )
    height: int | None
    faces: list[FaceShape] = Field(description="Largest first; empty if there is none.")
    faces_left_out: int = Field(description="Smaller faces beyond the limit.")
    source: Literal["mien", "rekognition"] = Field(
        description="rekognition if any face's answer is."
    )
    fallback_asked: bool = Field(description="Whether it was sent to the cloud, in vain or not.")
    error: ErrorDetail | None


class PredictAnswer(_Shape):
    """Pictures in the order in which they were sent."""

    model: str
    labels: str
    pictures: list[PictureShape]


class CropsAnswer(_Shape):
    """Faces in the order in which they were sent."""

    model: str
    labels: str
    faces: list[FaceShape]


class ModelShape(_Shape):
    """What one must know to use a model."""

    name: str
    architecture: str
    labels: str = Field(description="The head that answers.")
    expressions: list[str]
    unsure_below: dict[str, float] = Field(
        description="Answers of an expression that are less confident are unsure."
    )
    detector: str
    licence: str
    scores: dict[str, Any]
    provenance: dict[str, Any]


class ModelList(_Shape):
    """The models that answer here."""

    models: list[ModelShape]


class DeepFaceAnswer(_Shape):
    """deepface's answer to POST /analyze: one record a face."""

    results: list[dict[str, Any]]


class EmotionAnswer(_Shape):
    """The answer to POST /main: the largest face's expression in capitals, empty if there is no face."""

    emotion: str
    source: Literal["mien", "rekognition"]


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        (400, "No proper HTTP"),
        (401, "No valid API key"),
        (403, "Called by a name or from a page that is not allowed"),
        (408, "The body came too slowly"),
        (413, "Body, picture or number of pictures too large"),
        (414, "Path too long"),
        (415, "A content type that is not read"),
        (422, "No picture, or a damaged one"),
        (429, "More requests than the key may make"),
        (431, "Headers too large"),
        (503, "Too much at work, or not answered in time; Retry-After says when to come again"),
    )
}

_PICTURE_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/bmp",
    "image/gif",
    "image/tiff",
    "application/octet-stream",
)


def picture_body() -> dict[str, Any]:
    """Return what OpenAPI says of a body with pictures."""
    binary = {"type": "string", "format": "binary"}
    base64 = {"type": "string", "format": "byte", "minLength": 1}
    one = {
        "type": "object",
        "properties": {"picture": base64},
        "required": ["picture"],
        "additionalProperties": False,
    }
    several = {
        "type": "object",
        "properties": {"pictures": {"type": "array", "items": base64, "minItems": 1}},
        "required": ["pictures"],
        "additionalProperties": False,
    }
    form = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": binary, "minItems": 1}},
        "required": ["file"],
    }
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    content |= {kind: {"schema": binary} for kind in _PICTURE_TYPES}
    content["application/json"] = {"schema": {"oneOf": [one, several]}}
    return {"requestBody": {"required": True, "content": content}}
