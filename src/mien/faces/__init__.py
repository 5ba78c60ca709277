"""Finding faces in pictures and cutting them out as the networks know them."""

from mien.faces.crop import Corners, CropArea, CropFrame, area_of, crop_detection, crop_face
from mien.faces.detector import (
    DETECTORS,
    Detector,
    DetectorSpec,
    FollowingDetector,
    WholePicture,
    can_follow,
    open_detector,
)
from mien.faces.given import GivenBoxes
from mien.faces.haar import HaarDetector
from mien.faces.pose import roll_deg, yaw_deg
from mien.faces.yunet import YuNetDetector

__all__ = [
    "DETECTORS",
    "Corners",
    "CropArea",
    "CropFrame",
    "Detector",
    "DetectorSpec",
    "FollowingDetector",
    "GivenBoxes",
    "HaarDetector",
    "WholePicture",
    "YuNetDetector",
    "area_of",
    "can_follow",
    "crop_detection",
    "crop_face",
    "open_detector",
    "roll_deg",
    "yaw_deg",
]
