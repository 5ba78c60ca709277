"""What a face detector is, and the table of those that can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mien.faces.crop import CropFrame
from mien.faces.haar import HaarDetector
from mien.registry import Registry
from mien.types import Box, Detection, Image

__all__ = ["DETECTORS", "Detector", "DetectorSpec", "WholePicture", "open_detector"]


class Detector(Protocol):
    """Anything that finds faces; several threads may use one at the same time."""

    @property
    def name(self) -> str:
        """What it is called in results and messages."""
        ...

    @property
    def frame(self) -> CropFrame | None:
        """How a training-like crop lies around its boxes; None if the boxes are such crops."""
        ...

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces in a picture, largest first.

        Args:
            image: uint8, (H, W, 3) RGB or (H, W) grey.

        Returns:
            The faces with boxes inside the picture; an empty list if there are none.
        """
        ...


class WholePicture:
    """No search: the picture is a face."""

    name = "none"
    frame = None

    def detect(self, image: Image) -> list[Detection]:
        """Return the whole picture as one face."""
        height, width = image.shape[:2]
        return [Detection(Box(0, 0, width, height), 1.0)]


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """A detector that can be asked for by name."""

    name: str
    summary: str
    build: Callable[[], Detector]


DETECTORS = Registry(
    "detector",
    "mien predict --help",
    (
        DetectorSpec(name="auto", summary="the best that is installed: haar", build=HaarDetector),
        DetectorSpec(
            name="haar", summary="upright frontal faces, comes with OpenCV", build=HaarDetector
        ),
        DetectorSpec(name="none", summary="every picture is a face", build=WholePicture),
    ),
)


def open_detector(name: str) -> Detector:
    """Make a detector ready.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    return DETECTORS[name].build()
