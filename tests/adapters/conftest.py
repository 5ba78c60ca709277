import cv2
import numpy as np
import pytest

from mien.data.synthetic import draw_scene
from mien.faces import CropFrame
from mien.recognition import Recognizer
from mien.types import Box, Detection


class TwoFaces:
    """Sees a dark face on the left and a bright one on the right, the left one with landmarks."""

    name = "two"
    frame = CropFrame(side=1)

    def detect(self, image):  # noqa: ARG002 - a detector takes a picture
        landmarks = np.array([[12, 18], [28, 18], [20, 24], [14, 32], [26, 32]], np.float32)
        return [
            Detection(Box(0, 0, 40, 40), 0.987, landmarks),
            Detection(Box(40, 0, 40, 40), 55.0),
        ]


class NoFaces:
    name = "blind"
    frame = CropFrame(side=1)

    def detect(self, image):  # noqa: ARG002 - a detector takes a picture
        return []


@pytest.fixture
def picture():
    """BGR as OpenCV reads it: black on the left, white on the right."""
    return np.hstack([np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 255, np.uint8)])


@pytest.fixture
def two_faces(tiny_model_path):
    return Recognizer(tiny_model_path, detector=TwoFaces())


@pytest.fixture
def no_faces(tiny_model_path):
    return Recognizer(tiny_model_path, detector=NoFaces())


@pytest.fixture
def scene_path(tmp_path):
    """A drawn picture with two faces, and the warm tint that tells RGB from BGR."""
    scene, _ = draw_scene(["happiness", "neutral"], seed=3, width_px=320, height_px=200)
    path = tmp_path / "scene.png"
    assert cv2.imwrite(str(path), cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
    return path
