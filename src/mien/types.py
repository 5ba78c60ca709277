"""What passes between rooms: pictures, boxes, detections, faces with their expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError

__all__ = [
    "Box",
    "Detection",
    "Face",
    "Image",
    "Quality",
    "VideoRow",
    "WatchedFrame",
    "check_image",
]

Image = NDArray[np.uint8]
"""A picture: uint8, (H, W, 3) in RGB order, or (H, W) in grey."""


def check_image(image: Any, what: str = "A picture") -> Image:
    """Return ``image`` if it is a picture; grey as (H, W, 1) loses its last axis.

    Channels in BGR order, as OpenCV reads them, cannot be told from RGB: turn them round first.

    Args:
        image: What a caller gave.
        what: What messages call it, as the start of a sentence.

    Raises:
        InputError: If it is no uint8 array (H, W, 3) or (H, W) with at least one pixel.
    """
    fault = _fault_of(image)
    if fault:
        raise InputError(f"{what} is a uint8 array, (H, W, 3) in RGB or (H, W) in grey; {fault}")
    picture: Image = image[:, :, 0] if image.shape[2:] == (1,) else image
    return picture


def _fault_of(image: Any) -> str:
    """Say what was given in the place of a picture, and what to do; nothing if it is one."""
    if not isinstance(image, np.ndarray):
        return f"got {type(image).__name__}. Convert it: numpy.asarray(…)"
    has_shape = image.ndim in (2, 3) and image.size > 0 and image.shape[2:] in ((), (1,), (3,))
    if has_shape and image.dtype == np.uint8:
        return ""
    # Only now: writing an array's type and shape takes longer than all that is asked here.
    got = f"got {image.dtype} {image.shape}."
    if image.dtype != np.uint8:
        return f"{got} Scale it to 0…255 and convert: .astype('uint8')"
    if image.ndim == 3 and image.shape[2] == 4:
        return f"{got} Leave the alpha channel out: image[:, :, :3]"
    return got


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the picture; ``x`` and ``y`` are its upper left corner."""

    x: int
    y: int
    w: int
    h: int

    def as_list(self) -> list[int]:
        """Return ``[x, y, w, h]``."""
        return [self.x, self.y, self.w, self.h]


@dataclass(frozen=True, slots=True)
class Detection:
    """A face that a detector found."""

    box: Box
    score: float
    """The detector's own certainty; its scale is the detector's. Given boxes have 1."""
    landmarks: NDArray[np.float32] | None = None
    """(5, 2) x, y in pixels: right eye, left eye, nose, mouth's right and left corner; None if not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well a face can be seen; `mien.recognition.quality` measures it."""

    face_px: int
    """Shorter side of the face's crop, in pixels of the picture."""
    sharpness: float
    """Variance of the Laplacian of the face as the network sees it; blur lowers it, noise raises it."""
    brightness: float
    """Mean grey of the face, 0 to 255."""
    flags: tuple[str, ...] = ()
    """What makes its answer less to be trusted: ``"small"``, ``"blurred"``, ``"dark"``; empty if nothing does."""

    def as_dict(self) -> dict[str, Any]:
        """Return what ``mien predict --format json`` writes of it."""
        return {
            "face_px": self.face_px,
            "sharpness": round(self.sharpness, 1),
            "brightness": round(self.brightness, 1),
            "flags": list(self.flags),
        }


@dataclass(frozen=True, slots=True)
class Face:
    """A face and the expression that was recognised in it."""

    expression: str
    """The most probable label, however sure the answer is."""
    confidence: float
    """Its calibrated probability, in [0, 1]."""
    probabilities: dict[str, float] = field(repr=False)
    """All labels with their probability, in the model's order; they sum to 1."""
    box: Box | None = None
    """Where in the picture; None for a crop that was given as such."""
    score: float | None = None
    """The detector's score; None for a crop that was given as such."""
    is_unsure: bool = False
    """Whether the confidence is below what was asked for. Then people are shown `answer`, programs may look further."""
    quality: Quality | None = None
    """How well it can be seen; None if that was not measured."""

    @property
    def answer(self) -> str:
        """What people are told: the expression, or ``"unsure"``."""
        return "unsure" if self.is_unsure else self.expression

    def as_dict(self) -> dict[str, Any]:
        """Return what ``mien predict --format json`` writes for a face."""
        return {
            "box": self.box.as_list() if self.box else None,
            "score": self.score,
            "expression": self.expression,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
            "unsure": self.is_unsure,
            "quality": self.quality.as_dict() if self.quality else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRow:
    """One tracked face in one frame of a recording, or a frame without faces: then only its place in time is set."""

    frame: int
    """Number of the frame in the recording, from 0; of a camera, how many it had given before."""
    time_s: float
    """Since the recording's first frame, as its container says; never less than in the row before."""
    track: int | None = None
    """The same number for the same face over time, from 1, never used again; None in a frame without faces."""
    box: Box | None = None
    """In pixels of the frame as it is shown: upright, and stretched where its own pixels are not square."""
    score: float | None = None
    """The detector's score."""
    yaw_deg: float | None = None
    """How far the head is turned, about; None if the detector gives no landmarks."""
    expression: str | None = None
    """The track's steady answer: smoothed, and held for a while before it may change."""
    confidence: float | None = None
    """Its smoothed probability."""
    probabilities: dict[str, float] | None = field(default=None, repr=False)
    """Of this frame alone: all labels with their calibrated probability, in the model's order."""
    smoothed: dict[str, float] | None = field(default=None, repr=False)
    """The same, smoothed over the track."""

    def as_face(self) -> Face | None:
        """Return the track's steady answer, as pictures are drawn with; None for a frame without faces."""
        if self.expression is None:
            return None
        return Face(
            self.expression, self.confidence or 0.0, self.smoothed or {}, self.box, self.score
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what a line of JSON holds."""
        return {
            "frame": self.frame,
            "time_s": self.time_s,
            "track": self.track,
            "box": self.box.as_list() if self.box else None,
            "score": self.score,
            "yaw_deg": self.yaw_deg,
            "expression": self.expression,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities) if self.probabilities else None,
            "smoothed": dict(self.smoothed) if self.smoothed else None,
        }


@dataclass(frozen=True, slots=True)
class WatchedFrame:
    """A frame of a recording and what was recognised in it."""

    index: int
    time_s: float
    image: Image
    """uint8 (H, W, 3) RGB."""
    rows: tuple[VideoRow, ...]
    """One a face, largest first; one without a face if there is none."""

    def faces(self) -> list[Face]:
        """Return the steady answers of all who are in it, as rows have them."""
        return [face for row in self.rows if (face := row.as_face()) is not None]
