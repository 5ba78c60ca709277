"""Drawn faces whose expression is in the drawing: for tests, demonstrations and the smoke recipe.

No photograph is involved and nothing is learned here about people; a network that reads these reads drawings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import SPLITS, Dataset
from mien.errors import InputError
from mien.labels import FER2013, FERPLUS, FERPLUS_VOTES, canonical, expression_indices
from mien.types import Box, Image

__all__ = ["draw_faces", "draw_scene"]


@dataclass(frozen=True, kw_only=True)
class _Features:
    """What an expression does to a face; lengths in units of the face's half width."""

    smile: float = 0.0
    """How far the corners of the mouth rise above its middle."""
    gape: float = 0.0
    """Half height of the open mouth."""
    mouth_width: float = 0.36
    lopsided: float = 0.0
    """How far one corner rises alone."""
    brow_height: float = 0.0
    """How far the brows rise."""
    brow_slant: float = 0.0
    """How far their inner ends rise above the outer."""
    eye_open: float = 0.1
    """Half height of the eyes."""
    wrinkle: float = 0.0
    """Depth of the folds beside the nose."""


_EXPRESSIONS = {  # by FER+'s names
    "neutral": _Features(),
    "happiness": _Features(smile=0.2, mouth_width=0.46, gape=0.05, eye_open=0.08),
    "surprise": _Features(gape=0.24, mouth_width=0.2, brow_height=0.11, eye_open=0.14),
    "sadness": _Features(smile=-0.15, brow_slant=0.14, eye_open=0.07),
    "anger": _Features(
        smile=-0.07, mouth_width=0.32, brow_slant=-0.17, brow_height=-0.08, eye_open=0.08
    ),
    "disgust": _Features(
        smile=-0.12, wrinkle=0.22, brow_height=-0.07, eye_open=0.045, mouth_width=0.3
    ),
    "fear": _Features(gape=0.1, mouth_width=0.42, brow_height=0.08, brow_slant=0.12, eye_open=0.13),
    "contempt": _Features(lopsided=0.2),
}

_CONTEMPT = FERPLUS.labels.index("contempt")
_NEUTRAL = FERPLUS.labels.index("neutral")
_AS_FERPLUS = expression_indices(FERPLUS.labels, FER2013.labels)

_LAP = 2 * len(FER2013)
"""Faces until the expressions begin again."""

_OVERSAMPLING = 3
_SHIFT = 4
_SUBPIXELS = 2**_SHIFT
"""OpenCV takes coordinates as whole numbers with so many bits behind the point."""

_SPLIT_CYCLE = ("train",) * 8 + ("valid", "test")


def draw_faces(num: int, seed: int, size: int = 48) -> Dataset:
    """Draw faces as a data set with FER2013 labels and FER+ votes.

    Expressions come equally often in each split, eight faces in ten are for training. Place, scale, tilt, tones,
    light and noise vary.

    Args:
        num: How many; at least 1.
        seed: The same seed gives the same faces; more of them begin with those of fewer.
        size: Height and width, px.

    Returns:
        Faces with labels, ten votes each, and splits.

    Raises:
        InputError: If ``num`` is not positive.
    """
    if num < 1:
        raise InputError(f"{num} faces cannot be drawn; expected 1 or more.")
    generator = np.random.default_rng(seed)
    images = np.empty((num, size, size), np.uint8)
    votes = np.empty((num, len(FERPLUS_VOTES)), np.uint8)
    labels = np.empty(num, np.int64)
    split = np.empty(num, np.uint8)
    for place in range(num):
        position, lap = place % _LAP, place // _LAP
        labels[place] = position % len(FER2013)
        # Every second neutral face is one of contempt, which FER2013 does not know.
        kind = _CONTEMPT if position == _LAP - 1 else int(_AS_FERPLUS[labels[place]])
        # The diagonal gives small sets every split, and after ten laps every split all expressions equally often.
        split[place] = SPLITS.index(_SPLIT_CYCLE[(position + lap) % len(_SPLIT_CYCLE)])
        images[place] = _draw_crop(_EXPRESSIONS[FERPLUS.labels[kind]], size, generator)
        votes[place] = _vote(kind, generator)
    return Dataset(
        images=images,
        labels=labels,
        label_names=FER2013.labels,
        split=split,
        votes=votes,
        names=np.array([f"drawn {place}" for place in range(num)], str),
        layout="synthetic",
    )


