"""Many small faces on one picture, in rows with a title: for looking at data and at what augmentation does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

from mien.data.dataset import SPLITS, Dataset
from mien.errors import InputError
from mien.types import Image

__all__ = ["Strip", "contact_sheet", "sample_strips"]

_FACE_PX, _GAP_PX, _MARGIN_PX = 72, 4, 16
_TITLE_PX, _LEFT_PX = 15, 170
_INK, _QUIET, _PAPER = (31, 41, 51), (103, 114, 126), (255, 255, 255)
_MOST_FACES = 5000


@dataclass(frozen=True, eq=False, kw_only=True)
class Strip:
    """One row of a sheet."""

    title: str
    note: str = ""
    """Stands smaller below the title."""
    images: Sequence[NDArray[np.uint8]]
    """Grey faces, (H, W) each."""
    heading: str = ""
    """Stands above the row, where a new part of the sheet begins."""


def contact_sheet(strips: Sequence[Strip]) -> Image:
    """Draw rows of faces, each with its title on the left.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InputError: If there is nothing to show, or more than anyone could look at.
    """
    num_faces = sum(len(strip.images) for strip in strips)
    if not 0 < num_faces <= _MOST_FACES:
        raise InputError(
            f"A sheet of {num_faces:,} faces was asked for; expected 1 to {_MOST_FACES:,}."
        )
    columns = max(len(strip.images) for strip in strips)
    step = _FACE_PX + _GAP_PX
    heights = [step + (2 * _TITLE_PX + _GAP_PX if strip.heading else 0) for strip in strips]
    size = (_LEFT_PX + columns * step + 2 * _MARGIN_PX, sum(heights) + 2 * _MARGIN_PX)
    canvas = PIL.Image.new("RGB", size, _PAPER)
    pen = PIL.ImageDraw.Draw(canvas)
    y = _MARGIN_PX
    for strip, height in zip(strips, heights, strict=True):
        if strip.heading:
            pen.text((_MARGIN_PX, y + _GAP_PX), strip.heading, fill=_INK, font=_font(_TITLE_PX + 2))
        top = y + height - step
        middle = top + _FACE_PX // 2
        pen.text(
            (_MARGIN_PX, middle - 8), strip.title, fill=_INK, font=_font(_TITLE_PX), anchor="lm"
        )
        pen.text((_MARGIN_PX, middle + 11), strip.note, fill=_QUIET, font=_font(12), anchor="lm")
        for place, image in enumerate(strip.images):
            face = PIL.Image.fromarray(image).resize(
                (_FACE_PX, _FACE_PX), PIL.Image.Resampling.BICUBIC
            )
            canvas.paste(face, (_MARGIN_PX + _LEFT_PX + place * step, top))
        y += height
    return np.asarray(canvas, np.uint8)


def sample_strips(dataset: Dataset, per_class: int, generator: np.random.Generator) -> list[Strip]:
    """Return one strip for each class of each split, of faces drawn at random.

    Pictures without a label form a strip of their own.

    Args:
        dataset: The data.
        per_class: The most faces in a strip.
        generator: Draws them.
    """
    strips = []
    for index, split in enumerate(SPLITS):
        heading = f"{split}: {int((dataset.split == index).sum()):,} pictures"
        for label in (*range(len(dataset.label_names)), -1):
            rows = np.flatnonzero((dataset.split == index) & (dataset.labels == label))
            if not len(rows):
                continue
            drawn = np.sort(generator.permutation(rows)[:per_class])
            strips.append(
                Strip(
                    title="no label" if label < 0 else dataset.label_names[label],
                    note=f"{len(rows):,}",
                    images=list(dataset.images[drawn]),
                    heading=heading,
                )
            )
            heading = ""
    return strips


def _font(size_px: int) -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    return PIL.ImageFont.load_default(size_px)
