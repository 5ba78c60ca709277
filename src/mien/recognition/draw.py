"""Pictures with the faces framed and their expressions written beside them, in English or Korean.

Text goes through Pillow: OpenCV cannot draw Hangul.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from mien.labels import canonical, display_name
from mien.types import Box, Face, Image, check_image

__all__ = ["COLOURS", "annotate", "hangul_font", "readable_names", "text_font"]

logger = logging.getLogger(__name__)

COLOURS = {
    "anger": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (204, 121, 167),
    "happiness": (240, 228, 66),
    "sadness": (0, 114, 178),
    "surprise": (230, 159, 0),
    "neutral": (86, 180, 233),
    "contempt": (0, 0, 0),
}
"""Canonical expression -> RGB. The eight colours of Okabe and Ito, told apart with any colour vision:
https://jfly.uni-koeln.de/color/ . The expression is always written too."""

_OTHER_COLOUR = (153, 153, 153)

_HANGUL_FONTS = (
    "NanumGothic.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "NotoSansKR-Regular.ttf",
    "NotoSansKR-VF.ttf",
    "NanumBarunGothic.ttf",
    "UnDotum.ttf",
    "AppleSDGothicNeo.ttc",
    "AppleGothic.ttf",
    "malgun.ttf",
    "gulim.ttc",
)
"""File names that Pillow looks for in the system's font folders: Linux, macOS, Windows."""

_OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansJP-Regular.otf",
    "ipag.ttf",
    "TakaoPGothic.ttf",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "NotoEmoji-Regular.ttf",
    "Symbola.ttf",
    "DejaVuSans.ttf",
    "FreeSans.ttf",
    "Arial Unicode.ttf",
    "msgothic.ttc",
    "msyh.ttc",
    "seguiemj.ttf",
)
"""The same for what else the name of a recording may hold."""
_NO_LETTER = "\uffff"
"""Unicode promises never to give it a meaning: fonts draw it as what they lack."""

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")

_SMALLEST_TEXT_PX = 7

Font = PIL.ImageFont.FreeTypeFont


def annotate(image: Image, faces: Sequence[Face], lang: str = "en") -> Image:
    """Draw frames, expressions and their confidence on a copy of a picture.

    Where no font on this machine has Hangul, the English names are drawn and a warning says what to install.

    Args:
        image: uint8, (H, W, 3) RGB or (H, W) grey.
        faces: What was recognised in it; faces without a box are left out.
        lang: ``"en"`` or ``"ko"``.

    Returns:
        uint8, (H, W, 3) RGB. All text lies inside; where even the smallest has no room, there is only the frame.

    Raises:
        UnknownNameError: If ``lang`` is no such language.
        InputError: If the array is no picture.
    """
    canvas = PIL.Image.fromarray(check_image(image)).convert("RGB")
    pen = PIL.ImageDraw.Draw(canvas)
    line_px = max(1, round(min(canvas.size) / 240))
    names = readable_names([face.answer for face in faces], lang)
    for face in faces:
        if face.box is not None:
            _draw_frame(pen, face.box, _colour(face), line_px)
    # After all frames, so that none crosses a name.
    for face, name in zip(faces, names, strict=True):
        if face.box is not None:
            _draw_label(pen, canvas.size, face, name)
    return np.array(canvas)


@functools.cache
def hangul_font() -> str | None:
    """Return the path of a font that has Hangul; None if this machine has none."""
    for name in _HANGUL_FONTS:
        try:
            return str(PIL.ImageFont.truetype(name, 12).path)
        except OSError:  # not installed; the next may be
            continue
    return None


def readable_names(expressions: Sequence[str], lang: str) -> list[str]:
    """Return the names to draw, in a language that can be drawn here."""
    names = [display_name(expression, lang) for expression in expressions]
    if hangul_font() is None and any(map(_HANGUL.search, names)):
        _say_that_hangul_is_missing()
        return [display_name(expression) for expression in expressions]
    return names