def draw_scene(
    expressions: Sequence[str], seed: int, width_px: int = 640, height_px: int = 480
) -> tuple[Image, list[Box]]:
    """Draw a picture with faces side by side, for tests of finding and reading them.

    OpenCV's Haar cascade finds all of them but the wide eyes of surprise and fear, half of which it passes over.

    Args:
        expressions: One a face, from left to right, in any spelling that `labels.canonical` knows.
        seed: The same seed gives the same picture.
        width_px: Width of the picture.
        height_px: Height of the picture.

    Returns:
        The picture, RGB (H, W, 3), and the box of each face: its head without hair.

    Raises:
        InputError: If an expression is not one of FER+'s.
    """
    generator = np.random.default_rng(seed)
    canvas = np.full((height_px, width_px), generator.uniform(150, 200), np.float32)
    room = width_px / max(len(expressions), 1)
    boxes = []
    for place, expression in enumerate(expressions):
        features = _features(expression)
        half = 0.5 * min(room, height_px) * generator.uniform(0.5, 0.62)
        centre = (room * (place + 0.5), height_px * generator.uniform(0.48, 0.54))
        _draw_face(canvas, centre, half, features, generator)
        boxes.append(
            Box(round(centre[0] - half), round(centre[1] - half), round(2 * half), round(2 * half))
        )
    grey = _develop(canvas, noise=2.0, generator=generator)[:, :, None].astype(np.float32)
    # Warm, so that colour is not grey three times over.
    tint = np.array([1.0, 0.9, 0.8], np.float32)
    return np.clip(grey * tint, 0, 255).astype(np.uint8), boxes


def _features(expression: str) -> _Features:
    for name, features in _EXPRESSIONS.items():
        if canonical(name) == canonical(expression):
            return features
    raise InputError(f"'{expression}' cannot be drawn; expected one of {', '.join(_EXPRESSIONS)}.")


