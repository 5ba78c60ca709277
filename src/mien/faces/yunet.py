"""Faces with five landmarks, found by YuNet.

Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 2023,
https://doi.org/10.1007/s11633-023-1423-y. Its file is MIT-licensed and does not come with mien: `mien fetch yunet`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.download import RemoteFile
from mien.errors import InputError, ModelFileError
from mien.faces.crop import CropFrame
from mien.faces.looks import (
    CELL_PX,
    LARGE_PX,
    elsewhere,
    is_cut_off,
    is_much_closer,
    joined,
    sides,
    tiles,
)
from mien.faces.near import found_again
from mien.faces.overlap import distinct
from mien.faces.scaled import scaled, scaled_size
from mien.faces.yunet_network import YuNetNetwork
from mien.paths import yunet_path
from mien.types import Box, Detection, Image

__all__ = ["FETCH_REMEDY", "YUNET_FILE", "YuNetDetector"]

YUNET_FILE = RemoteFile(
    name="face_detection_yunet_2023mar.onnx",
    # The zoo keeps its models in git LFS; this host gives the file itself, not the pointer to it.
    url="https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/"
    "face_detection_yunet/face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    size_bytes=232_589,
    licence="MIT",
    source="https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet",
)

FETCH_REMEDY = (
    f"Without a network: copy {YUNET_FILE.name} of the OpenCV model zoo from another machine "
    "and name it with --detector-file FILE or MIEN_YUNET=FILE"
)

_SCORE_THRESHOLD = 0.7
"""On 24 pictures of scikit-image without faces 0.5 saw three, up to 0.64; of FER2013's faces, 160 px of 640, one in
twenty scores below 0.85."""

_MAX_OVERLAP = 0.3
_ENOUGH_PX = 192
"""Smaller pictures are enlarged to this: of FER2013's bare 48 px faces it then finds all."""

_REACH = 0.3
_LEAST_REACH_PX = 16
"""How far around a known face to look, in longer sides of it; and at least so far, since a small one is soon elsewhere."""
_WORTH_IT = 0.7
"""If the windows are more than this part of the whole, a look at everything is the better one."""