@functools.cache  # once is enough: a folder may hold thousands of pictures
def _say_that_hangul_is_missing() -> None:
    logger.warning(
        "No font with Hangul was found, so English names are drawn. "
        "Install one, on Debian and Ubuntu: apt install fonts-nanum"
    )


def _colour(face: Face) -> tuple[int, int, int]:
    return COLOURS.get(canonical(face.answer) or "", _OTHER_COLOUR)


def _ink(colour: tuple[int, int, int]) -> str:
    """Return what stands out most from a colour (luma of ITU-R BT.601)."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


def _draw_frame(
    pen: PIL.ImageDraw.ImageDraw, box: Box, colour: tuple[int, int, int], line_px: int
) -> None:
    """A coloured frame with a thin rim, so that it is seen on any ground."""
    outer = (box.x, box.y, box.x + box.w - 1, box.y + box.h - 1)
    rim_px = max(1, line_px // 3)
    pen.rectangle(outer, outline=_ink(colour), width=line_px + 2 * rim_px)
    if min(box.w, box.h) > 4 * rim_px:
        inner = (outer[0] + rim_px, outer[1] + rim_px, outer[2] - rim_px, outer[3] - rim_px)
        pen.rectangle(inner, outline=colour, width=line_px)


def _draw_label(pen: PIL.ImageDraw.ImageDraw, size: tuple[int, int], face: Face, name: str) -> None:
    """Name and confidence above the frame; below it, or inside, where there is no room above."""
    assert face.box is not None
    width, height = size
    fitted = _fit(pen, [f"{name} {face.confidence:.0%}", name], size)
    if fitted is None:
        return
    text, font, pad = fitted
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    w, h = round(right - left) + 2 * pad, round(bottom - top) + 2 * pad
    x = min(max(0, face.box.x), width - w)
    y = face.box.y - h
    if y < 0:
        y = face.box.y + face.box.h
    if y + h > height:
        y = min(max(0, face.box.y), height - h)
    colour = _colour(face)
    pen.rectangle((x, y, x + w - 1, y + h - 1), fill=colour)
    pen.text((x + pad - left, y + pad - top), text, font=font, fill=_ink(colour))


def _fit(
    pen: PIL.ImageDraw.ImageDraw, texts: Sequence[str], size: tuple[int, int]
) -> tuple[str, Font, int] | None:
    """Return the first text that fits the picture, with its font and its padding in px; None if none does."""
    width, height = size
    wanted_px = max(11, round(min(size) / 24))
    for text in texts:
        for text_px in range(wanted_px, _SMALLEST_TEXT_PX - 1, -1):
            font, pad = text_font(text, text_px), max(1, text_px // 5)
            left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
            if right - left + 2 * pad < width and bottom - top + 2 * pad < height:
                return text, font, pad
    return None


def text_font(text: str, size_px: int) -> Font:
    """Return a font that has the letters of a text, or most of them if none here has all."""
    letters = frozenset(text) - frozenset(map(chr, range(128)))
    return _load_font(_font_for(letters) if letters else None, size_px)


@functools.lru_cache(maxsize=64)
def _font_for(letters: frozenset[str]) -> str | None:
    """Return the path of the first font that lacks the fewest letters; None is Pillow's own."""
    hangul = hangul_font()
    fonts = [hangul, None] if any(map(_HANGUL.match, letters)) else [None, hangul]
    lacks: dict[str | None, int] = {}
    for name in (*fonts, *_OTHER_FONTS):
        try:
            font = _load_font(name, 12)
        except OSError:  # not installed
            continue
        nothing = bytes(font.getmask(_NO_LETTER))
        lacks[name] = sum(bytes(font.getmask(letter)) == nothing for letter in letters)
        if not lacks[name]:
            break
    return min(lacks, key=lambda name: lacks[name])


@functools.lru_cache(maxsize=64)
def _load_font(path: str | None, size_px: int) -> Font:
    font = PIL.ImageFont.truetype(path, size_px) if path else PIL.ImageFont.load_default(size_px)
    assert isinstance(font, Font), "Pillow was built without FreeType"
    return font
