"""A sheet of mistakes as one PNG, drawn with Pillow: faces large, their words below, doubtful labels marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from mien.errors import InputError
from mien.evaluation.mistakes import Mistake
from mien.replacing import whole_file

__all__ = ["mistakes_sheet"]

_FACE, _GAP, _WORDS, _HEAD = 144, 14, 78, 58  # px
_COLUMNS = 8
_LEGEND = "double frame and ? : the label is in doubt, for the reason below the face"
_INK, _GREY, _VERMILION, _PURPLE, _PAPER = "#1f2933", "#5f6b7a", "#D55E00", "#8a2a74", "white"


def mistakes_sheet(
    mistakes: Sequence[Mistake], images: NDArray[np.uint8], path: Path, title: str
) -> None:
    """Draw mistakes: the face, label and answer with its confidence, and below it why the label is in doubt.

    Doubtful ones have a double frame and a question mark, so that they can be told without colours.

    Args:
        mistakes: At least one.
        images: uint8 (n, H, W), one for each mistake.
        path: The PNG to write.
        title: Stands above them.

    Raises:
        InputError: If there are no mistakes, or the file cannot be written.
    """
    if not mistakes:
        raise InputError("There are no mistakes to draw; give at least one.")
    columns = min(_COLUMNS, max(4, len(mistakes)))
    lines = -(-len(mistakes) // columns)
    width = _GAP + columns * (_FACE + _GAP)
    sheet = PIL.Image.new("RGB", (width, _HEAD + lines * (_FACE + _WORDS + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 12), _cut(draw, title, _font(17), width - 2 * _GAP), _INK, _font(17))
    draw.text((_GAP, 35), _LEGEND, _PURPLE, _font(12))
    for index, (mistake, image) in enumerate(zip(mistakes, images, strict=True)):
        line, column = divmod(index, columns)
        left, top = _GAP + column * (_FACE + _GAP), _HEAD + line * (_FACE + _WORDS + _GAP)
        face = cv2.resize(image, (_FACE, _FACE), interpolation=cv2.INTER_NEAREST)
        sheet.paste(PIL.Image.fromarray(face), (left, top))
        _write_below(draw, mistake, left, top)
    with whole_file(path) as partial:
        sheet.save(partial, format="PNG")


def _write_below(draw: ImageDraw.ImageDraw, mistake: Mistake, left: int, top: int) -> None:
    colour = _PURPLE if mistake.doubts else _VERMILION
    box = (left, top, left + _FACE - 1, top + _FACE - 1)
    draw.rectangle(box, outline=colour, width=2)
    if mistake.doubts:
        draw.rectangle(
            tuple(x + d for x, d in zip(box, (4, 4, -4, -4), strict=True)), outline=colour
        )
    lines = [
        (f"{mistake.answer}, {mistake.confidence:.0%} sure", colour, _font(13)),
        (f"labelled {mistake.truth}", _INK, _font(13)),
    ]
    lines += [(f"? {_doubt(mistake)}", _PURPLE, _font(11))] if mistake.doubts else []
    lines += [(mistake.name, _GREY, _font(11))]
    for number, (text, ink, font) in enumerate(lines):
        draw.text((left, top + _FACE + 4 + 18 * number), _cut(draw, text, font, _FACE), ink, font)


def _doubt(mistake: Mistake) -> str:
    """The first doubt with what was found, and how many more there are."""
    (reason, found), *more = mistake.doubts.items()
    return f"{reason}: {found}" + (f" +{len(more)}" if more else "")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _cut(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
) -> str:
    """Shorten a line that would run into its neighbour."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text.rstrip() + "…"
