"""From the bytes of a frame to an `Observation`. Pixels live in here only; nothing of them is written, logged or kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien import images
from mien.classroom.signals.observation import EXPRESSIONS, Observation
from mien.errors import ImageError
from mien.faces import Corners, Detector, area_of, crop_detection, open_detector, yaw_deg
from mien.labels import convert_probs
from mien.recognition.recognizer import Recognizer
from mien.types import Detection, Image

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "FrameReader",
    "FrameReading",
    "open_frame_reader",
]

MAX_BYTES = 64 * 1024
MAX_PIXELS = 640 * 480
"""Four times what a page sends. A larger picture is refused by its header: 64 KiB of JPEG can claim 50 megapixels."""

_JPEG_START = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReading:
    """What a frame gave, and what its owner may be shown of how."""

    observation: Observation
    width_px: int
    height_px: int
    crop: Corners | None
    """The square that was looked at, in pixels of the frame; it leans where the face leans, and may reach over the border.
    None unless there was exactly one face."""


class FrameReader:
    """A detector and, where expressions may be read, a network; several threads may use one at the same time."""

    def __init__(self, detector: Detector, recognizer: Recognizer | None) -> None:
        """Take both.

        Args:
            detector: Finds faces.
            recognizer: Reads expressions with its FER+ head; None in presence mode.
        """
        self._detector = detector
        self._recognizer = recognizer

    @property
    def reads_expressions(self) -> bool:
        """Whether there is a network."""
        return self._recognizer is not None

    def read(self, data: bytes, time_s: float) -> FrameReading:
        """Look at one frame.

        The network is asked only when there is exactly one face: whoever else walks through the picture has not consented.

        Args:
            data: A JPEG of at most `MAX_BYTES` and `MAX_PIXELS`.
            time_s: When it arrived, in seconds since the lesson's start.

        Raises:
            ImageError: If it is no such picture.
        """
        if len(data) > MAX_BYTES:
            raise ImageError(f"A frame has {len(data)} bytes; at most {MAX_BYTES} are taken.")
        if not data.startswith(_JPEG_START):
            raise ImageError("A frame is no JPEG; expected one of 320 × 240 px.")
        image = images.decode(data, "A frame", MAX_PIXELS)
        faces = self._detector.detect(image)
        observation, corners = Observation(time_s=time_s, faces=len(faces)), None
        if len(faces) == 1:
            observation = self._observe(image, faces[0], time_s)
            corners = area_of(faces[0], self._detector.frame).corners()
        return FrameReading(
            observation=observation,
            width_px=image.shape[1],
            height_px=image.shape[0],
            crop=corners,
        )

    def _observe(self, image: Image, found: Detection, time_s: float) -> Observation:
        if self._recognizer is None:  # presence: that there is a face, and nothing of it
            return Observation(time_s=time_s, faces=1)
        cut = crop_detection(image, found, self._detector.frame)
        (face,) = self._recognizer.predict_faces([cut])
        quality = face.quality
        assert quality is not None  # of every face that came from pixels
        probs = convert_probs(
            np.array(list(face.probabilities.values())), list(face.probabilities), EXPRESSIONS
        )
        return Observation(
            time_s=time_s,
            faces=1,
            score=found.score,
            face_px=quality.face_px,
            brightness=quality.brightness,
            sharpness=quality.sharpness,
            probs=tuple(probs.tolist()),
            yaw_deg=None if found.landmarks is None else yaw_deg(found.landmarks),
        )


def open_frame_reader(
    *, expressions: bool, model: str | Path = "mien-s", detector: str | Detector = "auto"
) -> FrameReader:
    """Open what the policy allows, and nothing else.

    Args:
        expressions: `Decision.expressions_allowed`. If not, the model's file is not looked for, let alone opened.
        model: Name of a model that ships with mien, or path of a model file; it must have a FER+ head.
        detector: Name of a detector, or one of your own.

    Raises:
        UnknownNameError: If there is no such model or detector.
        InputError: If the model has no FER+ head.
        ModelFileError: If a file cannot be used.
    """
    opened = open_detector(detector) if isinstance(detector, str) else detector
    if not expressions:
        return FrameReader(opened, None)
    return FrameReader(opened, Recognizer(model, labels="ferplus", detector=opened, threads=1))
