"""Cutting a face out of a picture with the margin that the training faces have.

Each detector draws its boxes in its own way, so each carries the `CropFrame` that turns them into such crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.errors import InputError
from mien.types import Box, Image

__all__ = ["CropFrame", "crop_face"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropFrame:
    """How a square crop lies around a detector's box."""

    side: float
    """Side of the crop, in longer sides of the box."""
    right: float = 0.0
    """How far the crop's centre is right of the box's, in longer sides of the box."""
    down: float = 0.0
    """How far it is below."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.side <= 10:
            raise InputError(f"A crop of {self.side} box sides was asked for; expected 0.1 to 10.")


def crop_face(image: Image, box: Box, frame: CropFrame | None) -> Image:
    """Cut a face out.

    Args:
        image: uint8, (H, W, 3) or (H, W).
        box: Where a detector saw the face; it may reach over the border.
        frame: How the crop lies around it; None takes the box itself, square or not.

    Returns:
        The crop, square if there is a frame. What lies outside the picture repeats its outermost pixels,
        so that a face at the border keeps its proportions.
    """
    if frame is None:
        return _window(image, box.x, box.y, box.w, box.h)
    longer = max(box.w, box.h)
    side = max(1, round(frame.side * longer))
    left = round(box.x + box.w / 2 + frame.right * longer - side / 2)
    top = round(box.y + box.h / 2 + frame.down * longer - side / 2)
    return _window(image, left, top, side, side)


def _window(image: Image, left: int, top: int, width: int, height: int) -> Image:
    rows, columns = image.shape[:2]
    if left >= 0 and top >= 0 and left + width <= columns and top + height <= rows:
        return image[top : top + height, left : left + width]
    y = np.arange(top, top + height).clip(0, rows - 1)
    x = np.arange(left, left + width).clip(0, columns - 1)
    window: Image = image[y[:, None], x]
    return window
