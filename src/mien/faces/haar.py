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
from mien.faces.near import found_again
from mien.faces.overlap import distinct
from mien.faces.scaled import scaled, scaled_size
from mien.types import Box, Detection, Image

__all__ = ["HaarDetector"]

_CASCADE = "haarcascade_frontalface_alt2.xml"
_SCALE_STEP = 1.1
_MIN_NEIGHBOURS = 3

_WINDOW_SIDES = 1.8
"""Side of the window around a known face, in sides of it."""
_GROWTH = 1.25
"""A known face is looked for up to so many times larger and smaller than it was. More takes longer and shakes more: on a clip
of a talking person its box changed its width by 4 % a frame, as in looks at everything 5 %, with 1.35 by 6 %."""
_WORTH_IT = 4.0
"""If the windows are more than so many times the whole, a look at everything is the better one. Since only one size is looked
for there, a window of a third of the picture takes a thirtieth of the time: 1.8 of 57 ms."""


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
        return self.detect_within(image, self._max_side_px)

    def detect_within(self, image: Image, side_px: int) -> list[Detection]:
        """Find the faces, searching at no larger a side; see `FollowingDetector.detect_within`."""
        scale = min(1.0, side_px / max(image.shape[:2]))
        grey = _grey(image)
        found = self._search(scaled(grey, scale) if scale < 1 else grey, image, scale)
        return sorted(distinct(found), key=lambda face: (-face.box.w * face.box.h, face.box.x))

    def detect_near(
        self, image: Image, faces: Sequence[Box], side_px: int
    ) -> list[Detection] | None:
        """Find known faces again; see `FollowingDetector.detect_near`."""
        scale = min(1.0, side_px / max(image.shape[:2]))
        size = scaled_size(image, scale)
        windows = [_window(face, scale, size) for face in faces]
        if sum(window.w * window.h for window in windows) > _WORTH_IT * size[0] * size[1]:
            return None
        found = []
        for face, window in zip(faces, windows, strict=True):
            part = _grey(scaled(image, scale, window))
            seen = self._search(part, image, scale, window, max(face.w, face.h) * scale)
            again = found_again(seen, face, window, scale, image)
            if again is None:
                return None
            found.append(again)
        return found if len(distinct(found)) == len(found) else None

    def _search(
        self,
        grey: Image,
        image: Image,
        scale: float,
        window: Box | None = None,
        face_px: float | None = None,
    ) -> list[Detection]:
        """Search a picture that was made smaller, or a window of it for a face of known size."""
        smallest, largest = self._min_face_px, 0  # 0: as large as the picture
        if face_px is not None:
            smallest = max(smallest, round(face_px / _GROWTH))
            largest = max(smallest, round(face_px * _GROWTH))
        boxes, _, scores = self._cascade().detectMultiScale3(
            grey,
            scaleFactor=_SCALE_STEP,
            minNeighbors=_MIN_NEIGHBOURS,
            minSize=(smallest, smallest),
            maxSize=(largest, largest),
            outputRejectLevels=True,
        )
        height, width = image.shape[:2]
        left, top = (window.x, window.y) if window else (0, 0)
        return [
            Detection(_scaled((x + left, y + top, w, h), scale, width, height), float(score))
            for (x, y, w, h), score in zip(boxes, np.ravel(scores), strict=True)
        ]

    def _cascade(self) -> cv2.CascadeClassifier:
        """Return this thread's own cascade."""
        try:
            cascade: cv2.CascadeClassifier = self._cascades.loaded
        except AttributeError:
            folder = Path(cv2.data.haarcascades)
            cascade = self._cascades.loaded = cv2.CascadeClassifier(str(folder / _CASCADE))
        return cascade


def _grey(image: Image) -> Image:
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _window(face: Box, scale: float, size: tuple[int, int]) -> Box:
    """Return where to look for a face again, in pixels of the picture at that scale."""
    reach = _WINDOW_SIDES * max(face.w, face.h) / 2
    x, y = face.x + face.w / 2, face.y + face.h / 2
    left, top = max(0, round((x - reach) * scale)), max(0, round((y - reach) * scale))
    right = min(size[0], round((x + reach) * scale))
    bottom = min(size[1], round((y + reach) * scale))
    return Box(left, top, max(1, right - left), max(1, bottom - top))


def _scaled(box: Sequence[int], scale: float, width: int, height: int) -> Box:
    """Bring a box back to the picture's own pixels."""
    left, top, w, h = (round(float(value) / scale) for value in box)
    return Box(left, top, min(w, width - left), min(h, height - top))
