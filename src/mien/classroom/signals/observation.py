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

_RANGES: Mapping[str, tuple[float, float]] = {
    "faces": (0, 1000),
    "score": (-1000, 1000),
    "face_px": (1, 10_000),
    "brightness": (0, 255),
    "sharpness": (0, 1e7),
    "yaw_deg": (-180, 180),
}
"""Wide enough for every detector and picture; what is outside was never measured. A device may send any number, and sums of
such as 1e308 are infinite, which no database takes: one student's would cost the whole class its rows."""
_WHOLE = ("faces", "face_px")

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
        if not 0 <= self.time_s < math.inf:
            raise InputError(f"An observation has time {self.time_s} s; expected 0 or more.")
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise InputError(
                    f"An observation's {name} is out of range; expected {least:g} to {most:g}."
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
        # What was sent is not repeated in a message: it may be long, or no text that a socket can be closed with.
        if not fields.keys() <= cls.__dataclass_fields__.keys():
            raise InputError("The observation cannot be read: it has a field that is none of ours.")
        if fields.get("time_s") is None or fields.get("faces") is None:
            raise InputError("The observation cannot be read: time_s or faces is missing.")
        probs = fields.get("probs")
        for name, value in fields.items():
            if name != "probs" and value is not None and not _is_number(value, name in _WHOLE):
                raise InputError(f"The observation cannot be read: {name} is no such number.")
        if probs is not None and not (
            isinstance(probs, list | tuple) and all(map(_is_number, probs))
        ):
            raise InputError("The observation cannot be read: probs is no list of numbers.")
        return cls(**{**fields, "probs": None if probs is None else tuple(probs)})


def _is_number(value: object, is_whole: bool = False) -> bool:
    """Whether a value is one; JSON's true and false are none."""
    return isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)


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