def _vote(kind: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Ten votes, most of them for what is drawn, some for neutral, few for anything else but NF."""
    chances = np.full(len(FERPLUS_VOTES), 0.01)
    chances[FERPLUS_VOTES.labels.index("NF")] = 0.0
    chances[_NEUTRAL] += 0.05
    chances[kind] += 1.0 - chances.sum()
    return generator.multinomial(10, chances).astype(np.uint8)


def _draw_crop(features: _Features, size: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One face that fills its picture as FER2013's do."""
    side = size * _OVERSAMPLING
    canvas = np.full((side, side), generator.uniform(40, 215), np.float32)
    centre = (side * generator.uniform(0.46, 0.54), side * generator.uniform(0.46, 0.54))
    _draw_face(canvas, centre, side * generator.uniform(0.4, 0.48), features, generator)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return _develop(
        np.asarray(small, np.float32), noise=generator.uniform(2, 8), generator=generator
    )


def _develop(
    canvas: NDArray[np.float32], *, noise: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Light that falls from one side, then noise."""
    height, width = canvas.shape
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * generator.uniform(-0.2, 0.2)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * generator.uniform(-0.1, 0.1)
    grain = generator.normal(0, noise, canvas.shape)
    return np.clip(canvas * (1 + across + down) + grain, 0, 255).astype(np.uint8)


class _Pen:
    """Draws on a canvas in the face's own coordinates: x right, y up, 1 is half the width of the head."""

    def __init__(
        self, canvas: NDArray[np.float32], centre: tuple[float, float], half: float, tilt_deg: float
    ) -> None:
        self._canvas = canvas
        self._centre = np.array(centre)
        self._half = half
        self._tilt_deg = tilt_deg
        cos, sin = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
        self._turn = np.array([[cos, -sin], [sin, cos]])

    def ellipse(self, centre: tuple[float, float], radii: tuple[float, float], tone: float) -> None:
        """Fill an ellipse."""
        x, y = self._pixels(np.array([centre]))[0].tolist()
        axes = tuple(max(1, round(radius * self._half * _SUBPIXELS)) for radius in radii)
        cv2.ellipse(
            self._canvas, (x, y), axes, self._tilt_deg, 0, 360, tone, -1, cv2.LINE_8, _SHIFT
        )

    def shape(self, points: NDArray[np.floating], tone: float) -> None:
        """Fill a polygon of (K, 2) points."""
        cv2.fillPoly(self._canvas, [self._pixels(points)], tone, cv2.LINE_8, _SHIFT)

    def line(self, points: NDArray[np.floating], width: float, tone: float) -> None:
        """Draw a line through (K, 2) points."""
        width_px = max(1, round(width * self._half))
        cv2.polylines(
            self._canvas, [self._pixels(points)], False, tone, width_px, cv2.LINE_8, _SHIFT
        )

    def _pixels(self, points: NDArray[np.floating]) -> NDArray[np.int32]:
        flipped = points * np.array([1.0, -1.0]) * self._half
        placed = flipped @ self._turn.T + self._centre
        rounded: NDArray[np.int32] = np.round(placed * _SUBPIXELS).astype(np.int32)
        return rounded


def _draw_face(
    canvas: NDArray[np.float32],
    centre: tuple[float, float],
    half: float,
    features: _Features,
    generator: np.random.Generator,
) -> None:
    pen = _Pen(canvas, centre, half, generator.uniform(-8, 8))
    skin = generator.uniform(95, 225)
    dark = skin * generator.uniform(0.2, 0.4)
    hair = generator.uniform(15, 90)
    pen.ellipse((0, 0.3), (0.92, 1.0), hair)
    pen.ellipse((0, -0.08), (0.8, 1.0), skin)
    for side in (-1.0, 1.0):
        _draw_eye(pen, side, features, skin, dark)
    nose = generator.uniform(0.1, 0.15)
    pen.shape(np.array([(-nose, -0.22), (nose, -0.22), (0.0, -0.14)]), skin * 0.7)
    _draw_mouth(pen, features, skin, dark)


def _draw_eye(pen: _Pen, side: float, features: _Features, skin: float, dark: float) -> None:
    x, y = side * 0.34, 0.14
    # The socket, which face detectors look for.
    pen.ellipse((x, y + 0.03), (0.24, 0.17), skin * 0.75)
    pen.ellipse((x, y), (0.15, features.eye_open), min(255.0, skin * 1.1))
    iris = min(0.1, features.eye_open)
    pen.ellipse((x, y), (iris, iris), dark * 0.5)
    brow_y = y + 0.25 + features.brow_height
    inner = (side * 0.14, brow_y + features.brow_slant)
    pen.line(
        np.array([inner, (x, brow_y + 0.03), (side * 0.56, brow_y - 0.4 * features.brow_slant)]),
        0.08,
        dark,
    )
    if features.wrinkle:
        fold = np.array(
            [
                (side * 0.1, 0.02),
                (side * 0.24, -0.1),
                (side * 0.24 + side * features.wrinkle * 0.6, -0.32),
            ]
        )
        pen.line(fold, 0.05, skin * 0.6)


def _draw_mouth(pen: _Pen, features: _Features, skin: float, dark: float) -> None:
    across = np.linspace(-1, 1, 17)
    rise = features.smile * across**2 + features.lopsided * np.clip(across, 0, None) ** 2
    middle = np.stack([across * features.mouth_width, rise - 0.55 - features.smile / 2], axis=1)
    opening = np.stack([np.zeros_like(across), features.gape * np.sqrt(1 - across**2)], axis=1)
    pen.shape(np.concatenate([middle + opening, (middle - opening)[::-1]]), dark * 0.6)
    pen.line(middle + opening, 0.06, dark)
    pen.line(middle - opening, 0.06, skin * 0.55)
