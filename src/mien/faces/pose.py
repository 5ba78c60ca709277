"""How a head is turned, as far as five landmarks tell."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["roll_deg", "yaw_deg"]

_NOSE_DEPTH = 0.6
"""How far the nose's tip stands before the eyes, in distances between the eyes: about 38 mm to 63 mm in adults."""


def roll_deg(landmarks: NDArray[np.floating]) -> float:
    """Return how far the line of the eyes leans, in degrees in [-180, 180].

    It is as good as the landmarks: YuNet's follow a leaning face only in part. Of faces turned by 25 degrees it makes
    17 at the median.

    Args:
        landmarks: (5, 2) as in `Detection.landmarks`.

    Returns:
        0 for level eyes; positive when the face leans clockwise, as seen in the picture.
    """
    right_eye, left_eye = landmarks[0], landmarks[1]
    across, down = (left_eye - right_eye).tolist()
    return math.degrees(math.atan2(down, across))


def yaw_deg(landmarks: NDArray[np.floating]) -> float:
    """Return roughly how far the face is turned to the side, in degrees in [-90, 90].

    Seen from afar, eyes at ±e around the head's axis and a nose d before them lie, once the head has turned by ψ, at
    ±e·cos ψ and d·sin ψ. So the nose's way from the middle of the eyes, in distances between the eyes, is d/2e · tan ψ.

    It is coarse: every face has its own nose, and perspective, landmarks a few pixels off, or a chin lifted by 20 degrees
    move it by 10 to 15 degrees. It tells frontal from half and full profile, no more.

    Args:
        landmarks: (5, 2) as in `Detection.landmarks`.

    Returns:
        0 for a frontal face; positive when it looks to the right side of the picture.
    """
    right_eye, left_eye, nose = landmarks[:3]
    line = left_eye - right_eye
    length = float(np.hypot(*line))
    if length == 0:  # both eyes in one place: no line to measure along
        return 0.0
    # Along the eyes' own line, so that a leaning head does not count as a turned one.
    shift = float((nose - (right_eye + left_eye) / 2) @ line) / length
    return math.degrees(math.atan2(shift, _NOSE_DEPTH * length))