class YuNetDetector:
    """Finds faces, leaning and half-turned ones too, and where eyes, nose and mouth are.

    A picture is searched small, where large faces are, and then at larger sizes, where small ones are. Of 40
    clear faces of 80 px in 4,000 × 3,000 px a look at 640 px sees none, one at 1,280 px 39, one at 1,920 px all.
    """

    name = "yunet"

    # FER2013's own faces lie 0.985 (median of 388; quartiles 0.89 and 1.07) around its boxes, 0.017 above their middle:
    # benchmarks/crop_margin.py. As a crop that cuts into the face costs more than one with a margin, a wider one is
    # read better: on 1,047 faces of PublicTest 0.985 lost 3.0 points to the given crops, 1.08 to 1.09 lost 1.6.
    frame = CropFrame(side=1.08, down=-0.017)

    def __init__(
        self, file: Path | None = None, max_side_px: int = 320, closer_side_px: int = 1920
    ) -> None:
        """Load the network.

        Args:
            file: Of the network; None for ``MIEN_YUNET`` or what `mien fetch yunet` left in the cache.
            max_side_px: Longer side at which pictures are searched first. YuNet sees faces of 10 to 300 px, and reliably
                from 30.
            closer_side_px: Longer side for the last look; ``max_side_px`` or less for none. Larger finds smaller faces
                in crowds, and takes longer.

        Raises:
            ModelFileError: If the file is not there, or is not YuNet's.
            InputError: If a size is out of range.
        """
        if not 64 <= max_side_px <= 4096 or closer_side_px > 4096:
            raise InputError(
                f"YuNetDetector searches pictures of {max_side_px} px, then {closer_side_px} px; "
                "expected 64 to 4096."
            )
        self._network = YuNetNetwork(
            _verified(file or yunet_path()), _SCORE_THRESHOLD, _MAX_OVERLAP
        )
        self._first_px = max_side_px
        self._last_px = max(max_side_px, closer_side_px)

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces in a picture, largest first, with landmarks; see `Detector.detect`.

        A score is in [0, 1]: the root of the network's certainties of a face and of its place.
        """
        return self._look(image, self._last_px)

    def detect_within(self, image: Image, side_px: int) -> list[Detection]:
        """Find the faces, searching at no larger a side; see `FollowingDetector.detect_within`."""
        return self._look(image, side_px)

    def detect_near(
        self, image: Image, faces: Sequence[Box], side_px: int
    ) -> list[Detection] | None:
        """Find known faces again; see `FollowingDetector.detect_near`.

        Each is searched at the scale, and with the pixels, at which a look at the whole picture finds it, since YuNet's
        boxes depend on both: on a clip of a talking person they then agree to an IoU of 0.97, at other scales to 0.87.
        """
        height, width = image.shape[:2]
        longer = max(height, width)
        sides_px = self._sides(longer, side_px)
        scales = [_scale(longer, side) for side in sides_px]
        if max(scales) > 1:
            return None
        looks = [_first_large(face, scales) for face in faces]
        is_closer_taken = any(looks) or is_much_closer(sides_px[-1], sides_px[0])
        whole_px = (
            width * height * sum(scale**2 for scale in scales[: None if is_closer_taken else 1])
        )
        windows = []
        for face, look in zip(faces, looks, strict=True):
            scale = scales[look]
            windows.append((scale, _window(face, scale, scaled_size(image, scale))))
        if sum(window.w * window.h for _, window in windows) > _WORTH_IT * whole_px:
            return None
        found = []
        for face, (scale, window) in zip(faces, windows, strict=True):
            again = found_again(self._search(image, scale, window), face, window, scale, image)
            if again is None:
                return None
            found.append(again)
        return found if len(distinct(found)) == len(found) else None

    def _sides(self, longer_px: int, side_px: int) -> list[int]:
        first_px = min(self._first_px, side_px)
        return sides(first_px, side_px if self._last_px > self._first_px else 0, longer_px)

    def _look(self, image: Image, side_px: int) -> list[Detection]:
        longer = max(image.shape[:2])
        sides_px = self._sides(longer, side_px)
        scale = _scale(longer, sides_px[0])
        found = distinct(self._search(image, scale))
        for before_px, closer_px in itertools.pairwise(sides_px):
            large = [max(face.box.w, face.box.h) * scale >= LARGE_PX for face in found]
            if found and all(large) and not is_much_closer(closer_px, before_px):
                break
            scale = _scale(longer, closer_px)
            reach_px = math.ceil(LARGE_PX * closer_px / before_px)
            found = joined(found, large, self._search_parts(image, scale, reach_px))
        return sorted(found, key=lambda face: (-face.box.w * face.box.h, face.box.x))

    def _search_parts(self, image: Image, scale: float, reach_px: int) -> list[Detection]:
        """Search the picture part by part. A face that one part cuts off is mostly whole in another, whatever the scores."""
        whole: list[Detection] = []
        cut_off: list[Detection] = []
        for part in tiles(*scaled_size(image, scale), reach_px):
            for face in self._search(image, scale, part):
                (cut_off if is_cut_off(face.box, part, scale, image) else whole).append(face)
        return [*whole, *elsewhere(cut_off, whole)]

    def _search(self, image: Image, scale: float, part: Box | None = None) -> list[Detection]:
        """Search the picture at a scale, or a part of it; the part is in pixels of that scale."""
        height, width = image.shape[:2]
        if scale > 1:
            size = scaled_size(image, scale)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        elif part is not None:
            image = scaled(image, scale, part)
        elif scale < 1:
            image = scaled(image, scale)
        order = cv2.COLOR_RGB2BGR if image.ndim == 3 else cv2.COLOR_GRAY2BGR
        bgr = np.asarray(cv2.cvtColor(image, order), np.uint8)
        rows = self._network.search(bgr)
        if part is not None:
            rows += np.array([part.x, part.y, 0, 0, *([part.x, part.y] * 5), 0], np.float32)
        found = (_detection(row, scale, width, height) for row in rows)
        return [face for face in found if face is not None]


def _verified(path: Path) -> bytes:
    """Read the file; the bytes that were checked are those that are run."""
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(
            f"YuNet's file is not at {path}. Fetch it once: mien fetch yunet. {FETCH_REMEDY}"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from None
    digest = hashlib.sha256(body).hexdigest()
    if digest != YUNET_FILE.sha256:
        raise ModelFileError(
            f"{path} is not {YUNET_FILE.name}: its SHA-256 is {digest[:16]}…, expected {YUNET_FILE.sha256[:16]}…. "
            "Fetch it again: mien fetch yunet"
        )
    return body


def _scale(longer: int, side_px: int) -> float:
    """Return what the picture is multiplied by, so that its longer side lies within what YuNet sees well."""
    if longer > side_px:
        return side_px / longer
    return max(1.0, min(_ENOUGH_PX, side_px) / longer)


def _first_large(face: Box, scales: Sequence[float]) -> int:
    """Return which look a face of this size comes from: the first in which it is large, else the closest."""
    longer = max(face.w, face.h)
    found = (number for number, scale in enumerate(scales) if longer * scale >= LARGE_PX)
    return next(found, len(scales) - 1)


def _window(face: Box, scale: float, size: tuple[int, int]) -> Box:
    """Return where to look for a face again, in pixels of the picture at that scale."""
    reach = max(_REACH * max(face.w, face.h) * scale, _LEAST_REACH_PX)
    left, right = _cells(face.x * scale - reach, (face.x + face.w) * scale + reach, size[0])
    top, bottom = _cells(face.y * scale - reach, (face.y + face.h) * scale + reach, size[1])
    return Box(left, top, right - left, bottom - top)


def _cells(start: float, end: float, limit: int) -> tuple[int, int]:
    """Widen a span to whole cells, at least one, inside the picture."""
    last = (limit - 1) // CELL_PX
    first = min(max(0, math.floor(start / CELL_PX)), last)
    return first * CELL_PX, min(limit, max(first + 1, math.ceil(end / CELL_PX)) * CELL_PX)


def _detection(row: NDArray[np.float32], scale: float, width: int, height: int) -> Detection | None:
    """Bring a face back to the picture's own pixels; None if nothing of its box lies inside."""
    left, top, w, h = (row[:4] / scale).tolist()
    x, y = max(0, round(left)), max(0, round(top))
    right, bottom = min(width, round(left + w)), min(height, round(top + h))
    if right <= x or bottom <= y:
        return None
    landmarks = (row[4:14] / scale).reshape(5, 2).astype(np.float32)
    return Detection(Box(x, y, right - x, bottom - y), float(row[14]), landmarks)
