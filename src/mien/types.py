"""What passes between rooms: pictures, boxes, detections, faces with their expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Detection", "Face", "Image"]

Image = NDArray[np.uint8]
"""A picture: uint8, (H, W, 3) in RGB order, or (H, W) in grey."""


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


@dataclass(frozen=True, slots=True)
class Face:
    """A face and the expression that was recognised in it."""

    expression: str
    """The most probable label."""
    confidence: float
    """Its calibrated probability, in [0, 1]."""
    probabilities: dict[str, float] = field(repr=False)
    """All labels with their probability, in the model's order; they sum to 1."""
    box: Box | None = None
    """Where in the picture; None for a crop that was given as such."""
    score: float | None = None
    """The detector's score; None for a crop that was given as such."""

    def as_dict(self) -> dict[str, Any]:
        """Return what ``mien predict --format json`` writes for a face."""
        return {
            "box": self.box.as_list() if self.box else None,
            "score": self.score,
            "expression": self.expression,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
        }
