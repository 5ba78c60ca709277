import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien import images
from mien.data.synthetic import draw_scene
from mien.errors import ModelFileError
from mien.faces.yunet_network import YuNetNetwork


@pytest.fixture
def network(yunet_file):
    return YuNetNetwork(yunet_file.read_bytes(), 0.7, 0.3)


def portrait():
    package = importlib.util.find_spec("skimage")
    if package is None:
        pytest.skip("scikit-image, which carries the portrait, is not installed")
    return images.read(Path(package.origin).parent / "data" / "astronaut.png")


def scaled(image, width, height):
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)[:, :, ::-1].copy()


@pytest.mark.parametrize(
    ("width", "height"), [(96, 96), (130, 97), (160, 120), (120, 160), (400, 321), (640, 480)]
)
def test_it_gives_what_opencv_gives(network, yunet_file, width, height):
    opencv = cv2.FaceDetectorYN.create(str(yunet_file), "", (width, height), 0.7, 0.3)
    for image in (portrait(), portrait()[:, ::-1]):
        bgr = scaled(image, width, height)
        np.testing.assert_allclose(network.search(bgr), opencv.detect(bgr)[1], atol=1e-3)


def test_of_several_faces_each_is_a_row_and_the_best_comes_first(network, yunet_file):
    bgr = scaled(np.hstack([portrait(), portrait()[:, ::-1], portrait()]), 480, 160)
    opencv = cv2.FaceDetectorYN.create(str(yunet_file), "", (480, 160), 0.7, 0.3)
    rows = network.search(bgr)
    assert rows.shape == (3, 15)
    assert (np.diff(rows[:, 14]) <= 0).all()
    np.testing.assert_allclose(rows, opencv.detect(bgr)[1], atol=1e-3)


def test_a_drawn_face_is_where_it_was_drawn(network):
    scene, (drawn,) = draw_scene(["happiness"], seed=3, width_px=320, height_px=240)
    (row,) = network.search(scene[:, :, ::-1].copy())
    assert abs(row[0] + row[2] / 2 - (drawn.x + drawn.w / 2)) < 0.1 * drawn.w
    assert drawn.y < row[5] < row[11] < drawn.y + drawn.h  # an eye, and the mouth below it
    assert 0.7 <= row[14] <= 1


def test_no_face_is_no_row(network):
    assert network.search(np.full((120, 160, 3), 128, np.uint8)).shape == (0, 15)


def test_pixels_beside_the_picture_count_for_nothing(network):
    """The network takes multiples of 32; what fills up must not change what is seen."""
    bgr = scaled(portrait(), 160, 160)
    (whole,), (cut,) = network.search(bgr), network.search(bgr[:130, :130].copy())
    np.testing.assert_allclose(whole[:14], cut[:14], atol=1.5)


def test_what_is_no_network_is_refused():
    with pytest.raises(ModelFileError, match=r"YuNet's file cannot be opened by ONNX Runtime: "):
        YuNetNetwork(b"nothing", 0.7, 0.3)
