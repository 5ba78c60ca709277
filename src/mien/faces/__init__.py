"""Finding faces in pictures and cutting them out as the networks know them."""

from mien.faces.crop import CropFrame, crop_face
from mien.faces.detector import DETECTORS, Detector, DetectorSpec, WholePicture, open_detector
from mien.faces.haar import HaarDetector

__all__ = [
    "DETECTORS",
    "CropFrame",
    "Detector",
    "DetectorSpec",
    "HaarDetector",
    "WholePicture",
    "crop_face",
    "open_detector",
]
