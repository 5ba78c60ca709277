"""Finding faces in two looks: a quick one that is enough for a webcam's picture, a thorough one for the rest."""

from __future__ import annotations

from pathlib import Path

from mien.faces import CropFrame, Detector, open_detector
from mien.faces.yunet import YuNetDetector
from mien.recognition.video import search
from mien.types import Detection, Image

__all__ = ["LARGE_ENOUGH_PX", "THOROUGH_PX", "TwoLooks", "open_two_looks"]

LARGE_ENOUGH_PX = 24
"""A face of this side in the quick look is cut out as well as in the thorough one: of 500 faces of PublicTest, placed at 64
to 320 px in pictures of 640 px, both found 94.4 %, of which 68.2 % and 68.6 % were recognised; placed by hand, 72.2 %.
With a quick look at 128 px instead of 160, both found the same 1,854 of 2,000 faces and recognised 68.4 % of them."""

THOROUGH_PX = 640
"""Longer side of the thorough look: with the one of 1,920 px that YuNet takes of a still by itself, a full-HD picture
with nobody in it would take ten times as long, and the others wait."""


class TwoLooks:
    """A detector that searches a small copy first, and a larger one if no face or a small one was there.

    Small faces behind a large one are missed, and those that are small in the larger copy.
    """

    def __init__(self, thorough: Detector, quick_px: int, quick: Detector | None = None) -> None:
        """Join two looks.

        Args:
            thorough: Searches the larger copy, of `THOROUGH_PX`, or the picture itself if that is smaller.
            quick_px: Longer side of the small copy.
            quick: Searches the small copy; None for the same.
        """
        self._thorough = thorough
        self._quick = quick or thorough
        self._quick_px = quick_px

    @property
    def name(self) -> str:
        """What the thorough one is called."""
        return self._thorough.name

    @property
    def frame(self) -> CropFrame | None:
        """How a crop lies around the boxes."""
        return self._thorough.frame

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces in a picture, largest first; see `Detector.detect`."""
        scale = self._quick_px / max(image.shape[:2])
        if scale >= 1:
            return self._thorough.detect(image)
        found = search(self._quick, image, self._quick_px)
        smallest = min((max(face.box.w, face.box.h) for face in found), default=0)
        is_enough = smallest * scale >= LARGE_ENOUGH_PX
        return (
            found if is_enough else search(self._thorough, image, max(THOROUGH_PX, self._quick_px))
        )


def open_two_looks(name: str, file: Path | None, quick_px: int) -> Detector:
    """Make a detector ready.

    Args:
        name: One of `mien.faces.DETECTORS`.
        file: The detector's own file; None for the place where it is looked for.
        quick_px: Longer side of the small copy.

    Raises:
        MienError: If there is no such detector, or its file cannot be used.
    """
    thorough = open_detector(name, file)
    # YuNet enlarges what is smaller than it likes; the quick look is there to be quick.
    quick = YuNetDetector(file, quick_px, quick_px) if thorough.name == "yunet" else None
    return TwoLooks(thorough, quick_px, quick)
