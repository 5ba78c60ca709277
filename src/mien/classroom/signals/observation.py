"""What is known of one camera frame: numbers, never pixels. Made by `classroom.frames` or by a student's own device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mien.errors import InputError
from mien.labels import FERPLUS

__all__ = ["EXPRESSIONS", "Observation", "Reason"]

EXPRESSIONS = FERPLUS.labels
"""The order of `Observation.probs`: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt."""

_SUM_TOLERANCE = 0.01
"""Probabilities that a device sends are rounded; their sum may be off by so much."""


class Reason(StrEnum):
    """Why a frame, or a window, gives no data about the face."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    SMALL = "small"
    BLURRED = "blurred"
    UNMEASURED = "unmeasured"
    """Expressions are asked for, and no probabilities came."""
    UNCERTAIN = "uncertain"
    """The probabilities are nearly even: the network cannot tell."""
    FEW_FRAMES = "few_frames"
    """Of a window: fewer frames came than a statement needs."""
    BASELINE = "baseline"
    """Of a window: the student's own baseline is still being learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One frame, measured. What was not measured is None and stays unknown."""

    time_s: float
    """When it arrived, in seconds since the lesson's start; the server's clock."""
    faces: int
    """How many faces were found; 2 or more are all the same: several."""
    score: float | None = None
    """The detector's score of the one face, on the detector's own scale."""
    face_px: int | None = None
    """Shorter side of the face's crop, in pixels of the frame."""
    brightness: float | None = None
    """Mean grey of the face, 0 to 255. Told to the student, never gated on: it would silence dark skin first."""
    sharpness: float | None = None
    """Variance of the Laplacian, as `mien.recognition.quality` measures it."""
    probs: tuple[float, ...] | None = None
    """Calibrated, in the order of `EXPRESSIONS`; None in presence mode, and unless there is exactly one face."""
    yaw_deg: float | None = None
    """Coarse; None without landmarks, and in presence mode."""

    def __post_init__(self) -> None:
        numbers = (self.time_s, self.score, self.brightness, self.sharpness, self.yaw_deg)
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise InputError("An observation holds a number that is infinite or none at all.")
        if self.time_s < 0 or self.faces < 0:
            raise InputError(
                f"An observation has time {self.time_s} s and {self.faces} faces; expected 0 or more."
            )
        if self.probs is not None and (self.face_px is None or self.sharpness is None):
            raise InputError(
                "An observation with probabilities lacks face_px or sharpness; both are needed to judge it."
            )
        if self.probs is not None:
            _check_probs(self.probs, self.faces)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return {
            "time_s": self.time_s,
            "faces": self.faces,
            "score": self.score,
            "face_px": self.face_px,
            "brightness": self.brightness,
            "sharpness": self.sharpness,
            "probs": None if self.probs is None else list(self.probs),
            "yaw_deg": self.yaw_deg,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Observation:
        """Read what `as_dict` returned.

        Raises:
            InputError: If a field is unknown, missing or out of range.
        """
        probs = fields.get("probs")
        try:
            return cls(**{**fields, "probs": None if probs is None else tuple(map(float, probs))})
        except (TypeError, ValueError) as error:
            raise InputError(f"The observation cannot be read: {error}.") from None


def _check_probs(probs: tuple[float, ...], faces: int) -> None:
    if faces != 1:
        raise InputError(f"An observation of {faces} faces has probabilities; only of one face.")
    if len(probs) != len(EXPRESSIONS):
        raise InputError(
            f"An observation has {len(probs)} probabilities; expected {len(EXPRESSIONS)}."
        )
    # Written so that a number that is none fails as well.
    if not (all(0 <= p <= 1 for p in probs) and abs(sum(probs) - 1) <= _SUM_TOLERANCE):
        raise InputError("The probabilities of an observation are not in 0 to 1 with the sum 1.")
