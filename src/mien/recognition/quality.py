"""How well a face can be seen: its size, its sharpness, its light. Flags say what to mistrust; nothing is left out.

The thresholds are engineering choices, not laws. They lie where the accuracy of an early network on FER2013's PublicTest
faces, made small, blurred or dark on purpose, had lost about three points. The mien-s that ships loses half a point at that
size, two at that sharpness and five in that light: benchmarks/quality_thresholds.py, docs/lab_notebook.md.
"""

from __future__ import annotations

import cv2
import numpy as np

from mien.preprocess import InputSpec, fit
from mien.types import Image, Quality

__all__ = ["BLURRED_BELOW", "DARK_BELOW", "SMALL_BELOW_PX", "measure_quality"]

SMALL_BELOW_PX = 32
"""A crop with a shorter side is ``small``."""

BLURRED_BELOW = 200.0
"""A face with less variance of the Laplacian is ``blurred``; two in a thousand of FER2013's training faces are."""

DARK_BELOW = 50.0
"""A face with a lower mean grey, 0 to 255, is ``dark``; one in a hundred of FER2013's training faces is."""

_SEEN_AS = InputSpec(size=48, channels=1)
"""Sharpness depends on the size, so every face is measured as FER2013's are, whatever the network takes."""


def measure_quality(face: Image, face_px: int) -> Quality:
    """Measure one face.

    Args:
        face: The crop, or what `preprocess.fit` made of it: uint8, (H, W, 3) RGB or (H, W) grey.
        face_px: Shorter side of the crop in pixels of its picture, before it was brought to any size.

    Returns:
        The measures, and a flag for each that is below its threshold.

    Source:
        Variance of the Laplacian: Pech-Pacheco et al. 2000, https://doi.org/10.1109/ICPR.2000.903548
    """
    grey = fit(face, _SEEN_AS)
    brightness = float(cv2.mean(grey)[0])
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    sharpness = float(np.square(deviation[0, 0]))
    flags = (
        ("small", face_px < SMALL_BELOW_PX),
        ("blurred", sharpness < BLURRED_BELOW),
        ("dark", brightness < DARK_BELOW),
    )
    return Quality(
        face_px=face_px,
        sharpness=sharpness,
        brightness=brightness,
        flags=tuple(name for name, is_raised in flags if is_raised),
    )
