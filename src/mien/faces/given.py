"""Faces whose boxes somebody already knows: from another detector, or drawn by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mien.errors import InputError
from mien.faces.crop import CropFrame
from mien.types import Box, Detection, Image

__all__ = ["GivenBoxes"]

_MOST_PICTURES = 2
"""How many times the picture's longer side a box may have: what lies outside the picture is filled, pixel by pixel."""


class GivenBoxes:
    """A detector that sees what it was told."""

    name = "given"

    # Tall and wide boxes become squares around their middle, so that no face is squeezed.
    frame = CropFrame(side=1.0)

    def __init__(self, boxes: Iterable[Box | Sequence[float]]) -> None:
        """Take the boxes.

        Args:
            boxes: Each a `Box`, or x, y, width, height in pixels of the picture; from forehead to chin, as FER2013's
                faces are framed, they are recognised best.

        Raises:
            InputError: If one is no box.
        """
        self._boxes = [_checked(box, number) for number, box in enumerate(boxes)]

    def detect(self, image: Image) -> list[Detection]:
        """Return the boxes in their order, each with score 1.

        Raises:
            InputError: If one lies outside the picture, or is more than twice as large.
        """
        height, width = image.shape[:2]
        for number, box in enumerate(self._boxes):
            if box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0:
                raise InputError(
                    f"Box {number} {box.as_list()} lies outside the picture, which is {width} × {height} px. "
                    "Boxes are x, y, width, height."
                )
            if max(box.w, box.h) > _MOST_PICTURES * max(height, width):
                raise InputError(
                    f"Box {number} {box.as_list()} is far larger than the picture, which is {width} × {height} px. "
                    "Boxes are x, y, width, height."
                )
        return [Detection(box, 1.0) for box in self._boxes]


def _checked(box: Box | Sequence[float], number: int) -> Box:
    try:
        x, y, w, h = box.as_list() if isinstance(box, Box) else (round(float(v)) for v in box)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"Box {number} is {box!r}; expected a Box or four numbers: x, y, width, height."
        ) from None
    if w < 1 or h < 1:
        raise InputError(
            f"Box {number} is {w} × {h} px; expected at least 1 × 1. Boxes are x, y, width, height."
        )
    return Box(x, y, w, h)
