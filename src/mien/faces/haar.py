"""Upright frontal faces with the Haar cascade that OpenCV carries (Viola and Jones 2001).

Cascade: ``haarcascade_frontalface_alt2`` by Rainer Lienhart. On 300 faces of FER2013 set in a plain surround it found
238, ``frontalface_default`` 236; on 19 pictures of scikit-image without faces it saw none, ``default`` nine.
Cascade and settings were chosen on these same pictures, so the figures flatter; ``frontalface_alt`` did as well.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import cv2.data
import numpy as np

from mien.errors import InputError
from mien.faces.crop import CropFrame
from mien.faces.overlap import distinct
from mien.types import Box, Detection, Image

__all__ = ["HaarDetector"]

_CASCADE = "haarcascade_frontalface_alt2.xml"
_SCALE_STEP = 1.1
_MIN_NEIGHBOURS = 3


class HaarDetector:
    """Finds faces that look at the camera, upright, without any file of its own."""

    name = "haar"

    # Medians over 493 faces of FER2013, found again by this detector: benchmarks/crop_margin.py. Left and right
    # differ by less than a hundredth.
    frame = CropFrame(side=1.03, down=0.005)

    def __init__(self, max_side_px: int = 640, min_face_px: int = 24) -> None:
        """Load the cascade.

        Args:
            max_side_px: Larger pictures are searched at this longer side, for speed.
            min_face_px: Smallest face that is looked for, in pixels of the picture that is searched; at least 20.

        Raises:
            InputError: If a size is out of range.
        """
        if max_side_px < 64 or min_face_px < 20:
            raise InputError(
                f"HaarDetector searches pictures of {max_side_px} px for faces from {min_face_px} px; "
                "expected at least 64 and 20."
            )
        self._max_side_px = max_side_px
        self._min_face_px = min_face_px
        self._cascades = threading.local()  # a CascadeClassifier breaks when two threads share it

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces in a picture, largest first; see `Detector.detect`.

        A score is the margin by which the last stage of the cascade was passed: about 40 to 70, no probability.
        """
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
        scale = min(1.0, self._max_side_px / max(grey.shape))
        if scale < 1:
            size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        boxes, _, scores = self._cascade().detectMultiScale3(
            grey,
            scaleFactor=_SCALE_STEP,
            minNeighbors=_MIN_NEIGHBOURS,
            minSize=(self._min_face_px, self._min_face_px),
            outputRejectLevels=True,
        )
        height, width = image.shape[:2]
        found = [
            Detection(_scaled(box, scale, width, height), float(score))
            for box, score in zip(boxes, np.ravel(scores), strict=True)
        ]
        return sorted(distinct(found), key=lambda face: (-face.box.w * face.box.h, face.box.x))

    def _cascade(self) -> cv2.CascadeClassifier:
        """Return this thread's own cascade."""
        try:
            cascade: cv2.CascadeClassifier = self._cascades.loaded
        except AttributeError:
            folder = Path(cv2.data.haarcascades)
            cascade = self._cascades.loaded = cv2.CascadeClassifier(str(folder / _CASCADE))
        return cascade


def _scaled(box: Sequence[int], scale: float, width: int, height: int) -> Box:
    """Bring a box back to the picture's own pixels."""
    left, top, w, h = (round(float(value) / scale) for value in box)
    return Box(left, top, min(w, width - left), min(h, height - top))
