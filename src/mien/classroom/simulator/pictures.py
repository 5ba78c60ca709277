"""JPEG frames for a whole server to look at: drawn faces that follow the script, or a recording over and over."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import PIL.Image

from mien.classroom.signals import State
from mien.errors import VideoError
from mien.recognition.source import open_source
from mien.types import Image

__all__ = ["FRAME_SIZE", "DrawScene", "FramePainter", "recorded_frames"]

FRAME_SIZE = (320, 240)
"""Width and height in px, as a page sends."""

_JPEG_QUALITY = 80
_VARIANTS = 4
"""Different pictures of one student in one state; more would only cost time."""
_JITTER_PX = 3
_GRAIN = 3.0
_BLUR_PX = 6.0

_DRAWN_AS = {
    State.STEADY: "neutral",
    State.STRAINED: "sadness",
    State.POSITIVE: "happiness",
    State.SURPRISED: "surprise",
    State.TURNED: "neutral",
    State.NO_DATA: "neutral",
}


class DrawScene(Protocol):
    """`mien.data.synthetic.draw_scene`; given by the caller, because a classroom imports no data sets."""

    def __call__(
        self, expressions: Sequence[str], seed: int, width_px: int, height_px: int
    ) -> tuple[Image, Any]:
        """Draw faces side by side; the same seed gives the same picture."""
        ...


class FramePainter:
    """Draws the frames of scripted students. The same student always has the same face."""

    def __init__(self, draw_scene: DrawScene, seed: int = 0) -> None:
        """Begin; pictures are drawn when they are first asked for, and kept.

        Args:
            draw_scene: Draws a face with an expression.
            seed: The same seed gives the same class.
        """
        self._draw_scene = draw_scene
        self._seed = seed
        self._kept: dict[tuple[int, State, int], bytes] = {}

    def frame(self, student: int, state: State, number: int) -> bytes:
        """Return one frame as JPEG.

        A network reads drawings in its own way, so a drawn smile need not come out as positive: these frames try the
        way through a server, the scripted observations try the states.

        Args:
            student: Number from 0.
            state: What the script says. Away is an empty room, no data a blurred face, turned a squeezed one at the side,
                which detectors still take for one that looks ahead.
            number: Of the frame; a few variants take turns.
        """
        key = (student, state, number % _VARIANTS)
        if key not in self._kept:
            self._kept[key] = _jpeg(self._paint(*key))
        return self._kept[key]

    def _paint(self, student: int, state: State, variant: int) -> Image:
        width, height = FRAME_SIZE
        expressions = [] if state is State.AWAY else [_DRAWN_AS[state]]
        image, _ = self._draw_scene(
            expressions, seed=1000 * self._seed + student, width_px=width, height_px=height
        )
        if state is State.TURNED:
            image = _turned(image)
        if state is State.NO_DATA:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), _BLUR_PX), np.uint8)
        generator = np.random.default_rng([self._seed, 3, student, variant])
        moved = np.roll(image, generator.integers(-_JITTER_PX, _JITTER_PX + 1, 2), axis=(0, 1))
        grainy = moved + generator.normal(0, _GRAIN, moved.shape)
        return np.clip(grainy, 0, 255).astype(np.uint8)


def recorded_frames(path: Path, fps: float) -> Iterator[bytes]:
    """Give a recording's frames as JPEG in a page's size, over and over; the middle of wider pictures.

    Args:
        path: A video file of your own.
        fps: How many frames of each of its seconds are taken.

    Raises:
        VideoError: If it cannot be opened, or has no frame.
    """
    while True:
        num_frames = 0
        with open_source(path) as source:
            for frame in source.frames(fps=fps):
                num_frames += 1
                yield _jpeg(_to_frame(frame.image))
        if not num_frames:
            raise VideoError(f"{path} has no frame to send. Give a recording with faces.")


def _to_frame(image: Image) -> Image:
    """Scale a picture until it covers a frame, and cut out the middle."""
    width, height = FRAME_SIZE
    scale = max(width / image.shape[1], height / image.shape[0])
    size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
    scaled = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return scaled[top : top + height, left : left + width]


def _turned(image: Image) -> Image:
    """Squeeze the half of the face that turns away, as perspective does in a half profile."""
    height, width = image.shape[:2]
    across = np.linspace(-1, 1, width, dtype=np.float32)
    # Columns near the far side are taken from further out; the near side is stretched.
    source = (across + 0.45 * (1 - across**2) + 1) / 2 * (width - 1)
    columns = np.broadcast_to(source.astype(np.float32), (height, width))
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width))
    warped = cv2.remap(
        image, np.ascontiguousarray(columns), np.ascontiguousarray(rows), cv2.INTER_LINEAR
    )
    return np.asarray(warped, np.uint8)


def _jpeg(image: Image) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
