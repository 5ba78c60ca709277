import cv2
import numpy as np
import pytest

from mien.faces.scaled import scaled, scaled_size
from mien.types import Box


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(0).integers(0, 256, (333, 601, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 5)


@pytest.mark.parametrize("scale", [0.9, 0.5, 320 / 601, 1 / 3, 0.13])
def test_it_looks_as_averaging_all_pixels_does(picture, scale):
    small = scaled(picture, scale)
    assert small.shape[1::-1] == scaled_size(picture, scale)
    exact = cv2.resize(picture, scaled_size(picture, scale), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - exact).mean() < 1


@pytest.mark.parametrize("scale", [1.0, 0.77, 0.5, 0.31, 0.09])
@pytest.mark.parametrize("part", [Box(0, 0, 20, 9), Box(5, 7, 13, 17), Box(32, 12, 21, 15)])
def test_a_part_has_the_pixels_that_the_whole_has_there(picture, scale, part):
    whole = scaled(picture, scale)
    seen = scaled(picture, scale, part)
    assert seen.shape == (part.h, part.w, 3)
    there = whole[part.y : part.y + part.h, part.x : part.x + part.w]
    np.testing.assert_array_equal(seen[: there.shape[0], : there.shape[1]], there)


def test_a_place_keeps_its_share_of_the_picture():
    picture = np.zeros((1000, 2000), np.uint8)
    picture[500:520, 1500:1520] = 255
    rows, columns = np.nonzero(scaled(picture, 0.16) > 100)
    assert (columns.mean() + 0.5) / 0.16 == pytest.approx(1510, abs=2)
    assert (rows.mean() + 0.5) / 0.16 == pytest.approx(510, abs=2)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3000), (3000, 2, 3), (40000, 5)])
def test_odd_shapes_keep_a_pixel(shape):
    small = scaled(np.full(shape, 90, np.uint8), 0.01)
    assert small.shape[:2] == (max(1, round(shape[0] * 0.01)), max(1, round(shape[1] * 0.01)))
    assert (small == 90).all()


@pytest.mark.parametrize("scale", [320 / 50_000, 0.8])
@pytest.mark.parametrize("shape", [(1, 50_000), (50_000, 1, 3), (3, 40_000)])
def test_thin_pictures_may_be_longer_than_opencv_warps(shape, scale):
    brightness = np.linspace(0, 255, max(shape[:2])).astype(np.uint8)
    along = brightness[None, :] if shape[1] > shape[0] else brightness[:, None]
    picture = np.broadcast_to(along if len(shape) == 2 else along[:, :, None], shape)
    small = scaled(np.ascontiguousarray(picture), scale)
    assert small.shape[:2] == tuple(max(1, round(side * scale)) for side in shape[:2])
    middle = small[small.shape[0] // 2, small.shape[1] // 2]
    assert np.abs(middle.astype(int) - 127).max() < 3
