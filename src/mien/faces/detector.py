"""What a face detector is, and the table of those that can be asked for by name."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeGuard

from mien.errors import InputError
from mien.faces.crop import CropFrame
from mien.faces.haar import HaarDetector
from mien.faces.yunet import YuNetDetector
from mien.paths import yunet_path
from mien.registry import Registry
from mien.types import Box, Detection, Image

__all__ = [
    "DETECTORS",
    "Detector",
    "DetectorSpec",
    "FollowingDetector",
    "WholePicture",
    "can_follow",
    "open_detector",
]

logger = logging.getLogger(__name__)


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


class FollowingDetector(Detector, Protocol):
    """A detector that also looks for faces only where they should be, which is quicker: for recordings and cameras."""

    def detect_within(self, image: Image, side_px: int) -> list[Detection]:
        """Find all faces as `detect` does, searching the picture at no larger a longer side than ``side_px``."""
        ...

    def detect_near(
        self, image: Image, faces: Sequence[Box], side_px: int
    ) -> list[Detection] | None:
        """Find known faces again, each in the neighbourhood of where it is expected.

        Args:
            image: uint8, (H, W, 3) RGB or (H, W) grey.
            faces: Where they are expected.
            side_px: As `detect_within` is asked with; the boxes must be like those that it gives.

        Returns:
            One detection a face, in their order. None if one is not there, or not to be told from another, or if
            looking at the whole picture is quicker: then look at the whole picture.
        """
        ...


def can_follow(detector: Detector) -> TypeGuard[FollowingDetector]:
    """Whether a detector is a `FollowingDetector`."""
    # What isinstance asks of a protocol takes 0.05 ms, a twentieth of a look at a webcam's picture.
    return hasattr(detector, "detect_within") and hasattr(detector, "detect_near")


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
    build: Callable[[Path | None], Detector]
    """Takes the detector's own file; None for the place where it is looked for."""
    takes_file: bool = False
    """Whether it has such a file."""


def _best(file: Path | None) -> Detector:
    """YuNet where its file is, else Haar; a file that is named and wrong is an error, not a reason for Haar."""
    detector: Detector
    if file is not None or os.environ.get("MIEN_YUNET") or yunet_path().is_file():
        detector = YuNetDetector(file)
    else:
        detector = HaarDetector()
    logger.info("Faces are looked for by %s.", detector.name)
    return detector


DETECTORS = Registry(
    "detector",
    "mien predict --help",
    (
        DetectorSpec(
            name="auto",
            summary="yunet if its file is there, else haar",
            build=_best,
            takes_file=True,
        ),
        DetectorSpec(
            name="haar",
            summary="upright frontal faces, comes with OpenCV",
            build=lambda _: HaarDetector(),
        ),
        DetectorSpec(
            name="yunet",
            summary="leaning and half-turned faces too, with landmarks; its file: mien fetch yunet",
            build=YuNetDetector,
            takes_file=True,
        ),
        DetectorSpec(
            name="none", summary="every picture is a face", build=lambda _: WholePicture()
        ),
    ),
)


def open_detector(name: str, file: Path | None = None) -> Detector:
    """Make a detector ready.

    Args:
        name: One of `DETECTORS`.
        file: The detector's own file; None for the place where it is looked for.

    Raises:
        UnknownNameError: If there is none of this name.
        InputError: If it takes no file and one is given.
        ModelFileError: If its file is missing or another one.
    """
    spec = DETECTORS[name]
    if file is not None and not spec.takes_file:
        takers = " or ".join(one.name for one in DETECTORS if one.takes_file)
        raise InputError(
            f"The detector {name} has no file, but {file} was given. Leave it out, or choose {takers}."
        )
    return spec.build(file)
